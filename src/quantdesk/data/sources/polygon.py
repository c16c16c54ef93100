"""Bars, splits and dividends of US listings from Polygon, through the massive library; a key."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from quantdesk.data.access import Access, library
from quantdesk.data.collect import collect
from quantdesk.data.history import DAY, Events, History, day_bars, local_days, numbers, timed_bars, with_events
from quantdesk.data.wire import wire_of
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

PER_MINUTE = 5.0
"""What the free plan allows."""

KEY, WHERE = "polygon", "https://massive.com/dashboard/keys"

_SPANS = {"1m": (1, "minute"), "5m": (5, "minute"), "15m": (15, "minute"), "1h": (1, "hour"), "1d": (1, "day")}
_COLUMNS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
_MOST = 50_000
_MILLISECOND = np.timedelta64(1_000_000, "ns")


@dataclass(frozen=True)
class Polygon:
    """Ask Polygon (now Massive) for raw bars, and for splits and dividends beside them.

    Parameters
    ----------
    symbols : tuple of str
        Such as ``BRK.B``.
    access : Access
        Cache, clock, whom to tell, and the key ``polygon``.
    start, end : str
        First and last day, YYYY-MM-DD; an empty end is now.
    bar : str
        ``1m``, ``5m``, ``15m``, ``1h`` or ``1d``.
    name : str
        What the panel is called.
    base_url : str
        Another server in place of Polygon's.
    """

    symbols: tuple[str, ...]
    access: Access
    start: str = "2000-01-01"
    end: str = ""
    bar: str = "1d"
    name: str = ""
    base_url: str = ""

    kind = "polygon"

    @property
    def caveats(self) -> tuple[str, ...]:
        """Say what was given."""
        outside = () if self.bar == "1d" else ("bars before and after the session are among them",)
        return ("prices are raw, as traded (Polygon, adjusted=false); splits and dividends are events", *outside)

    def fetch(self) -> Panel:
        """Return the panel, asking only for bars not yet kept.

        Raises
        ------
        DataError
            If the library or the key is missing, or an answer cannot be kept.
        """
        return collect(self)

    def instrument(self, symbol: str) -> Instrument:
        """Describe an instrument."""
        return Instrument(symbol)

    def connect(self) -> Any:
        """Build the library's client, with the wire under it."""
        key = self.access.key(KEY, WHERE)
        massive = library("massive")
        transports = library("quantdesk.data.transports")
        base = {"base": self.base_url} if self.base_url else {}
        client = massive.RESTClient(api_key=key, connection_pool_kw={"retries": False}, **base)
        client.client = transports.CourteousPool(client.client, wire_of(self.access, self.kind, PER_MINUTE, (key,), burst=3))
        return client

    def history(self, client: Any, symbol: str, begins: np.datetime64, ends: np.datetime64) -> History:
        """Ask for the bars, splits and dividends of one symbol: three requests or more.

        Raises
        ------
        DataError
            If an answer is refused or not as documented.
        """
        rows, told, is_adjusted = self._bars(client, symbol, begins - 2 * DAY, ends)
        fields = numbers(rows, _COLUMNS)
        opens = [int(row["t"]) for row in rows]
        if self.bar == "1d":
            stamps = np.array(opens, dtype=np.int64).astype("datetime64[ms]").astype("datetime64[ns]")
            history = day_bars(told, [str(day) for day in local_days(stamps, "America/New_York")], fields)
        else:
            history = timed_bars(told, opens, fields, self.bar)
        if len(history):
            history = with_events(history, _events(client, symbol, str((begins - 2 * DAY).astype("datetime64[D]"))))
        return History(history.symbol, history.opens_at, history.times, history.fields, is_adjusted)

    def _bars(self, client: Any, symbol: str, begins: np.datetime64, ends: np.datetime64) -> tuple[list[Any], str, bool]:
        rows: list[Any] = []
        since, until = (
            int(begins.astype("datetime64[ms]").astype(np.int64)),
            int(ends.astype("datetime64[ms]").astype(np.int64)),
        )
        while True:
            asked = {"adjusted": False, "sort": "asc", "limit": _MOST, "raw": True}
            body = _body(client.get_aggs(symbol, *_SPANS[self.bar], since, until, **asked), symbol)
            page = body.get("results") or []
            rows += page
            if "next_url" not in body or not page:
                # A vendor that does not say whose bars they are is taken at its path.
                return rows, str(body.get("ticker", symbol)), bool(body.get("adjusted", False))
            since = int(page[-1]["t"]) + 1


def _events(client: Any, symbol: str, since: str) -> Events:
    splits = _body(client.list_splits(ticker=symbol, execution_date_gte=since, limit=1000, raw=True), symbol)
    paid = _body(client.list_dividends(ticker=symbol, ex_dividend_date_gte=since, limit=1000, raw=True), symbol)
    return Events(
        [(row["execution_date"], row["split_to"] / row["split_from"]) for row in _own(splits, symbol)],
        [(row["ex_dividend_date"], float(row["cash_amount"])) for row in _own(paid, symbol)],
    )


def _own(body: dict[str, Any], symbol: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = body.get("results") or []
    for row in rows:
        if row.get("ticker") != symbol:
            raise DataError(
                f"polygon was asked for events of {symbol} and answered with {row.get('ticker')!r}",
                f"events of {symbol}",
                "check the symbol; nothing was kept",
            )
    return rows


def _body(answer: Any, symbol: str) -> dict[str, Any]:
    body: dict[str, Any] = library("quantdesk.data.transports").body_of(answer)
    if body.get("status") not in ("OK", "DELAYED"):
        said = body.get("error") or body.get("message") or body.get("status")
        raise DataError(f"polygon refused {symbol}: {said}", "status OK", "check the symbol and what the plan allows")
    return body
