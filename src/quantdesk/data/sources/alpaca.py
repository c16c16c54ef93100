"""Bars, splits and dividends of US listings from Alpaca, through the alpaca-py library; two keys."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from quantdesk.data.access import Access, library
from quantdesk.data.collect import collect
from quantdesk.data.history import DAY, Events, History, day_bars, local_days, numbers, timed_bars, with_events
from quantdesk.data.wire import wire_of
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

PER_MINUTE = 180.0
"""The free plan allows 200."""

KEY, SECRET, WHERE = "alpaca_key", "alpaca_secret", "https://app.alpaca.markets (paper account, API keys)"
FEEDS = ("iex", "sip")

_COLUMNS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}


@dataclass(frozen=True)
class Alpaca:
    """Ask Alpaca for raw bars, and for splits and cash dividends beside them.

    Parameters
    ----------
    symbols : tuple of str
        Such as ``BRK.B``.
    access : Access
        Cache, clock, whom to tell, and the keys ``alpaca_key`` and ``alpaca_secret``.
    start, end : str
        First and last day, YYYY-MM-DD; an empty end is now.
    bar : str
        ``1m``, ``5m``, ``15m``, ``1h`` or ``1d``.
    name : str
        What the panel is called.
    base_url : str
        Another server in place of Alpaca's.
    feed : {"iex", "sip"}
        One exchange, or all of them (a paid plan for recent bars).
    """

    symbols: tuple[str, ...]
    access: Access
    start: str = "2016-01-01"
    end: str = ""
    bar: str = "1d"
    name: str = ""
    base_url: str = ""
    feed: str = "iex"

    def __post_init__(self) -> None:
        if self.feed not in FEEDS:
            raise DataError(f"feed {self.feed!r} of Alpaca", f"one of {', '.join(FEEDS)}", "choose another")

    @property
    def kind(self) -> str:
        """Name the source; bars of two feeds are kept apart."""
        return f"alpaca-{self.feed}"

    @property
    def caveats(self) -> tuple[str, ...]:
        """Say what was given."""
        one = ("prices and volumes are those of one exchange, IEX, with a few hundredths of all trading",)
        said = "prices are raw, as traded (Alpaca, adjustment=raw); splits and cash dividends are events, spin-offs are not"
        return (said, *(one if self.feed == "iex" else ()))

    def fetch(self) -> Panel:
        """Return the panel, asking only for bars not yet kept.

        Raises
        ------
        DataError
            If the library or a key is missing, or an answer cannot be kept.
        """
        return collect(self)

    def instrument(self, symbol: str) -> Instrument:
        """Describe an instrument."""
        return Instrument(symbol)

    def connect(self) -> Any:
        """Build the library's two clients, with one wire under both."""
        keys = (self.access.key(KEY, WHERE), self.access.key(SECRET, WHERE))
        clients = library("alpaca.data.historical.stock"), library("alpaca.data.historical.corporate_actions")
        wire = wire_of(self.access, self.kind, PER_MINUTE, keys, burst=10)
        options = {"raw_data": True, "url_override": self.base_url or None}
        bars = clients[0].StockHistoricalDataClient(*keys, **options)
        actions = clients[1].CorporateActionsClient(*keys, **options)
        for client in (bars, actions):
            library("quantdesk.data.transports").courteous(client._session, wire)
        return bars, actions

    def history(self, client: Any, symbol: str, begins: np.datetime64, ends: np.datetime64) -> History:
        """Ask for the bars and events of one symbol.

        Raises
        ------
        DataError
            If an answer is refused or not as documented.
        """
        bars, actions = client
        requests = library("alpaca.data.requests")
        since, until = _moment(begins - 2 * DAY), _moment(ends)
        asked = requests.StockBarsRequest(
            symbol_or_symbols=symbol, timeframe=_frame(self.bar), start=since, end=until, adjustment="raw", feed=self.feed
        )
        try:
            told, rows = _only(bars.get_stock_bars(asked), symbol)
            history = _history(told, rows, self.bar)
            if not len(history):
                return history
            wanted = ["forward_split", "reverse_split", "cash_dividend"]
            span = {"start": since.date(), "end": until.date()}
            happened = actions.get_corporate_actions(requests.CorporateActionsRequest(symbols=[symbol], types=wanted, **span))
            return with_events(history, _events(happened, symbol))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"alpaca's answer for {symbol} is not as documented ({type(error).__name__}: {error})",
                "bars and corporate actions",
                "try later, or upgrade alpaca-py; nothing was kept",
            ) from error


def _moment(time: np.datetime64) -> datetime:
    return datetime.fromtimestamp(float(time.astype("datetime64[s]").astype(np.int64)), tz=UTC)


def _frame(bar: str) -> Any:
    frames = library("alpaca.data.timeframe")
    units = {"m": frames.TimeFrameUnit.Minute, "h": frames.TimeFrameUnit.Hour, "d": frames.TimeFrameUnit.Day}
    return frames.TimeFrame(int(bar[:-1]), units[bar[-1]])


def _only(answer: dict[str, Any], symbol: str) -> tuple[str, list[Any]]:
    return (symbol, answer[symbol]) if symbol in answer or not answer else next(iter(answer.items()))


def _history(symbol: str, rows: list[Any], bar: str) -> History:
    opens = np.array([row["t"].removesuffix("Z") for row in rows], dtype="datetime64[ns]")
    fields = numbers(rows, _COLUMNS)
    if bar == "1d":
        return day_bars(symbol, [str(day) for day in local_days(opens, "America/New_York")], fields)
    return timed_bars(symbol, opens.astype("datetime64[ms]").astype(np.int64).tolist(), fields, bar)


def _events(happened: dict[str, Any], symbol: str) -> Events:
    rows = {name: [row for row in found if row["symbol"] == symbol] for name, found in happened.items()}
    splits = [*rows.get("forward_splits", ()), *rows.get("reverse_splits", ())]
    return Events(
        [(row["ex_date"], row["new_rate"] / row["old_rate"]) for row in splits],
        [(row["ex_date"], float(row["rate"])) for row in rows.get("cash_dividends", ())],
    )
