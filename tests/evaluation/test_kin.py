"""Tries on the same market count, whatever its data are called."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kept_runs import kept

from quantdesk.data import store
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.kin import earlier_tries, is_same_market
from quantdesk.evaluation.sketch import Sketch
from quantdesk.registry import Trials
from small_worlds import days


@pytest.fixture(scope="module")
def market() -> Panel:
    return store.load("synthetic:n_days=300,n_instruments=8,seed=1", Path())


def priced(panel: Panel, factor: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Panel:
    return replace(panel, fields={**panel.fields, "close": panel.fields["close"] * factor})


def renamed(panel: Panel) -> Panel:
    instruments = tuple(Instrument(f"other {i}") for i in range(len(panel.symbols)))
    return replace(panel, instruments=instruments)


def column(of: Panel, close: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Panel:
    instruments = tuple(Instrument(f"C{i}") for i in range(close.shape[1]))
    return replace(of, instruments=instruments, fields={"close": close}, known_at={})


def test_a_market_that_grew_shrank_or_was_adjusted_anew_is_the_same(market: Panel) -> None:
    sketch = Sketch.of(market.rows(0, 280))
    dividend = np.where(np.arange(300)[:, None] < 290, 0.97, 1.0) * np.where(np.arange(8) < 4, 1.0, 0.5)
    for later in (market, market.rows(60, 300), market.select(market.symbols[:4]), priced(market, dividend)):
        assert is_same_market(sketch, later)


def test_columns_are_found_whatever_they_are_called_and_wherever_they_stand(market: Panel) -> None:
    sketch = Sketch.of(market.rows(0, 280))
    for later in (renamed(market), renamed(market.select(market.symbols[::-1])), renamed(market.select(market.symbols[3:5]))):
        assert is_same_market(sketch, later)
    assert is_same_market(Sketch.of(renamed(market.select(market.symbols[:3]))), market)


def test_half_of_the_columns_must_be_found(market: Panel) -> None:
    other = store.load("synthetic:n_days=300,n_instruments=8,seed=2", Path())
    sketch, n_shared = Sketch.of(market), {4: True, 3: False}
    for n, is_same in n_shared.items():
        mixed = np.concatenate([market.fields["close"][:, :n], other.fields["close"][:, n:]], axis=1)
        assert is_same_market(sketch, column(market, mixed)) is is_same


def test_columns_that_never_move_or_are_hardly_known_say_nothing(market: Panel) -> None:
    close = market.fields["close"]
    still, late = np.full((300, 8), 10.0), np.where(np.arange(300)[:, None] < 200, np.nan, close)
    assert not is_same_market(Sketch.of(column(market, still)), column(market, still))
    assert not is_same_market(Sketch.of(column(market, late)), market)
    for silent in (still, late):
        beside = column(market, np.concatenate([close[:, :1], silent], axis=1))
        assert is_same_market(Sketch.of(beside), market)
        assert not is_same_market(Sketch.of(beside), market.select(market.symbols[4:5]))


def test_of_a_large_market_a_hundred_columns_are_looked_for() -> None:
    random = np.random.default_rng(1)
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.02, (300, 700)), axis=0))
    large = column(store.load("synthetic:n_days=300,n_instruments=8,seed=1", Path()), close)
    sketch = Sketch.of(replace(large, fields={"close": close}))
    assert is_same_market(sketch, column(large, close[:, ::-1]))
    assert not is_same_market(sketch, column(large, close * np.exp(np.cumsum(random.normal(0, 0.02, (300, 700)), axis=0))))


def test_dates_that_are_shifted_are_another_market(market: Panel) -> None:
    times = market.times + np.timedelta64(1, "D")
    assert not is_same_market(Sketch.of(market), replace(market, times=times))
    assert not is_same_market(Sketch.of(market), replace(market, times=market.times + np.timedelta64(1, "h")))


def test_other_prices_and_other_years_are_another_market(market: Panel) -> None:
    other = store.load("synthetic:n_days=300,n_instruments=8,seed=2", Path())
    assert other.symbols == market.symbols
    sketch = Sketch.of(market.rows(0, 150))
    for elsewhere in (other, renamed(other), market.rows(150, 300)):
        assert not is_same_market(sketch, elsewhere)


def test_a_data_set_that_grew_and_goes_by_another_name_remembers_its_tries(tmp_path: Path) -> None:
    made = kept(tmp_path)
    trials, shorter = Trials(made.home).made(), replace(made.panel.rows(0, 499), name="another")
    assert [trial.data_name for trial in trials] == ["mine"]
    assert earlier_tries(trials, shorter, shorter.fingerprint(), made.home) == trials
    assert earlier_tries(trials, renamed(shorter), "no digest", made.home) == trials
    (made.folder / "sketch.npz").write_bytes(b"torn")
    assert earlier_tries(trials, shorter, shorter.fingerprint(), made.home) == []


@pytest.mark.parametrize("spread", [0.001, 0.004, 0.02])
def test_markets_that_hardly_move_are_told_apart_too(spread: float) -> None:
    def drawn(seed: int) -> Panel:
        moves = np.random.default_rng(seed).normal(0, spread / np.sqrt(12), (300, 30))
        instruments = tuple(Instrument(f"N{i}") for i in range(30))
        return Panel(days(300), instruments, {"close": 100 * np.exp(np.cumsum(moves, axis=0))}, name="calm")

    assert is_same_market(Sketch.of(drawn(0)), drawn(0))
    assert not is_same_market(Sketch.of(drawn(0)), drawn(1))
