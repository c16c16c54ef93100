"""When exchanges open and close, and which of them a panel's stamps look like."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from quantdesk.domain.arrays import Bools, Ints, Times

if TYPE_CHECKING:
    from collections.abc import Sequence as Items

_DAY = 24 * 60


@dataclass(frozen=True)
class Exchange:
    """Name a venue and its ordinary session in minutes after local midnight."""

    name: str
    zone: str
    opens: int
    closes: int
    calendar: str = ""


EXCHANGES = (
    Exchange("New York", "America/New_York", 570, 960, "XNYS"),
    Exchange("New York with extended hours", "America/New_York", 240, 1200),
    Exchange("London", "Europe/London", 480, 990, "XLON"),
    Exchange("Frankfurt", "Europe/Berlin", 540, 1050, "XETR"),
    Exchange("Paris", "Europe/Paris", 540, 1050, "XPAR"),
    Exchange("Tokyo", "Asia/Tokyo", 540, 900, "XTKS"),
    Exchange("Tokyo from November 2024", "Asia/Tokyo", 540, 930, "XTKS"),
    Exchange("Hong Kong", "Asia/Hong_Kong", 570, 960, "XHKG"),
    Exchange("Sydney", "Australia/Sydney", 600, 960, "XASX"),
)


def local_minutes(times: Times, zone: str) -> Ints:
    """Count minutes from 1970 to each time (n_times,) on the clocks of a zone."""
    minutes = times.astype("datetime64[m]").astype(np.int64)
    hours, which = np.unique(minutes // 60, return_inverse=True)
    return minutes + _offsets(hours.tolist(), ZoneInfo(zone))[which]


def _offsets(hours: "Items[int]", zone: ZoneInfo) -> Ints:
    moments = (datetime.fromtimestamp(hour * 3600, UTC).astimezone(zone) for hour in hours)
    shifts = (moment.utcoffset() for moment in moments)
    return np.array([int(shift.total_seconds()) // 60 if shift else 0 for shift in shifts], dtype=np.int64)


def is_daily(times: Times) -> bool:
    """Tell whether the bars are a day or more apart, as a rule."""
    return len(times) > 1 and bool(np.median(np.diff(times).astype("timedelta64[m]").astype(np.int64)) >= 20 * 60)


def days_and_minutes(times: Times, zone: str) -> tuple[Ints, Ints]:
    """Split times into the day (from 1970) and the minute of the day, on the clocks of a zone."""
    minutes = local_minutes(times, zone)
    return minutes // _DAY, minutes % _DAY


def sessions(exchange: Exchange, first_day: int, last_day: int) -> Ints:
    """List an exchange's sessions from one day to another, in days from 1970 (n_sessions,)."""
    import exchange_calendars

    start, stop = (np.datetime64(day, "D").astype(str) for day in (first_day, last_day + 10))
    calendar = exchange_calendars.get_calendar(exchange.calendar, start=start, end=stop)
    days = calendar.sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    is_asked: Bools = (days >= first_day) & (days <= last_day)
    return np.asarray(days[is_asked], dtype=np.int64)
