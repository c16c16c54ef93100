"""A server on loopback that answers as the vendors document, and misbehaves on demand."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import numpy as np

from quantdesk.data.access import Clock

Row = dict[str, Any]
Query = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What goes over the wire; ``promised`` bytes are announced where it is set."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    promised: int = -1


Fault = Callable[[Answer], Answer]


def too_many(retry_after: str) -> Fault:
    return lambda answer: Answer(b'{"error":"slow down"}', 429, (("Retry-After", retry_after),))


def broken(status: int) -> Fault:
    return lambda answer: Answer(b"oops", status)


def cut_off(answer: Answer) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) // 2], promised=len(answer.body))


def cut_silently(answer: Answer) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) // 2])


class StillClock(Clock):
    """Time passes only when someone sleeps."""

    def __init__(self, now: str = "2024-02-01T00:00") -> None:
        self.time = np.datetime64(now, "ns")
        self.slept: list[float] = []

    def now(self) -> np.datetime64:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time = self.time + np.timedelta64(int(seconds * 1e9), "ns")

    def turn(self, to: str) -> None:
        self.time = np.datetime64(to, "ns")


@dataclass
class Market:
    """Raw daily bars of any symbol, a dividend on 10 January and a split 2:1 on the 17th; and what a vendor gets wrong."""

    last: str = "2024-01-26"
    revision: float = 1.0
    is_adjusted: bool = False
    is_split_wrong: bool = False
    is_repeating: bool = False
    is_empty: bool = False
    future: str = ""
    called: str = ""
    n_asked: dict[str, int] = field(default_factory=dict)

    def dates(self) -> list[str]:
        days = np.arange(np.datetime64("2024-01-02"), np.datetime64(self.last) + 1)
        sessions = [str(day) for day in days if np.is_busday(day)]
        return sessions + ([self.future] if self.future else [])

    def name(self, symbol: str) -> str:
        return self.called or symbol

    def rows(self, symbol: str) -> list[Row]:
        self.n_asked[symbol] = self.n_asked.get(symbol, 0) + 1
        if self.is_empty:
            return []
        seed = sum(symbol.encode())
        rows = []
        for place, date in enumerate(self.dates()):
            units = 2.0 if date >= "2024-01-17" and not self.is_split_wrong else 1.0
            close = round((100 + seed % 7 + place) / units, 4) * self.revision
            if self.is_adjusted and date < "2024-01-10":
                close *= 0.99
            prices = {"open": close * 0.999, "high": close * 1.01, "low": close * 0.99, "close": close}
            rows.append({"date": date, **{k: round(v, 6) for k, v in prices.items()}, "volume": 1000.0 * units})
        return rows + rows[-1:] if self.is_repeating else rows

    splits = (("2024-01-17", 2.0),)
    dividends = (("2024-01-10", 0.5),)


def opens_at(date: str, clock: str = "00:00") -> int:
    """Seconds since 1970 of a time of day in New York."""
    return int(datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=ZoneInfo("America/New_York")).timestamp())


class ReplayServer:
    """Answers by the first route whose text is in the path; faults come first, one a request."""

    def __init__(self) -> None:
        self.routes: list[tuple[str, Callable[[str, Query], Any]]] = []
        self.faults: list[tuple[str, Fault]] = []
        self.asked: list[tuple[str, Query]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def route(self, part: str, answer: Callable[[str, Query], Any]) -> None:
        self.routes.insert(0, (part, answer))

    def misbehave(self, part: str, fault: Fault, times: int = 1) -> None:
        self.faults += [(part, fault)] * times

    def count(self, part: str) -> int:
        return sum(part in path for path, _ in self.asked)

    def answer(self, path: str, query: Query) -> Answer:
        self.asked.append((path, query))
        found = next((reply for part, reply in self.routes if part in path), None)
        if found is None:
            return Answer(b'{"error":"no such path"}', 404)
        told = found(path, query)
        answer = told if isinstance(told, Answer) else Answer(told if isinstance(told, bytes) else json.dumps(told).encode())
        fault = next((entry for entry in self.faults if entry[0] in path), None)
        if fault is None:
            return answer
        self.faults.remove(fault)
        return fault[1](answer)


@contextmanager
def serving() -> Iterator[ReplayServer]:
    """Run a server on a free port of loopback until the block ends."""
    replay = ReplayServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            replay.headers.append(dict(self.headers.items()))
            answer = replay.answer(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()})
            self.send_response(answer.status)
            for name, value in (("Content-Type", "application/json"), *answer.headers):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) if answer.promised < 0 else answer.promised))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    replay.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield replay
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def play_polygon(server: ReplayServer, market: Market) -> None:
    def bars(path: str, query: Query) -> Any:
        symbol = path.split("/")[4]
        first, last = (int(part) for part in path.split("/")[-2:])
        rows = [row for row in market.rows(symbol) if market.future or first <= opens_at(row["date"]) * 1000 <= last]
        told = [
            {"t": opens_at(row["date"]) * 1000, **{key[0]: row[key] for key in ("open", "high", "low", "close", "volume")}}
            for row in rows
        ]
        flag = query["adjusted"] == "true" or market.is_adjusted
        return {"ticker": market.name(symbol), "adjusted": flag, "status": "OK", "resultsCount": len(told), "results": told}

    def splits(path: str, query: Query) -> Any:
        since = query["execution_date.gte"]
        rows = [
            {"ticker": query["ticker"], "execution_date": day, "split_from": 1, "split_to": ratio}
            for day, ratio in market.splits
            if day >= since
        ]
        return {"status": "OK", "results": rows}

    def dividends(path: str, query: Query) -> Any:
        since = query["ex_dividend_date.gte"]
        rows = [
            {"ticker": query["ticker"], "ex_dividend_date": day, "cash_amount": cash}
            for day, cash in market.dividends
            if day >= since
        ]
        return {"status": "OK", "results": rows}

    server.route("/v2/aggs/ticker/", bars)
    server.route("/v3/reference/splits", splits)
    server.route("/v3/reference/dividends", dividends)


def play_alpha_vantage(server: ReplayServer, market: Market) -> None:
    def daily(symbol: str, size: str) -> Any:
        rows = market.rows(symbol)[-100 if size == "compact" else 0 :]
        keys = ("open", "high", "low", "close", "volume")
        told = [
            f'"{row["date"]}": ' + json.dumps({f"{place}. {key}": str(row[key]) for place, key in enumerate(keys, 1)})
            for row in reversed(rows)
        ]
        meta = json.dumps({"1. Information": "Daily Prices", "2. Symbol": market.name(symbol), "5. Time Zone": "US/Eastern"})
        return f'{{"Meta Data": {meta}, "Time Series (Daily)": {{{", ".join(told)}}}}}'.encode()

    def query(path: str, query: Query) -> Any:
        symbol = query["symbol"]
        if query["function"] == "SPLITS":
            rows = [{"effective_date": day, "split_factor": f"{ratio:.4f}"} for day, ratio in market.splits]
            return {"symbol": symbol, "data": rows}
        if query["function"] == "DIVIDENDS":
            return {"symbol": symbol, "data": [{"ex_dividend_date": day, "amount": str(c)} for day, c in market.dividends]}
        return daily(symbol, query.get("outputsize", "compact"))

    server.route("/query", query)


def play_alpaca(server: ReplayServer, market: Market) -> None:
    def bars(path: str, query: Query) -> Any:
        symbol = query["symbols"]
        told = [
            {
                "t": str(np.datetime64(opens_at(row["date"]), "s")) + "Z",
                **{key[0]: row[key] for key in ("open", "high", "low", "close", "volume")},
            }
            for row in market.rows(symbol)
            if market.future or query["start"][:10] <= row["date"] <= query["end"][:10]
        ]
        return {"bars": {market.name(symbol): told} if told else {}, "next_page_token": None}

    def actions(path: str, query: Query) -> Any:
        symbol, since = query["symbols"], query["start"]
        splits = [{"symbol": symbol, "ex_date": d, "new_rate": r, "old_rate": 1} for d, r in market.splits if d >= since]
        paid = [{"symbol": symbol, "ex_date": day, "rate": cash} for day, cash in market.dividends if day >= since]
        return {"corporate_actions": {"forward_splits": splits, "cash_dividends": paid}, "next_page_token": None}

    server.route("/v2/stocks/bars", bars)
    server.route("/v1/corporate-actions", actions)


def play_crypto(server: ReplayServer, market: Market) -> None:
    """Answer as Bitstamp does; a coin neither splits nor pays."""

    def named(path: str, query: Query) -> Any:
        name = market.name("BTC/USD")
        told = {"name": name, "market_symbol": name.replace("/", "").lower(), "base_currency": name.split("/")[0]}
        sizes = {"base_decimals": 8, "counter_currency": "USD", "counter_decimals": 2, "minimum_order_value": "10"}
        return [{**told, **sizes, "trading": "Enabled", "description": "Bitcoin / U.S. dollar", "market_type": "SPOT"}]

    def candles(path: str, query: Query) -> Any:
        told = [
            {
                "timestamp": str(int(np.datetime64(row["date"], "s").astype(int))),
                **{key: str(row[key]) for key in ("open", "high", "low", "close", "volume")},
            }
            for row in market.rows("BTC/USD")
        ]
        told = [row for row in told if int(query["start"]) <= int(row["timestamp"]) <= int(query["end"]) or market.future]
        return {"data": {"pair": "BTC/USD", "ohlc": told}}

    server.route("/api/v2/markets", named)
    server.route("/api/v2/ohlc/", candles)


def play_yahoo(server: ReplayServer, market: Market) -> None:
    """Answer as Yahoo does: prices and dividends divided by every later split."""
    from yfinance.data import YfData

    YfData.cache_get.cache_clear()  # it keeps answers about spans that are past by the real clock

    def chart(path: str, query: Query) -> Any:
        symbol = path.rsplit("/", 1)[-1]
        meta = {
            "currency": "USD",
            "symbol": market.name(symbol),
            "exchangeTimezoneName": "America/New_York",
            "instrumentType": "EQUITY",
            "validRanges": ["1d", "max"],
            "priceHint": 2,
            "dataGranularity": "1d",
        }
        rows = [] if "range" in query else market.rows(symbol)
        rows = [row for row in rows if int(query["period1"]) <= opens_at(row["date"], "09:30")]
        units = [2.0 if row["date"] < "2024-01-17" else 1.0 for row in rows]
        quote = {
            key: [row[key] / unit for row, unit in zip(rows, units, strict=True)] for key in ("open", "high", "low", "close")
        }
        quote["volume"] = [row["volume"] * unit for row, unit in zip(rows, units, strict=True)]
        times = [opens_at(row["date"], "09:30") for row in rows]
        events = {
            "dividends": {
                str(opens_at(d, "09:30")): {"amount": c / 2, "date": opens_at(d, "09:30")} for d, c in market.dividends
            },
            "splits": {
                str(opens_at(d, "09:30")): {"date": opens_at(d, "09:30"), "numerator": r, "denominator": 1, "splitRatio": "2:1"}
                for d, r in market.splits
            },
        }
        result = {
            "meta": meta,
            "timestamp": times,
            "events": events,
            "indicators": {"quote": [quote if rows else {}], "adjclose": [{"adjclose": quote["close"]}]},
        }
        return {"chart": {"result": [result], "error": None}}

    server.route("/v1/test/getcrumb", lambda path, query: b"crumb")
    server.route("/v8/finance/chart/", chart)


def play_fred(server: ReplayServer, vintages: dict[str, list[tuple[str, str, float]]]) -> None:
    """Answer as FRED does for series of (date, vintage, value); a value stands until the next vintage of its date."""

    def dates(path: str, query: Query) -> Any:
        told = sorted({vintage for _, vintage, _ in vintages.get(query["series_id"], ())})
        return {"count": len(told), "offset": 0, "limit": 10000, "vintage_dates": told}

    def observations(path: str, query: Query) -> Any:
        rows = sorted(vintages[query["series_id"]], key=lambda row: row[1])
        told = []
        for date in sorted({row[0] for row in rows}):
            own = [row for row in rows if row[0] == date]
            for (_, vintage, value), following in zip(own, [*own[1:], (date, "9999-12-31", 0.0)], strict=True):
                begins = max(vintage, query["realtime_start"])
                if begins <= query["realtime_end"] and following[1] > query["realtime_start"]:
                    ends = min(following[1], query["realtime_end"])
                    text = "." if np.isnan(value) else f"{value}"
                    told.append({"realtime_start": begins, "realtime_end": ends, "date": date, "value": text})
        first = int(query["offset"])
        return {"count": len(told), "offset": first, "limit": 2, "observations": told[first : first + 2]}

    server.route("/fred/series/vintagedates", dates)
    server.route("/fred/series/observations", observations)


def play_edgar(server: ReplayServer, entries: dict[str, list[Row]], cik: int = 320193) -> None:
    """Answer as EDGAR does for one company, AAA; entries by taxonomy/tag/unit."""

    def facts(path: str, query: Query) -> Any:
        told: dict[str, Any] = {}
        for concept, rows in entries.items():
            taxonomy, tag, unit = concept.split("/", 2)
            told.setdefault(taxonomy, {})[tag] = {"label": tag, "units": {unit: rows}}
        return {"cik": cik, "entityName": "AAA INC", "facts": told}

    server.route("/files/company_tickers.json", lambda path, query: {"0": {"cik_str": 320193, "ticker": "AAA", "title": "A"}})
    server.route("/api/xbrl/companyfacts/CIK0000320193.json", facts)
