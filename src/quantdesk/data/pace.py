"""Ask no more often than a source allows: so many a minute, so many a day."""

import json
from pathlib import Path

import numpy as np

from quantdesk.data.access import Clock
from quantdesk.data.whole import write_whole
from quantdesk.domain.errors import DataError

_SECOND = np.timedelta64(1_000_000_000, "ns")


class Bucket:
    """Hold back requests by a token bucket: ``burst`` at once, then ``per_minute`` a minute.

    Parameters
    ----------
    per_minute : float
        Tokens that come in a minute.
    clock : Clock
        Read for the time, and slept on.
    burst : int
        Tokens it holds when full, and at the start.
    """

    def __init__(self, per_minute: float, clock: Clock, burst: int = 1) -> None:
        if per_minute <= 0:
            raise DataError(f"{per_minute:g} requests a minute", "a number above 0", "correct the rate")
        self._interval = 60.0 / per_minute
        self._clock = clock
        self._burst = float(burst)
        self._tokens = float(burst)
        self._seen = clock.now()

    def take(self) -> None:
        """Take a token, waiting for it if there is none."""
        self._fill()
        if self._tokens < 1.0:
            self._clock.sleep((1.0 - self._tokens) * self._interval)
            self._fill()
            self._tokens = max(self._tokens, 1.0)
        self._tokens -= 1.0

    def _fill(self) -> None:
        now = self._clock.now()
        came = max(0.0, float((now - self._seen) / _SECOND)) / self._interval
        self._tokens, self._seen = min(self._burst, self._tokens + came), now


class Quota:
    """Count requests a day, on disk, so that a second run of the day knows of the first.

    Parameters
    ----------
    path : Path
        Where the count is kept.
    limit : int
        Requests a day (UTC); 0 for no limit.
    clock : Clock
        Read for the day.
    source : str
        For naming in errors.
    """

    def __init__(self, path: Path, limit: int, clock: Clock, source: str) -> None:
        self._path, self._limit, self._clock, self._source = path, limit, clock, source

    @property
    def used(self) -> int:
        """Count the requests of today."""
        try:
            kept = json.loads(self._path.read_bytes())
            return int(kept["used"]) if kept["day"] == self._today() else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def take(self) -> None:
        """Count one more.

        Raises
        ------
        DataError
            If today's are used up; nothing that was finished is lost.
        """
        if not self._limit:
            return
        used = self.used
        if used >= self._limit:
            raise spent(self._source, f"{used} of {self._limit} requests of {self._today()} (UTC) are used")
        self._keep(used + 1)

    def spend(self) -> None:
        """Note that the source itself says today's are used up."""
        if self._limit:
            self._keep(self._limit)

    def _keep(self, used: int) -> None:
        write_whole(self._path, json.dumps({"day": self._today(), "used": used}).encode())

    def _today(self) -> str:
        return str(self._clock.now().astype("datetime64[D]"))


def spent(source: str, what: str) -> DataError:
    """Say that a day's quota is used up, and that the work goes on from here."""
    return DataError(
        f"{source}: {what}",
        "a request left for today",
        "run the same command again tomorrow: what is finished is kept, only the rest is asked for",
    )
