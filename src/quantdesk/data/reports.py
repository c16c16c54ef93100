"""Read what companies reported and what was expected of them, as records with the time each became known."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.data.attach import new_york, next_close
from quantdesk.data.table import Table, read_table
from quantdesk.domain.arrays import Bools, Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.records import Records

if TYPE_CHECKING:
    import polars as pl

_AT_A_DATE = {
    "assets": "assets",
    "cur_assets": "current_assets",
    "cur_liab": "current_liabilities",
    "cash": "cash",
    "equity": "equity",
}
_OVER_A_PERIOD = {
    "revenues": "revenue",
    "op_income": "operating_income",
    "net_income": "net_income",
    "eps_basic": "eps_basic",
    "eps_diluted": "eps_diluted",
    "dividend": "dividend_declared",
}
_TO_DATE = {
    "cash_flow_op": "operating_cash_to_date",
    "cash_flow_inv": "investing_cash_to_date",
    "cash_flow_fin": "financing_cash_to_date",
}


ISO = "%Y-%m-%dT%H:%M:%S"
"""How a time of day without a zone is written."""


def read_reports(path: Path, sessions: Times | None = None) -> Records:
    """Read facts from 10-Q and 10-K reports as they were filed, one row a report.

    The period is ``end_date``; a report counts as known from the close of the trading day after
    the one it was ``collected`` on. An amendment is a new vintage. What is measured over a quarter
    ends in ``_quarter`` and over a fiscal year in ``_year``, since one must never follow the other
    in a series; cash flows run from the start of the fiscal year (``_to_date``).

    Parameters
    ----------
    path : Path
        Parquet or CSV: symbol, end_date, amend, period_focus, collected, and a column a fact.
    sessions : Times, optional
        Closes of trading days; see ``attach.next_close``.

    Returns
    -------
    Records
        Reports collected before their period's end are left out, and said to be in a caveat.

    Raises
    ------
    DataError
        If the file is unreadable or lacks a column.
    """
    table = read_table(Path(path))
    frame = _sorted(table, ("symbol", "end_date", "amend", "period_focus", "collected"))
    periods, collected = _dates(table, frame, "end_date"), _dates(table, frame, "collected")
    known_at = next_close(collected, sessions)
    is_year = np.asarray((frame["period_focus"] == "FY").to_numpy(), dtype=np.bool_)
    is_possible = collected >= periods
    parts = []
    for column, name in {**_AT_A_DATE, **_TO_DATE}.items():
        parts += _facts(frame, column, name, periods, known_at, is_possible)
    for column, name in _OVER_A_PERIOD.items():
        parts += _facts(frame, column, f"{name}_quarter", periods, known_at, is_possible & ~is_year)
        parts += _facts(frame, column, f"{name}_year", periods, known_at, is_possible & is_year)
    n_out = int((~is_possible).sum())
    caveats = (f"{n_out} reports are said to be collected before their period's end: left out",) if n_out else ()
    return _records(parts, table, caveats)


def read_earnings(path: Path, now: np.datetime64 | None = None) -> Records:
    """Read announced earnings a share, beside what was expected: eps_reported, eps_estimated, eps_surprise.

    An announcement ``pre`` its market day is known from that day's open (09:30 New York); one
    ``post`` it from the midnight after, so from the next session. The period is the day of the
    announcement, as the fiscal one is not to be trusted in this kind of file, and the estimate
    counts as known with the announcement, no earlier.

    Parameters
    ----------
    path : Path
        Parquet or CSV: symbol, date, release_time (``pre`` or ``post``), eps, eps_est.
    now : numpy.datetime64 or None
        Given for announcements still to come: what the file says counts as known at that moment.

    Raises
    ------
    DataError
        If the file is unreadable, lacks a column, or a release time is another word.
    """
    table = read_table(Path(path))
    frame = _sorted(table, ("symbol", "date", "release_time", "eps", "eps_est"))
    days = _dates(table, frame, "date")
    known_at = np.where(
        _is_post(table, frame), new_york(np.add(days, np.timedelta64(1, "D")), "00:00"), new_york(days, "09:30")
    )
    if now is not None:
        known_at = np.minimum(known_at, now)
    everything = np.ones(len(days), dtype=np.bool_)
    surprise = frame.with_columns(eps_surprise=frame["eps"].cast(float) - frame["eps_est"].cast(float))
    columns = {"eps": "eps_reported", "eps_est": "eps_estimated", "eps_surprise": "eps_surprise"}
    parts = []
    for column, name in columns.items():
        parts += _facts(surprise, column, name, days, known_at, everything)
    return _records(parts, table, (), is_forward=now is not None)


def read_facts(path: Path) -> Records:
    """Read any facts, one a row: symbol, name, period, known_at, value.

    For what the other readers do not know: estimates by the day they were made, insiders' trades
    (``insider_acquired``, ``insider_disposed``), scores of documents. A time without a zone is UTC;
    a date alone is the day's end in New York.

    Parameters
    ----------
    path : Path
        Parquet or CSV.

    Raises
    ------
    DataError
        If the file is unreadable or lacks a column, or a fact was known before its period.
    """
    import polars as pl

    table = read_table(Path(path))
    frame = _sorted(table, ("symbol", "name", "period", "known_at", "value"))
    periods = _moments(table, frame, "period").astype("datetime64[ns]")
    known_at = _moments(table, frame, "known_at").astype("datetime64[ns]")
    return Records(
        subjects=np.array(frame["symbol"].cast(pl.String).to_list(), dtype=np.str_),
        names=np.array(frame["name"].cast(pl.String).to_list(), dtype=np.str_),
        periods=periods,
        known_at=known_at,
        values=_finite(table, frame, "value"),
        name=table.path.name.split(".")[0],
        is_forward=bool((known_at < periods).any()),
    )


def read_series(path: Path) -> Records:
    """Read macroeconomic series in long form: date, value, series.

    A series of which every date is the first of a month, quarter or year carries the start of its
    periods, as FRED does; the period's own time is its last day. There are no release dates, so
    ``known_at`` equals the period and ``attach`` refuses them until they are ``lagged``. Values
    are of the latest vintage, which a caveat says.

    Parameters
    ----------
    path : Path
        Parquet or CSV.

    Raises
    ------
    DataError
        If the file is unreadable or lacks a column.
    """
    import polars as pl

    table = read_table(Path(path))
    frame = _sorted(table, ("date", "value", "series"))
    parts = []
    for (series,), own in frame.group_by("series", maintain_order=True):
        ends = _period_ends(_dates(table, own, "date"))
        own = own.with_columns(symbol=pl.lit(str(series)))
        parts += _facts(own, "value", str(series), ends, ends, np.ones(len(own), dtype=np.bool_))
    return _records(parts, table, ("macro series are of the latest vintage: what was revised is seen too early",))


def _period_ends(days: Times) -> Times:
    months = days.astype("datetime64[M]")
    if len(days) < 2 or (months.astype("datetime64[D]") != days).any():
        return days
    length = int(np.median(np.diff(np.sort(months)).astype(np.int64)))
    after = np.add(months, np.timedelta64(max(1, length), "M")).astype("datetime64[D]")
    return np.asarray(after - np.timedelta64(1, "D"), dtype="datetime64[D]")


_Part = tuple[list[str], str, Times, Times, "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"]


def _facts(frame: "pl.DataFrame", column: str, name: str, periods: Times, known_at: Times, keep: Bools) -> list[_Part]:
    import polars as pl

    if column not in frame.columns:
        return []
    values = np.asarray(frame[column].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy(), dtype=np.float64)
    kept = keep & np.isfinite(values)
    symbols = frame["symbol"].cast(pl.String).filter(pl.Series(kept)).to_list()
    return [(symbols, name, periods[kept], known_at[kept], values[kept])]


def _records(parts: list[_Part], table: Table, caveats: tuple[str, ...], is_forward: bool = False) -> Records:
    return Records(
        subjects=np.array([symbol for part in parts for symbol in part[0]], dtype=np.str_),
        names=np.concatenate([np.full(len(part[0]), part[1]) for part in parts]),
        periods=np.concatenate([part[2].astype("datetime64[ns]") for part in parts]),
        known_at=np.concatenate([part[3].astype("datetime64[ns]") for part in parts]),
        values=np.concatenate([part[4] for part in parts]),
        name=table.path.name.split(".")[0],
        caveats=caveats,
        is_forward=is_forward,
    )


def _sorted(table: Table, needed: tuple[str, ...]) -> "pl.DataFrame":
    missing = [column for column in needed if column not in table.frame.columns]
    if missing:
        raise DataError(
            f"{table.path} has no {', '.join(missing)}", f"columns {', '.join(needed)}", "check that it is the right file"
        )
    # An amendment of the same day comes after what it amends.
    order = [column for column in ("collected", "amend", "date") if column in needed]
    return table.frame.sort(order, maintain_order=True)


def _dates(table: Table, frame: "pl.DataFrame", column: str) -> Times:
    import polars as pl

    values = frame[column]
    days = values.str.slice(0, 10).str.to_date(strict=False) if values.dtype == pl.String else values.cast(pl.Date)
    if days.null_count():
        raise DataError(
            f"{table.path}: {column} is unreadable in {days.null_count()} rows", "dates such as 2015-04-23", "correct them"
        )
    return np.asarray(days.to_numpy(), dtype="datetime64[D]")


def _finite(table: Table, frame: "pl.DataFrame", column: str) -> Float64:
    import polars as pl

    values = frame[column].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        what = f"{table.path}: {column} is {frame[column][int(bad[0])]!r} for {frame['symbol'][int(bad[0])]}"
        raise DataError(what, "a finite number in every row", f"correct it, or leave the row out ({bad.size} such)")
    return np.asarray(values, dtype=np.float64)


def _moments(table: Table, frame: "pl.DataFrame", column: str) -> Times:
    import polars as pl

    values = frame[column]
    if values.dtype == pl.Date or (values.dtype == pl.String and values.str.len_chars().max() == len("2015-04-23")):
        return new_york(_dates(table, frame, column), "23:59")
    if values.dtype == pl.String:
        plain = values.str.replace(" ", "T", literal=True).str.strip_suffix("Z")
        values = plain.set(plain.str.len_chars() != len("2015-04-23T20:05:00"), None).str.to_datetime(ISO, strict=False)
    if values.null_count():
        raise DataError(
            f"{table.path}: {column} is unreadable in {values.null_count()} rows",
            "dates, or times such as 2015-04-23T20:05:00",
            "correct them",
        )
    zone = getattr(values.dtype, "time_zone", None)
    if zone is None and (values.dt.truncate("1d") == values).all():
        # Dates, written as many programs write them: known by the end of the day, not at its start.
        return new_york(np.asarray(values.dt.date().to_numpy(), dtype="datetime64[D]"), "23:59")
    utc = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else values
    return np.asarray(utc.to_numpy(), dtype="datetime64[ns]")


def _is_post(table: Table, frame: "pl.DataFrame") -> Bools:
    times = frame["release_time"].cast(str)
    unknown = times.filter(~times.is_in(["pre", "post"]))
    if len(unknown) or times.null_count():
        raise DataError(f"{table.path}: release_time is {unknown.head(1).to_list()}", "pre or post", "correct it")
    return np.asarray((times == "post").to_numpy(), dtype=np.bool_)
