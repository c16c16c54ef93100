"""Conditions kept bar by bar are those computed at once, to the bit."""

from dataclasses import replace

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.panel import Panel
from quantdesk.execution.conditions import Conditions
from quantdesk.execution.costs import CONDITIONS_LOOKBACK, conditions
from small_worlds import random_world

VALUE = 2e6


def batch(panel: Panel) -> tuple[Float64, Float64]:
    return conditions(panel.fields["close"], panel.get("split"), panel.get("dividend"), panel.get("volume"), VALUE)


def differences(kept: Conditions, panel: Panel, every: int = 1, depth: int = CONDITIONS_LOOKBACK) -> list[int]:
    """List the bars at which what was kept is not what the batch gives, looking at every so many of them."""
    columns, found = np.arange(panel.shape[1])[::-2], []
    volatility, units = batch(panel)
    for t in range(0, len(panel.times), every):
        mine = kept.at_last(panel.rows(max(0, t + 1 - depth), t + 1), columns)
        if not (np.array_equal(mine[0], volatility[t, columns]) and np.array_equal(mine[1], units[t, columns])):
            found.append(t)
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("every", [1, 5, 70])
def test_conditions_kept_bar_by_bar_are_the_batch_to_the_bit(seed: int, every: int) -> None:
    panel = random_world(seed, 160, has_volume=seed % 2 == 0)
    assert differences(Conditions(VALUE), panel, every) == []
    assert differences(Conditions(VALUE), panel, every, depth=400) == []


def test_data_without_events_is_no_exception() -> None:
    panel = random_world(3, 100)
    bare = replace(panel, fields={"close": panel.fields["close"]})
    assert differences(Conditions(VALUE), bare) == []


def test_a_past_that_was_revised_is_read_again() -> None:
    panel, kept = random_world(4, 100), Conditions(VALUE)
    kept.at_last(panel.rows(0, 80), np.arange(2))
    close = panel.fields["close"].copy()
    close[60:70] *= 1.5
    assert differences(kept, replace(panel, fields={**panel.fields, "close": close})) == []
