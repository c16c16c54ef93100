"""A bar is stamped when it closes: stamps that look like openings put a whole bar of future into each."""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from quantdesk.domain.arrays import Ints, Times
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.leaks.leak import Leak

OPENING, CLOSING = 9 * 60 + 30, 16 * 60
"""Minutes after midnight in New York."""

MAX_READ = 2_000
_DAY = 24 * 60


def stamps(panel: Panel) -> Iterator[Leak]:
    """Yield a leak where bars of US sessions are stamped as they open.

    Daily bars: at 09:30 in New York, or at midnight of days that are Mondays to Fridays. Bars
    within the day: the first at 09:30 and the last a bar's length or less before 16:00. Markets that
    never close are not judged.
    """
    times = panel.times[:MAX_READ]
    if len(times) < 10:
        return
    step = int(np.median(np.diff(times).astype("timedelta64[m]").astype(np.int64)))
    minutes = _new_york(times)
    if step >= _DAY:
        is_early = bool((minutes == OPENING).mean() > 0.9) or _is_midnight_before(times, minutes)
    else:
        is_early = int(minutes.min()) == OPENING and CLOSING - step <= int(minutes.max()) < CLOSING
    if is_early:
        clock = f"{minutes[0] // 60:02d}:{minutes[0] % 60:02d} in New York"
        meaning = "bars are stamped at their open, so each one tells its whole bar in advance"
        yield Leak("bar stamps", "the bar", times[0], "", f"stamped {clock}", "stamped at its close", meaning)


def _is_midnight_before(times: Times, minutes: Ints) -> bool:
    # Closes at midnight would fall on Tuesday to Saturday; the day's own date on Monday to Friday.
    is_midnight = (times == times.astype("datetime64[D]")) | (minutes == 0)
    weekday = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return bool(is_midnight.all() and 0 in weekday and not (weekday >= 5).any())


def _new_york(times: Times) -> Ints:
    zone = ZoneInfo("America/New_York")
    seconds = times.astype("datetime64[s]").astype(np.int64).tolist()
    local = [datetime.fromtimestamp(second, UTC).astimezone(zone) for second in seconds]
    return np.array([moment.hour * 60 + moment.minute for moment in local], dtype=np.int64)
