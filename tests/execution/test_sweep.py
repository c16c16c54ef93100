"""The sweep, against sums by hand and against the same rules traded one portfolio at a time."""

from dataclasses import replace

import numpy as np
import pytest

from quantdesk.domain.errors import SettingsError, StrategyError
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.scores import performance
from quantdesk.execution.costs import Costs
from quantdesk.execution.kernel import Path
from quantdesk.execution.rule_portfolio import portfolios, track
from quantdesk.execution.rules import Breakout, Crossover, Exits, Momentum, RelativeStrength, Reversion, Rule
from quantdesk.execution.sweep import Account, sweep
from small_worlds import NAN, events, panel_of, random_world

FREE = Costs(multiplier=0.0)
RULES: tuple[Rule, ...] = (
    Crossover(3, 9, "both"),
    Crossover(2, 5),
    Breakout(8, 4, "both"),
    Momentum(5, "short"),
    RelativeStrength(4, 40.0, 60.0, "both"),
    Reversion(6, 0.02),
)
EXITS = (Exits(), Exits(stop_loss=0.03, bars=9), Exits(take_profit=0.04, trailing_stop=0.03))


def track_of(panel: Panel, path: Path, start: int) -> Track:
    """Put a path on the panel's times, as the backtest does."""
    turnover = np.where(path.equity > 0, path.traded / path.equity, 0.0)
    return Track(panel.times[start:], path.equity, path.gross_exposure, path.net_exposure, turnover, path.costs)


def test_one_round_trip_by_hand() -> None:
    close = np.array([[100.0], [110.0], [120.0], [90.0], [80.0]])
    opened = np.array([[100.0], [105.0], [125.0], [100.0], [70.0]])
    found = sweep(
        panel_of(close, open=opened),
        [Momentum(1)],
        costs=Costs(commission_bps=10, half_spread_bps=0, impact=0),
        account=Account(1000.0, is_sized_at_fill=True),
    )
    units = 1000.0 / (125.0 * 1.001)
    proceeds = units * 70.0 * 0.999
    equity = np.array([1000.0, 1000.0, units * 120, units * 90, proceeds])
    returns = equity[1:] / equity[:-1] - 1
    assert found.total_return[0, 0] == pytest.approx(proceeds / 1000.0 - 1, abs=1e-12)
    assert found.max_drawdown[0, 0] == pytest.approx(1 - proceeds / 1000.0, abs=1e-12)
    per_year = 4 * 365.25 / 4
    assert found.sharpe[0, 0] == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(per_year), abs=1e-12)
    assert (found.n_fills[0, 0], found.exposure[0, 0]) == (2.0, 0.4)


@pytest.mark.parametrize("seed", range(8))
def test_figures_are_those_of_a_track_on_one_instrument(seed: int) -> None:
    panel, start = random_world(seed, 100, has_open=seed % 3 > 0), (0, 20)[seed % 2]
    costs, exits, exact = Costs(borrow_bps=2000), EXITS[seed % 3], seed % 4 == 0
    account = Account(1e5, 0.8, is_exact=exact)
    found = sweep(panel, RULES, exits, costs, account, start)
    for i, symbol in enumerate(panel.symbols):
        alone = panel.select((symbol,))
        for k, rule in enumerate(RULES):
            single = track_of(panel, track(alone, rule, exits, costs, account, start), start)
            expected = performance(single)
            assert found.total_return[k, i] == pytest.approx(single.equity[-1] / 1e5 - 1, abs=1e-12)
            assert found.sharpe[k, i] == pytest.approx(expected.sharpe, abs=1e-9, nan_ok=True)
            assert found.max_drawdown[k, i] == pytest.approx(expected.max_drawdown, abs=1e-12)
            assert found.turnover[k, i] == pytest.approx(expected.turnover, rel=1e-9)
            assert found.exposure[k, i] == pytest.approx((single.gross_exposure > 0).mean())


def test_portfolio_figures_are_those_of_its_track() -> None:
    panel = random_world(3, 100)
    found = portfolios(panel, RULES, EXITS[1], account=Account(1e5))
    for k, rule in enumerate(RULES):
        expected = performance(track_of(panel, track(panel, rule, EXITS[1], account=Account(1e5)), 0))
        assert found.sharpe[k] == pytest.approx(expected.sharpe, abs=1e-9, nan_ok=True)
        assert found.max_drawdown[k] == pytest.approx(expected.max_drawdown, abs=1e-12)


def test_an_exact_account_differs_from_a_free_one_by_rounding_alone() -> None:
    panel = random_world(5, 100)
    fine = tuple(replace(instrument, tick_size=1e-8, lot_size=1e-8) for instrument in panel.instruments)
    panel = replace(panel, instruments=fine)
    exact, free = (sweep(panel, RULES, EXITS[2], account=Account(1e8, 0.5, is_exact=flag)) for flag in (True, False))
    assert np.abs(exact.total_return - free.total_return).max() < 1e-8
    assert (exact.n_fills == free.n_fills).all()
    assert free.n_fills.sum() > 50


def test_threads_and_neighbours_change_no_bit() -> None:
    panel = random_world(2, 100, n=20)
    one, two = (sweep(panel, RULES, n_threads=n_threads) for n_threads in (1, 3))
    some = sweep(panel.select(panel.symbols[11:14]), RULES[1:3])
    assert np.array_equal(one.sharpe, two.sharpe, equal_nan=True)
    assert np.array_equal(one.total_return[1:3, 11:14], some.total_return)


@pytest.mark.parametrize("rule", RULES)
def test_what_comes_later_changes_no_bit_of_a_track(rule: Rule) -> None:
    panel, cut = random_world(4, 100), 60
    poisoned = {name: values.copy() for name, values in panel.fields.items()}
    for name in ("open", "close"):
        poisoned[name][cut:] *= 3.7
    seen, blind = (track(world, rule, EXITS[1]) for world in (panel, replace(panel, fields=poisoned)))
    assert np.array_equal(seen.equity[:cut], blind.equity[:cut])
    assert not np.array_equal(seen.equity, blind.equity)


def rising_then(*after: float) -> Panel:
    """Rise over four bars, so that a momentum rule holds from the third on, then go on as told."""
    panel: Panel = panel_of(np.array([100.0, 101.0, 102.0, 103.0, *after])[:, None])
    return panel


# Entered on the third bar, at its close of 102; what an exit decides is filled one bar later.
@pytest.mark.parametrize(
    ("exits", "closes", "n_held", "n_fills"),
    [
        (Exits(stop_loss=0.05), (96.0, 104.0, 105.0, 106.0), 3, 2),
        (Exits(stop_loss=0.07), (96.0, 104.0, 105.0, 106.0), 6, 1),
        (Exits(take_profit=0.05), (104.0, 108.0, 109.0, 110.0), 4, 2),
        (Exits(trailing_stop=0.03), (112.0, 108.0, 109.0, 110.0), 4, 2),
        (Exits(bars=3), (104.0, 105.0, 106.0, 107.0), 3, 2),
        (Exits(bars=2), (101.0, 105.0, 106.0, 104.0, 106.0, 107.0), 4, 4),
        (Exits(), (104.0, 105.0, 106.0, 107.0), 6, 1),
    ],
)
def test_an_exit_closes_a_position_until_the_signal_has_ceased(
    exits: Exits, closes: tuple[float, ...], n_held: int, n_fills: int
) -> None:
    found = sweep(rising_then(*closes), [Breakout(1, 200)], exits, FREE)
    assert (round(found.exposure[0, 0] * (4 + len(closes))), found.n_fills[0, 0]) == (n_held, n_fills)


@pytest.mark.parametrize("exits", [Exits(stop_loss=0.1), Exits(trailing_stop=0.1)])
@pytest.mark.parametrize(("name", "value", "after"), [("split", 2.0, 52.0), ("dividend", 51.0, 53.0)])
def test_a_split_or_a_dividend_is_not_taken_for_a_loss(exits: Exits, name: str, value: float, after: float) -> None:
    panel = rising_then(104.0, after, after, after)
    told = replace(panel, fields={**panel.fields, name: events(panel.shape, r5c0=value)})
    fills = [sweep(world, [Breakout(1, 200)], exits, FREE).n_fills[0, 0] for world in (told, panel)]
    assert fills == [1.0, 2.0]


def test_no_return_is_no_sharpe() -> None:
    panel = panel_of(np.array([[1.0, NAN], [2.0, NAN], [3.0, NAN], [4.0, NAN]]))
    found = sweep(panel, [Momentum(1)], costs=FREE)
    assert found.total_return[0, 1] == 0.0
    assert np.isnan(found.sharpe[0, 1])
    assert found.n_fills[0, 0] == 1.0


def test_a_sweep_of_nothing_is_refused() -> None:
    panel = panel_of(np.ones((3, 1)))
    with pytest.raises(StrategyError, match="without rules"):
        sweep(panel, [])
    with pytest.raises(StrategyError, match="from bar 2 of 3"):
        sweep(panel, RULES, start=2)
    with pytest.raises(SettingsError, match="sized at the fill"):
        Account(is_exact=True, is_sized_at_fill=True)
    with pytest.raises(SettingsError, match="one purse"):
        track(panel, RULES[0], account=Account(is_sized_at_fill=True))
    with pytest.raises(SettingsError, match="capital of 0"):
        Account(capital=0.0)
