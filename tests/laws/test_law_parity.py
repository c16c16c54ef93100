"""Parity: the kernel, the loop and a paper replay give the same portfolio."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from law_worlds import LEARNED, STRATEGIES, fitted, market, rehearsed, trade

from quantdesk.domain.arrays import Float64
from quantdesk.domain.batches import Fills
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Decides
from quantdesk.domain.trade import Event
from quantdesk.evaluation.backtest import PARITY, Setting, backtest, replay
from quantdesk.execution.costs import Costs
from quantdesk.execution.simulated import SimulatedBroker
from quantdesk.loop import Desk, Replay, Step, open_desk
from quantdesk.portfolio.limits import Limits
from quantdesk.strategy import Rehearsed
from small_worlds import Scripted, random_targets, random_world

Brokers = Callable[[Costs], SimulatedBroker]
N_BARS = 60
HALTING = Limits(gross=9, per_name=9, per_sector=9, daily_var=9, drawdown=0.05, cooldown_bars=3)
LOOSE = Limits(gross=9, per_name=9, per_sector=9, daily_var=9, drawdown=1.0, cooldown_bars=1)


def loop_of(setting: Setting, decides: Decides, brokers: Brokers = SimulatedBroker) -> list[Step]:
    """Run the loop over a setting, with a broker of choice."""
    desk = open_desk("law", decides, setting.costs, setting.limits, setting.capital, setting.panel.times[setting.start])
    chosen = Desk("law", decides, brokers(setting.costs), setting.limits, desk.ledger, desk.halt)
    return list(chosen.run(Replay(setting.panel, setting.start, decides.lookback)))


def kernel_violations(setting: Setting, steps: list[Step]) -> list[str]:
    """List the bars at which the kernel, fed with the loop's targets, is not worth what the loop is."""
    path = replay(np.stack([step.allowed.weights for step in steps]), setting, setting.costs)
    equity = np.array([step.equity for step in steps])
    # A split may leave half of the last of 8 places of a unit, which floats round to either side.
    tolerance = np.maximum(PARITY * np.abs(equity), 1e-5)
    apart = np.flatnonzero(~(np.abs(equity - path.equity) <= tolerance))
    return [f"bar {t}: loop {equity[t]}, kernel {path.equity[t]}" for t in apart]


def stream_violations(batch: list[Step], stream: list[Step]) -> list[str]:
    """List the bars at which orders or worth differ between two runs."""
    found = []
    for t, (left, right) in enumerate(zip(batch, stream, strict=True)):
        if left.orders != right.orders:
            found.append(f"bar {t}: orders")
        if left.equity != right.equity:
            found.append(f"bar {t}: {left.equity} against {right.equity}")
    return found


@dataclass(frozen=True)
class Wild:
    """Name a random world in few words, so that a failure can be read."""

    seed: int
    n_times: int
    start: int
    has_open: bool
    has_volume: bool
    costs: float
    borrow_bps: float
    capital: float
    leverage: float
    limits: Limits

    def setting(self) -> Setting:
        panel = random_world(self.seed, self.n_times, has_open=self.has_open, has_volume=self.has_volume)
        costs = Costs(multiplier=self.costs, borrow_bps=self.borrow_bps)
        return Setting(panel, self.start, costs, self.limits, self.capital)

    def steps(self, setting: Setting) -> list[Step]:
        targets = random_targets(self.seed, setting.panel.shape, self.leverage)
        return loop_of(setting, Scripted(setting.panel.times, targets))


WILD = st.builds(
    Wild,
    seed=st.integers(0, 1_000_000),
    n_times=st.sampled_from([40, 130]),
    start=st.sampled_from([0, 25]),
    has_open=st.booleans(),
    has_volume=st.booleans(),
    costs=st.sampled_from([0.0, 1.0, 20.0]),
    borrow_bps=st.sampled_from([0.0, 2000.0]),
    capital=st.sampled_from([50.0, 10_000.0, 1e8]),
    leverage=st.sampled_from([0.5, 1.0, 4.0]),
    limits=st.sampled_from([Limits(), HALTING, LOOSE]),
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(WILD)
def test_the_kernel_is_worth_what_the_loop_is_whatever_is_traded(wild: Wild) -> None:
    setting = wild.setting()
    with np.errstate(all="ignore"):
        assert kernel_violations(setting, wild.steps(setting)) == []


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_kernel_is_worth_what_the_loop_is_for_every_strategy(name: str) -> None:
    setting = Setting(market(), LEARNED, Costs(), rehearsed(name).strategy.limits, 1e5)
    assert kernel_violations(setting, loop_of(setting, rehearsed(name))) == []


@pytest.mark.parametrize("name", STRATEGIES)
def test_live_forecasts_give_the_orders_that_rehearsed_ones_do(name: str) -> None:
    batch, stream = (trade(decides, market(), N_BARS) for decides in (rehearsed(name), fitted(name)))
    assert stream_violations(batch, stream) == []


def test_a_backtest_refuses_to_answer_when_the_two_paths_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    from quantdesk.domain.errors import DeskError
    from quantdesk.evaluation import backtest as module

    setting = Setting(market(), LEARNED, Costs(), Limits(), 1e5)

    def dearer(targets: Float64, where: Setting, costs: Costs) -> object:
        return replay(targets, where, replace(costs, commission_bps=costs.commission_bps * 1.01))

    monkeypatch.setattr(module, "replay", dearer)
    with pytest.raises(DeskError, match="loop and fast path disagree"):
        backtest("law", rehearsed("linear"), setting)


class SameCloseBroker(SimulatedBroker):
    """Fill at the close on which was decided instead of the next open."""

    def advance(self, panel: Panel) -> Sequence[Event]:
        late = panel.fields["close"].copy()
        late[-1] = np.where(np.isfinite(late[-1]), late[-2] if len(late) > 1 else late[-1], np.nan)
        return super().advance(replace(panel, fields={**panel.fields, "open": late}))


class PatientBroker(SimulatedBroker):
    """Keep the orders of a halted instrument instead of letting them lapse."""

    def _fill(self, panel: Panel) -> Fills:
        is_halted = ~np.isfinite(panel.fields["close"][-1])
        waiting = [batch.take(np.flatnonzero(is_halted[self._columns_of(batch)]).tolist()) for batch in self._submitted]
        fills = super()._fill(panel)
        self._submitted = waiting
        return fills


class SplitlessBroker(SimulatedBroker):
    """Forget splits."""

    def _split(self, panel: Panel) -> list[Event]:
        return []


class StingyBroker(SimulatedBroker):
    """Pay no delisting proceeds."""

    def _delist(self, panel: Panel) -> list[Event]:
        return []


class GenerousBroker(SimulatedBroker):
    """Charge shorts no dividends."""

    def _dividends(self, panel: Panel) -> list[Event]:
        return [event for event in super()._dividends(panel) if getattr(event, "amount", 0) > 0]


@pytest.mark.parametrize("brokers", [SameCloseBroker, PatientBroker, SplitlessBroker, StingyBroker, GenerousBroker])
def test_a_broker_with_a_fault_is_caught(brokers: Brokers) -> None:
    found = 0
    free = Limits(gross=9, per_name=9, per_sector=9, daily_var=9, drawdown=1.0)
    for seed in range(12):
        panel = random_world(seed)
        setting = Setting(panel, 0, Costs(), free, 1e6)
        with np.errstate(all="ignore"):
            steps = loop_of(setting, Scripted(panel.times, random_targets(seed, panel.shape)), brokers)
            found += bool(kernel_violations(setting, steps))
    assert found >= 1


def test_forecasts_rehearsed_for_the_wrong_day_are_caught() -> None:
    made = rehearsed("linear").forecasts
    late = Forecasts(made.times, made.symbols, made.horizons, np.roll(made.quantiles, 1, axis=0))
    wrong = Rehearsed(rehearsed("linear").strategy, late)
    assert stream_violations(trade(wrong, market(), N_BARS), trade(fitted("linear"), market(), N_BARS)) != []
