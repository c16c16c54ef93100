"""Bring facts in subject by subject, keep them, and see whether a source changed what it said."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from quantdesk.data.access import Access
from quantdesk.data.answers import TOLERANCE, differs
from quantdesk.data.whole import write_whole
from quantdesk.domain.arrays import Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.records import Records

FRESH = np.timedelta64(12 * 3600 * 10**9, "ns")
"""Facts asked for within this time are not asked for again."""

_COLUMNS = ("subjects", "names", "periods", "known_at", "values")


def kept_or_asked(path: Path, access: Access, ask: Callable[[], Records], fresh: np.timedelta64 = FRESH) -> Records:
    """Return one subject's facts, asking only if those kept are not fresh.

    Parameters
    ----------
    path : Path
        Where they are kept.
    access : Access
        The clock, and whether a revision is accepted.
    ask : callable
        Asks the source.
    fresh : numpy.timedelta64
        How long kept facts stand without asking.

    Raises
    ------
    DataError
        If the source now says otherwise of a vintage it gave before, or gives one of the future.
    """
    found = _read(path)
    now = access.clock.now()
    if found is not None and now - found[1] < fresh:
        return found[0]
    records = ask()
    if len(records) and (records.known_at - np.timedelta64(2, "D")).max() > now:
        raise DataError(
            f"{path.stem} has a fact published at {records.known_at.max()}; it is {now}",
            "facts that are published",
            "check this machine's clock; nothing was kept",
        )
    if found is not None and not access.accept_revision:
        _compare(found[0], records)
    write_whole(path, _bytes(records, now))
    return records


def without_repeats(records: Records) -> Records:
    """Drop a vintage that says what the one before it said of the same period."""
    order = np.lexsort((records.known_at, records.periods, records.names, records.subjects))
    ordered = records.where(order)
    is_news = np.ones(len(ordered), dtype=np.bool_)
    same = np.ones(max(0, len(ordered) - 1), dtype=np.bool_)
    for column in (ordered.subjects, ordered.names, ordered.periods, ordered.values):
        same &= np.asarray(column[1:] == column[:-1])
    is_news[1:] = ~same
    return ordered.where(is_news)


def next_day(dates: Times, zone: str = "America/New_York") -> Times:
    """Name the first moment of the day after each date, in a zone, as UTC.

    A source that gives the day of publication alone may have published after the close; from the
    next day on it was known to anyone.
    """
    import polars as pl

    days = pl.Series(np.asarray(dates, dtype="datetime64[D]") + np.timedelta64(1, "D")).cast(pl.Datetime("ns"))
    local = days.dt.replace_time_zone(zone, ambiguous="earliest").dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return np.asarray(local.to_numpy(), dtype="datetime64[ns]")


def _compare(kept: Records, fresh: Records) -> None:
    now = dict(zip(_names(fresh), fresh.values.tolist(), strict=True))
    claims = _names(kept)
    latest = np.array([now.get(claim, np.nan) for claim in claims])
    bad = np.flatnonzero(differs(kept.values, latest))
    if bad.size:
        row = bad[0]
        subject, name, period, known_at = claims[row]
        raise DataError(
            f"the source changed what it says about the past: {name} of {subject} for {period}, published by {known_at}, "
            f"was {kept.values[row]:g} and is {latest[row]:g} ({bad.size} of {len(kept)} differ)",
            f"each vintage as it was, within {TOLERANCE:g}",
            "to take the new version as a whole, pass --accept-revision",
        )


def _names(records: Records) -> list[tuple[str, str, str, str]]:
    columns = (
        records.subjects,
        records.names,
        records.periods.astype("datetime64[D]"),
        records.known_at.astype("datetime64[s]"),
    )
    return list(zip(*(column.astype(str).tolist() for column in columns), strict=True))


def _bytes(records: Records, now: np.datetime64) -> bytes:
    buffer = io.BytesIO()
    stamped = {name: getattr(records, name) for name in ("subjects", "names", "values")}
    times = {name: getattr(records, name).astype(np.int64) for name in ("periods", "known_at")}
    told = {"asked_at": np.array([now]).astype("datetime64[ns]").astype(np.int64), "name": np.array(records.name)}
    told["is_forward"] = np.array(records.is_forward)
    np.savez_compressed(buffer, **stamped, **times, **told)  # type: ignore[arg-type]
    return buffer.getvalue()


def _read(path: Path) -> tuple[Records, np.datetime64] | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            columns = {name: kept[name] for name in _COLUMNS}
            for name in ("periods", "known_at"):
                columns[name] = columns[name].astype("datetime64[ns]")
            records = Records(**columns, name=str(kept["name"]), is_forward=bool(kept["is_forward"]))
            return records, kept["asked_at"].astype("datetime64[ns]")[0]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        return None
