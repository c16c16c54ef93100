"""Fetching a data set, keeping it up to date, and saying what its source changed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replay_server import Market, ReplayServer, StillClock, play_alpha_vantage, play_polygon, serving

from quantdesk.data import store
from quantdesk.data.access import Access
from quantdesk.data.difference import Change, difference
from quantdesk.data.fetching import Request, compare, fetch, network_facts, network_sources, record_path, update
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel


class Desk:
    """A home, a clock, a market, and Polygon."""

    def __init__(self, server: ReplayServer, home: Path) -> None:
        self.server, self.home, self.market, self.clock = server, home, Market(), StillClock("2024-01-27T00:00")
        play_polygon(server, self.market)
        self.request = Request("polygon", ("ABC", "DEF"), "mine", "2024-01-01", options={"base_url": server.url})

    def access(self, accept: bool = False) -> Access:
        return Access(self.home, {"polygon": "K", "alpha_vantage": "A"}, accept_revision=accept, clock=self.clock)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serving() as server:
        yield Desk(server, tmp_path)


def test_a_fetched_data_set_is_kept_under_its_name(desk: Desk) -> None:
    fetched = fetch(desk.request, desk.access())
    kept = store.load("mine", desk.home)
    assert kept.fingerprint() == fetched.panel.fingerprint()
    assert fetched.n_new_bars == kept.shape[0] == 19
    assert store.names(desk.home) == ["mine"]


def test_an_update_asks_for_new_bars_and_gives_what_one_fetch_would(desk: Desk, tmp_path: Path) -> None:
    fetch(desk.request, desk.access())
    desk.market.last = "2024-01-31"
    desk.clock.turn("2024-02-01T00:00")
    before = len(desk.server.asked)
    updated = update("mine", desk.access())
    firsts = [int(path.split("/")[-2]) for path, _ in desk.server.asked[before:] if "/v2/aggs/" in path]
    assert min(firsts) > int(np.datetime64("2024-01-16", "ms").astype(int))
    assert (updated.n_new_bars, updated.changes) == (3, ())
    whole = fetch(replace(desk.request, name="other"), replace(desk.access(), home=tmp_path / "b"))
    assert updated.panel.fingerprint() == whole.panel.fingerprint()


def test_an_update_of_what_was_never_fetched_is_refused(desk: Desk) -> None:
    with pytest.raises(DataError, match="was not fetched"):
        update("mine", desk.access())


def test_an_instrument_that_leaves_is_paid_out_and_hinders_no_update(desk: Desk) -> None:
    desk.clock.turn("2024-01-17T00:00")
    rows = desk.market.rows
    desk.market.rows = lambda symbol: [  # type: ignore[method-assign]
        row for row in rows(symbol) if symbol == "ABC" or row["date"] < "2024-01-16"
    ]
    assert "delisting" not in fetch(desk.request, desk.access()).panel.fields
    desk.clock.turn("2024-01-27T00:00")
    updated = update("mine", desk.access())
    assert np.isfinite(updated.panel.fields["delisting"][:, 1]).sum() == 1
    assert any("leave before the end" in caveat for caveat in updated.panel.caveats)


def test_a_disk_that_refuses_is_named(desk: Desk) -> None:
    (desk.home / "cache").write_text("in the way", encoding="utf-8")
    with pytest.raises(DataError, match="could not be written"):
        fetch(desk.request, desk.access())


def test_a_fetch_that_a_quota_ended_is_resumed_to_its_own_end(desk: Desk) -> None:
    play_alpha_vantage(desk.server, desk.market)
    symbols = tuple(f"S{place}" for place in range(10))
    request = Request("alpha_vantage", symbols, "many", "2024-01-01", options={"base_url": desk.server.url})
    with pytest.raises(DataError, match="25 of 25"):
        fetch(request, desk.access())
    desk.clock.turn("2024-01-29T23:00")
    desk.market.last = "2024-01-29"
    asked = desk.server.count("/query")
    fetched = fetch(request, desk.access())
    assert str(fetched.until).startswith("2024-01-27T00:00")
    assert desk.server.count("/query") - asked == 6
    assert fetched.panel.symbols == symbols
    assert str(fetched.panel.times[-1])[:10] == "2024-01-26"


def test_impossible_bars_are_refused_and_the_version_before_stays(desk: Desk) -> None:
    fetch(desk.request, desk.access())
    before = store.load("mine", desk.home).fingerprint()
    desk.clock.turn("2024-02-01T00:00")
    desk.market.last = "2024-01-31"
    rows = desk.market.rows
    desk.market.rows = lambda symbol: [  # type: ignore[method-assign]
        {**row, "low": row["high"] * 2} if row["date"] > "2024-01-26" else row for row in rows(symbol)
    ]
    with pytest.raises(DataError, match="ABC at 2024-01-29"):
        update("mine", desk.access())
    assert store.load("mine", desk.home).fingerprint() == before


def test_a_past_that_changed_is_refused_even_without_the_pieces(desk: Desk) -> None:
    fetch(desk.request, desk.access())
    for piece in (desk.home / "cache").rglob("*.npz"):
        piece.unlink()
    desk.market.revision = 1.05
    with pytest.raises(DataError, match=r"changed what it says .*ratio 1\.05"):
        update("mine", desk.access())
    changed = update("mine", desk.access(accept=True)).changes
    assert {change.field for change in changed} == {"open", "high", "low", "close"}


def test_a_comparison_names_what_changed_and_changes_nothing(desk: Desk) -> None:
    fetch(desk.request, desk.access())
    before = store.load("mine", desk.home).fingerprint()
    pieces = {path: path.read_bytes() for path in (desk.home / "cache").rglob("*.npz")}
    assert compare("mine", desk.access()) == []
    desk.market.revision = 1.05
    changes = compare("mine", desk.access())
    assert {change.symbol for change in changes} == {"ABC", "DEF"}
    assert all(change.ratio == pytest.approx(1.05, rel=1e-4) for change in changes)
    assert store.load("mine", desk.home).fingerprint() == before
    assert {path: path.read_bytes() for path in (desk.home / "cache").rglob("*.npz")} == pieces


def test_the_record_of_a_fetch_holds_no_key(desk: Desk) -> None:
    secret = "TOPSECRET"
    fetch(desk.request, replace(desk.access(), keys={"polygon": secret}))
    assert secret not in record_path(desk.home, "mine").read_text(encoding="utf-8")
    assert all(secret.encode() not in path.read_bytes() for path in desk.home.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": "nowhere"}, "no network source is called 'nowhere'"),
        ({"name": "../up"}, "cannot name"),
        ({"options": {"colour": 1}}, "an option of 'polygon' is unknown"),
        ({"start": "soon"}, "unreadable"),
        ({"symbols": ()}, "no symbol"),
        ({"symbols": ("ABC", "ABC")}, "twice"),
        ({"options": {"bar": "7m"}}, "bars of '7m'"),
    ],
)
def test_a_request_that_cannot_be_used_is_refused(desk: Desk, change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        fetch(replace(desk.request, **change), desk.access())
    assert desk.server.asked == []


def test_the_sources_of_the_network_are_found() -> None:
    assert network_sources() == ("alpaca", "alpha_vantage", "crypto", "polygon", "yahoo")
    assert network_facts() == ("edgar", "fred")


TIMES = np.arange("2024-01-01T21", "2024-02-10T21", np.timedelta64(24, "h"), dtype="datetime64[h]").astype("datetime64[ns]")
N = len(TIMES)


def _panel(factor: Any = 1.0, volume: Any = 1.0, symbols: tuple[str, ...] = ("A",)) -> Panel:
    close = (100.0 + np.arange(N)) * np.asarray(factor)
    fields = {"open": close * 0.99, "high": close * 1.01, "low": close * 0.98, "close": close}
    laid = {name: np.repeat(values[:, None], len(symbols), axis=1) for name, values in fields.items()}
    laid["volume"] = np.repeat((1000.0 * np.ones(N) * np.asarray(volume))[:, None], len(symbols), axis=1)
    return Panel(TIMES, tuple(Instrument(symbol) for symbol in symbols), laid)


def _close(changes: list[Change]) -> Change:
    return next(change for change in changes if change.field == "close")


def _steps(*levels: tuple[int, float]) -> Any:
    factor = np.ones(N)
    for until, level in levels:
        factor[:until] *= level
    return factor


def test_two_equal_panels_do_not_differ() -> None:
    assert difference(_panel(), _panel()) == []
    assert difference(_panel(), _panel(1.0 + 5e-5)) == []


def test_dividends_taken_out_of_the_past_are_named_with_their_dates() -> None:
    change = _close(difference(_panel(), _panel(_steps((10, 0.99), (25, 0.985)))))
    assert change.guess == "dividend-adjusted now: the ratio steps at 2024-01-11, 2024-01-26"
    assert (str(change.begins)[:10], str(change.ends)[:10], change.n_bars) == ("2024-01-01", "2024-01-25", 25)
    back = _close(difference(_panel(_steps((10, 0.99))), _panel()))
    assert back.guess.startswith("no longer dividend-adjusted")


@pytest.mark.parametrize("ratio", [2.0, 1.5, 0.1])
def test_a_split_taken_out_of_the_past_is_named(ratio: float) -> None:
    raw, adjusted = _panel(_steps((10, ratio)), _steps((10, 1 / ratio))), _panel()
    assert _close(difference(raw, adjusted)).guess == "split-adjusted now: the ratio steps at 2024-01-11"
    assert _close(difference(adjusted, raw)).guess == "split-adjusted no longer: the ratio steps at 2024-01-11"


def test_a_split_after_the_end_shows_as_one_factor_with_volumes_inverse() -> None:
    assert "split by 4 after" in _close(difference(_panel(), _panel(0.25, 4.0))).guess


def test_another_unit_shows_as_one_factor_with_volumes_unchanged() -> None:
    change = _close(difference(_panel(), _panel(100.0)))
    assert change.guess.startswith("every price times 100: another unit or currency")


def test_single_corrections_are_called_so() -> None:
    factor = np.ones(N)
    factor[7] = 1.3
    change = _close(difference(_panel(), _panel(factor)))
    assert (change.guess, change.n_bars) == ("single bars were corrected", 1)


def test_bars_and_instruments_that_come_or_go_are_named() -> None:
    old, new = _panel(symbols=("A", "B")), _panel(symbols=("A", "C"))
    new.fields["close"][5, 0] = np.nan
    told = {(change.symbol, change.field, change.guess) for change in difference(old, new)}
    assert told == {
        ("B", "instrument", "gone from the source"),
        ("C", "instrument", "new"),
        ("A", "bars", "bars are gone"),
    }


def test_bars_after_the_end_are_news_and_no_change() -> None:
    long = _panel()
    assert difference(long.rows(0, 20), long) == []


def test_events_put_in_are_named() -> None:
    old, new = _panel(), _panel()
    nothing, paid = np.full((N, 1), np.nan), np.full((N, 1), np.nan)
    paid[4] = 0.3
    changes = difference(
        replace(old, fields={**old.fields, "dividend": nothing}), replace(new, fields={**new.fields, "dividend": paid})
    )
    assert [(change.field, change.guess) for change in changes] == [("dividend", "events were put in")]
    assert "A dividend 2024-01-05 to 2024-01-05: 1 bars: events were put in" in changes[0].line()
