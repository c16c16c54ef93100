"""Parity of rules: the exact track of a rule is what the loop makes of its trader, on any market."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantdesk.domain.arrays import Float64
from quantdesk.domain.panel import Panel
from quantdesk.execution.costs import Costs
from quantdesk.execution.rule_portfolio import track
from quantdesk.execution.rules import (
    Breakout,
    Crossover,
    Exits,
    Momentum,
    RelativeStrength,
    Reversion,
    Rule,
    RuleTrader,
)
from quantdesk.execution.sweep import Account
from quantdesk.loop import Replay, open_desk
from quantdesk.portfolio.limits import Limits
from small_worlds import random_world

UNLIMITED = Limits(gross=1e9, per_name=1e9, per_sector=1e9, daily_var=1e9, drawdown=1e9, cooldown_bars=1)
RULES: tuple[Rule, ...] = (
    Crossover(3, 9, "both"),
    Crossover(2, 5),
    Breakout(8, 4, "both"),
    Momentum(5, "short"),
    RelativeStrength(4, 40.0, 60.0, "both"),
    Reversion(6, 0.02, "both"),
)
EXITS = (Exits(), Exits(stop_loss=0.03), Exits(take_profit=0.04, trailing_stop=0.03), Exits(bars=4))


@dataclass(frozen=True)
class Case:
    """Name a rule and a random world in few words, so that a failure can be read."""

    seed: int
    n_times: int
    n: int
    start: int
    has_open: bool
    rule: Rule
    exits: Exits
    costs: Costs
    capital: float
    weight: float

    def panel(self) -> Panel:
        panel: Panel = random_world(self.seed, self.n_times, n=self.n, has_open=self.has_open)
        return panel

    def loop(self) -> Float64:
        """Trade in the loop; net asset values (n_bars,)."""
        panel, trader = self.panel(), RuleTrader(self.rule, self.exits, self.weight)
        desk = open_desk("law", trader, self.costs, UNLIMITED, self.capital, panel.times[self.start])
        return np.array([step.equity for step in desk.run(Replay(panel, self.start, trader.lookback))])

    def track(self, panel: Panel) -> Float64:
        """Trade in one compiled pass; net asset values (n_bars,)."""
        account = Account(self.capital, self.weight, is_exact=True)
        return track(panel, self.rule, self.exits, self.costs, account, self.start).equity


def violations(loop: Float64, compiled: Float64) -> list[str]:
    """List the bars at which the two are not worth the same."""
    # A split may leave half of the last of 8 places of a unit, which floats round to either side.
    apart = np.flatnonzero(~(np.abs(loop - compiled) <= np.maximum(1e-9 * np.abs(loop), 1e-5)))
    return [f"bar {t}: loop {loop[t]}, compiled {compiled[t]}" for t in apart]


CASES = st.builds(
    Case,
    seed=st.integers(0, 1_000_000),
    n_times=st.sampled_from([40, 90]),
    n=st.sampled_from([1, 4]),
    start=st.sampled_from([0, 25]),
    has_open=st.booleans(),
    rule=st.sampled_from(RULES),
    exits=st.sampled_from(EXITS),
    costs=st.builds(Costs, multiplier=st.sampled_from([0.0, 1.0, 20.0]), borrow_bps=st.sampled_from([0.0, 2000.0])),
    capital=st.sampled_from([50.0, 1e4, 1e8]),
    weight=st.sampled_from([0.5, 1.0, 3.0]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(CASES)
def test_a_rule_is_worth_in_one_pass_what_it_is_in_the_loop(case: Case) -> None:
    with np.errstate(all="ignore"):
        assert violations(case.loop(), case.track(case.panel())) == []


def late_fills(panel: Panel) -> Panel:
    """Fill at the close of the bar instead of its open."""
    return replace(panel, fields={**panel.fields, "open": panel.fields["close"]})


def without(name: str, panel: Panel) -> Panel:
    """Forget one field."""
    return replace(panel, fields={key: values for key, values in panel.fields.items() if key != name})


@pytest.mark.parametrize("fault", ["open", "split", "dividend", "delisting", "volume"])
def test_a_world_read_wrongly_is_caught(fault: str) -> None:
    found = 0
    for seed in range(8):
        case = Case(seed, 60, 4, 0, True, RULES[seed % 2 * 2], EXITS[seed % 4], Costs(), 1e6, 1.0)
        panel = late_fills(case.panel()) if fault == "open" else without(fault, case.panel())
        with np.errstate(all="ignore"):
            found += bool(violations(case.loop(), case.track(panel)))
    assert found >= 3


def test_a_trader_with_other_exits_is_caught() -> None:
    case = Case(1, 90, 4, 0, True, RULES[0], EXITS[0], Costs(), 1e6, 1.0)
    other = replace(case, exits=EXITS[1])
    assert violations(case.loop(), other.track(other.panel())) != []
