"""The one loop of the desk: backtest, paper and live differ in feed and broker only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled
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
from quantdesk.portfolio.moves import Moves


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
    events : sequence of Event
        What the broker reported.
    orders : sequence of Order
        What was submitted.
    """

    time: np.datetime64
    equity: float
    held: Float64
    allowed: Allowed
    is_halted: bool
    events: Sequence[Event]
    orders: Sequence[Order]


@dataclass
class _Market:
    # What stays the same from bar to bar, and what is carried from one to the next.
    symbols: tuple[str, ...]
    lots: Float64
    sectors: Sectors
    moves: Moves
    marks: Marks

    @classmethod
    def of(cls, panel: Panel) -> "_Market":
        lots = np.array([instrument.lot_size for instrument in panel.instruments])
        return cls(panel.symbols, lots, Sectors.of(panel.instruments), Moves(), Marks())


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
        market = None
        for panel in feed:
            market = market or _Market.of(panel)
            market.marks = market.marks.after(panel)
            events = self.broker.advance(panel)
            self.ledger.record(events)
            yield self._decide(panel, market, events)

    def _decide(self, panel: Panel, market: _Market, events: Sequence[Event]) -> Step:
        units, prices = self.ledger.units(market.symbols), market.marks.prices
        equity = self.ledger.worth(units, prices)
        held = weights_of(units, prices, equity)
        self.halt = self.halt.after(equity, self.limits)
        wanted = self.strategy.target(panel, held)
        allowed = limit.apply(self.limits, wanted.weights, held, panel, market.sectors, market.moves)
        weights = np.zeros(len(held)) if self.halt.is_active else allowed.weights
        trades = units_to_trade(weights, units, equity, panel.fields["close"][-1], market.lots)
        orders = orders_for(self.name, market.symbols, panel.now, trades)
        self.broker.submit(orders)
        if self.journal:
            self.journal.write(Page(panel.now, tuple(events), tuple(orders), equity))
        return Step(panel.now, equity, held, allowed, self.halt.is_active, events, orders)


def weights_of(units: Float64, prices: Float64, equity: float) -> Float64:
    """Turn units held into fractions of net asset value (n_instruments,)."""
    return _weights_of(units, prices, equity)


@compiled
def _weights_of(units: Float64, prices: Float64, equity: float) -> Float64:
    weights = np.zeros(len(units))
    for i in range(len(units)):
        if equity > 0.0 and np.isfinite(prices[i]):
            weights[i] = units[i] * prices[i] / equity
    return weights


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
