"""Announcements as rows: what was known before each, and nothing that came after."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quantdesk.domain.arrays import Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.domain.records import Records, joined
from quantdesk.features.earnings import (
    BEAT,
    MEET,
    MISS,
    RECORD_FEATURES,
    UNREPORTED,
    Announcements,
    announcements,
    outcome,
    refuse_outcomes,
)

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
OPEN, MIDNIGHT, CLOSE = np.timedelta64(870, "m"), np.timedelta64(29 * 60, "m"), np.timedelta64(21 * 60, "m")
"""Of a winter's day in New York, in UTC: 09:30, the midnight after it, and 16:00."""

Told = tuple[str, str, bool, float | None, float]
"""Symbol, day, whether after the close, reported, estimate."""


def records(told: list[Told]) -> Records:
    rows = []
    for symbol, day, is_post, reported, estimate in told:
        period = np.datetime64(day, "ns")
        known_at = period + (MIDNIGHT if is_post else OPEN)
        rows.append((symbol, "eps_estimated", period, known_at, estimate))
        if reported is not None:
            rows.append((symbol, "eps_reported", period, known_at, reported))
    return Records(
        subjects=np.array([row[0] for row in rows], dtype=np.str_),
        names=np.array([row[1] for row in rows], dtype=np.str_),
        periods=np.array([row[2] for row in rows], dtype="datetime64[ns]"),
        known_at=np.array([row[3] for row in rows], dtype="datetime64[ns]"),
        values=np.array([row[4] for row in rows], dtype=np.float64),
    )


def sessions(first: str, n_days: int) -> Times:
    days = np.busday_offset(np.datetime64(first, "D"), np.arange(n_days), roll="forward")
    return np.asarray(days.astype("datetime64[ns]") + CLOSE, dtype="datetime64[ns]")


def prices(symbols: tuple[str, ...], first: str, n_days: int, seed: int = 0) -> Panel:
    steps = 0.02 * np.random.default_rng(seed).standard_normal((n_days, len(symbols)))
    close = 50.0 * np.exp(np.cumsum(steps, axis=0))
    return Panel(sessions(first, n_days), tuple(Instrument(symbol) for symbol in symbols), {"close": close})


def value(rows: Announcements, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return rows.features[:, rows.feature_names.index(name)]


def quarterly(symbol: str, surprises: list[float], first: str = "2015-02-02", is_post: bool = True) -> list[Told]:
    days = np.datetime64(first, "D") + 91 * np.arange(len(surprises))
    return [(symbol, str(day), is_post, 1.0 + gap, 1.0) for day, gap in zip(days, surprises, strict=True)]


def test_a_cent_or_one_per_cent_of_the_estimate_is_a_meet() -> None:
    reported = np.array([0.84, 0.845, 0.83, 0.815, 5.04, 5.06, 4.94, np.nan, 0.0, -0.32])
    estimate = np.array([0.83, 0.83, 0.84, 0.83, 5.0, 5.0, 5.0, 1.0, np.nan, -0.3])
    expected = [MEET, BEAT, MEET, MISS, MEET, BEAT, MISS, UNREPORTED, UNREPORTED, MISS]
    np.testing.assert_array_equal(outcome(reported, estimate), expected)


def test_a_release_after_the_close_is_not_in_that_days_close_and_one_before_it_is() -> None:
    panel = prices(("A", "B"), "2015-01-05", 120)
    told = announcements(records([("A", "2015-06-08", True, 1.2, 1.0), ("B", "2015-06-08", False, 1.2, 1.0)]), panel)
    close = {symbol: panel.fields["close"][:, place] for place, symbol in enumerate(panel.symbols)}
    day = int(np.searchsorted(panel.times, np.datetime64("2015-06-08T21:00")))
    after, before = (int(np.flatnonzero(told.told.symbols == symbol)[0]) for symbol in ("A", "B"))
    assert told.decided_at[after] == panel.times[day], "after the close: that close is still before it"
    assert told.settled_at[after] == panel.times[day + 1]
    assert told.moves[after] == pytest.approx(np.log(close["A"][day + 1] / close["A"][day]))
    assert told.decided_at[before] == panel.times[day - 1], "before the open: that close already knows it"
    assert told.settled_at[before] == panel.times[day]
    assert told.moves[before] == pytest.approx(np.log(close["B"][day] / close["B"][day - 1]))


def test_what_was_said_in_the_evening_is_not_history_for_a_decision_at_that_close() -> None:
    panel = prices(("A",), "2015-01-05", 120)
    told = announcements(records([("A", "2015-06-08", True, 1.2, 1.0), ("A", "2015-06-09", False, 0.9, 1.0)]), panel)
    np.testing.assert_array_equal(told.n_past, [0, 0])
    alone = announcements(records([("A", "2015-06-08", True, 1.2, 1.0), ("A", "2015-06-10", False, 0.9, 1.0)]), panel)
    np.testing.assert_array_equal(alone.n_past, [0, 1])


def test_the_companys_own_history_is_counted_as_by_hand() -> None:
    told = announcements(records(quarterly("A", [0.5, -0.5, 0.0, 0.1, 0.2, -0.1, 0.0, 0.0, 0.3, 0.0])))
    np.testing.assert_array_equal(told.n_past, np.arange(10))
    row = 9  # its last 8: miss, meet, beat, beat, miss, meet, meet, beat
    assert value(told, "beats_8")[row] == 3 / 8
    assert value(told, "misses_8")[row] == 2 / 8
    assert value(told, "surprise_1")[row] == pytest.approx(0.3 / 2.3)
    assert value(told, "surprise_4")[row] == pytest.approx(-0.1 / 1.9)
    assert value(told, "days_since")[row] == 91.0
    assert value(told, "growth_year")[row] == pytest.approx((1.0 - 0.9) / 1.9), "364 days before it said 0.9"
    assert np.isnan(value(told, "beats_8")[:4]).all()
    assert np.isnan(value(told, "growth_year")[:4]).all()


def test_the_seasons_beat_rate_counts_every_company_of_the_ninety_days_before_and_none_of_the_same_moment() -> None:
    early = [(f"S{place}", "2015-02-03", True, 2.0 if place < 6 else 0.0, 1.0) for place in range(24)]
    told = announcements(records([*early, ("A", "2015-03-02", False, 1.0, 1.0), ("B", "2015-08-03", False, 1.0, 1.0)]))
    rate = value(told, "beat_rate_90")
    assert np.isnan(rate[:24]).all()
    assert rate[24] == 6 / 24
    assert np.isnan(rate[25]), "nobody spoke in the 90 days before"


def world(n_quarters: int = 8) -> tuple[Records, Panel]:
    random = np.random.default_rng(5)
    symbols = tuple(f"S{place:02}" for place in range(30))
    told: list[Told] = []
    for place, symbol in enumerate(symbols):
        first = str(np.busday_offset(np.datetime64("2015-02-02", "D"), int(random.integers(0, 43))))
        told += quarterly(symbol, (0.1 * random.standard_normal(n_quarters)).round(2).tolist(), first, bool(place % 2))
    return records(told), prices(symbols, "2014-10-01", 620)


def test_changing_everything_from_an_announcement_on_leaves_the_features_up_to_it_bit_for_bit() -> None:
    facts, panel = world()
    clean = announcements(facts, panel)
    for row in (50, 90, 130):
        moment = clean.announced_at[row]
        is_report = facts.names == "eps_reported"
        later = (facts.known_at > moment) | (is_report & (facts.known_at == moment))
        fields = {"close": np.where((panel.times > clean.decided_at[row])[:, None], 7.0, panel.fields["close"])}
        poisoned = announcements(replace(facts, values=np.where(later, 1e6, facts.values)), replace(panel, fields=fields))
        upto = clean.decided_at <= clean.decided_at[row]
        upto &= clean.announced_at <= moment
        assert upto.sum() > 30
        np.testing.assert_array_equal(poisoned.features[upto], clean.features[upto])
        np.testing.assert_array_equal(poisoned.n_past[upto], clean.n_past[upto])
    assert np.isfinite(clean.features).all(axis=1).mean() > 0.25, "a law over nothing holds by itself"


def test_a_restatement_changes_neither_outcome_nor_history() -> None:
    told = quarterly("A", [0.5, -0.5, 0.0, 0.1, 0.2])
    facts = records(told)
    again = facts.where(facts.names == "eps_reported")
    again = replace(again, known_at=again.known_at + np.timedelta64(5, "D"), values=again.values - 3.0)
    both = joined([again, facts])
    clean, restated = announcements(facts), announcements(both)
    np.testing.assert_array_equal(restated.features, clean.features)
    np.testing.assert_array_equal(restated.outcomes, clean.outcomes)


def test_an_estimate_is_taken_as_it_stood_at_the_decision_and_a_later_one_only_with_a_caveat() -> None:
    facts = records([("A", "2015-06-08", True, 1.2, 1.0)])
    assert announcements(facts).caveats == (
        "1 estimates are dated with the announcement itself and taken as published before it",
    )
    stamps = ["2015-05-01", "2015-06-01", "2015-06-20"]
    vintages = Records(
        subjects=np.full(3, "A"),
        names=np.full(3, "eps_estimated"),
        periods=np.full(3, np.datetime64("2015-06-08", "ns")),
        known_at=np.array(stamps, dtype="datetime64[ns]"),
        values=np.array([0.8, 1.19, 3.0]),
        is_forward=True,
    )
    report = facts.where(facts.names == "eps_reported")
    told = announcements(joined([vintages, report]))
    assert told.told.estimates.tolist() == [1.19]
    assert told.outcomes.tolist() == [MEET]
    assert told.caveats == ()


def test_an_announcement_still_to_come_has_features_and_no_outcome() -> None:
    told = announcements(records([*quarterly("A", [0.5, -0.5, 0.0, 0.1, 0.2]), ("A", "2016-05-02", True, None, 1.1)]))
    assert told.outcomes[-1] == UNREPORTED
    assert told.n_past[-1] == 5
    assert value(told, "surprise_1")[-1] == pytest.approx(0.2 / 2.2)
    assert np.isnat(told.settled_at[-1])
    assert len(told.settled_by(np.datetime64("2030-01-01"))) == 5


def test_a_symbol_without_prices_has_no_bar_no_move_and_no_price_features() -> None:
    told = announcements(records(quarterly("Z", [0.1, 0.2])), prices(("A",), "2015-01-05", 200))
    assert told.bars.tolist() == [-1, -1]
    assert np.isnan(told.moves).all()
    assert np.isnan(told.volatility).all()
    assert not np.isnat(told.settled_at).any()


def test_prices_that_ended_long_before_are_no_last_close() -> None:
    told = announcements(records(quarterly("A", [0.1], "2015-09-01")), prices(("A",), "2015-01-05", 100))
    assert told.bars.tolist() == [-1]
    assert told.decided_at[0] == told.announced_at[0] - np.timedelta64(1, "ns")


def test_a_first_trade_long_after_an_announcement_is_not_its_move() -> None:
    panel = prices(("A",), "2015-01-05", 120)
    told = records([("A", "2015-06-08", True, 1.2, 1.0)])
    gap = panel.times[(panel.times < np.datetime64("2015-06-09")) | (panel.times > np.datetime64("2015-06-18"))]
    rows = np.searchsorted(panel.times, gap)
    halted = replace(panel, times=gap, fields={"close": panel.fields["close"][rows]})
    assert np.isfinite(announcements(told, panel).moves).all()
    assert np.isnan(announcements(told, halted).moves).all()


def test_an_estimate_that_came_after_the_announcement_is_none() -> None:
    facts = records([("A", "2015-06-08", True, 1.2, 1.0)])
    late = replace(facts, known_at=facts.known_at + (facts.names == "eps_estimated") * np.timedelta64(1, "D"))
    assert len(announcements(late)) == 0


def test_further_facts_are_read_as_last_known_at_the_decision() -> None:
    panel = prices(("A",), "2015-01-05", 120)
    facts = records([("A", "2015-06-08", True, 1.2, 1.0)])
    known = np.array(["2015-05-01", "2015-06-08T20:00", "2015-06-08T21:30"], dtype="datetime64[ns]")
    merged = Records(
        subjects=np.append(facts.subjects, np.full(3, "A")),
        names=np.append(facts.names, np.full(3, "revenue")),
        periods=np.append(facts.periods, np.array(["2014-12-31", "2015-03-31", "2015-05-31"], dtype="datetime64[ns]")),
        known_at=np.append(facts.known_at, known),
        values=np.append(facts.values, [10.0, 11.0, 12.0]),
    )
    told = announcements(merged, panel, facts=("revenue",))
    assert value(told, "revenue").tolist() == [11.0], "what came after that close is not known at it"
    with pytest.raises(DataError, match="no record is called 'revenues'"):
        announcements(merged, panel, facts=("revenues",))


@pytest.mark.parametrize("name", ["price_on_event_date", "price_5d_after", "earn_ret_5d", "EARN_RET_5d_to_20d"])
def test_a_future_return_is_refused_as_a_feature(name: str) -> None:
    with pytest.raises(DataError, match=name) as caught:
        announcements(records(quarterly("A", [0.1])), facts=("revenue", name))
    assert caught.value.expected
    assert caught.value.action
    rows = announcements(records(quarterly("A", [0.1])))
    with pytest.raises(DataError, match=name):
        replace(rows, feature_names=(*rows.feature_names[:-1], name))


@pytest.mark.real_data
def test_the_future_returns_of_a_real_file_are_all_refused_and_its_facts_are_not() -> None:
    path = DATA / "earnings_fundamentals" / "marketview_earnings_events_2009_2026.parquet"
    if not path.is_file():
        pytest.skip(f"no real data at {DATA}")
    import polars as pl

    refused = []
    for name in pl.read_parquet_schema(path):
        try:
            refuse_outcomes([name])
        except DataError:
            refused.append(name)
    assert refused == ["price_on_event_date", "price_5d_after", "price_20d_after", "earn_ret_5d", "earn_ret_5d_to_20d"]


def test_no_records_give_no_rows() -> None:
    empty = announcements(records([]), prices(("A",), "2015-01-05", 10))
    assert len(empty) == 0
    assert empty.features.shape == (0, len(empty.feature_names))
    assert set(RECORD_FEATURES) <= set(empty.feature_names)
    assert len(announcements(records([]))) == 0
