"""Candles of crypto exchanges, through the ccxt library; no key."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from quantdesk.data.access import Access, library
from quantdesk.data.collect import collect
from quantdesk.data.history import BARS, MINUTE, History, timed_bars
from quantdesk.data.wire import wire_of
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

PER_MINUTE = 60.0
"""One request a second is within every large exchange's public limit."""

_FIELDS = ("open", "high", "low", "close", "volume")
_MOST = 1000


@dataclass(frozen=True)
class Crypto:
    """Ask an exchange for candles.

    A day is a UTC day. Some exchanges give the latest candles only (Kraken: 720), whatever start
    is asked for; the panel's caveats say where one begins late.

    Parameters
    ----------
    symbols : tuple of str
        As ccxt writes them, such as ``BTC/USD``.
    access : Access
        Cache, clock, and whom to tell.
    start, end : str
        First and last day, YYYY-MM-DD; an empty end is now.
    bar : str
        ``1m``, ``5m``, ``15m``, ``1h`` or ``1d``.
    name : str
        What the panel is called.
    base_url : str
        Another server in place of the exchange's.
    exchange : str
        As ccxt names it, such as ``bitstamp`` or ``kraken``.
    """

    symbols: tuple[str, ...]
    access: Access
    start: str = "2015-01-01"
    end: str = ""
    bar: str = "1d"
    name: str = ""
    base_url: str = ""
    exchange: str = "bitstamp"

    @property
    def kind(self) -> str:
        """Name the source; candles of two exchanges are kept apart."""
        return f"crypto-{self.exchange}"

    @property
    def caveats(self) -> tuple[str, ...]:
        """Say what was given."""
        return (f"prices and volumes are those of one exchange, {self.exchange}; volume is in units of the base currency",)

    def fetch(self) -> Panel:
        """Return the panel, asking only for bars not yet kept.

        Raises
        ------
        DataError
            If ccxt is missing, the exchange unknown, or an answer cannot be kept.
        """
        return collect(self)

    def instrument(self, symbol: str) -> Instrument:
        """Describe an instrument: fractions of a coin trade, in the quote currency."""
        quote = symbol.partition("/")[2].partition(":")[0]
        return Instrument(symbol, tick_size=1e-8, lot_size=1e-8, currency=quote or "USD")

    def connect(self) -> Any:
        """Build the exchange's client, with the wire under it.

        Raises
        ------
        DataError
            If ccxt knows no such exchange, or it gives no candles of this length.
        """
        ccxt = library("ccxt")
        if self.exchange not in ccxt.exchanges:
            raise DataError(f"no exchange is called {self.exchange!r}", "one that ccxt knows", "such as bitstamp or kraken")
        session = library("quantdesk.data.transports").courteous_session(wire_of(self.access, self.kind, PER_MINUTE, burst=3))
        client = getattr(ccxt, self.exchange)({"session": session, "enableRateLimit": False, "timeout": 30_000})
        if self.bar not in (client.timeframes or {}):
            raise DataError(
                f"{self.exchange} gives no candles of {self.bar}", f"one of {list(client.timeframes or {})}", "choose"
            )
        if self.base_url:
            client.urls["api"] = _moved(client.urls["api"], self.base_url)
        return client

    def history(self, client: Any, symbol: str, begins: np.datetime64, ends: np.datetime64) -> History:
        """Ask for the candles of one symbol, page by page.

        Raises
        ------
        DataError
            If the exchange refuses, or its answer is not as documented.
        """
        ccxt = library("ccxt")
        span = tuple(int(moment.astype("datetime64[ms]").astype(np.int64)) for moment in (begins, ends))
        try:
            rows = _pages(client, symbol, self.bar, span[0], span[1])
            market = str(client.market(symbol)["symbol"])
        except ccxt.BaseError as error:
            raise DataError(
                f"{self.exchange} refused {symbol}: {type(error).__name__}: {str(error)[:200]}",
                "candles",
                "check the symbol (as BTC/USD) and the exchange",
            ) from error
        columns = np.array(rows, dtype=np.float64).reshape(len(rows), 6)
        fields = {name: columns[:, place + 1].copy() for place, name in enumerate(_FIELDS)}
        return timed_bars(market, columns[:, 0].astype(np.int64).tolist(), fields, self.bar)


def _pages(client: Any, symbol: str, bar: str, begins: int, ends: int) -> list[list[float]]:
    length = int(BARS[bar] * MINUTE / np.timedelta64(1, "ms"))
    rows: list[list[float]] = []
    since = begins - length
    while since <= ends:
        page = client.fetch_ohlcv(symbol, bar, since=since, limit=_MOST)
        rows += [row for row in page if not rows or row[0] > rows[-1][0]]
        # A page without news may lie before the listing: look on behind it.
        is_news = bool(rows) and rows[-1][0] >= since
        since = int(rows[-1][0]) + length if is_news else since + _MOST * length
    return rows


def _moved(urls: Any, base_url: str) -> Any:
    if isinstance(urls, dict):
        return {name: _moved(url, base_url) for name, url in urls.items()}
    rest = str(urls).partition("://")[2]
    return base_url + "".join(rest.partition("/")[1:])
