"""Backtests: a small world to the cent, and costs that can only take."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantdesk.domain.panel import Panel
from quantdesk.evaluation.backtest import MULTIPLIERS, Setting, at_no_cost, backtest, cost_curve, replay, track_of
from quantdesk.evaluation.baselines import UNLIMITED, buy_and_hold, equal_weight
from quantdesk.execution.costs import Costs
from small_worlds import NAN, Scripted, days, events, panel_of, random_targets, random_world

FEES = Costs(commission_bps=10, half_spread_bps=10, impact=0, borrow_bps=365)


def golden() -> Panel:
    """Three instruments from Monday to Monday: A splits, B pays a dividend, C halts and is delisted."""
    opened = np.array([[1, 1, 1], [102, 49, 20.5], [52, 48, 21], [54, 47, NAN], [55, 46, NAN], [56, 47, NAN]])
    close: list[list[float]] = [[100, 50, 20], [104, 48, 21], [53, 47, 22], [54, 46, NAN], [56, 46, NAN], [57, 45, NAN]]
    shape = (6, 3)
    return panel_of(
        close,
        open=opened,
        split=events(shape, r2c0=2.0),
        dividend=events(shape, r2c1=0.5),
        delisting=events(shape, r4c2=10.0),
    )


GOLDEN_TARGETS = np.array(
    [[0.5, -0.3, 0.2], [NAN, NAN, NAN], [0.25, 0.0, NAN], [NAN, NAN, 0.0], [NAN, -0.5, NAN], [NAN, NAN, NAN]]
)


def test_a_small_world_to_the_cent() -> None:
    panel = golden()
    made = backtest("golden", Scripted(panel.times, GOLDEN_TARGETS), Setting(panel, 0, FEES, UNLIMITED, 10_000.0))
    assert made.track.equity.tolist() == pytest.approx(
        [
            10_000.0,
            # Tuesday: +50 A at 102.102, -60 B at 48.951, +100 C at 20.5205; fees 5.11, 2.94, 2.05; cash 5,769.81
            5_769.81 + 50 * 104 - 60 * 48 + 100 * 21,
            # Wednesday: borrow 0.29, A becomes 100 units, B's dividend costs 30.00; cash 5,739.52
            5_739.52 + 100 * 53 - 60 * 47 + 100 * 22,
            # Thursday: borrow 0.28, -51 A at 53.946, +60 B at 47.047; fees 2.75, 2.82; C is halted at 22
            5_662.096 + 49 * 54 + 100 * 22,
            # Friday: C pays 10.00 a unit
            6_662.096 + 49 * 56,
            # Monday: -102 B at 46.953, fee 4.79; nothing was short over the weekend
            11_446.512 + 49 * 57 - 102 * 45,
        ],
        abs=1e-9,
    )
    assert made.track.costs.tolist() == pytest.approx([0, 10.1 + 5.1 + 2.94 + 2.05, 0.29, 0.28 + 5.57 + 2.754 + 2.82, 0, 9.584])
    assert [str(fill.fee) for fill in made.fills] == ["5.11", "2.94", "2.05", "2.75", "2.82", "0", "4.79"]
    np.testing.assert_array_equal(made.targets, GOLDEN_TARGETS)


def test_turnover_and_exposure_are_fractions_of_the_net_asset_value() -> None:
    panel = golden()
    track = track_of(GOLDEN_TARGETS, Setting(panel, 0, FEES, UNLIMITED, 10_000.0))
    traded = 50 * 102.102 + 60 * 48.951 + 100 * 20.5205
    assert track.turnover[1] == pytest.approx(traded / 10_189.81)
    assert track.gross_exposure[1] == pytest.approx((5200 + 2880 + 2100) / 10_189.81)
    assert track.net_exposure[1] == pytest.approx((5200 - 2880 + 2100) / 10_189.81)


def setting_of(seed: int, costs: Costs, n_times: int = 60) -> Setting:
    return Setting(random_world(seed, n_times), 0, costs, UNLIMITED, 1e6)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 100_000))
def test_costs_only_ever_take(seed: int) -> None:
    # Buying once and leaving it: the trades are the same at every cost.
    setting = setting_of(seed, Costs(borrow_bps=0))
    targets = np.full(setting.panel.shape, NAN)
    targets[0] = 0.15
    worth = [replay(targets, setting, setting.costs.times(multiplier)).equity for multiplier in MULTIPLIERS]
    for cheap, dear in pairwise(worth):
        assert (dear <= cheap + 1e-6).all()


def drifting(seed: int = 0, n_times: int = 600) -> tuple[Setting, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """A world in which foresight earns, and every cost is in proportion to what is traded."""
    random = np.random.default_rng(seed)
    moves = random.normal(0, 0.01, (n_times, 3))
    panel = panel_of(100 * np.exp(np.cumsum(moves, axis=0)))
    hint = np.vstack([moves[2:], np.zeros((2, 3))]) + random.normal(0, 0.02, (n_times, 3))
    targets = 0.3 * np.sign(hint)
    return Setting(panel, 0, Costs(commission_bps=1, half_spread_bps=0, impact=0, borrow_bps=0), UNLIMITED, 1e8), targets


def test_at_the_break_even_cost_nothing_is_earned() -> None:
    setting, targets = drifting()
    curve = cost_curve(targets, setting)
    assert curve.break_even_bps > 5
    at = replace(setting, costs=replace(setting.costs, commission_bps=curve.break_even_bps))
    free, net = track_of(targets, at_no_cost(setting)).returns.mean(), track_of(targets, at).returns.mean()
    assert abs(net) < 0.02 * free


def test_the_cost_curve_falls_and_begins_at_the_gross_sharpe() -> None:
    from quantdesk.evaluation.scores import performance

    setting, targets = drifting()
    curve = cost_curve(targets, setting)
    assert (np.diff(curve.sharpes) < 0).all()
    assert curve.sharpes[0] == performance(track_of(targets, at_no_cost(setting))).sharpe
    assert curve.sharpes[MULTIPLIERS.index(1.0)] == performance(track_of(targets, setting)).sharpe
    assert curve.cost_bps == pytest.approx(1.0, rel=1e-4)


def test_a_strategy_that_never_earned_breaks_even_at_nothing_and_one_that_never_trades_nowhere() -> None:
    setting, targets = drifting()
    assert cost_curve(-targets, setting).break_even_bps == 0.0
    idle = cost_curve(np.full(targets.shape, NAN), setting)
    assert idle.break_even_bps == np.inf
    assert idle.cost_bps == 0.0


def test_buy_and_hold_buys_what_trades_at_the_first_bar_and_leaves_it() -> None:
    panel = panel_of([[10.0, NAN, 10.0], [10.0, 10.0, 10.0], [10.0, 10.0, 10.0]])
    targets = buy_and_hold(Setting(panel, 0, Costs(), UNLIMITED, 1e6))
    np.testing.assert_array_equal(targets[0], [0.5, NAN, 0.5])
    assert np.isnan(targets[1:]).all()


def test_equal_weight_returns_to_equal_weights_each_month() -> None:
    panel = panel_of(np.full((45, 2), 10.0))
    targets = equal_weight(Setting(panel, 3, Costs(), UNLIMITED, 1e6))
    rows = np.flatnonzero(~np.isnan(targets[:, 0]))
    assert [str(days(45)[3 + row])[:10] for row in rows] == ["2020-01-09", "2020-02-03", "2020-03-02"]
    np.testing.assert_array_equal(targets[rows], 0.5)


def test_a_backtest_that_starts_late_looks_back_but_trades_only_from_there() -> None:
    panel = random_world(5, 90)
    targets = random_targets(5, panel.shape)
    made = backtest("late", Scripted(panel.times, targets), Setting(panel, 30, Costs(), UNLIMITED, 1e5))
    assert len(made.track.equity) == 60
    assert made.track.times[0] == panel.times[30]
    assert made.track.equity[0] == 1e5
    assert all(fill.time > panel.times[30] for fill in made.fills)


def test_progress_is_told_and_ends_at_the_end() -> None:
    heard: list[tuple[str, int, int]] = []
    panel = random_world(5, 60)
    setting = Setting(panel, 0, Costs(), UNLIMITED, 1e5)
    backtest("b", Scripted(panel.times, random_targets(5, panel.shape)), setting, lambda *told: heard.append(told))
    assert heard == [("trading b", 50, 60), ("trading b", 60, 60)]
