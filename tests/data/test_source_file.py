"""Files of one's own: what is read, how it is stamped, and how a fault is named."""

import gzip
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantdesk.data.sources.file import File
from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import DataError

REAL = Path(__file__).resolve().parents[2] / "../shared/data"
LONG = "Date,Ticker,Open,High,Low,Close,Volume\n"


def _write(folder: Path, text: str, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _refusal(file: File) -> str:
    with pytest.raises(DataError) as caught:
        file.fetch()
    assert all((caught.value.what, caught.value.expected, caught.value.action))
    return str(caught.value)


def test_a_long_file_becomes_a_dense_panel_with_gaps_left_missing(tmp_path: Path) -> None:
    rows = "2024-01-02,B,5,6,4,5,50\n2024-01-02,A,1,2,1,2,100\n2024-01-03,A,2,3,2,3,70\n"
    panel = File(_write(tmp_path, LONG + rows), "mine").fetch()
    assert panel.name == "mine"
    assert panel.symbols == ("A", "B")
    np.testing.assert_array_equal(panel.fields["close"], [[2.0, 5.0], [3.0, np.nan]])
    np.testing.assert_array_equal(panel.fields["volume"], [[100.0, 50.0], [70.0, np.nan]])


def test_a_wide_file_gives_the_same_closes_as_a_long_one(tmp_path: Path) -> None:
    wide = File(_write(tmp_path, "Date,LOW,A\n2024-01-02,5,2\n2024-01-03,,3\n"))
    long = File(_write(tmp_path, "Date,symbol,close\n2024-01-02,A,2\n2024-01-02,LOW,5\n2024-01-03,A,3\n", "long.csv"))
    assert wide.fetch().fingerprint() == long.fetch().fingerprint()


def test_a_column_without_any_close_is_left_out_and_said(tmp_path: Path) -> None:
    panel = File(_write(tmp_path, "Date,A,B\n2024-01-02,5,\n2024-01-03,6,\n")).fetch()
    assert panel.symbols == ("A",)
    assert "left out, as they hold no close: B" in panel.caveats


@pytest.mark.parametrize("suffix", [".csv.gz", ".parquet", ".csv"])
def test_csv_gzip_and_parquet_read_alike(tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame({"Date": ["2024-01-02", "2024-01-03"], "Close": [1.25, 2.5]})
    path = tmp_path / f"acme{suffix}"
    if suffix == ".parquet":
        frame.with_columns(pl.col("Date").str.to_date()).write_parquet(path)
    else:
        text = frame.write_csv().encode()
        path.write_bytes(gzip.compress(text) if suffix == ".csv.gz" else text)
    panel = File(path).fetch()
    assert panel.symbols == ("acme",)
    assert panel.fields["close"].tolist() == [[1.25], [2.5]]


def test_semicolons_and_tabs_separate_columns_too(tmp_path: Path) -> None:
    for separator in (";", "\t"):
        text = "Date,Close\n2024-01-02,7\n".replace(",", separator)
        assert File(_write(tmp_path, text)).fetch().fields["close"].tolist() == [[7.0]]


def test_the_mapping_is_shown_with_how_dates_are_stamped(tmp_path: Path) -> None:
    _, columns = File(_write(tmp_path, LONG + "2024-01-02,A,1,2,1,2,100\n")).read()
    lines = columns.lines()
    assert "Date -> time" in lines
    assert "Ticker -> symbol" in lines
    assert "Date: dates are sessions that close at 16:00 America/New_York" in lines


def test_session_dates_are_stamped_at_the_close_of_the_zone_in_utc(tmp_path: Path) -> None:
    path = _write(tmp_path, "Date,Close\n2024-01-02,1\n2024-07-02,2\n")
    assert [str(stamp)[:16] for stamp in File(path).fetch().times] == ["2024-01-02T21:00", "2024-07-02T20:00"]
    london = File(path, timezone="Europe/London", closes_at="16:30").fetch().times
    assert [str(stamp)[:16] for stamp in london] == ["2024-01-02T16:30", "2024-07-02T15:30"]


@pytest.mark.parametrize(
    "date", ["2024-01-31", "20240131", "01/31/2024", "31/01/2024", "31.01.2024", "2024/01/31", "31-Jan-2024"]
)
def test_dates_are_read_in_the_usual_writings(tmp_path: Path, date: str) -> None:
    panel = File(_write(tmp_path, f"Date,Close\n{date},1\n")).fetch()
    assert panel.times[0] == np.datetime64("2024-01-31T21:00")


def test_dates_that_may_be_day_or_month_first_are_refused(tmp_path: Path) -> None:
    assert "month/day or day/month" in _refusal(File(_write(tmp_path, "Date,Close\n01/02/2024,1\n01/03/2024,2\n")))


def test_stamps_with_a_time_of_day_but_no_zone_are_refused_with_the_option(tmp_path: Path) -> None:
    path = _write(tmp_path, "Datetime,Close\n2024-01-02 09:35:00,1\n2024-01-02 09:40:00,2\n")
    assert "--timezone America/New_York" in _refusal(File(path))
    assert File(path, timezone="America/New_York").fetch().times[0] == np.datetime64("2024-01-02T14:35")


def test_stamps_with_an_offset_are_converted(tmp_path: Path) -> None:
    path = _write(tmp_path, "time,close\n2024-01-02T09:35:00+01:00,1\n2024-01-02T10:35:00+01:00,2\n")
    assert File(path).fetch().times[0] == np.datetime64("2024-01-02T08:35")
    zulu = _write(tmp_path, "time,close\n2024-01-02T09:35:00Z,1\n")
    assert File(zulu).fetch().times[0] == np.datetime64("2024-01-02T09:35")


def test_epoch_stamps_are_utc_whatever_their_unit(tmp_path: Path) -> None:
    for scale in (1, 10**3, 10**6, 10**9):
        frame = pl.DataFrame({"timestamp": [1_704_188_100 * scale], "close": [1.0]})
        frame.write_parquet(tmp_path / "epoch.parquet")
        text = _write(tmp_path, frame.write_csv())
        for path in (tmp_path / "epoch.parquet", text):
            assert File(path).fetch().times[0] == np.datetime64("2024-01-02T09:35")


def test_daily_bars_stamped_at_local_midnight_are_sessions(tmp_path: Path) -> None:
    path = _write(tmp_path, "Date,Close\n2024-01-02 00:00:00-05:00,1\n2024-07-02 00:00:00-04:00,2\n")
    assert [str(stamp)[:16] for stamp in File(path).fetch().times] == ["2024-01-02T21:00", "2024-07-02T20:00"]


def test_a_stamp_in_the_hour_that_the_clocks_skip_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "time,close\n2024-03-10 01:30:00,1\n2024-03-10 02:30:00,2\n")
    assert "2024-03-10 02:30:00" in _refusal(File(path, timezone="America/New_York"))


def test_a_missing_file_an_empty_file_and_another_format_are_told_apart(tmp_path: Path) -> None:
    assert "no file at" in _refusal(File(tmp_path / "none.csv"))
    assert "is empty" in _refusal(File(_write(tmp_path, "")))
    assert "holds no rows" in _refusal(File(_write(tmp_path, "Date,Close\n")))
    assert "neither CSV nor Parquet" in _refusal(File(_write(tmp_path, "x", "bars.xlsx")))
    assert "cannot be read as Parquet" in _refusal(File(_write(tmp_path, "no parquet", "bars.parquet")))
    assert "cannot be read as CSV" in _refusal(File(_write(tmp_path, "no gzip", "bars.csv.gz")))


def test_a_missing_column_lists_what_was_found_and_how_to_map(tmp_path: Path) -> None:
    path = _write(tmp_path, "Date,Ticker,LAST,Volume\n2024-01-02,A,3,10\n")
    message = _refusal(File(path))
    assert "found Date, Ticker, LAST, Volume" in message
    assert "--map close=LAST" in message
    assert File(path, mapping={"close": "LAST"}).fetch().fields["close"].tolist() == [[3.0]]


def test_a_mapping_to_an_unknown_column_or_field_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "Date,Close\n2024-01-02,3\n")
    assert "no column is called 'Last'" in _refusal(File(path, mapping={"close": "Last"}))
    assert "no field is called 'price'" in _refusal(File(path, mapping={"price": "Close"}))


def test_a_value_that_is_no_number_is_named_by_line(tmp_path: Path) -> None:
    message = _refusal(File(_write(tmp_path, "Date,Close\n2024-01-02,3\n2024-01-03,$4\n")))
    assert "line 3: Close is '$4'" in message


def test_a_time_that_is_unreadable_or_missing_is_named_by_line(tmp_path: Path) -> None:
    assert "line 3: Date is '2024-13-03'" in _refusal(File(_write(tmp_path, "Date,Close\n2024-01-02,3\n2024-13-03,4\n")))
    assert "line 3: Date is None" in _refusal(File(_write(tmp_path, "Date,Close\n2024-01-02,3\n,4\n")))
    assert "unreadable" in _refusal(File(_write(tmp_path, "Date,Close\nyesterday,3\n")))


def test_a_repeated_stamp_is_refused_with_both_lines(tmp_path: Path) -> None:
    rows = "2024-01-02,A,1,1,1,1,1\n2024-01-02,B,1,1,1,1,1\n2024-01-02,A,1,1,1,2,1\n"
    message = _refusal(File(_write(tmp_path, LONG + rows), sort=True))
    assert "line 4: A has a second bar at 2024-01-02T21:00 UTC" in message
    assert "line 2" in message


def test_rows_out_of_order_are_refused_unless_sorting_was_asked_for(tmp_path: Path) -> None:
    path = _write(tmp_path, LONG + "2024-01-03,A,2,2,2,2,1\n2024-01-04,B,9,9,9,9,1\n2024-01-02,A,1,1,1,1,1\n")
    message = _refusal(File(path))
    assert "line 4: time 2024-01-02T21:00 UTC of A is before the one above it" in message
    assert "--sort" in message
    np.testing.assert_array_equal(File(path, sort=True).fetch().fields["close"][:, 0], [1.0, 2.0, np.nan])


def test_a_long_file_in_order_of_time_rather_than_symbol_is_in_order(tmp_path: Path) -> None:
    days = np.busday_offset(np.datetime64("2024-01-02"), np.arange(200))
    rows = "\n".join(f"{day},{symbol},{place}" for place, day in enumerate(days) for symbol in ("B", "A", "C"))
    panel = File(_write(tmp_path, f"Date,symbol,Close\n{rows}\n")).fetch()
    np.testing.assert_array_equal(panel.fields["close"], np.repeat(np.arange(200.0)[:, None], 3, axis=1))


def test_a_row_without_a_symbol_is_refused(tmp_path: Path) -> None:
    assert "line 3 has no symbol" in _refusal(File(_write(tmp_path, "Date,symbol,Close\n2024-01-02,A,3\n2024-01-03,,4\n")))


def test_the_symbol_na_is_a_symbol_and_the_price_na_is_missing(tmp_path: Path) -> None:
    panel = File(_write(tmp_path, "Date,symbol,Close\n2024-01-02,NA,3\n2024-01-03,NA,NA\n2024-01-04,NA,\n")).fetch()
    assert panel.symbols == ("NA",)
    np.testing.assert_array_equal(panel.fields["close"][:, 0], [3.0, np.nan, np.nan])


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(b"\xef\xbb\xbfDate,Close\r\n2024-01-02,7\r\n")
    assert File(path).fetch().fields["close"].tolist() == [[7.0]]


def test_a_row_with_too_many_values_is_refused(tmp_path: Path) -> None:
    assert "cannot be read as CSV" in _refusal(File(_write(tmp_path, "Date,Close\n2024-01-02,1,234\n")))


def test_an_unknown_zone_or_close_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "Date,Close\n2024-01-02,3\n")
    assert "unknown time zone 'Mars/Base'" in _refusal(File(path, timezone="Mars/Base"))
    assert "'late' is no time of day" in _refusal(File(path, closes_at="late"))


def test_an_adjusted_close_becomes_the_dividends_it_implies(tmp_path: Path) -> None:
    # 2 a unit are paid on the third day: the close falls from 101 to 99, the adjusted close does not.
    rows = "2024-01-02,100,98.0198\n2024-01-03,101,99.0\n2024-01-04,99,99.0\n2024-01-05,99.5,99.5\n"
    panel = File(_write(tmp_path, "Date,Close,Adj Close\n" + rows)).fetch()
    np.testing.assert_allclose(panel.fields["dividend"][:, 0], [np.nan, np.nan, 2.0, np.nan], atol=1e-3)
    returns = Bars.of(panel).returns[1:, 0]
    np.testing.assert_allclose(returns, np.log([99.0 / 98.0198, 1.0, 99.5 / 99.0]), atol=1e-6)


def test_an_adjusted_close_that_falls_against_the_close_is_a_fault(tmp_path: Path) -> None:
    path = _write(tmp_path, "Date,Close,Adj Close\n2024-01-02,100,100.5\n2024-01-03,100,50\n")
    message = _refusal(File(path))
    assert "falls 50.2% against its close at 2024-01-03T21:00" in message
    assert "dividend" not in File(path, mapping={"adj_close": ""}).fetch().fields


def test_an_adjusted_close_alone_is_the_close_and_said_to_be_adjusted(tmp_path: Path) -> None:
    panel = File(_write(tmp_path, "Date,Adj Close\n2024-01-02,3\n")).fetch()
    assert "closes are adjusted for splits and dividends" in panel.caveats


def test_a_split_column_of_zeros_means_no_split(tmp_path: Path) -> None:
    panel = File(_write(tmp_path, "Date,Close,Split\n2024-01-02,3,0\n2024-01-03,1.5,2\n")).fetch()
    np.testing.assert_array_equal(panel.fields["split"][:, 0], [np.nan, 2.0])


def test_sectors_are_read_where_the_file_has_them(tmp_path: Path) -> None:
    panel = File(_write(tmp_path, "Date,symbol,Sector,Close\n2024-01-02,A,Energy,1\n2024-01-02,B,,1\n")).fetch()
    assert [instrument.sector for instrument in panel.instruments] == ["Energy", ""]


def _with_last_bar(folder: Path, n_days: int, n_kept: int) -> File:
    days = np.busday_offset(np.datetime64("2024-01-02"), np.arange(n_days))
    rows = [f"{day},A,10" for day in days] + [f"{day},B,20" for day in days[:n_kept]]
    return File(_write(folder, "Date,symbol,Close\n" + "\n".join(rows) + "\n"))


def test_whoever_holds_an_instrument_that_vanishes_is_paid_its_last_close_less_the_haircut(tmp_path: Path) -> None:
    panel = _with_last_bar(tmp_path, 12, 7).fetch()
    paid = panel.fields["delisting"]
    assert np.flatnonzero(np.isfinite(paid[:, 1])).tolist() == [7]
    assert paid[7, 1] == pytest.approx(14.0)
    assert not np.isfinite(paid[:, 0]).any()
    assert any("1 of 2 instruments leave before the end" in caveat and "30%" in caveat for caveat in panel.caveats)


def test_an_instrument_that_misses_four_days_at_the_end_has_not_vanished(tmp_path: Path) -> None:
    assert "delisting" not in _with_last_bar(tmp_path, 12, 8).fetch().fields


def test_many_instruments_of_which_none_ever_leaves_are_said_to_be_survivors(tmp_path: Path) -> None:
    days = ("2020-01-02", "2021-01-04", "2022-06-01")
    for n_instruments, is_said in ((5, True), (4, False)):
        header = "Date," + ",".join(f"S{column}" for column in range(n_instruments))
        rows = "\n".join(f"{day}{',5' * n_instruments}" for day in days)
        panel = File(_write(tmp_path, f"{header}\n{rows}\n")).fetch()
        assert any("survivors only" in caveat for caveat in panel.caveats) == is_said


def _with_leavers(folder: Path, n_instruments: int, n_gone: int) -> tuple[str, ...]:
    months = np.arange("2018-01", "2024-02", dtype="datetime64[M]").astype("datetime64[D]") + 1
    rows = [
        f"{day},S{column:03d},5"
        for column in range(n_instruments)
        for day in (months[: len(months) // 2 if column < n_gone else len(months)])
    ]
    caveats = File(_write(folder, "Date,symbol,Close\n" + "\n".join(rows) + "\n")).fetch().caveats
    return tuple(caveat for caveat in caveats if "survivors only" in caveat)


def test_one_departure_among_fifty_one_in_six_years_does_not_make_the_survivors_go_away(tmp_path: Path) -> None:
    (said,) = _with_leavers(tmp_path, 51, 1)
    assert said.startswith("1 of 51 instruments leaves before the end: probably survivors only (")
    assert "at 2% a year at the least, so 6.1 would have in 303 years of instruments; so few have a chance of 1.7%" in said


@pytest.mark.parametrize(("n_gone", "is_said"), [(0, True), (1, True), (2, False), (9, False)])
def test_so_few_departures_are_told_only_where_they_are_implausible(n_gone: int, is_said: bool, tmp_path: Path) -> None:
    # Of 45 in 6.1 years about 5.4 leave: P(1 or fewer) is 3 %, P(2 or fewer) 10 %.
    assert bool(_with_leavers(tmp_path, 45, n_gone)) == is_said


@pytest.mark.real_data
def test_six_years_of_five_hundred_stocks_load_quickly_and_keep_their_total_return() -> None:
    path = REAL / "us_daily_sp500_2018_2023" / "ohlcv.parquet"
    if not path.exists():
        pytest.skip("the real data is not beside this checkout")
    start = time.perf_counter()
    panel = File(path, "us").fetch()
    assert time.perf_counter() - start < 6.0
    assert panel.shape == (1509, 504)
    assert any(
        caveat.startswith("no instrument leaves before the end: probably survivors only (") and "0.1%" in caveat
        for caveat in panel.caveats
    )
    table = pl.read_parquet(path).pivot(on="symbol", index="Date", values="Adj Close").sort("Date").select(panel.symbols)
    adjusted = np.log(table.to_numpy().astype(np.float64))
    error = np.diff(adjusted, axis=0) - Bars.of(panel).returns[1:]
    assert np.nanmax(np.abs(error)) < 3e-4
    assert np.nanmax(np.abs(np.nansum(error, axis=0))) < 3e-3
