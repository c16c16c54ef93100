"""Holdings: what each instrument gave sums to what the account gained, to the cent, on nasty markets."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from quantdesk.domain.errors import DeskError
from quantdesk.domain.trade import CashFlow, Fill
from quantdesk.evaluation.backtest import Setting
from quantdesk.evaluation.robustness.contribution import round_trips
from quantdesk.evaluation.robustness.holdings import borrowed, follow
from quantdesk.evaluation.robustness.world import World
from quantdesk.execution.costs import Costs
from quantdesk.loop import Replay, open_desk
from quantdesk.portfolio.limits import Limits
from small_worlds import Scripted, random_targets, random_world

HALTING = Limits(gross=9, per_name=9, per_sector=9, daily_var=9, drawdown=0.05, cooldown_bars=3)


@pytest.mark.parametrize("seed", range(12))
def test_gains_less_borrowing_are_the_change_of_the_account_to_the_cent(seed: int) -> None:
    setting = Setting(random_world(seed, 80), 0, Costs(borrow_bps=500), HALTING, 1e6)
    world, targets = World.of(setting), random_targets(seed, (80, 5))
    track = world.track(targets)
    held = follow(targets, track, world, 1e6)
    change = track.equity[-1] - 1e6
    assert held.gains.sum() - borrowed(held.units, world) == pytest.approx(change, abs=0.005)
    assert round_trips(held, world).profit.sum() == pytest.approx(held.gains.sum(), abs=0.005)


@pytest.mark.parametrize("seed", range(6))
def test_units_trades_and_cash_are_those_of_the_loop(seed: int) -> None:
    setting = Setting(random_world(seed, 80), 0, Costs(borrow_bps=500), HALTING, 1e6)
    panel = setting.panel
    desk = open_desk("law", Scripted(panel.times, random_targets(seed, (80, 5))), setting.costs, HALTING, 1e6, panel.times[0])
    steps = list(desk.run(Replay(panel, 0, 1)))
    world, targets = World.of(setting), np.stack([step.allowed.weights for step in steps])
    held = follow(targets, world.track(targets), world, 1e6)
    cash: defaultdict[str, float] = defaultdict(float)
    traded = 0
    for event in (event for step in steps for event in step.events):
        if isinstance(event, Fill):
            cash[event.symbol] -= float(event.quantity * event.price + event.fee)
            traded += not event.order_id.startswith("delisting")
        if isinstance(event, CashFlow):
            cash[event.symbol] += float(event.amount)
    paid = -cash.pop("", 0.0)
    assert borrowed(held.units, world) == pytest.approx(paid, abs=1e-6)
    assert np.count_nonzero(held.quantity) == traded
    worth = np.where(held.units[-1] != 0, held.units[-1] * world.market.close[-1], 0.0)
    np.testing.assert_allclose(held.gains.sum(axis=0) - worth, [cash[symbol] for symbol in panel.symbols], atol=0.005)


def test_a_track_of_other_targets_is_refused() -> None:
    setting = Setting(random_world(1, 60), 0, Costs(), HALTING, 1e6)
    world, targets = World.of(setting), random_targets(1, (60, 5))
    track = world.track(targets)
    with pytest.raises(DeskError, match="the account"):
        follow(targets, replace(track, equity=track.equity + np.linspace(0, 50, 60)), world, 1e6)
