"""Records beside bars: each value from the first close it was known at."""

import numpy as np
import pytest

from quantdesk.data.attach import attach, lagged, new_york, next_close
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.domain.records import Records
from small_worlds import days, panel_of


def bars(n: int = 12) -> Panel:
    return panel_of(np.full((n, 2), 10.0))


def told(name: str, rows: list[tuple[str, str, str, float]]) -> Records:
    subjects, periods, known_at, values = zip(*rows, strict=True)
    ends, known = (np.array(column, dtype="datetime64[ns]") for column in (periods, known_at))
    return Records(np.array(subjects), np.full(len(rows), name), ends, known, np.array(values))


def date(text: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]":
    return np.array([text], dtype="datetime64[D]")


def test_a_value_begins_at_the_first_close_it_was_known_at() -> None:
    panel = attach(bars(), told("eps", [("A", "2019-12-31", "2020-01-08T21:00", 1.0)]), ["eps"])
    np.testing.assert_array_equal(panel.fields["eps"][:, 0], [np.nan, np.nan, *[1.0] * 10])
    assert np.isnan(panel.fields["eps"][:, 1]).all()


def test_a_second_after_the_close_is_seen_one_bar_later() -> None:
    panel = attach(bars(), told("eps", [("A", "2019-12-31", "2020-01-08T21:00:01", 1.0)]), ["eps"])
    assert np.flatnonzero(np.isfinite(panel.fields["eps"][:, 0]))[0] == 3


def test_a_series_about_no_instrument_is_laid_beside_all_of_them() -> None:
    panel = attach(bars(), told("CPI", [("CPI", "2019-12-31", "2020-01-13", 2.0)]), ["CPI"])
    np.testing.assert_array_equal(panel.fields["CPI"][:, 0], panel.fields["CPI"][:, 1])
    assert np.isfinite(panel.fields["CPI"]).sum() == 2 * 7


def test_a_series_without_release_dates_is_refused_until_it_is_lagged() -> None:
    series = told("CPI", [("CPI", "2020-01-06", "2020-01-06", 2.0)])
    with pytest.raises(DataError, match="known at that very time") as caught:
        attach(bars(), series, ["CPI"])
    assert "lag=" in caught.value.action
    first = np.flatnonzero(np.isfinite(attach(bars(), series, ["CPI"], lag=3).fields["CPI"][:, 0]))[0]
    assert bars().times[first] == np.datetime64("2020-01-09T21:00")


def test_a_lag_counts_weekdays_to_the_close_and_never_brings_forward() -> None:
    series = told("CPI", [("CPI", "2020-01-10", "2020-01-10", 2.0), ("CPI", "2020-01-11", "2020-01-11T23:00", 3.0)])
    np.testing.assert_array_equal(
        lagged(series, 1).known_at, np.array(["2020-01-13T21:00", "2020-01-14T21:00"], dtype="datetime64[ns]")
    )
    with pytest.raises(DataError, match="lag of 0"):
        lagged(series, 0)


def test_a_fact_of_a_date_is_known_at_the_next_sessions_close() -> None:
    assert next_close(date("2020-01-08"))[0] == np.datetime64("2020-01-09T21:00")
    assert next_close(date("2020-01-10"))[0] == np.datetime64("2020-01-13T21:00")
    assert next_close(date("2020-01-11"))[0] == np.datetime64("2020-01-13T21:00")


def test_a_holiday_is_skipped_where_the_sessions_are_given() -> None:
    sessions = days(10)[[0, 1, 2, 4, 5]]  # Thursday the 9th was a holiday
    assert next_close(date("2020-01-08"), sessions)[0] == np.datetime64("2020-01-10T21:00")


def test_wall_clocks_follow_daylight_saving() -> None:
    assert new_york(date("2020-07-01"), "16:00")[0] == np.datetime64("2020-07-01T20:00")
    assert new_york(date("2020-01-02"), "09:30")[0] == np.datetime64("2020-01-02T14:30")


def test_what_cannot_be_attached_is_refused_by_name() -> None:
    eps = told("eps", [("Z", "2019-12-31", "2020-01-08", 1.0), ("Y", "2019-12-31", "2020-01-08", 1.0)])
    with pytest.raises(DataError, match="no instrument in 'small'"):
        attach(bars(), eps, ["eps"])
    with pytest.raises(DataError, match="no record is called 'sales'"):
        attach(bars(), eps, ["sales"])
    with pytest.raises(DataError, match="carries 'close' already"):
        attach(bars(), told("close", [("A", "2019-12-31", "2020-01-08", 1.0)]), ["close"])


def test_coverage_that_is_not_complete_is_a_caveat() -> None:
    panel = attach(bars(), told("eps", [("A", "2019-12-31", "2020-01-08", 1.0)]), ["eps"])
    assert panel.caveats == ("eps is known for 1 of 2 instruments",)
