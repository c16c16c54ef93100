"""Moves kept bar by bar are those of the window read at once, to the bit."""

from dataclasses import replace

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import carry_forward
from quantdesk.domain.panel import Panel
from quantdesk.portfolio.moves import VAR_LOOKBACK, Moves
from small_worlds import random_world


def by_definition(weights: Float64, panel: Panel) -> float:
    """Compute the value at risk from the whole window in plain array arithmetic."""
    window = panel.rows(max(0, len(panel.times) - VAR_LOOKBACK), len(panel.times))
    if len(window.times) <= 20:
        return 0.0
    close, ratio = carry_forward(window.fields["close"]), window.get("split")[1:]
    worth = (close[1:] + np.nan_to_num(window.get("dividend")[1:])) * np.where(ratio > 0, ratio, 1.0)
    outcomes = np.sort(np.nan_to_num(worth / close[:-1] - 1.0) @ weights)
    return max(0.0, -float(outcomes[int(0.05 * len(outcomes))]))


def weights_of(seed: int, n: int) -> Float64:
    weights = np.random.default_rng(seed).normal(0, 0.5, n)
    weights[0] = 0.0
    return weights


def halting(seed: int) -> Panel:
    """A wild market in which some names are gone for longer than the window."""
    panel = random_world(seed, 620, n=6)
    close = panel.fields["close"].copy()
    close[40:330, 1], close[:300, 2], close[100:349, 3], close[100:350, 4] = np.nan, np.nan, np.nan, np.nan
    return replace(panel, fields={**panel.fields, "close": close})


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("every", [1, 5])
def test_what_is_kept_gives_the_value_at_risk_of_the_window_to_the_bit(seed: int, every: int) -> None:
    panel, kept, weights = halting(seed), Moves(), weights_of(seed, 6)
    for stop in range(1, len(panel.times) + 1, every):
        seen = panel.rows(max(0, stop - VAR_LOOKBACK), stop)
        mine = kept.after(seen).value_at_risk(weights)
        assert mine == Moves().after(seen).value_at_risk(weights)
        assert mine == pytest.approx(by_definition(weights, seen), rel=1e-12, abs=1e-15)


def test_a_past_that_was_revised_is_read_again() -> None:
    panel, kept, weights = random_world(9, 300), Moves(), weights_of(9, 5)
    kept.after(panel.rows(0, 200))
    close = panel.fields["close"].copy()
    close[150:180] *= 0.5
    revised = replace(panel, fields={**panel.fields, "close": close}).rows(0, 201)
    assert kept.after(revised).value_at_risk(weights) == Moves().after(revised).value_at_risk(weights)


def test_asking_twice_at_one_bar_changes_nothing() -> None:
    panel, weights = random_world(2, 100), weights_of(2, 5)
    kept = Moves().after(panel)
    assert kept.value_at_risk(weights) == kept.after(panel).value_at_risk(weights) > 0
