"""Features of bars within a day: since the session opened, and against the same time of day before.

A session begins after a gap of three hours or more, or where a UTC date begins: no calendar is
needed. Panels of daily bars have no sessions, and leave these features out.
"""

from collections.abc import Callable

import numpy as np

from quantdesk.domain.arrays import Float64, Ints, Times
from quantdesk.features.algebra import Column, filled, given, greater, log, missing, plain, smaller, where
from quantdesk.features.quotes import BOTTOM, CLOSE, OPEN, TOP, VOLUME, feature
from quantdesk.features.rolling import back

GAP = np.timedelta64(3, "h")
SESSION_BARS = 512
"""Longest session that is followed, in bars: a power of two."""

RECENT = 2 * SESSION_BARS + 2
"""Bars, the present one included, on which what is known of a bar's session depends."""

START = filled(given("session", 2))
"""1 on the first bar of a session, else 0."""

HOURS = given("session_hours", SESSION_BARS)
"""Hours since the session's first bar closed."""

SAME_TIME = given("same_time", 2 * SESSION_BARS)
"""Bars back to the bar at the same time of the session before."""


def session_facts(times: Times) -> dict[str, Float64]:
    """Find sessions in the times of bars; empty for daily bars and slower.

    Parameters
    ----------
    times : Times
        Bar closes (n_times,).

    Returns
    -------
    dict of str to Float64
        ``session``, ``session_hours`` and ``same_time``, each (n_times, 1); NaN where not known.
    """
    gaps = np.diff(times)
    if len(gaps) < 2 or np.median(gaps) >= GAP:
        return {}
    return sessions_in(times)


def sessions_in(times: Times) -> dict[str, Float64]:
    """Find the sessions of bars known to lie within days; the last bar's depend on ``RECENT`` bars alone."""
    gaps = np.diff(times)
    days = times.astype("datetime64[D]")
    starts = np.concatenate([[False], (gaps >= GAP) | (days[1:] != days[:-1])])
    row: Ints = np.arange(len(times), dtype=np.int64)
    first: Ints = np.maximum.accumulate(np.where(starts, row, -1))
    before = np.where(first > 0, first[np.maximum(first - 1, 0)], -1)
    hours = (times - times[np.maximum(first, 0)]) / np.timedelta64(1, "h")
    is_near = (first >= 0) & (row - first < SESSION_BARS - 1)
    is_known = is_near & (before >= 0) & (row - before < 2 * SESSION_BARS - 1)
    wanted = times - (times[np.maximum(first, 0)] - times[np.maximum(before, 0)])
    match = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    is_known &= (times[match] == wanted) & (row - match <= SESSION_BARS)
    columns = {
        "session": np.where(row > 0, starts.astype(np.float64), np.nan),
        "session_hours": np.where(is_near, hours, np.nan),
        "same_time": np.where(is_known, (row - match).astype(np.float64), np.nan),
    }
    return {name: values[:, None] for name, values in columns.items()}


def _since_start(column: Column, merged: Callable[[Column, Column], Column]) -> Column:
    # Doubling with a wall: what lies before the session's start is not merged.
    value, started, length = column, START, 1
    while length < SESSION_BARS:
        value = where(started, value, merged(value, value.lag(length)))
        started = greater(started, started.lag(length))
        length *= 2
    return where(started, value, missing(value))


def _total(column: Column) -> Column:
    return _since_start(column, lambda newer, older: newer + older)


def _first(column: Column) -> Column:
    return _since_start(column, lambda _, older: plain(older))


def _place() -> Column:
    top, bottom = _since_start(TOP, greater), _since_start(BOTTOM, smaller)
    return 2.0 * ((CLOSE - bottom) / (top - bottom)) - 1.0


_OPENED = _first(OPEN)
_CLOSED = _first(CLOSE.lag(1))
_TYPICAL = (TOP + BOTTOM + CLOSE) / 3.0
_AVERAGE = _total(_TYPICAL * VOLUME) / _total(VOLUME)
_YESTERDAY = back(VOLUME, SAME_TIME, SESSION_BARS)
_DAY_BEFORE = back(_YESTERDAY, SAME_TIME, SESSION_BARS)
_USUAL = (_YESTERDAY + _DAY_BEFORE) / 2.0

FEATURES = (
    feature("session_overnight", log(_OPENED / _CLOSED), "log session's open / last session's close"),
    feature("session_return", log(CLOSE / _OPENED), "log close / session's open"),
    feature("session_hours", HOURS, "hours since the session's first bar"),
    feature("session_average_distance", CLOSE / _AVERAGE - 1.0, "close / session's volume-weighted price - 1"),
    feature("session_place", _place(), "place between the session's low and high", "unit"),
    feature("session_relative_volume", log(VOLUME / _USUAL), "log volume / mean at this time of two sessions before"),
)
