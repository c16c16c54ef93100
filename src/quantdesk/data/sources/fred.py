"""Economic series with every vintage, from the Federal Reserve Bank of St. Louis; a key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from quantdesk.data.access import Access, library
from quantdesk.data.facts import FRESH, kept_or_asked, next_day, without_repeats
from quantdesk.data.wire import Wire, get_json, wire_of
from quantdesk.domain.errors import DataError
from quantdesk.domain.records import Records, joined

PER_MINUTE = 100.0
"""FRED allows 120."""

KEY, WHERE = "fred", "https://fredaccount.stlouisfed.org/apikeys"
URL = "https://api.stlouisfed.org"

_VINTAGES = 1000  # a request may span 2000 at most
_PAGE = 100_000
_ALWAYS = np.timedelta64(10_000, "D")


@dataclass(frozen=True)
class Fred:
    """Ask FRED (and its archive ALFRED) for series as they were published, vintage by vintage.

    A value counts as known from the day after its vintage's date, as the hour is not told.

    Parameters
    ----------
    series : tuple of str
        Such as ``CPIAUCSL``.
    access : Access
        Cache, clock, whom to tell, and the key ``fred``.
    name : str
        What the collection is called.
    base_url : str
        Another server in place of FRED's.
    is_forward : bool
        Whether the series are projections, of periods still to come.
    """

    series: tuple[str, ...]
    access: Access
    name: str = ""
    base_url: str = ""
    is_forward: bool = False

    kind = "fred"

    def records(self) -> Records:
        """Return every vintage; the subject and the name of each record are the series.

        Raises
        ------
        DataError
            If the key is missing, a series unknown, or an answer cannot be kept.
        """
        key = self.access.key(KEY, WHERE)
        wire = wire_of(self.access, self.kind, PER_MINUTE, (key,), burst=5)
        library("requests")
        session = library("quantdesk.data.transports").courteous_session(wire)
        parts = []
        for done, series in enumerate(self.series):
            self.access.tell(f"fred {series}", done, len(self.series))
            parts.append(self._series(_Door(session, wire, self.base_url or URL, key), series))
        self.access.tell("fred", len(self.series), len(self.series))
        return joined(parts, self.name or self.kind)

    def _series(self, door: "_Door", series: str) -> Records:
        folder = self.access.cache(self.kind)
        stem = quote(series, safe="")

        def ask() -> Records:
            dates = door.vintages(series)
            chunks = [dates[first : first + _VINTAGES] for first in range(0, len(dates), _VINTAGES)]
            parts = []
            for place, chunk in enumerate(chunks):
                is_last = place == len(chunks) - 1
                until = "9999-12-31" if is_last else str(np.datetime64(chunks[place + 1][0]) - np.timedelta64(1, "D"))
                path = folder / f"{stem}.{chunk[0]}.npz"
                span = (chunk[0], until)
                # Vintages before the newest ones are closed: once kept, never asked for again.
                parts.append(
                    kept_or_asked(
                        path,
                        self.access,
                        lambda span=span: self._records(series, door.observations(series, *span)),  # type: ignore[misc]
                        FRESH if is_last else _ALWAYS,
                    )
                )
            return without_repeats(joined(parts, self.kind))

        return kept_or_asked(folder / f"{stem}.npz", self.access, ask)

    def _records(self, series: str, rows: Sequence[Any]) -> Records:
        told = [row for row in rows if row["value"] != "."]
        names = np.full(len(told), series)
        return Records(
            subjects=names,
            names=names,
            periods=np.array([row["date"] for row in told], dtype="datetime64[ns]"),
            known_at=next_day(np.array([row["realtime_start"] for row in told], dtype="datetime64[D]")),
            values=np.array([float(row["value"]) for row in told], dtype=np.float64),
            name=self.kind,
            is_forward=self.is_forward,
        )


@dataclass(frozen=True)
class _Door:
    session: Any
    wire: Wire
    url: str
    key: str

    def vintages(self, series: str) -> list[str]:
        body = self._ask("series/vintagedates", series, {"limit": "10000"})
        dates = list(body["vintage_dates"])
        if not dates:
            raise DataError(f"fred knows no vintage of {series}", "one or more", "check the series; nothing was kept")
        return dates

    def observations(self, series: str, first: str, last: str) -> list[Any]:
        rows: list[Any] = []
        span = {"realtime_start": first, "realtime_end": last, "output_type": "1", "limit": str(_PAGE)}
        while True:
            body = self._ask("series/observations", series, {**span, "offset": str(len(rows))})
            rows += body["observations"]
            if not body["observations"] or len(rows) >= int(body["count"]):
                break
        if not rows:
            raise DataError(f"fred gives no value of {series} for vintages {first} to {last}", "values", "try later")
        return rows

    def _ask(self, path: str, series: str, params: dict[str, str]) -> Any:
        url = f"{self.url}/fred/{path}"
        body = get_json(self.session, self.wire, url, {"series_id": series, "api_key": self.key, "file_type": "json", **params})
        if "error_message" in body:
            said = self.wire.plain(str(body["error_message"]))
            raise DataError(f"fred refused {series}: {said}", "a series", "check its name and the key")
        return body
