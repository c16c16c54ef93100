"""Turn the times of a table, however they are written, into bar closes in UTC."""

from datetime import time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from quantdesk.domain.arrays import Times
from quantdesk.domain.errors import DataError

if TYPE_CHECKING:
    import polars as pl

DEFAULT_ZONE = "America/New_York"
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%b-%Y", "%b %d, %Y")
_CLOCKS = ("%H:%M:%S%.f", "%H:%M")
_EPOCHS = ((10**11, "s"), (10**14, "ms"), (10**17, "us"), (10**20, "ns"))


def read_stamps(column: "pl.Series", timezone: str | None, closes_at: str) -> tuple[Times, str]:
    """Read a column of times as bar closes in UTC.

    Dates without a time of day are sessions that end at ``closes_at`` in ``timezone`` (New York
    where it is None). So are stamps with an offset that all fall on midnight in that zone, which
    is how several vendors write a daily bar. Other stamps with an offset are converted.

    Parameters
    ----------
    column : polars.Series
        Dates, datetimes, text, or integers (YYYYMMDD, or an epoch in s, ms, us or ns).
    timezone : str or None
        IANA zone of stamps without an offset.
    closes_at : str
        Session end, HH:MM.

    Returns
    -------
    tuple of Times and str
        UTC, ``datetime64[ns]`` (n_rows,), NaT where the time is missing or unreadable; and how
        they were read, in words.

    Raises
    ------
    DataError
        If stamps with a time of day have neither offset nor ``timezone``, if day and month cannot
        be told apart, or if the zone or ``closes_at`` is unknown.
    """
    import polars as pl

    zone = _zone(timezone or DEFAULT_ZONE)
    parsed = _parsed(column)
    if isinstance(parsed.dtype, pl.Datetime) and _is_midnight(_wall_clock(parsed, zone)):
        parsed = _wall_clock(parsed, zone).dt.date()
    if parsed.dtype == pl.Date:
        return session_closes(parsed, zone, closes_at), f"dates are sessions that close at {closes_at} {zone}"
    if parsed.dtype.time_zone is not None:  # type: ignore[attr-defined]
        return _to_numpy(parsed.dt.convert_time_zone("UTC")), "stamps carry their offset; converted to UTC"
    if timezone is None:
        raise DataError(
            f"stamps of column {column.name!r} such as {parsed.drop_nulls()[0]} have a time of day but no time zone",
            "a zone, so that bars line up with other data",
            f"pass --timezone {DEFAULT_ZONE}, or the zone they were written in",
        )
    return _localised(parsed, zone), f"stamps are {zone} time; converted to UTC"


def session_closes(dates: "pl.Series", timezone: str, closes_at: str) -> Times:
    """Stamp session dates at their close, in UTC.

    Parameters
    ----------
    dates : polars.Series
        Dates (n_rows,).
    timezone : str
        IANA zone of the venue.
    closes_at : str
        Session end, HH:MM.

    Returns
    -------
    Times
        ``datetime64[ns]`` (n_rows,).

    Raises
    ------
    DataError
        If the zone is unknown or ``closes_at`` is no time of day.
    """
    import polars as pl

    try:
        clock = time.fromisoformat(closes_at)
    except ValueError as error:
        raise DataError(f"session close {closes_at!r} is no time of day", "HH:MM, such as 16:00", "correct it") from error
    stamps = dates.cast(pl.Datetime("ns")) + timedelta(hours=clock.hour, minutes=clock.minute)
    return _localised(stamps, _zone(timezone))


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DataError(f"unknown time zone {name!r}", "an IANA name", f"pass one such as {DEFAULT_ZONE} or UTC") from error


def _localised(stamps: "pl.Series", zone: str) -> Times:
    local = stamps.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    lost = np.flatnonzero((local.is_null() & stamps.is_not_null()).to_numpy())
    if lost.size:
        raise DataError(
            f"stamp {stamps[int(lost[0])]} does not name one moment in {zone} (the clocks change)",
            "a stamp that exists once",
            "write the stamps in UTC and pass --timezone UTC",
        )
    return _to_numpy(local.dt.convert_time_zone("UTC"))


def _to_numpy(stamps: "pl.Series") -> Times:
    naive = stamps.dt.replace_time_zone(None).dt.cast_time_unit("ns")
    return np.asarray(naive.to_numpy(), dtype="datetime64[ns]")


def _wall_clock(stamps: "pl.Series", zone: str) -> "pl.Series":
    if stamps.dtype.time_zone is None:  # type: ignore[attr-defined]
        return stamps
    return stamps.dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _is_midnight(stamps: "pl.Series") -> bool:
    return bool((stamps.drop_nulls().dt.time() == time(0)).all())


def _parsed(column: "pl.Series") -> "pl.Series":
    import polars as pl

    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        return _from_text(column.cast(pl.String).str.strip_chars())
    if column.dtype.is_integer():
        return _from_integers(column)
    if column.dtype.is_temporal() and column.dtype != pl.Time:
        return column
    raise DataError(
        f"column {column.name!r} holds {column.dtype}, which is no time", "dates or stamps", "name another: --map time=COLUMN"
    )


def _from_integers(column: "pl.Series") -> "pl.Series":
    import polars as pl

    numbers = column.cast(pl.Int64)
    first = int(numbers.drop_nulls()[0]) if numbers.len() > numbers.null_count() else 0
    if 19_000_101 <= first <= 21_001_231:
        return numbers.cast(pl.String).str.to_date("%Y%m%d", strict=False)
    unit = next((name for bound, name in _EPOCHS if first < bound), "ns")
    scale = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    return (numbers * scale).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")


def _from_text(column: "pl.Series") -> "pl.Series":
    import polars as pl

    present = column.drop_nulls()
    if present.is_empty():
        raise DataError(f"column {column.name!r} holds no time", "a time in every row", "name another: --map time=COLUMN")
    if present[0].isdigit() and len(present[0]) > 8:
        return _from_integers(column.cast(pl.Int64, strict=False))
    readings = [(form, _read(present.head(1), form)) for form in _forms(present[0])]
    candidates = [form for form, reading in readings if reading.null_count() == 0]
    if not candidates:
        raise DataError(
            f"time {present[0]!r} in column {column.name!r} is unreadable",
            "such as 2024-01-31 or 2024-01-31 16:00:00",
            "rewrite it",
        )
    complete = [read for read in (_read(column, form) for form in candidates) if read.null_count() == column.null_count()]
    if len(complete) > 1 and not (complete[0] == complete[1]).all():
        raise DataError(
            f"times such as {present[0]!r} may be month/day or day/month", "dates that can be read one way", "write 2024-01-31"
        )
    return complete[0] if complete else _read(column, candidates[0])


def _forms(example: str) -> list[str]:
    if ":" not in example:
        return list(_DATES)
    joint = "T" if "T" in example else " "
    offset = "%z" if example.endswith("Z") or example[-6:-5] in ("+", "-") or example[-5:-4] in ("+", "-") else ""
    return [f"{date}{joint}{clock}{offset}" for date in _DATES for clock in _CLOCKS]


def _read(column: "pl.Series", form: str) -> "pl.Series":
    import polars as pl

    if form in _DATES:
        return column.str.to_date(form, strict=False)
    if form.endswith("%z"):
        plain = column.str.replace(r"Z$", "+00:00")
        return plain.str.to_datetime(form, time_unit="ns", time_zone="UTC", strict=False)
    return column.str.strptime(pl.Datetime("ns"), form, strict=False)
