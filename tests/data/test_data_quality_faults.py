"""Faults planted in a sound market are found by kind, symbol and time; sound bars are left alone."""

from dataclasses import replace

import numpy as np
import pytest

from quantdesk.data.faults.agreement import compare
from quantdesk.data.faults.ahead import looks_ahead
from quantdesk.data.quality import Finding, QualityReport, check, gate
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

N_TIMES, N_SYMBOLS = 400, 16
PRICES = ("open", "high", "low", "close")


def _market(seed: int = 0) -> Panel:
    dice = np.random.default_rng(seed)
    shape = (N_TIMES, N_SYMBOLS)
    moves = dice.normal(0, 0.01, (N_TIMES, 1)) + dice.normal(0, 0.012, shape)
    close = dice.uniform(20, 200, N_SYMBOLS) * np.exp(np.cumsum(moves, axis=0))
    opens = close * np.exp(-moves * dice.uniform(0.2, 0.8, shape))
    top, bottom = np.maximum(opens, close), np.minimum(opens, close)
    fields = {
        "open": opens,
        "high": top * (1 + dice.uniform(0.001, 0.01, shape)),
        "low": bottom * (1 - dice.uniform(0.001, 0.01, shape)),
        "close": close,
        "volume": np.round(1e6 * np.exp(dice.normal(0, 0.3, shape))),
    }
    days = np.busday_offset(np.datetime64("2021-01-04"), np.arange(N_TIMES))
    times = np.add(days.astype("datetime64[ns]"), np.timedelta64(21, "h"))
    return Panel(times, tuple(Instrument(f"S{k:02d}") for k in range(N_SYMBOLS)), fields, name="m")


MARKET = _market()


def _with(**changed: Float64) -> Panel:
    return replace(MARKET, fields={**MARKET.fields, **changed})


def _scaled(rows: slice, factor: float, names: tuple[str, ...] = PRICES, column: int = 3) -> Panel:
    fields = {name: MARKET.fields[name].copy() for name in names}
    for values in fields.values():
        values[rows, column] *= factor
    return _with(**fields)


def _flags(report: QualityReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity != "note"]


def _told(panel: Panel) -> list[tuple[str, str, int, int]]:
    # Kind, symbol, first and last row of each refusal and doubt.
    rows = {time: row for row, time in enumerate(panel.times)}
    return [(flag.kind, flag.symbol, rows[flag.time], rows[flag.until]) for flag in _flags(check(panel))]


@pytest.mark.parametrize("seed", range(4))
def test_a_sound_market_has_no_finding(seed: int) -> None:
    assert check(_market(seed)).findings == ()


def test_a_tick_that_volume_does_not_explain_is_doubted() -> None:
    assert _told(_scaled(slice(200, 201), 1.3)) == [("spike", "S03", 200, 200)]


def test_the_same_reversal_on_the_volume_of_news_is_not() -> None:
    panel = _scaled(slice(200, 201), 1.3)
    volume = panel.fields["volume"].copy()
    volume[200, 3] *= 20
    assert _told(replace(panel, fields={**panel.fields, "volume": volume})) == []


def test_a_fall_of_all_is_no_tick_of_one() -> None:
    fields = {name: MARKET.fields[name].copy() for name in PRICES}
    for values in fields.values():
        values[200] *= 0.7
    assert _told(_with(**fields)) == []


def test_a_leap_at_the_last_bar_is_doubted_until_something_confirms_it() -> None:
    assert _told(_scaled(slice(N_TIMES - 1, None), 1.62)) == [("unconfirmed move", "S03", N_TIMES - 1, N_TIMES - 1)]
    assert _told(_scaled(slice(N_TIMES - 3, None), 1.62)) == []


@pytest.mark.parametrize(("name", "factor"), [("high", 1.8), ("low", 0.5)])
def test_an_extreme_far_from_its_own_bar_is_doubted(name: str, factor: float) -> None:
    assert _told(_scaled(slice(200, 201), factor, (name,))) == [(f"lone {name}", "S03", 200, 200)]


@pytest.mark.parametrize("ratio", [1.5, 2.0, 3.0, 7.0, 20.0, 0.5, 0.1])
def test_an_unadjusted_split_is_suspected_at_its_date(ratio: float) -> None:
    panel = _scaled(slice(None, 200), ratio)
    volume = panel.fields["volume"].copy()
    volume[:200, 3] /= ratio
    assert _told(replace(panel, fields={**panel.fields, "volume": volume})) == [("split suspected", "S03", 200, 200)]


def test_a_halving_on_the_volume_of_news_is_a_crash_and_no_split() -> None:
    panel = _scaled(slice(200, None), 0.5)
    volume = panel.fields["volume"].copy()
    volume[200, 3] *= 12
    assert _told(replace(panel, fields={**panel.fields, "volume": volume})) == []


@pytest.mark.parametrize("factor", [100.0, 0.01, 1000.0, 0.001])
def test_a_unit_that_changes_for_good_is_doubted_where_it_changes(factor: float) -> None:
    assert _told(_scaled(slice(150, None), factor)) == [("unit change", "S03", 150, 150)]
    assert _told(_scaled(slice(150, None), factor, ("volume",))) == [("volume unit change", "S03", 150, 150)]


def test_a_stretch_copied_from_another_symbol_is_named_with_its_source() -> None:
    fields = {name: values.copy() for name, values in MARKET.fields.items()}
    for values in fields.values():
        values[100:108, 3] = values[300:308, 5]
    panel = _with(**fields)
    assert ("copied stretch", "S03", 100, 107) in _told(panel)
    said = next(finding.message for finding in check(panel).findings if finding.kind == "copied stretch")
    assert said.endswith(f"8 bars are those of S05 from {MARKET.times[300].astype('datetime64[D]')}")


def test_the_way_back_from_a_copied_stretch_is_no_split_of_the_bar_that_is_right_again() -> None:
    fields = {name: values.copy() for name, values in MARKET.fields.items()}
    level = 2 * fields["close"][307, 5] / fields["close"][108, 3]
    for name in PRICES:
        fields[name][:, 3] *= level
    for values in fields.values():
        values[100:108, 3] = values[300:308, 5]
    told = _told(_with(**fields))
    assert ("copied stretch", "S03", 100, 107) in told
    assert all(100 <= first <= last <= 107 for _, _, first, last in told)


def test_a_fall_by_a_special_dividend_is_no_split() -> None:
    panel = _scaled(slice(200, None), 0.5)
    assert [told[0] for told in _told(panel)] == ["split suspected"]
    paid = np.full(MARKET.shape, np.nan)
    paid[200, 3] = panel.fields["close"][200, 3]
    assert _told(replace(panel, fields={**panel.fields, "dividend": paid})) == []


def test_a_bar_that_repeats_the_one_before_it_is_doubted() -> None:
    fields = {name: values.copy() for name, values in MARKET.fields.items()}
    for values in fields.values():
        values[250, 3] = values[249, 3]
    assert _told(_with(**fields)) == [("repeated bar", "S03", 250, 250)]


@pytest.mark.parametrize("volume", [0.0, 500.0])
def test_prices_made_up_before_the_first_trade_are_named_as_one_stretch(volume: float) -> None:
    fields = {name: values.copy() for name, values in MARKET.fields.items()}
    for name in PRICES:
        fields[name][:30, 3] = fields["open"][30, 3]
    fields["volume"][:30, 3] = volume
    assert ("filled backwards", "S03", 0, 29) in _told(_with(**fields))


def test_prices_carried_on_after_the_last_trade_are_named_as_one_stretch() -> None:
    fields = {name: values.copy() for name, values in MARKET.fields.items()}
    for name in PRICES:
        fields[name][-25:, 3] = fields["close"][-26, 3]
    fields["volume"][-25:, 3] = 0.0
    told = _told(_with(**fields))
    assert [(kind, symbol) for kind, symbol, *_ in told] == [("filled forwards", "S03")]


@pytest.mark.parametrize("step", [1, -1])
def test_dates_off_by_one_are_found_and_hardly_a_sound_bar_with_them(step: int) -> None:
    fields = {name: values.copy() for name, values in MARKET.fields.items()}
    for values in fields.values():
        values[100:300, 3] = values[100 - step : 300 - step, 3].copy()
    shifted = [told for told in _told(_with(**fields)) if told[0] == "date shifted"]
    assert shifted
    assert all(symbol == "S03" and first >= 95 and last <= 305 for _, symbol, first, last in shifted)


def test_a_gap_is_named_where_peers_have_bars_and_not_where_none_has() -> None:
    fields = {name: values.copy() for name, values in MARKET.fields.items()}
    for values in fields.values():
        values[120:123, 3] = np.nan
        values[200, 1:] = np.nan
    told = _told(_with(**fields))
    assert ("missing bars", "S03", 120, 122) in told
    assert ("stray bar", "S00", 200, 200) in told
    assert len(told) == 2


def test_a_symbol_that_often_does_not_trade_is_noted_once() -> None:
    fields = {name: values.copy() for name, values in MARKET.fields.items()}
    for values in fields.values():
        values[10:390:12, 3] = np.nan
    report = check(_with(**fields))
    assert [(finding.kind, finding.severity) for finding in report.findings] == [("patchy", "note")]


def test_a_session_that_every_symbol_lacks_is_found_by_the_exchange_calendar() -> None:
    holidays = np.array(["2021-01-18", "2021-02-15", "2021-04-02", "2021-05-31", "2021-07-05", "2021-09-06", "2021-11-25"])
    keep = ~np.isin(MARKET.times.astype("datetime64[D]"), holidays.astype("datetime64[D]"))
    keep &= MARKET.times < np.datetime64("2021-12-20")
    stamps = MARKET.times + np.where(_is_summer(MARKET.times), np.timedelta64(-1, "h"), np.timedelta64(0, "h"))
    whole = Panel(stamps[keep], MARKET.instruments, {name: values[keep] for name, values in MARKET.fields.items()})
    assert check(whole).findings == ()
    keep[60] = False
    lacking = Panel(stamps[keep], MARKET.instruments, {name: values[keep] for name, values in MARKET.fields.items()})
    findings = check(lacking).findings
    assert [(finding.kind, finding.symbol) for finding in findings] == [("missing session", "every symbol")]
    assert str(MARKET.times[60])[:10] in findings[0].message


def test_a_market_that_keeps_no_holidays_is_not_held_to_an_exchange_calendar() -> None:
    first = int(np.searchsorted(MARKET.times, np.datetime64("2021-03-15")))
    rows = slice(first, first + 55)  # Good Friday is the only holiday in them
    fields = {name: values[rows] for name, values in MARKET.fields.items()}
    panel = Panel(MARKET.times[rows] - np.timedelta64(1, "h"), MARKET.instruments, fields)
    assert check(panel).findings == ()


def _is_summer(times: "np.ndarray[tuple[int], np.dtype[np.datetime64]]") -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return np.asarray((times >= np.datetime64("2021-03-14")) & (times < np.datetime64("2021-11-07")))


def test_daily_bars_stamped_at_midnight_are_doubted() -> None:
    panel = replace(MARKET, times=MARKET.times - np.timedelta64(21, "h"))
    assert [finding.kind for finding in check(panel).findings] == ["stamped at midnight"]


@pytest.mark.parametrize(("first", "expected"), [(0, ["stamped at the open"]), (5, [])])
def test_bars_within_a_day_stamped_at_their_open_are_told_from_those_at_their_close(first: int, expected: list[str]) -> None:
    minutes = np.arange(0, 390, 5) + 14 * 60 + 30 + first  # New York's winter session in UTC
    days = np.busday_offset(np.datetime64("2021-01-04"), np.arange(20))
    times = (days[:, None] + minutes.astype("timedelta64[m]")).ravel()
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.001, (len(times), 2)), axis=0))
    panel = Panel(times, (Instrument("A"), Instrument("B")), {"close": close})
    assert [finding.kind for finding in check(panel).findings] == expected


def _ahead(bars: int) -> Float64:
    close = MARKET.fields["close"]
    told = np.full(close.shape, np.nan)
    rows = np.arange(10, N_TIMES - bars, 40)
    told[rows] = close[rows + bars]
    return told


def test_a_column_that_holds_later_prices_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"price_20d_after goes with the price 20 bars later"):
        gate(_with(price_20d_after=_ahead(20)))


def test_a_column_that_goes_with_later_returns_is_doubted_by_name() -> None:
    close = MARKET.fields["close"]
    noise = np.random.default_rng(0).normal(0, 0.01, close.shape)
    told = _ahead(5) / close - 1 + noise
    findings = check(_with(earn_ret_5d=told)).findings
    assert [(finding.kind, finding.severity) for finding in findings] == [("looks ahead", "doubt")]
    assert "earn_ret_5d goes with the return" in findings[0].message


def test_a_column_known_only_when_the_price_was_is_in_order() -> None:
    stamps = np.full(MARKET.shape, MARKET.times[-1])
    stamps[: N_TIMES - 20] = MARKET.times[20:, None]
    panel = replace(_with(price_20d_after=_ahead(20)), known_at={"price_20d_after": stamps})
    assert check(panel).findings == ()


def test_columns_of_past_prices_and_noise_are_in_order() -> None:
    close = MARKET.fields["close"]
    past = np.full(close.shape, np.nan)
    past[20:] = close[:-20]
    noise = np.random.default_rng(0).normal(size=close.shape)
    level = np.full(close.shape, np.nan)
    level[10::40] = (close * (1 + noise / 200))[10::40]  # another source's price of the same moment
    assert check(_with(before=past, today=close / MARKET.fields["open"] - 1, noise=noise, level=level)).findings == ()


def test_a_return_that_was_known_proves_nothing_where_closes_then_stand_still() -> None:
    rows = np.arange(N_TIMES) // 10 * 10
    close = MARKET.fields["close"][rows]
    told = np.full(close.shape, np.nan)
    told[10::10] = close[10::10] / close[9:-1:10] - 1
    assert looks_ahead(Panel(MARKET.times, MARKET.instruments, {"close": close, "told": told})) == []


def test_scores_fall_where_bars_are_named_and_nowhere_else() -> None:
    fields = {name: values.copy() for name, values in MARKET.fields.items()}
    fields["close"][50, 2] = -1.0
    for name in PRICES:
        fields[name][200, 3] *= 1.3
    report = check(_with(**fields))
    assert (report.scores[50, 2], report.scores[200, 3]) == (0.0, 0.5)
    assert np.count_nonzero(report.scores < 1.0) == report.n_flagged == 2
    assert report.symbol_scores[2] == pytest.approx(1 - 1 / N_TIMES)
    assert report.symbol_scores[0] == 1.0


def test_two_sources_that_differ_are_told_bar_by_bar() -> None:
    close = MARKET.fields["close"].copy()
    close[100, 2] *= 1.01
    close[:, 5] *= 0.5  # adjusted for a split: the level differs, the returns do not
    close[200:, 6] *= 1.02
    close[300, 7] = np.nan
    other = replace(_with(close=close), name="o")
    told = {
        (mark.kind, int(row), int(column)) for mark in compare(MARKET, other) for row, column in zip(*mark.bars(), strict=True)
    }
    assert {one for one in told if one[2] == 2} == {("closes differ", 100, 2)}
    assert ("one source only", 300, 7) in told
    assert {column for _, _, column in told} == {2, 6, 7}
    assert compare(MARKET, replace(MARKET, name="same")) == []


def test_sources_without_a_common_symbol_are_refused() -> None:
    other = replace(MARKET, instruments=tuple(Instrument(f"T{k}") for k in range(N_SYMBOLS)))
    with pytest.raises(DataError, match="share 0 symbols"):
        compare(MARKET, other)
