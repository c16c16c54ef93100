"""Cash and positions as sums over an append-only list of events."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import LedgerError
from quantdesk.domain.trade import CashFlow, Event, Fill, Position, Split

ZERO = Decimal(0)
PLACES = Decimal("1e-8")
"""The finest units that a position is kept in."""


class Ledger:
    """Sum events as they are recorded; nothing is ever set, edited or removed.

    Parameters
    ----------
    events : iterable of Event
        Events to begin with, such as those read from a journal.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._events: list[Event] = []
        self._cash = ZERO
        self._units: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self._average: dict[str, Decimal] = {}
        self._seen: set[str] = set()
        self.record(events)

    @property
    def events(self) -> tuple[Event, ...]:
        """List every event recorded, in order."""
        return tuple(self._events)

    @property
    def cash(self) -> Decimal:
        """Sum the cash, account currency."""
        return self._cash

    @property
    def positions(self) -> dict[str, Position]:
        """Sum what is held, by symbol; closed positions are absent."""
        return {
            symbol: Position(symbol, quantity, self._average[symbol]) for symbol, quantity in self._units.items() if quantity
        }

    def record(self, events: Iterable[Event]) -> None:
        """Append events; a fill of an order already filled is a resend and is ignored.

        Raises
        ------
        LedgerError
            If a split's ratio or a fill's price is not positive.
        """
        for event in events:
            if isinstance(event, Fill):
                self._record_fill(event)
            elif isinstance(event, Split):
                self._record_split(event)
            else:
                self._record_cash(event)

    def units(self, symbols: tuple[str, ...]) -> Float64:
        """Return the signed units held (n_instruments,), in the order of ``symbols``."""
        return np.array([float(self._units[symbol]) if symbol in self._units else 0.0 for symbol in symbols])

    def equity(self, symbols: tuple[str, ...], close: Float64) -> float:
        """Value the account at the last known closes (n_instruments,), account currency."""
        units = self.units(symbols)
        held = units != 0
        return float(self._cash) + float(units[held] @ close[held])

    def _record_cash(self, event: CashFlow) -> None:
        self._events.append(event)
        self._cash += event.amount

    def _record_split(self, event: Split) -> None:
        if event.ratio <= 0:
            raise LedgerError(
                f"split of {event.symbol} at {event.time} by {event.ratio}", "a positive ratio", "check the corporate actions"
            )
        self._events.append(event)
        if self._units[event.symbol]:
            # Brokers keep no finer units, and a ratio such as 1/3 would leave dust that never closes.
            self._units[event.symbol] = (self._units[event.symbol] * event.ratio).quantize(PLACES)
            self._average[event.symbol] /= event.ratio

    def _record_fill(self, event: Fill) -> None:
        if event.order_id in self._seen:
            return
        if event.price < 0:
            raise LedgerError(
                f"fill {event.order_id} at a price of {event.price}", "a price of 0 or more", "check the broker's report"
            )
        self._events.append(event)
        self._seen.add(event.order_id)
        self._cash -= event.quantity * event.price + event.fee
        before = self._units[event.symbol]
        after = before + event.quantity
        self._units[event.symbol] = after
        self._average[event.symbol] = _average_price(before, self._average.get(event.symbol, ZERO), event, after)


def _average_price(before: Decimal, average: Decimal, fill: Fill, after: Decimal) -> Decimal:
    if before == 0 or (before > 0) != (after > 0):
        return fill.price
    if abs(after) < abs(before):
        return average
    return (before * average + fill.quantity * fill.price) / after
