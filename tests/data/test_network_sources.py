"""What every network source of bars owes when the vendor misbehaves; the real client libraries against a local server."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replay_server import (
    Market,
    ReplayServer,
    StillClock,
    cut_off,
    play_alpaca,
    play_alpha_vantage,
    play_crypto,
    play_polygon,
    play_yahoo,
    serving,
    too_many,
)

from quantdesk.data.access import Access
from quantdesk.data.collect import piece_path
from quantdesk.data.fetching import network_sources
from quantdesk.data.sources import discover
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

KEYS = {"polygon": "SECRET1", "alpha_vantage": "SECRET2", "alpaca_key": "SECRET3", "alpaca_secret": "SECRET4"}
PLAYS: dict[str, tuple[Callable[[ReplayServer, Market], None], str]] = {
    "alpaca": (play_alpaca, "/v2/stocks/bars"),
    "alpha_vantage": (play_alpha_vantage, "/query"),
    "crypto": (play_crypto, "/api/v2/ohlc"),
    "polygon": (play_polygon, "/v2/aggs"),
    "yahoo": (play_yahoo, "/v8/finance/chart"),
}
STOCKS = sorted(set(PLAYS) - {"crypto"})


class Bench:
    """One vendor, its market, a clock, and a home."""

    def __init__(self, kind: str, server: ReplayServer, home: Path) -> None:
        self.kind, self.server, self.home = kind, server, home
        self.market, self.clock = Market(), StillClock()
        play, self.path = PLAYS[kind]
        play(server, self.market)
        self.told: list[tuple[str, int, int]] = []

    def source(
        self, symbols: tuple[str, ...] = (), end: str = "2024-01-31", accept: bool = False, start: str = "2024-01-01"
    ) -> Any:
        names = symbols or (("BTC/USD",) if self.kind == "crypto" else ("ABC",))
        tell = lambda what, done, total: self.told.append((what, done, total))  # noqa: E731
        access = Access(self.home, KEYS, tell=tell, accept_revision=accept, clock=self.clock)
        return discover()[self.kind](names, access, start=start, end=end, base_url=self.server.url)

    def fetch(self, *args: Any, **options: Any) -> Panel:
        from yfinance.data import YfData

        YfData.cache_get.cache_clear()  # it keeps answers about spans that are past by the real clock
        panel = self.source(*args, **options).fetch()
        assert isinstance(panel, Panel)
        return panel


def _bench(kind: str, folder: Path) -> Iterator[Bench]:
    with serving() as server:
        yield Bench(kind, server, folder)


@pytest.fixture(params=sorted(PLAYS))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from _bench(request.param, tmp_path)


@pytest.fixture(params=STOCKS)
def stock(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from _bench(request.param, tmp_path)


@pytest.fixture
def polygon(tmp_path: Path) -> Iterator[Bench]:
    yield from _bench("polygon", tmp_path)


@pytest.fixture
def alpha_vantage(tmp_path: Path) -> Iterator[Bench]:
    yield from _bench("alpha_vantage", tmp_path)


def test_every_network_source_is_played_here() -> None:
    assert set(network_sources()) == set(PLAYS)


def test_bars_are_raw_and_events_lie_on_their_ex_dates(stock: Bench) -> None:
    panel = stock.fetch()
    days = panel.times.astype("datetime64[D]").astype(str).tolist()
    assert days == stock.market.dates()
    before, after = panel.fields["close"][days.index("2024-01-16"), 0], panel.fields["close"][days.index("2024-01-17"), 0]
    assert after / before == pytest.approx(0.5, rel=0.02)
    assert panel.fields["volume"][-1, 0] == 2 * panel.fields["volume"][0, 0]
    assert np.flatnonzero(np.isfinite(panel.fields["split"][:, 0])).tolist() == [days.index("2024-01-17")]
    assert panel.fields["dividend"][days.index("2024-01-10"), 0] == 0.5


def test_a_session_is_stamped_at_its_close_in_utc(stock: Bench) -> None:
    assert str(stock.fetch().times[0]) == "2024-01-02T21:00:00.000000000"


def test_a_day_of_coins_is_stamped_at_the_next_midnight_in_utc(tmp_path: Path) -> None:
    for bench in _bench("crypto", tmp_path):
        panel = bench.fetch()
        assert str(panel.times[0]) == "2024-01-03T00:00:00.000000000"
        assert panel.instruments[0].currency == "USD"
        assert panel.instruments[0].lot_size < 1e-6


def test_what_was_given_is_said_in_a_caveat(bench: Bench) -> None:
    assert any("raw" in caveat or "one exchange" in caveat for caveat in bench.fetch().caveats)


def test_a_second_run_asks_for_nothing_and_gives_the_same_bits(bench: Bench) -> None:
    first = bench.fetch()
    asked = len(bench.server.asked)
    assert bench.fetch().fingerprint() == first.fingerprint()
    assert len(bench.server.asked) == asked


def test_a_run_cut_off_asks_only_for_what_is_missing(stock: Bench) -> None:
    stock.market.is_empty = False
    seen: list[str] = []

    def stop(what: str, done: int, total: int) -> None:
        seen.append(what)
        if done == 2:
            raise KeyboardInterrupt

    source = stock.source(("ABC", "DEF", "GHI"))
    with pytest.raises(KeyboardInterrupt):
        replace(source, access=replace(source.access, tell=stop)).fetch()
    assert set(stock.market.n_asked) == {"ABC", "DEF"}
    before = dict(stock.market.n_asked)
    panel = source.fetch()
    assert panel.symbols == ("ABC", "DEF", "GHI")
    assert {name: stock.market.n_asked[name] for name in before} == before
    assert stock.market.n_asked["GHI"] > 0


def test_a_later_end_asks_for_the_new_bars_and_a_few_before_them(bench: Bench) -> None:
    bench.fetch(end="2024-01-19")
    bench.market.last = "2024-01-31"
    longer = bench.fetch(end="2024-01-31")
    assert np.isfinite(longer.fields["close"]).all()
    fresh = Bench(bench.kind, bench.server, bench.home / "fresh")
    fresh.market.last = "2024-01-31"
    assert longer.fingerprint() == fresh.fetch(end="2024-01-31").fingerprint()


def test_retry_after_is_honoured_through_the_library(bench: Bench) -> None:
    bench.server.misbehave(bench.path, too_many("23"))
    assert bench.fetch().shape[0] > 15
    assert 23.0 in bench.clock.slept


def test_an_answer_cut_off_is_asked_for_again_through_the_library(bench: Bench) -> None:
    bench.server.misbehave(bench.path, cut_off)
    assert bench.fetch().shape[0] == len(bench.market.dates())


def test_an_empty_answer_is_refused_and_nothing_is_kept(bench: Bench) -> None:
    bench.market.is_empty = True
    with pytest.raises(DataError):
        bench.fetch()
    source = bench.source()
    assert not piece_path(source, source.symbols[0]).exists()
    bench.market.is_empty = False
    assert bench.fetch().shape[0] > 15


def test_a_bar_of_the_future_is_refused(bench: Bench) -> None:
    bench.market.future = "2024-02-05"
    if bench.kind == "yahoo":
        bench.market.future = "2024-02-02"  # a later one is cut by yfinance itself
    with pytest.raises(DataError, match="begins at 2024-02-0"):
        bench.fetch()


def test_a_session_that_has_not_closed_is_left_out(bench: Bench) -> None:
    bench.clock.turn("2024-01-26T16:00")
    days = [str(day)[:10] for day in bench.fetch(end="").times - np.timedelta64(1, "h")]
    assert days[-1] == "2024-01-25"


def test_a_session_that_has_not_closed_is_not_kept_either(bench: Bench) -> None:
    rows = bench.market.rows

    def early(symbol: str) -> list[dict[str, Any]]:
        return [{**row, "close": row["high"]} if row["date"] == "2024-01-26" else row for row in rows(symbol)]

    bench.market.rows = early  # type: ignore[method-assign]
    bench.clock.turn("2024-01-26T16:00")
    bench.fetch(end="")
    bench.market.rows = rows  # type: ignore[method-assign]
    bench.clock.turn("2024-01-27T16:00")
    panel = bench.fetch(end="")
    assert str(panel.times[-1] - np.timedelta64(1, "h"))[:10] == "2024-01-26"
    assert panel.fields["close"][-1, 0] < panel.fields["high"][-1, 0]


def test_candles_are_found_behind_a_long_time_without_any(tmp_path: Path) -> None:
    for bench in _bench("crypto", tmp_path):
        panel = bench.fetch(start="2018-01-01")
        assert panel.shape[0] == len(bench.market.dates())
        assert "begin later than asked for: BTC/USD (2024-01-03)" in panel.caveats


@pytest.mark.parametrize("kind", ["alpaca", "polygon"])
def test_a_bar_given_twice_is_refused(kind: str, tmp_path: Path) -> None:
    for bench in _bench(kind, tmp_path):
        bench.market.is_repeating = True
        with pytest.raises(DataError, match=r"at 2024-01-26T.* twice"):
            bench.fetch()


def test_a_candle_given_twice_is_refused(tmp_path: Path) -> None:
    for bench in _bench("crypto", tmp_path):
        bench.market.is_repeating = True
        with pytest.raises(DataError, match="twice"):
            bench.fetch()


def test_a_split_that_the_prices_do_not_show_is_refused(stock: Bench) -> None:
    stock.market.is_split_wrong = True
    with pytest.raises(DataError, match=r"split of ABC by 2 at 2024-01-17"):
        stock.fetch()


def test_another_symbol_in_the_answer_is_refused(bench: Bench) -> None:
    bench.market.called = "XYZ/USD" if bench.kind == "crypto" else "XYZ"
    with pytest.raises(DataError, match=r"answered with 'XYZ'|does not have market symbol"):
        bench.fetch()


def test_a_past_that_changed_is_refused_with_its_ratio(bench: Bench) -> None:
    bench.fetch(end="2024-01-19")
    bench.market.last, bench.market.revision = "2024-01-31", 1.02
    with pytest.raises(DataError, match=r"changed what it says about the past: .*ratio 1\.02 "):
        bench.fetch()
    bench.market.revision = 1.0 + 5e-5
    assert bench.fetch().shape[0] > 19


def test_a_past_that_changed_is_taken_as_a_whole_where_it_is_accepted(bench: Bench) -> None:
    old = bench.fetch(end="2024-01-19")
    bench.market.last, bench.market.revision = "2024-01-31", 1.02
    new = bench.fetch(accept=True)
    n = len(old.times)
    assert np.allclose(new.fields["close"][:n] / old.fields["close"], 1.02, rtol=1e-4)


def test_prices_that_the_source_calls_adjusted_are_refused(polygon: Bench) -> None:
    polygon.market.is_adjusted = True
    with pytest.raises(DataError, match="prices of ABC are adjusted"):
        polygon.fetch()


def test_a_flag_flipped_in_silence_is_seen_in_the_bars_asked_for_again(tmp_path: Path) -> None:
    for bench in _bench("alpaca", tmp_path):
        bench.fetch(end="2024-01-09")
        bench.market.is_adjusted = True
        with pytest.raises(DataError, match=r"ratio 0\.99 "):
            bench.fetch()


def test_a_missing_key_is_named_before_anything_is_asked(tmp_path: Path) -> None:
    for kind, name in (("polygon", "polygon"), ("alpha_vantage", "alpha_vantage"), ("alpaca", "alpaca_key")):
        for bench in _bench(kind, tmp_path / kind):
            source = bench.source()
            with pytest.raises(DataError, match=f"no key '{name}'"):
                replace(source, access=replace(source.access, keys={})).fetch()
            assert bench.server.asked == []


def test_a_damaged_piece_is_asked_for_again(polygon: Bench) -> None:
    whole = polygon.fetch()
    path = piece_path(polygon.source(), "ABC")
    path.write_bytes(path.read_bytes()[:100])
    assert polygon.fetch().fingerprint() == whole.fingerprint()


def test_progress_is_told_symbol_by_symbol(polygon: Bench) -> None:
    polygon.fetch(("ABC", "DEF"))
    assert polygon.told == [("polygon ABC", 0, 2), ("polygon DEF", 1, 2), ("polygon", 2, 2)]


def test_polygon_is_asked_five_times_a_minute(polygon: Bench) -> None:
    begin = polygon.clock.now()
    polygon.fetch(("ABC", "DEF", "GHI"))
    assert len(polygon.server.asked) == 9
    assert (polygon.clock.now() - begin) / np.timedelta64(1, "s") == pytest.approx(6 * 12.0, abs=1.0)


def test_polygon_turns_the_page_until_there_is_no_next_one(polygon: Bench) -> None:
    def paged(path: str, query: dict[str, str]) -> Any:
        whole = pages(path, query)
        return {**whole, "results": whole["results"][:7], **({"next_url": "x"} if len(whole["results"]) > 7 else {})}

    pages = next(answer for part, answer in polygon.server.routes if part == "/v2/aggs/ticker/")
    polygon.server.route("/v2/aggs/ticker/", paged)
    assert polygon.fetch().shape[0] == len(polygon.market.dates())


def test_a_bars_file_of_one_feed_is_not_taken_for_another(tmp_path: Path) -> None:
    for bench in _bench("alpaca", tmp_path):
        source = bench.source()
        assert piece_path(source, "ABC") != piece_path(replace(source, feed="sip"), "ABC")


@pytest.mark.parametrize("name", ["Note", "Information", "Error Message"])
def test_an_error_body_with_status_200_is_refused(alpha_vantage: Bench, name: str) -> None:
    alpha_vantage.server.route("/query", lambda path, query: {name: "this is a premium endpoint"})
    with pytest.raises(DataError, match="premium endpoint"):
        alpha_vantage.fetch()


def test_a_spent_quota_stops_clearly_and_the_next_day_goes_on(alpha_vantage: Bench) -> None:
    symbols = tuple(f"S{place}" for place in range(10))
    with pytest.raises(DataError, match="25 of 25 requests of 2024-02-01") as stopped:
        alpha_vantage.fetch(symbols)
    assert "tomorrow" in stopped.value.action
    assert len(alpha_vantage.server.asked) == 25
    alpha_vantage.clock.turn("2024-02-02T09:00")
    assert alpha_vantage.fetch(symbols).symbols == symbols
    assert len(alpha_vantage.server.asked) == 25 + 6


def test_the_servers_own_word_on_the_quota_counts_and_shows_no_key(alpha_vantage: Bench) -> None:
    said = "We have detected your API key as SECRET2 and our standard API rate limit is 25 requests per day."
    alpha_vantage.server.route("/query", lambda path, query: {"Information": said})
    with pytest.raises(DataError, match="25 requests per day") as stopped:
        alpha_vantage.fetch()
    assert "SECRET2" not in str(stopped.value)
    with pytest.raises(DataError, match="25 of 25"):
        alpha_vantage.fetch()


def test_being_asked_to_slow_down_is_waited_out(alpha_vantage: Bench) -> None:
    hurried = b'{"Information": "Please spread out your requests more sparingly (1 request per second)."}'
    alpha_vantage.server.misbehave("/query", lambda answer: replace(answer, body=hurried), times=2)
    assert alpha_vantage.fetch().shape[0] > 15


def test_yahoo_listings_abroad_are_refused(tmp_path: Path) -> None:
    for bench in _bench("yahoo", tmp_path):
        chart = next(answer for part, answer in bench.server.routes if part == "/v8/finance/chart/")

        def abroad(path: str, query: dict[str, str]) -> Any:
            told = chart(path, query)  # noqa: B023
            told["chart"]["result"][0]["meta"]["currency"] = "GBp"
            return told

        bench.server.route("/v8/finance/chart/", abroad)
        with pytest.raises(DataError, match="GBp"):
            bench.fetch()


def test_shorter_bars_close_where_they_end(polygon: Bench) -> None:
    source = replace(polygon.source(), bar="1h")
    assert str(source.fetch().times[0]) == "2024-01-02T06:00:00.000000000"
