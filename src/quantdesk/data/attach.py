"""Lay records beside the bars, each value from the first bar whose close it was known at."""

from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import FIELDS, Panel
from quantdesk.domain.records import Records

NEW_YORK = "America/New_York"


def attach(panel: Panel, records: Records, names: Sequence[str], lag: int = 0) -> Panel:
    """Add a field for each name: at every bar the newest period then known, in its vintage of then.

    The join goes by ``known_at`` and never by period, so what a bar carries was known at its
    close, and the fields need no ``known_at`` of their own. A name with a single subject that is
    no symbol of the panel (a macro series) is laid beside every instrument.

    Parameters
    ----------
    panel : Panel
        The bars.
    records : Records
        The facts.
    names : sequence of str
        What to add; each becomes a field (n_times, n_instruments), NaN where nothing was known.
    lag : int
        Business days by which to delay them first; see ``lagged``.

    Raises
    ------
    DataError
        If a name is a field already, nobody recorded it, it concerns no instrument of the panel,
        or a fact is said to be known at the very time it describes (no release date was given).
    """
    told = lagged(records, lag) if lag else records
    fields, caveats = dict(panel.fields), list(panel.caveats)
    for name in names:
        if name in fields or name in FIELDS:
            raise DataError(
                f"{panel.name!r} carries {name!r} already", "a new field name", "attach it once, under another name"
            )
        own = told.where(told.names == name)
        _check_released(own, name)
        fields[name] = _joined(panel, own, name)
        n_with = int(np.isfinite(fields[name]).any(axis=0).sum())
        if n_with < len(panel.symbols):
            caveats.append(f"{name} is known for {n_with} of {len(panel.symbols)} instruments")
    caveats += [caveat for caveat in told.caveats if caveat not in caveats]
    return replace(panel, fields=fields, caveats=tuple(caveats))


def lagged(records: Records, business_days: int) -> Records:
    """Delay records whose release dates nobody kept.

    Each counts as known from the close (16:00 New York) of the weekday ``business_days`` after
    the day it was said to be known; a weekend counts as the Monday after it.

    Parameters
    ----------
    records : Records
        Facts, for example with ``known_at`` equal to their periods.
    business_days : int
        The delay, 1 or more: the longest that the series' publication takes.

    Raises
    ------
    DataError
        If the delay is not at least a day.
    """
    if business_days < 1:
        raise DataError(f"a lag of {business_days} business days", "1 or more", "give the days its publication takes")
    days = np.busday_offset(records.known_at.astype("datetime64[D]"), business_days, roll="forward")
    return replace(records, known_at=np.maximum(new_york(days, "16:00"), records.known_at))


def next_close(dates: Times, sessions: Times | None = None) -> Times:
    """Say when a fact of which only the date is known counts as known: at the next session's close.

    The date may mean any hour of that day, so neither that day's close nor the next open is safe
    to assume: the earliest decision that reads the fact is the one at the next trading day's close.

    Parameters
    ----------
    dates : Times
        Days of filing or collection in New York (n,).
    sessions : Times, optional
        Closes of trading days, UTC, increasing, such as a daily panel's ``times``. Without them
        every weekday counts as one (a bar-by-bar join skips holidays by itself).

    Returns
    -------
    Times
        UTC (n,).
    """
    days = dates.astype("datetime64[D]")
    weekday = new_york(np.busday_offset(np.busday_offset(days, 0, roll="backward"), 1), "16:00")
    if sessions is None or not len(sessions):
        return weekday
    # The first close that falls on a later day than the date.
    after = np.searchsorted(sessions, new_york(np.add(days, np.timedelta64(1, "D")), "00:00"))
    return np.where(after < len(sessions), sessions[np.minimum(after, len(sessions) - 1)], weekday)


def new_york(days: Times, clock: str) -> Times:
    """Give a wall-clock time (HH:MM) in New York on each day as UTC (n,)."""
    import polars as pl

    hours, minutes = (int(part) for part in clock.split(":"))
    naive = days.astype("datetime64[D]").astype("datetime64[us]") + np.timedelta64(60 * hours + minutes, "m")
    local = pl.Series("at", naive).dt.replace_time_zone(ZoneInfo(NEW_YORK).key, ambiguous="earliest", non_existent="null")
    return np.asarray(local.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy(), dtype="datetime64[ns]")


def _joined(panel: Panel, own: Records, name: str) -> Float64:
    subjects = tuple(str(subject) for subject in np.unique(own.subjects))
    if not subjects:
        raise DataError(f"no record is called {name!r}", "a name that the records carry", "check the spelling")
    if len(subjects) == 1 and subjects[0] not in panel.symbols:
        return np.repeat(own.latest(name, subjects, panel.times)[0], len(panel.symbols), axis=1)
    if not set(subjects) & set(panel.symbols):
        raise DataError(
            f"{name!r} is recorded of {', '.join(subjects[:5])}, ... and of no instrument in {panel.name!r}",
            f"symbols such as {', '.join(panel.symbols[:5])}",
            "check how the two write their symbols",
        )
    return own.latest(name, panel.symbols, panel.times)[0]


def _check_released(own: Records, name: str) -> None:
    bad = np.flatnonzero((own.known_at <= own.periods) & (not own.is_forward))
    if bad.size:
        i = bad[0]
        raise DataError(
            f"{name!r} of {own.subjects[i]} for {own.periods[i]} is said to be known at that very time",
            "a time of release after the period",
            "delay it by what its publication takes: attach(..., lag=BUSINESS_DAYS)",
        )
