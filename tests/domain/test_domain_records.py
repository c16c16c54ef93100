"""Facts with a time of their own and the time they became known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantdesk.domain.errors import DataError
from quantdesk.domain.records import Records, joined

Row = tuple[str, str, str, str, float]


def facts(*rows: Row, is_forward: bool = False) -> Records:
    subjects, names, periods, known_at, values = zip(*rows, strict=True)
    return Records(
        np.array(subjects),
        np.array(names),
        np.array(periods, dtype="datetime64[ns]"),
        np.array(known_at, dtype="datetime64[ns]"),
        np.array(values),
        is_forward=is_forward,
    )


def test_a_fact_known_before_its_time_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="A revenue of 2020-03-31") as caught:
        facts(("A", "revenue", "2020-03-31", "2020-03-30", 1.0))
    assert "on or after" in caught.value.expected


def test_an_estimate_may_be_known_before_its_period_ends() -> None:
    assert len(facts(("A", "eps", "2020-03-31", "2020-01-30", 1.0), is_forward=True)) == 1


def test_a_restatement_is_seen_from_the_day_it_became_known_only() -> None:
    told = facts(("A", "eps", "2020-03-31", "2020-05-01", 1.0), ("A", "eps", "2020-03-31", "2020-06-01", 0.7))
    times = np.array(["2020-04-30", "2020-05-01", "2020-05-31", "2020-06-01"], dtype="datetime64[ns]")
    values, _ = told.latest("eps", ("A", "B"), times)
    np.testing.assert_array_equal(values[:, 0], [np.nan, 1.0, 1.0, 0.7])
    assert np.isnan(values[:, 1]).all()


def test_an_amendment_of_an_old_period_does_not_hide_a_newer_one() -> None:
    told = facts(
        ("A", "eps", "2019-12-31", "2020-02-01", 1.0),
        ("A", "eps", "2020-03-31", "2020-05-01", 2.0),
        ("A", "eps", "2019-12-31", "2020-06-01", 0.5),
    )
    values, periods = told.latest("eps", ("A",), np.array(["2020-07-01"], dtype="datetime64[ns]"))
    assert values[0, 0] == 2.0
    assert periods[0, 0] == np.datetime64("2020-03-31")


def test_as_of_gives_the_last_vintage_of_each_period_known_then() -> None:
    told = facts(
        ("A", "eps", "2019-12-31", "2020-02-01", 1.0),
        ("A", "eps", "2019-12-31", "2020-06-01", 0.5),
        ("B", "eps", "2019-12-31", "2020-02-01", 3.0),
    )
    np.testing.assert_array_equal(told.as_of(np.datetime64("2020-03-01")).values, [1.0, 3.0])
    np.testing.assert_array_equal(told.as_of(np.datetime64("2020-06-01")).values, [0.5, 3.0])


def test_caveats_survive_joining_and_choosing_once_each() -> None:
    one = replace(facts(("A", "e", "2020-01-01", "2020-02-01", 1.0)), caveats=("late",))
    both = joined([one, one])
    assert both.caveats == ("late",)
    assert both.where(np.array([0])).caveats == ("late",)


_DAY0 = np.datetime64("2020-01-01", "ns")


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=25))
def test_latest_equals_a_search_through_every_row_by_hand(rows: list[tuple[str, int, int]]) -> None:
    days = [(subject, 7 * period, 7 * period + delay) for subject, period, delay in dict.fromkeys(rows)]
    told = Records(
        np.array([subject for subject, _, _ in days]),
        np.full(len(days), "x"),
        _DAY0 + np.array([period for _, period, _ in days]).astype("timedelta64[D]"),
        _DAY0 + np.array([known for _, _, known in days]).astype("timedelta64[D]"),
        np.arange(len(days), dtype=np.float64),
    )
    times = _DAY0 + np.arange(0, 70, 3).astype("timedelta64[D]")
    values, _ = told.latest("x", ("A", "B"), times)
    for column, subject in enumerate("AB"):
        for row, now in enumerate(times):
            known = [i for i in range(len(days)) if days[i][0] == subject and told.known_at[i] <= now]
            best = max(known, key=lambda i: (told.periods[i], told.known_at[i], i), default=None)
            expected = np.nan if best is None else told.values[best]
            np.testing.assert_equal(values[row, column], expected)
