"""Rules as data, and the lines they compare, against plain loops."""

import math
from dataclasses import replace

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import StrategyError
from quantdesk.execution.lines import Closes, Line
from quantdesk.execution.rules import (
    Breakout,
    Crossover,
    Exits,
    Momentum,
    RelativeStrength,
    Reversion,
    Rule,
    RuleTrader,
    grid,
    is_above,
    lookback_of,
)
from small_worlds import NAN, events, panel_of, random_world

RULES: tuple[Rule, ...] = (
    Crossover(3, 9),
    Breakout(8, 4),
    Momentum(5),
    RelativeStrength(4, 40.0, 60.0),
    Reversion(6, 0.02),
)


def naive(kind: str, window: Float64, before: Float64, changes: Float64) -> float:
    """Draw one value of a line from its window, halted bars left out."""
    known = window[np.isfinite(window)]
    earlier, moved = before[np.isfinite(before)], changes[np.isfinite(changes)]
    if kind == "mean":
        return float(known.mean()) if 2 * len(known) >= len(window) else math.nan
    if kind == "strength":
        enough = 2 * len(moved) >= len(changes) and np.isfinite(window[-1])
        return float(100 * moved[moved > 0].sum() / np.abs(moved).sum()) if enough else math.nan
    if 2 * len(earlier) < len(before):
        return math.nan
    return float(earlier.max() if kind == "highest" else earlier.min())


@pytest.mark.parametrize("kind", ["mean", "highest", "lowest", "strength"])
@pytest.mark.parametrize("halted", [0.0, 0.3])
def test_a_line_is_what_a_plain_loop_over_its_window_gives(kind: str, halted: float) -> None:
    random, bars = np.random.default_rng(7), 6
    closes = 50.0 + np.cumsum(random.normal(size=(3, 60)), axis=1)
    closes[random.random(closes.shape) < halted] = NAN
    drawn = Closes(closes).draw(Line(kind, bars))  # type: ignore[arg-type]
    changes = np.diff(closes, axis=1, prepend=NAN)
    for i in range(3):
        for t in range(bars, 60):
            near = slice(t - bars + 1, t + 1)
            expected = naive(kind, closes[i, near], closes[i, t - bars : t], changes[i, near])
            assert drawn[i, t] == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(4))
def test_a_signal_depends_on_its_window_only(rule: Rule, seed: int) -> None:
    panel = random_world(seed, 130)
    whole = [is_above(Closes.of(panel), pair) for pair in (rule.up, rule.down)]
    is_traded = np.isfinite(panel.fields["close"])
    for t in range(lookback_of(rule), 130):
        window = Closes.of(panel.rows(t + 1 - lookback_of(rule), t + 1))
        for pair, all_bars in zip((rule.up, rule.down), whole, strict=True):
            agree = is_above(window, pair)[:, -1] == all_bars[:, t]
            assert (agree | ~is_traded[t]).all()


def test_equal_closes_speak_for_no_side() -> None:
    closes = Closes(np.full((1, 50), 0.1) * 3)
    for rule in RULES:
        for pair in (rule.up, rule.down):
            if rule != Reversion(6, 0.02):
                assert not is_above(closes, pair).any()


def test_a_split_is_no_signal() -> None:
    close = np.where(np.arange(30) < 15, 100.0, 50.0)[:, None]
    panel = panel_of(close, split=events((30, 1), r15c0=2.0))
    assert not is_above(Closes.of(panel), Momentum(3).down).any()
    unsplit = replace(panel, fields={"close": close})
    assert is_above(Closes.of(unsplit), Momentum(3).down).any()


def test_a_grid_leaves_out_what_the_rule_refuses() -> None:
    made = grid(Crossover, fast=range(5, 50, 5), slow=range(20, 200, 10))
    assert len(made) == 150
    assert all(rule.fast < rule.slow for rule in made)
    assert made[0] == Crossover(5, 20)
    assert made[1] == Crossover(5, 30)


def test_rules_and_exits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(StrategyError, match="fast is not below slow"):
        Crossover(20, 20)
    with pytest.raises(StrategyError, match="looks over 0 bars"):
        Momentum(0)
    with pytest.raises(StrategyError, match=r"stop_loss is -0\.1"):
        Exits(stop_loss=-0.1)


def test_a_trader_wants_its_share_at_the_signal_and_then_leaves_it() -> None:
    close = np.stack([np.linspace(10.0, 20.0, 12), np.linspace(20.0, 10.0, 12)], axis=1)
    trader, panel = RuleTrader(Momentum(2), weight=0.8), panel_of(close)
    first = trader.target(panel.rows(0, 8), np.zeros(2)).weights
    after = trader.target(panel.rows(0, 9), np.array([0.4, 0.0])).weights
    assert first[0] == 0.4
    assert np.isnan(after[0])
    assert np.isnan([first[1], after[1]]).all()
