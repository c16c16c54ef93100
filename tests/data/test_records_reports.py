"""Reports, announcements and series, each with the time it became known."""

from pathlib import Path

import numpy as np
import pytest

from quantdesk.data.reports import read_earnings, read_reports, read_series
from quantdesk.domain.errors import DataError
from quantdesk.domain.records import Records

_HEAD = "symbol,end_date,amend,period_focus,revenues,assets,cash_flow_op,collected\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "told.csv"
    path.write_text(text, encoding="utf-8")
    return path


def only(records: Records, name: str) -> Records:
    return records.where(records.names == name)


def test_a_report_is_known_from_the_close_of_the_next_trading_day(tmp_path: Path) -> None:
    told = read_reports(
        written(tmp_path, _HEAD + "A,2015-03-31,False,Q1,5,90,2,2015-04-23\nA,2015-06-30,False,Q2,6,,3,2015-07-24\n")
    )
    revenue = only(told, "revenue_quarter")
    np.testing.assert_array_equal(revenue.periods, np.array(["2015-03-31", "2015-06-30"], dtype="datetime64[ns]"))
    known = np.array(["2015-04-24T20:00", "2015-07-27T20:00"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(revenue.known_at, known)
    np.testing.assert_array_equal(only(told, "assets").values, [90.0])


def test_quarters_and_years_never_follow_one_another_under_one_name(tmp_path: Path) -> None:
    text = "A,2015-09-30,False,Q3,5,90,2,2015-10-23\nA,2015-12-31,False,FY,21,95,7,2016-02-24\n"
    told = read_reports(written(tmp_path, _HEAD + text))
    np.testing.assert_array_equal(only(told, "revenue_quarter").values, [5.0])
    np.testing.assert_array_equal(only(told, "revenue_year").values, [21.0])
    np.testing.assert_array_equal(only(told, "assets").values, [90.0, 95.0])
    np.testing.assert_array_equal(only(told, "operating_cash_to_date").values, [2.0, 7.0])


def test_an_amendment_is_a_new_vintage_and_stands_above_what_it_amends(tmp_path: Path) -> None:
    rows = (
        "A,2015-03-31,True,Q1,4,90,2,2015-08-03",
        "A,2015-03-31,True,Q1,3,90,2,2015-04-23",
        "A,2015-03-31,False,Q1,5,90,2,2015-04-23",
    )
    told = read_reports(written(tmp_path, _HEAD + "\n".join(rows) + "\n"))
    times = np.array(["2015-04-24T20:00", "2015-08-04T20:00"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(told.latest("revenue_quarter", ("A",), times)[0][:, 0], [3.0, 4.0])


def test_a_report_collected_before_its_period_ended_is_left_out_and_said_so(tmp_path: Path) -> None:
    text = "A,2016-12-31,False,FY,5,90,2,2016-02-29\nA,2015-03-31,False,Q1,5,90,2,2015-04-23\n"
    told = read_reports(written(tmp_path, _HEAD + text))
    assert only(told, "assets").values.size == 1
    assert told.caveats == ("1 reports are said to be collected before their period's end: left out",)


def test_an_announcement_after_the_close_is_not_known_at_it(tmp_path: Path) -> None:
    text = "symbol,date,release_time,eps,eps_est\nA,2015-04-23,post,1.2,1.0\nB,2015-04-23,pre,0.8,1.0\n"
    told = only(read_earnings(written(tmp_path, text)), "eps_surprise")
    times = np.array(["2015-04-22T20:00", "2015-04-23T20:00", "2015-04-24T20:00"], dtype="datetime64[ns]")
    values = told.latest("eps_surprise", ("A", "B"), times)[0]
    np.testing.assert_allclose(values, [[np.nan, np.nan], [np.nan, -0.2], [0.2, -0.2]])


def test_an_unknown_release_time_and_a_missing_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="release_time is \\['noon'\\]"):
        read_earnings(written(tmp_path, "symbol,date,release_time,eps,eps_est\nA,2015-04-23,noon,1.2,1.0\n"))
    with pytest.raises(DataError, match="has no collected"):
        read_reports(written(tmp_path, "symbol,end_date,amend,period_focus\nA,2015-03-31,False,Q1\n"))


def test_a_monthly_series_carries_the_end_of_its_periods(tmp_path: Path) -> None:
    rows = [f"2015-{month:02d}-01,{month},M" for month in (1, 2, 3)] + [f"2015-{month:02d}-01,{month},Q" for month in (1, 4)]
    rows += ["2015-01-01,1,D", "2015-01-02,2,D"]
    told = read_series(written(tmp_path, "date,value,series\n" + "\n".join(rows) + "\n"))
    monthly, quarterly, daily = (only(told, name).periods.astype("datetime64[D]").astype(str).tolist() for name in "MQD")
    assert monthly == ["2015-01-31", "2015-02-28", "2015-03-31"]
    assert quarterly == ["2015-03-31", "2015-06-30"]
    assert daily == ["2015-01-01", "2015-01-02"]
    np.testing.assert_array_equal(told.known_at, told.periods)
    assert "latest vintage" in told.caveats[0]
