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


@pytest.fixture(scope="module")
def market() -> Panel:
    return store.load("synthetic:n_days=300,n_instruments=8,seed=1", Path())


def priced(panel: Panel, factor: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Panel:
    return replace(panel, fields={**panel.fields, "close": panel.fields["close"] * factor})


def renamed(panel: Panel) -> Panel:
    instruments = tuple(Instrument(f"other {i}") for i in range(len(panel.symbols)))
    return replace(panel, instruments=instruments)


def test_a_market_that_grew_shrank_or_was_adjusted_anew_is_the_same(market: Panel) -> None:
    sketch = Sketch.of(market.rows(0, 280))
    dividend = np.where(np.arange(300)[:, None] < 290, 0.97, 1.0) * np.where(np.arange(8) < 4, 1.0, 0.5)
    for later in (market, market.rows(60, 300), market.select(market.symbols[:4]), priced(market, dividend)):
        assert is_same_market(sketch, later)


def test_other_prices_other_instruments_and_other_years_are_another_market(market: Panel) -> None:
    other = store.load("synthetic:n_days=300,n_instruments=8,seed=2", Path())
    assert other.symbols == market.symbols
    sketch = Sketch.of(market.rows(0, 150))
    for elsewhere in (other, renamed(market), market.rows(150, 300)):
        assert not is_same_market(sketch, elsewhere)


def test_a_data_set_that_grew_and_goes_by_another_name_remembers_its_tries(tmp_path: Path) -> None:
    made = kept(tmp_path)
    trials, shorter = Trials(made.home).made(), replace(made.panel.rows(0, 499), name="another")
    assert [trial.data_name for trial in trials] == ["mine"]
    assert earlier_tries(trials, shorter, shorter.fingerprint(), made.home) == trials
    assert earlier_tries(trials, renamed(shorter), "no digest", made.home) == []
    (made.folder / "sketch.npz").write_bytes(b"torn")
    assert earlier_tries(trials, shorter, shorter.fingerprint(), made.home) == []
