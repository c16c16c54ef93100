"""Daily bars, splits and dividends from Alpha Vantage, through the alpha_vantage library; a key."""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quantdesk.data.access import Access, library
from quantdesk.data.collect import collect
from quantdesk.data.history import DAY, Events, History, day_bars, local_days, numbers, with_events
from quantdesk.data.pace import Quota, spent
from quantdesk.data.wire import Reply, Wire, wire_of
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

PER_MINUTE = 50.0
"""The free plan allows one request a second."""

DAILY_QUOTA = 25
"""Requests a day on the free plan."""

KEY, WHERE = "alpha_vantage", "https://www.alphavantage.co/support/#api-key"

_COLUMNS = {"open": "1. open", "high": "2. high", "low": "3. low", "close": "4. close"}
_COMPACT_BARS = 100
_ERRORS = ("Error Message", "Information", "Note")


@dataclass(frozen=True)
class AlphaVantage:
    """Ask Alpha Vantage for raw daily bars, splits and dividends.

    On the free plan a symbol takes three of the day's 25 requests, and new symbols reach back 100
    bars only; both are the vendor's limits. A run that uses the day's requests up says so, and goes
    on from there when it is repeated the next day.

    Parameters
    ----------
    symbols : tuple of str
        Such as ``IBM``.
    access : Access
        Cache, clock, whom to tell, and the key ``alpha_vantage``.
    start, end : str
        First and last day, YYYY-MM-DD; an empty end is now.
    bar : str
        ``1d`` only.
    name : str
        What the panel is called.
    base_url : str
        Another server in place of Alpha Vantage's.
    is_premium : bool
        Whether the key is paid for: no daily quota, full histories, and one request a symbol.
    """

    symbols: tuple[str, ...]
    access: Access
    start: str = "2000-01-01"
    end: str = ""
    bar: str = "1d"
    name: str = ""
    base_url: str = ""
    is_premium: bool = False

    kind = "alpha_vantage"
    caveats = ("prices are raw, as traded (Alpha Vantage); splits and dividends are events",)

    def __post_init__(self) -> None:
        if self.bar != "1d":
            raise DataError(f"bars of {self.bar!r} from Alpha Vantage", "'1d'", "use another source for shorter bars")

    def fetch(self) -> Panel:
        """Return the panel, asking only for bars not yet kept.

        Raises
        ------
        DataError
            If the library or the key is missing, today's quota is used up, or an answer cannot be kept.
        """
        return collect(self)

    def instrument(self, symbol: str) -> Instrument:
        """Describe an instrument."""
        return Instrument(symbol)

    def connect(self) -> Any:
        """Build the library's two clients, with one wire under both."""
        key = self.access.key(KEY, WHERE)
        folder = self.access.state(self.kind)
        quota = Quota(folder / "quota.json", 0 if self.is_premium else DAILY_QUOTA, self.access.clock, self.kind)
        wire = replace(wire_of(self.access, self.kind, PER_MINUTE, (key,)), quota=quota, complaint=_hurried)
        session = library("quantdesk.data.transports").courteous_session(wire)

        class Answers:
            """Stand before the library's own request, which tells neither status nor headers."""

            def _handle_api_call(self, url: str) -> Any:
                return _body(session.get(_at(url, base_url), timeout=60).content, wire, quota)

        base_url = self.base_url
        series, facts = library("alpha_vantage.timeseries").TimeSeries, library("alpha_vantage.fundamentaldata").FundamentalData
        kinds = [type(f"Courteous{kind.__name__}", (Answers, kind), {}) for kind in (series, facts)]
        return tuple(kind(key=key, output_format="json") for kind in kinds)

    def history(self, client: Any, symbol: str, begins: np.datetime64, ends: np.datetime64) -> History:
        """Ask for the bars and events of one symbol.

        Raises
        ------
        DataError
            If an answer is an error body or not as documented, or today's quota is used up.
        """
        series, facts = client
        n_sessions = (self.access.clock.now() - begins) / DAY * 5 / 7
        size = "full" if self.is_premium and n_sessions > _COMPACT_BARS - 10 else "compact"
        try:
            ask = series.get_daily_adjusted if self.is_premium else series.get_daily
            rows, told = ask(symbol, outputsize=size)
            volume = {"volume": "6. volume" if self.is_premium else "5. volume"}
            dates = list(rows)
            history = day_bars(str(told["2. Symbol"]), dates, numbers(list(rows.values()), {**_COLUMNS, **volume}))
            if not len(history):
                return history
            events = _beside(dates, rows) if self.is_premium else _asked(facts, symbol)
            return with_events(history, _since(events, str(local_days(history.opens_at, "America/New_York")[0])))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"alpha_vantage's answer for {symbol} is not as documented ({type(error).__name__}: {error})",
                "a daily series",
                "try later; nothing was kept",
            ) from error


def _at(url: str, base_url: str) -> str:
    return base_url + "/" + url.partition("://")[2].partition("/")[2] if base_url else url


def _complaint(body: Any) -> str:
    return next((str(body[name]) for name in _ERRORS if name in body), "") if isinstance(body, dict) else ""


def _hurried(reply: Reply) -> str:
    said = _complaint(json.loads(reply.body))
    is_hurried = any(words in said for words in ("per minute", "per second", "more sparingly"))
    return said if is_hurried else ""


def _body(content: bytes, wire: Wire, quota: Quota) -> Any:
    body = json.loads(content)
    said = wire.plain(_complaint(body))
    if "per day" in said:
        quota.spend()
        raise spent(wire.source, said)
    if said or not body:
        raise DataError(
            f"alpha_vantage answered with: {said or 'nothing'}",
            "a daily series",
            "check the symbol, and whether the plan allows this request; nothing was kept",
        )
    return body


def _beside(dates: list[str], rows: dict[str, dict[str, str]]) -> Events:
    splits = [(date, float(rows[date]["8. split coefficient"])) for date in dates]
    paid = [(date, float(rows[date]["7. dividend amount"])) for date in dates]
    return Events([event for event in splits if event[1] != 1.0], [event for event in paid if event[1] > 0])


def _asked(facts: Any, symbol: str) -> Events:
    splits = [(row["effective_date"], float(row["split_factor"])) for row in _rows(facts.get_splits(symbol), symbol)]
    paid = [(row["ex_dividend_date"], float(row["amount"])) for row in _rows(facts.get_dividends(symbol), symbol)]
    return Events(splits, paid)


def _rows(answer: Any, symbol: str) -> list[dict[str, Any]]:
    table, told = answer
    if told != symbol:
        raise DataError(f"alpha_vantage was asked for {symbol} and answered with {told!r}", symbol, "nothing was kept")
    return list(table.to_dict("records"))


def _since(events: Events, first: str) -> Events:
    splits, paid = ([event for event in kind if event[0] >= first] for kind in (events.splits, events.dividends))
    return Events(splits, paid)
