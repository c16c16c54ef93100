"""Cash and positions as sums over an append-only list of events."""

from collections.abc import Iterable, Iterator
from decimal import Context, Decimal

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.batches import Counts, Fills, Joined, Seen, floats_of
from quantdesk.domain.errors import LedgerError
from quantdesk.domain.trade import SCALE, CashFlow, Event, Fill, Position, Split, after_split, decimal_of, places_of

ZERO = Decimal(0)
PLACES = Decimal("1e-8")
"""The finest units that a position is kept in."""

EXACT = Context(prec=100)
"""Cash is summed without rounding, in whatever order its parts come."""


class Ledger:
    """Sum events as they are recorded; nothing is ever set, edited or removed.

    Parameters
    ----------
    events : iterable of Event
        Events to begin with, such as those read from a journal.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._events: list[Event | Fills] = []
        self._cash = ZERO
        self._slots: dict[str, int] = {}
        self._places: Counts = np.empty(0, dtype=np.object_)
        self._asked: tuple[tuple[str, ...], Ints] = (), np.empty(0, dtype=np.int64)
        self._averages = _Averages()
        self._seen = Seen()
        self.record(events)

    @property
    def events(self) -> tuple[Event, ...]:
        """List every event recorded, in order."""
        return tuple(_singles(self._events))

    @property
    def cash(self) -> Decimal:
        """Sum the cash, account currency."""
        return self._cash

    @property
    def positions(self) -> dict[str, Position]:
        """Sum what is held, by symbol; closed positions are absent."""
        average = self._averages.after(self._events)
        held = zip(self._slots, self._places, strict=True)
        return {symbol: Position(symbol, decimal_of(places), average[symbol]) for symbol, places in held if places}

    def record(self, events: Iterable[Event]) -> None:
        """Append events; a fill of an order already filled is a resend and is ignored.

        Raises
        ------
        LedgerError
            If a split's ratio or a fill's price is not positive.
        """
        if isinstance(events, Joined):
            for part in events.parts:
                self.record(part)
        elif isinstance(events, Fills):
            self._record_fills(events)
        else:
            for event in events:
                self._record_one(event)

    def units(self, symbols: tuple[str, ...]) -> Float64:
        """Return the signed units held (n_instruments,), in the order of ``symbols``."""
        slots = self._slots_of(symbols)
        return floats_of(self._places[slots])

    def equity(self, symbols: tuple[str, ...], close: Float64) -> float:
        """Value the account at the last known closes (n_instruments,), account currency."""
        return self.worth(self.units(symbols), close)

    def worth(self, units: Float64, close: Float64) -> float:
        """Value the cash and given units (n_instruments,) at the last known closes (n_instruments,)."""
        held = units != 0
        return float(self._cash) + float(units[held] @ close[held])

    def _record_one(self, event: Event) -> None:
        if isinstance(event, Fill):
            self._record_fill(event)
        elif isinstance(event, Split):
            self._record_split(event)
        else:
            self._record_cash(event)

    def _record_cash(self, event: CashFlow) -> None:
        self._events.append(event)
        self._cash = EXACT.add(self._cash, event.amount)

    def _record_split(self, event: Split) -> None:
        if event.ratio <= 0:
            raise LedgerError(
                f"split of {event.symbol} at {event.time} by {event.ratio}", "a positive ratio", "check the corporate actions"
            )
        self._events.append(event)
        slot = self._slots_of((event.symbol,))
        self._places[slot] = after_split(self._places[slot][0], event.ratio)

    def _record_fill(self, event: Fill) -> None:
        if event.price < 0:
            raise LedgerError(
                f"fill {event.order_id} at a price of {event.price}", "a price of 0 or more", "check the broker's report"
            )
        places = places_of(event.quantity, f"fill {event.order_id}")
        if not self._seen.add(event.order_id):
            return
        self._events.append(event)
        self._cash = EXACT.subtract(self._cash, EXACT.fma(event.quantity, event.price, event.fee))
        slot = self._slots_of((event.symbol,))
        self._places[slot] += places

    def _record_fills(self, fills: Fills) -> None:
        if not len(fills):
            return
        if fills.prices.min() < 0:
            # One after the other up to the impossible one, which is named.
            for fill in fills:
                self._record_fill(fill)
        new = self._seen.add_all(fills.order_ids)
        fills = fills if new is None else fills.take(new)
        self._events.append(fills)
        paid = fills.quantities @ fills.prices + fills.fees.sum() * SCALE
        self._cash = EXACT.subtract(self._cash, EXACT.divide(Decimal(paid), SCALE * SCALE))
        slots = self._slots_of(fills.symbols)
        self._places[slots[fills.columns]] += fills.quantities

    def _slots_of(self, symbols: tuple[str, ...]) -> Ints:
        # The loop asks for the same instruments at every bar.
        asked, slots = self._asked
        if symbols != asked:
            for symbol in symbols:
                self._slots.setdefault(symbol, len(self._slots))
            new = np.zeros(len(self._slots) - len(self._places), dtype=np.int64)
            self._places = np.concatenate([self._places, new.astype(np.object_)])
            slots = np.array([self._slots[symbol] for symbol in symbols], dtype=np.int64)
            self._asked = symbols, slots
        return slots


class _Averages:
    # Who asks for positions pays for their average prices: the loop never does.
    def __init__(self) -> None:
        self._n_read = 0
        self._units: dict[str, Decimal] = {}
        self._prices: dict[str, Decimal] = {}

    def after(self, events: list[Event | Fills]) -> dict[str, Decimal]:
        for event in _singles(events[self._n_read :]):
            if isinstance(event, Fill):
                self._fill(event)
            elif isinstance(event, Split) and self._units.get(event.symbol):
                self._units[event.symbol] = (self._units[event.symbol] * event.ratio).quantize(PLACES)
                self._prices[event.symbol] /= event.ratio
        self._n_read = len(events)
        return self._prices

    def _fill(self, fill: Fill) -> None:
        before = self._units.get(fill.symbol, ZERO)
        after = self._units[fill.symbol] = before + fill.quantity
        if before == 0 or (before > 0) != (after > 0):
            self._prices[fill.symbol] = fill.price
        elif abs(after) >= abs(before):
            self._prices[fill.symbol] = (before * self._prices[fill.symbol] + fill.quantity * fill.price) / after


def _singles(events: Iterable[Event | Fills]) -> Iterator[Event]:
    for event in events:
        if isinstance(event, Fills):
            yield from event
        else:
            yield event
