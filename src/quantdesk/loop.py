"""The one loop of the desk: backtest, paper and live differ in feed and broker only."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Broker, Decides, Feed
from quantdesk.domain.trade import CashFlow, Event, Fill, Order
from quantdesk.execution.costs import CONDITIONS_LOOKBACK, Costs
from quantdesk.execution.marks import Marks
from quantdesk.execution.orders import orders_for, units_to_trade
from quantdesk.execution.simulated import SimulatedBroker
from quantdesk.ledger.journal import Journal, Page
from quantdesk.ledger.ledger import Ledger
from quantdesk.portfolio import limits as limit
from quantdesk.portfolio.limits import Allowed, DrawdownHalt, Limits, Sectors


@dataclass(frozen=True)
class Replay:
    """Feed a recorded panel bar by bar, each time as it was known then.

    Parameters
    ----------
    panel : Panel
        The history.
    start : int
        Position of the first bar to trade on.
    lookback : int
        Bars of history in each view; never fewer than the limits and the broker read.
    """

    panel: Panel
    start: int
    lookback: int

    def __iter__(self) -> Iterator[Panel]:
        depth = max(self.lookback, limit.VAR_LOOKBACK, CONDITIONS_LOOKBACK)
        for stop in range(self.start + 1, len(self.panel.times) + 1):
            yield self.panel.rows(max(0, stop - depth), stop)


@dataclass(frozen=True, eq=False)
class Step:
    """Say what one bar brought.

    Parameters
    ----------
    time : numpy.datetime64
        The bar's close.
    equity : float
        Net asset value, account currency.
    held : Float64
        Weights held at the close (n_instruments,).
    allowed : Allowed
        What the limits left of the target, before the drawdown halt.
    is_halted : bool
        Whether the drawdown halt closed everything instead.
    events : tuple of Event
        What the broker reported.
    orders : tuple of Order
        What was submitted.
    """

    time: np.datetime64
    equity: float
    held: Float64
    allowed: Allowed
    is_halted: bool
    events: tuple[Event, ...]
    orders: tuple[Order, ...]


@dataclass
class Desk:
    """Hold what the loop carries from bar to bar.

    Parameters
    ----------
    name : str
        Who trades; part of every order's id.
    strategy : Decides
        What wants a portfolio.
    broker : Broker
        Where orders go.
    limits : Limits
        What is allowed; no strategy can skip them.
    ledger : Ledger
        What happened.
    halt : DrawdownHalt
        Where the drawdown halt stands.
    journal : Journal or None
        Where pages are kept; None keeps nothing on disk.
    """

    name: str
    strategy: Decides
    broker: Broker
    limits: Limits
    ledger: Ledger
    halt: DrawdownHalt
    journal: Journal | None = None

    def run(self, feed: Feed) -> Iterator[Step]:
        """Trade bar after bar, yielding what each one brought."""
        marks, sectors = Marks(), None
        for panel in feed:
            marks, sectors = marks.after(panel), sectors or Sectors.of(panel.instruments)
            events = tuple(self.broker.advance(panel))
            self.ledger.record(events)
            yield self._decide(panel, marks, sectors, events)

    def _decide(self, panel: Panel, marks: Marks, sectors: Sectors, events: tuple[Event, ...]) -> Step:
        units, equity = self.ledger.units(panel.symbols), self.ledger.equity(panel.symbols, marks.prices)
        held = weights_of(units, marks.prices, equity)
        self.halt = self.halt.after(equity, self.limits)
        wanted = self.strategy.target(panel, held)
        allowed = limit.apply(self.limits, wanted.weights, held, panel, sectors)
        weights = np.zeros(len(held)) if self.halt.is_active else allowed.weights
        lots = np.array([instrument.lot_size for instrument in panel.instruments])
        trades = units_to_trade(weights, units, equity, panel.fields["close"][-1], lots)
        orders = tuple(orders_for(self.name, panel, trades))
        self.broker.submit(list(orders))
        if self.journal:
            self.journal.write(Page(panel.now, events, orders, equity))
        return Step(panel.now, equity, held, allowed, self.halt.is_active, events, orders)


def weights_of(units: Float64, prices: Float64, equity: float) -> Float64:
    """Turn units held into fractions of net asset value (n_instruments,)."""
    if equity <= 0:
        return np.zeros(len(units))
    return np.where(units != 0, units * np.nan_to_num(prices) / equity, 0.0)


def open_desk(name: str, strategy: Decides, costs: Costs, limits: Limits, capital: float, opened_at: np.datetime64) -> Desk:
    """Start from cash with a simulated broker and nothing on disk."""
    deposit = CashFlow("deposit", "", Decimal(str(capital)), opened_at)
    return Desk(name, strategy, SimulatedBroker(costs), limits, Ledger([deposit]), DrawdownHalt(capital))


def resume_desk(desk: Desk, costs: Costs, journal: Journal) -> tuple[Desk, np.datetime64 | None]:
    """Continue where a journal ends; the simulated broker gets back its units and open orders.

    Parameters
    ----------
    desk : Desk
        A desk as ``open_desk`` gives it.
    costs : Costs
        What trading costs.
    journal : Journal
        Pages of an earlier run of the same desk, or none yet.

    Returns
    -------
    tuple
        The desk to run, and the close of the last bar it has already done (None: no bar yet).
    """
    pages = journal.pages()
    halt, ledger = desk.halt, desk.ledger
    for page in pages:
        ledger.record(page.events)
        halt = halt.after(page.equity, desk.limits)
    units = {symbol: float(position.quantity) for symbol, position in ledger.positions.items()}
    broker = SimulatedBroker(costs, units)
    if pages:
        broker.submit(pages[-1].orders)
    resumed = Desk(desk.name, desk.strategy, broker, desk.limits, ledger, halt, journal)
    return resumed, pages[-1].time if pages else None


def fills_of(steps: list[Step]) -> tuple[Fill, ...]:
    """List every fill of a run, in time order."""
    return tuple(event for step in steps for event in step.events if isinstance(event, Fill))
