"""Bars of US listings from Yahoo, through the yfinance library; no key."""

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from quantdesk.data.access import Access, library
from quantdesk.data.collect import collect
from quantdesk.data.history import DAY, Events, History, day_bars, local_days, timed_bars, with_events
from quantdesk.data.wire import Wire, wire_of
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

PER_MINUTE = 60.0
"""Yahoo documents no limit; one request a second is rarely refused."""

_COLUMNS = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}
_ZONE = "America/New_York"


@dataclass(frozen=True)
class Yahoo:
    """Ask Yahoo for bars.

    Yahoo divides prices by every later split. The raw prices are worked out again from the splits
    that it tells of, which is why each request runs to the present day.

    Parameters
    ----------
    symbols : tuple of str
        As Yahoo writes them, such as ``BRK-B``; US listings in dollars.
    access : Access
        Cache, clock, and whom to tell.
    start, end : str
        First and last day, YYYY-MM-DD; an empty end is now.
    bar : str
        ``1d``; shorter ones reach back some days or weeks only.
    name : str
        What the panel is called.
    base_url : str
        Another server in place of Yahoo's.
    """

    symbols: tuple[str, ...]
    access: Access
    start: str = "2000-01-01"
    end: str = ""
    bar: str = "1d"
    name: str = ""
    base_url: str = ""

    kind = "yahoo"
    caveats = (
        "prices are raw, worked out from Yahoo's split-adjusted ones and its split events; dividends are events",
        "Yahoo grants no licence beyond personal use, and corrects its past without notice",
    )

    def fetch(self) -> Panel:
        """Return the panel, asking only for bars not yet kept.

        Raises
        ------
        DataError
            If yfinance is missing, or an answer cannot be kept.
        """
        return collect(self)

    def instrument(self, symbol: str) -> Instrument:
        """Describe an instrument."""
        return Instrument(symbol)

    def connect(self) -> Any:
        """Make a session for yfinance that is paced, patient and looks like a browser."""
        yfinance = library("yfinance")
        yfinance.config.debug.hide_exceptions = False
        folder = self.access.state(self.kind)
        folder.mkdir(parents=True, exist_ok=True)
        yfinance.set_tz_cache_location(str(folder))
        return _browser(wire_of(self.access, self.kind, PER_MINUTE, burst=5), self.base_url)

    def history(self, client: Any, symbol: str, begins: np.datetime64, ends: np.datetime64) -> History:
        """Ask for the bars of one symbol from ``begins`` to now.

        Raises
        ------
        DataError
            If Yahoo has none, or they are not those of a US listing in dollars.
        """
        yfinance = library("yfinance")
        first = str((begins - DAY).astype("datetime64[D]"))
        last = str((self.access.clock.now() + 2 * DAY).astype("datetime64[D]"))
        ticker = yfinance.Ticker(symbol, session=client)
        asked = {"interval": self.bar, "auto_adjust": False, "actions": True, "repair": False}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # yfinance calls what pandas is about to drop
                frame = ticker.history(start=first, end=last, **asked)
                told = ticker.history_metadata
            _check_listing(symbol, told)
            return _raw(str(told["symbol"]), frame, self.bar)
        except yfinance.exceptions.YFException as error:
            raise DataError(f"yahoo has no bars of {symbol}: {error}", "bars", "check the symbol and the dates") from error
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(
                f"yahoo's answer for {symbol} is not as documented ({type(error).__name__}: {error})",
                "a chart with prices",
                "try later, or upgrade yfinance; nothing was kept",
            ) from error


def _check_listing(symbol: str, told: dict[str, Any]) -> None:
    zone, currency = told["exchangeTimezoneName"], told["currency"]
    if zone != _ZONE or currency != "USD":
        raise DataError(f"{symbol} trades on {zone} time in {currency}", "a US listing in USD", "use a file for it")


def _raw(symbol: str, frame: Any, bar: str) -> History:
    adjusted = {name: np.asarray(frame[column], dtype=np.float64) for name, column in _COLUMNS.items()}
    splits = np.asarray(frame["Stock Splits"], dtype=np.float64)
    later = later_splits(splits)
    fields = {name: np.round(values * later, 6) for name, values in adjusted.items() if name != "volume"}
    fields["volume"] = np.round(adjusted["volume"] / later)
    paid = np.asarray(frame["Dividends"], dtype=np.float64) * later
    dates = [str(stamp)[:10] for stamp in frame.index]
    if bar == "1d":
        history = day_bars(symbol, dates, fields)
    else:
        opens = frame.index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
        history = timed_bars(symbol, opens.tolist(), fields, bar)
    days = [str(day) for day in local_days(history.opens_at, _ZONE)]
    events = Events(_told(days, splits), _told(days, paid))
    adjusted_already = "Adj Close" not in frame.columns
    kept = with_events(history, events)
    return History(kept.symbol, kept.opens_at, kept.times, kept.fields, adjusted_already)


def later_splits(splits: Float64) -> Float64:
    """Multiply the splits after each bar: the factor by which a split-adjusted price was divided.

    Parameters
    ----------
    splits : Float64
        New units for one old (n_bars,); 0 or NaN where there is none.

    Examples
    --------
    >>> later_splits(np.array([0.0, 2.0, 0.0, 3.0])).tolist()
    [6.0, 3.0, 3.0, 1.0]
    """
    ratios = np.where(np.isfinite(splits) & (splits > 0), splits, 1.0)
    through = np.cumprod(ratios[::-1])[::-1]
    return np.asarray(through / ratios)


def _told(days: list[str], values: Float64) -> list[tuple[str, float]]:
    return [(day, round(float(value), 6)) for day, value in zip(days, values, strict=True) if value > 0]


def _browser(wire: Wire, base_url: str) -> Any:
    browsers = library("curl_cffi.requests")
    reply_of = library("quantdesk.data.transports").reply_of

    class Browser(browsers.Session):  # type: ignore[misc, name-defined]
        """Send what yfinance asks for; its cookie and crumb requests may fail and are not insisted on."""

        def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
            target = base_url + "".join(url.partition("://")[2].partition("/")[1:]) if base_url else url
            ask = partial(super().request, method, target, *args, **options)
            if "/v8/finance/chart/" not in url:
                return ask()
            return wire.send(ask, reply_of, url)

    return Browser(impersonate="chrome")
