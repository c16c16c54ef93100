"""Conservation: cash and holdings are sums over what happened, exact in Decimal, in any order."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from law_worlds import CAPITAL, LEARNED, STRATEGIES, market, rehearsed, trade

from quantdesk.domain.trade import CashFlow, Event, Fill, Split
from quantdesk.evaluation.backtest import Setting, replay
from quantdesk.execution.costs import Costs
from quantdesk.execution.marks import Marks
from quantdesk.ledger.ledger import PLACES, Ledger
from quantdesk.loop import Step
from quantdesk.portfolio.limits import Limits
from small_worlds import Scripted, random_targets, random_world

Books = Callable[[Iterable[Event]], Ledger]
FREE = Limits(gross=50, per_name=50, per_sector=50, daily_var=50, drawdown=1)


def conservation_violations(books: Books, events: list[Event]) -> list[str]:
    """Compare a ledger with sums taken over its events in exact fractions."""
    ledger = books(events)
    cash, units = Fraction(0), defaultdict[str, Fraction](Fraction)
    for event in events:
        if isinstance(event, CashFlow):
            cash += Fraction(event.amount)
        elif isinstance(event, Split):
            units[event.symbol] = round(units[event.symbol] * Fraction(event.ratio) * 10**8) * Fraction(PLACES)
        else:
            cash -= Fraction(event.quantity) * Fraction(event.price) + Fraction(event.fee)
            units[event.symbol] += Fraction(event.quantity)
    found = [] if Fraction(ledger.cash) == cash else [f"cash is {ledger.cash}, not {float(cash)}"]
    for symbol, expected in units.items():
        held = ledger.positions[symbol].quantity if symbol in ledger.positions else Decimal(0)
        if Fraction(held) != expected:
            found.append(f"{symbol}: {held} held, not {float(expected)}")
    return found


def shuffled(events: list[Event], random: np.random.Generator) -> list[Event]:
    """Shuffle events, leaving those of an instrument that splits in their own order: more would change units."""
    split = {event.symbol for event in events if isinstance(event, Split)}
    order = random.permutation(len(events))
    for symbol in split:
        bound = [place for place, i in enumerate(order) if events[i].symbol == symbol]
        order[bound] = np.sort(order[bound])
    return [events[i] for i in order]


def events_of(steps: list[Step]) -> list[Event]:
    """List the deposit and everything the broker reported."""
    deposit = CashFlow("deposit", "", Decimal(str(CAPITAL)), steps[0].time)
    return [deposit, *(event for step in steps for event in step.events)]


def wild(seed: int) -> tuple[list[Event], list[Step]]:
    panel = random_world(seed)
    weights = random_targets(seed, panel.shape, leverage=2.0)
    with np.errstate(all="ignore"):
        steps = trade(Scripted(panel.times, weights), panel, len(panel.times), FREE, start=0)
    return events_of(steps), steps


@pytest.mark.parametrize("name", STRATEGIES)
def test_cash_and_holdings_are_sums_over_what_happened(name: str) -> None:
    steps = trade(rehearsed(name), market(), 200)
    events = events_of(steps)
    assert len(events) > 3
    assert conservation_violations(Ledger, events) == []
    random = np.random.default_rng(0)
    assert all(conservation_violations(Ledger, shuffled(events, random)) == [] for _ in range(5))


@pytest.mark.parametrize("name", STRATEGIES)
def test_net_asset_value_is_cash_and_holdings_at_the_last_close_to_the_cent(name: str) -> None:
    steps = trade(rehearsed(name), market(), 200)
    ledger = Ledger(events_of(steps))
    last = LEARNED + len(steps) - 1
    prices = dict(zip(market().symbols, Marks().after(market().rows(0, last + 1)).prices, strict=True))
    holdings = sum(position.quantity * Decimal(str(prices[position.symbol])) for position in ledger.positions.values())
    assert abs(ledger.cash + holdings - Decimal(str(steps[-1].equity))) < Decimal("0.005")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), order=st.integers(0, 10_000))
def test_in_a_wild_market_the_sums_hold_in_any_order(seed: int, order: int) -> None:
    events, _ = wild(seed)
    assert conservation_violations(Ledger, events) == []
    again = shuffled(events, np.random.default_rng(order))
    assert conservation_violations(Ledger, again) == []
    assert Ledger(again).cash == Ledger(events).cash
    assert {s: p.quantity for s, p in Ledger(again).positions.items()} == {
        s: p.quantity for s, p in Ledger(events).positions.items()
    }


def test_a_resend_of_every_fill_changes_nothing() -> None:
    events, _ = wild(3)
    fills = [event for event in events if isinstance(event, Fill)]
    assert Ledger([*events, *fills]).cash == Ledger(events).cash
    assert Ledger([*events, *fills]).positions == Ledger(events).positions


def test_costs_are_what_separates_the_paid_world_from_the_free_one_when_the_trades_are_the_same() -> None:
    panel = random_world(8, n=3)
    targets = np.full(panel.shape, np.nan)
    targets[0] = 0.3
    free, paid = (Setting(panel, 0, Costs(borrow_bps=0, multiplier=m), FREE, 1e6) for m in (0.0, 1.0))
    before, after = replay(targets, free, free.costs), replay(targets, paid, paid.costs)
    assert after.costs.sum() > 0
    # In the free world prices are still rounded to the tick, which is booked as a cost too.
    separated = after.costs.sum() - before.costs.sum()
    np.testing.assert_allclose(before.equity[-1] - after.equity[-1], separated, rtol=1e-9)


class FeelessLedger(Ledger):
    """Drop the fee of every fill."""

    def _record_fill(self, event: Fill) -> None:
        super()._record_fill(Fill(event.order_id, event.symbol, event.quantity, event.price, Decimal(0), event.time))


class SplitlessLedger(Ledger):
    """Forget to multiply units by a split."""

    def _record_split(self, event: Split) -> None:
        self._events.append(event)


class FloatLedger(Ledger):
    """Add cash in floating point."""

    def _record_fill(self, event: Fill) -> None:
        super()._record_fill(event)
        self._cash = Decimal(float(self._cash))


@pytest.mark.parametrize("books", [FeelessLedger, SplitlessLedger, FloatLedger])
def test_a_ledger_that_drops_fees_or_splits_or_decimals_is_caught(books: Books) -> None:
    found = [violation for seed in range(6) for violation in conservation_violations(books, wild(seed)[0])]
    assert len(found) >= 3
