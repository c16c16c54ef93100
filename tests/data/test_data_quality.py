"""Quality: the impossible is refused with its symbol, time and value; the odd is doubted."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantdesk.data.faults.ahead import looks_ahead
from quantdesk.data.quality import QualityReport, check, gate
from quantdesk.data.sources.file import File
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

REAL = Path(__file__).resolve().parents[2] / "../shared/data"


def _panel(n_times: int = 40, **changed: Float64) -> Panel:
    days = np.busday_offset(np.datetime64("2024-01-02"), np.arange(n_times))
    close = 100.0 + np.cumsum(np.random.default_rng(0).normal(0, 0.5, (n_times, 2)), axis=0)
    fields = {"open": close - 0.1, "high": close + 1, "low": close - 1, "close": close, "volume": np.full((n_times, 2), 1e5)}
    times = np.add(days.astype("datetime64[ns]"), np.timedelta64(21, "h"))
    return Panel(times, (Instrument("A"), Instrument("B")), {**fields, **changed}, name="p")


def _with(name: str, row: int, value: float) -> Panel:
    panel = _panel()
    values = panel.get(name).copy()
    values[row, 1] = value
    return replace(panel, fields={**panel.fields, name: values})


def _kinds(report: QualityReport) -> set[tuple[str, str]]:
    return {(finding.kind, finding.severity) for finding in report.findings}


def _closes(*closes: float) -> Panel:
    column = np.array(closes)[:, None]
    panel = _panel(len(closes))
    return Panel(panel.times, (Instrument("A"),), {"close": column}, name="p")


def test_a_clean_panel_has_no_finding_and_passes_as_it_is() -> None:
    panel = _panel()
    report = check(panel)
    assert report.findings == ()
    assert report.score == 1.0
    assert gate(panel) is panel


def test_a_negative_price_is_refused_with_its_symbol_and_time() -> None:
    with pytest.raises(DataError, match=r"B at 2024-01-09T21:00 UTC: low is -3, not above 0"):
        gate(_with("low", 5, -3.0))


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("close", 0.0, "not positive"),
        ("high", np.inf, "infinite"),
        ("volume", -np.inf, "infinite"),
        ("volume", -1.0, "negative"),
        ("split", 0.0, "not positive"),
        ("split", -2.0, "not positive"),
        ("delisting", -5.0, "negative"),
        ("high", 90.0, "high below low"),
        ("close", 103.0, "outside range"),
        ("open", 96.0, "outside range"),
    ],
)
def test_an_impossible_value_is_refused(name: str, value: float, kind: str) -> None:
    panel = _with(name, 5, value)
    assert (kind, "refuse") in _kinds(check(panel))
    with pytest.raises(DataError):
        gate(panel)


def test_an_open_a_little_outside_the_range_is_doubted_only() -> None:
    panel = _panel()
    report = check(_with("open", 5, panel.fields["high"][5, 1] * 1.001))
    assert _kinds(report) == {("outside range", "doubt")}
    assert report.score == pytest.approx(79 / 80)


def test_single_precision_is_not_a_fault() -> None:
    panel = _panel()
    same = panel.fields["close"].astype(np.float32).astype(np.float64)
    fields = {**panel.fields, "high": same, "low": panel.fields["close"], "open": same}
    assert check(replace(panel, fields=fields)).findings == ()


@pytest.mark.parametrize("bad", [[2.95], [2.95, 2.96], [4000.0]])
def test_a_price_far_from_both_its_neighbours_is_refused(bad: list[float]) -> None:
    report = check(_closes(146.0, 146.76, *bad, 147.1, 146.9))
    assert [(finding.kind, finding.value) for finding in report.refused] == [("spike", bad[0])]


def test_a_spike_of_less_than_tenfold_is_doubted() -> None:
    assert ("spike", "doubt") in _kinds(check(_closes(100.0, 101.0, 400.0, 100.0, 101.0)))


def test_a_crash_that_stays_is_noted_only() -> None:
    report = check(_closes(100.0, 101.0, 11.0, 11.4, 11.2))
    assert _kinds(report) == {("large move", "note")}
    assert report.score == 1.0


def test_a_spike_is_seen_across_a_halt() -> None:
    assert check(_closes(100.0, np.nan, 2.0, np.nan, 101.0)).n_refused == 1


def test_moves_of_forty_percent_are_counted_per_instrument_only() -> None:
    prices = np.stack([np.full(40, 100.0), np.full(40, 10.0)], axis=1)
    prices[20:, 1] = 14.5
    report = check(Panel(_panel().times, _panel().instruments, {"close": prices}))
    assert report.counts["large move"] == 1


def test_a_run_of_equal_closes_is_stale_where_closes_nearby_move() -> None:
    closes = 100.0 + np.cumsum(np.random.default_rng(1).normal(0, 0.5, 200))
    for n_bars, expected in ((3, None), (6, 1)):
        stuck = closes.copy()
        stuck[80 : 80 + n_bars] = stuck[80]
        assert check(_closes(*stuck)).counts.get("stale") == expected
    finding = check(_closes(*stuck)).findings[0]
    assert (finding.value, finding.time, finding.until) == (6, _panel(200).times[80], _panel(200).times[85])


def test_equal_closes_without_trading_are_not_stale() -> None:
    close = np.full((40, 2), 10.0)
    fields = {"close": close, "volume": np.zeros((40, 2))}
    report = check(Panel(_panel().times, _panel().instruments, fields))
    assert _kinds(report) == {("no volume", "note")}
    assert (report.counts["no volume"], report.findings[0].value) == (2, 40)


def test_missing_bars_are_counted_between_the_first_and_the_last() -> None:
    report = check(_closes(np.nan, 100.0, np.nan, np.nan, 101.0, 100.0, np.nan))
    assert report.counts == {"missing bars": 1}
    assert (report.findings[0].value, report.findings[0].time) == (2, _panel().times[2])


def test_a_bar_without_a_close_is_doubted() -> None:
    assert ("no close", "doubt") in _kinds(check(_with("close", 5, np.nan)))


def test_a_move_like_a_split_without_an_event_is_suspected() -> None:
    assert ("split suspected", "doubt") in _kinds(check(_closes(100.0, 101.0, 50.6, 51.0)))
    assert ("split suspected", "doubt") not in _kinds(check(_closes(100.0, 101.0, 58.0, 59.0)))


def test_a_fall_during_the_day_is_not_suspected_of_a_split() -> None:
    panel = _closes(100.0, 101.0, 50.6, 51.0)
    opens = np.array([[100.0], [101.0], [100.0], [51.0]])
    assert "split suspected" not in check(replace(panel, fields={**panel.fields, "open": opens})).counts


def test_a_split_with_its_event_is_in_order_and_without_its_move_it_is_not() -> None:
    split = np.array([[np.nan], [np.nan], [2.0], [np.nan]])
    for closes, expected in (((100.0, 101.0, 50.6, 51.0), {}), ((100.0, 101.0, 101.2, 102.0), {"split unseen": 1})):
        panel = _closes(*closes)
        counts = check(replace(panel, fields={**panel.fields, "split": split})).counts
        assert {kind: count for kind, count in counts.items() if kind.startswith("split")} == expected


def test_the_refusal_names_the_first_three_and_counts_the_rest() -> None:
    panel = _panel()
    close = panel.fields["close"].copy()
    close[3:10, 0] = -1.0
    with pytest.raises(DataError) as caught:
        gate(replace(panel, fields={"close": close}))
    assert caught.value.what.count("A at ") == 3
    assert caught.value.what.endswith("and 4 more")


@pytest.mark.parametrize("shape", [(0, 2), (1, 2)])
def test_an_empty_and_a_one_bar_panel_are_judged(shape: tuple[int, int]) -> None:
    panel = _panel(shape[0])
    assert check(panel).n_refused == 0


@pytest.fixture(scope="module")
def real() -> Panel:
    path = REAL / "us_daily_sp500_2018_2023" / "ohlcv.parquet"
    if not path.exists():
        pytest.skip("the real data is not beside this checkout")
    return File(path, "us").fetch()


@pytest.mark.real_data
def test_six_real_years_are_not_refused_and_their_crashes_are_noted(real: Panel) -> None:
    start = time.perf_counter()
    report = check(real)
    assert time.perf_counter() - start < 6.0
    assert report.n_refused == 0
    assert report.counts["large move"] == 14
    assert {finding.severity for finding in report.findings if finding.kind == "large move"} == {"note"}
    assert report.counts["outside range"] == 1
    assert report.n_flagged <= 5


@pytest.mark.real_data
def test_a_bad_tick_among_six_real_years_is_refused(real: Panel) -> None:
    close = real.fields["close"].copy()
    column = real.symbols.index("AAPL")
    close[900, column] = 2.95
    with pytest.raises(DataError, match=r"AAPL at .*2\.95"):
        gate(replace(real, fields={"close": close}))


@pytest.mark.real_data
def test_of_the_columns_of_an_earnings_file_those_that_know_the_future_are_named(real: Panel) -> None:
    path = REAL / "earnings_fundamentals" / "marketview_earnings_events_2009_2026.parquet"
    events = pl.read_parquet(path).filter(pl.col("ticker").is_in(real.symbols) & pl.col("event_date").is_not_null())
    days = real.times.astype("datetime64[D]")
    rows = np.searchsorted(days, events["event_date"].str.to_date().to_numpy().astype("datetime64[D]"))
    columns = np.array([real.symbols.index(symbol) for symbol in events["ticker"]])
    is_inside = (rows > 0) & (rows < len(days))
    facts = {}
    for name in [column for column in events.columns if events[column].dtype == pl.Float64]:
        facts[name] = np.full(real.shape, np.nan)
        facts[name][rows[is_inside], columns[is_inside]] = events[name].fill_null(np.nan).to_numpy()[is_inside]
    marks = looks_ahead(replace(real, fields={**real.fields, **facts}))
    named = {mark.say(0).split()[0] for mark in marks}
    assert named == {"price_5d_after", "price_20d_after", "earn_ret_5d", "earn_ret_5d_to_20d"}
    assert len(facts) > 10
