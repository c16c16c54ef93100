"""A broker that fills at the next bar, charges what trading costs, and never trades a halted name."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.batches import Fills, Ids, Joined, Orders, Seen
from quantdesk.domain.compiled import compiled
from quantdesk.domain.panel import Panel
from quantdesk.domain.trade import SCALE, CashFlow, Event, Fill, Order, Split, after_split
from quantdesk.execution.conditions import Conditions
from quantdesk.execution.costs import Costs, Rates, fill_price, shorted, to_cents, to_grid, to_places
from quantdesk.execution.marks import Marks
from quantdesk.execution.orders import in_places, to_decimal


class SimulatedBroker:
    """Fill orders at the next bar's open (its close where the data has no opens).

    An order whose instrument does not trade in that bar lapses. Splits change units held and
    units ordered; dividends are paid on units held before the bar's trades, and charged to
    shorts; a delisted position is paid out, a short one at no less than its last close; shorts pay
    to borrow.

    Parameters
    ----------
    costs : Costs
        What trading costs.
    units : dict of str to float
        Units already held, as after a restart.
    """

    def __init__(self, costs: Costs, units: dict[str, float] | None = None) -> None:
        self.costs = costs
        self._opening = dict(units or {})
        self._symbols: tuple[str, ...] = ()
        self._column: dict[str, int] = {}
        self._held, self._ordered, self._tick = np.empty(0), np.empty(0), np.empty(0)
        self._submitted: list[Orders] = []
        self._seen = Seen()
        self._marks = Marks()
        self._conditions = Conditions(costs.assumed_daily_value)

    def submit(self, orders: Iterable[Order]) -> None:
        """Accept orders for the next bar; an id seen before is ignored."""
        batch = Orders.of(orders)
        if len(batch):
            new = self._seen.add_all(batch.ids)
            self._submitted.append(batch if new is None else batch.take(new))

    def advance(self, panel: Panel) -> Sequence[Event]:
        """Report the last bar's cash flows, splits and fills."""
        if not self._symbols:
            self._meet(panel)
        self._take_orders()
        events = self._borrow(panel) + self._split(panel) + self._dividends(panel)
        self._marks = self._marks.after(panel)
        events += self._delist(panel)
        return Joined(events, self._fill(panel))

    def _meet(self, panel: Panel) -> None:
        self._symbols = panel.symbols
        self._column = {symbol: i for i, symbol in enumerate(self._symbols)}
        self._held = np.array([self._opening.get(symbol, 0.0) for symbol in self._symbols])
        self._tick = np.array([instrument.tick_size for instrument in panel.instruments])
        self._ordered = np.zeros(panel.shape[1])
        self._marks = Marks().after(panel.rows(0, max(1, len(panel.times) - 1)))

    def _take_orders(self) -> None:
        for orders in self._submitted:
            self._ordered[self._columns_of(orders)] = orders.units

    def _columns_of(self, orders: Orders) -> Ints:
        if orders.symbols == self._symbols:
            return orders.columns
        return np.array([self._column[orders.symbols[i]] for i in orders.columns], dtype=np.int64)

    def _ids_of(self, columns: Ints) -> Sequence[str]:
        if len(self._submitted) == 1 and isinstance(self._submitted[0].ids, Ids):
            return Ids(self._submitted[0].ids.decision, self._symbols, columns)
        ids = {i: one for orders in self._submitted for i, one in zip(self._columns_of(orders), orders.ids, strict=True)}
        return [ids[i] for i in columns]

    def _borrow(self, panel: Panel) -> list[Event]:
        if len(panel.times) < 2:
            return []
        years = float((panel.times[-1] - panel.times[-2]) / np.timedelta64(1, "D")) / 365.0
        return _cash(
            "borrow", "", -to_cents(_short_value(self._held, self._marks.prices) * self.costs.rates.borrow * years), panel
        )

    def _split(self, panel: Panel) -> list[Event]:
        events: list[Event] = []
        for i, ratio in _stated(panel, "split"):
            if ratio <= 0 or ratio == 1:
                continue
            if self._held[i]:
                # In whole places, as the ledger does it: floats would fall on another side of a tie.
                exact = Decimal(str(ratio))
                (places,) = in_places(self._held[i : i + 1])
                self._held[i] = after_split(places, exact) / SCALE
                events.append(Split(self._symbols[i], exact, panel.now))
            self._ordered[i] = to_places(to_grid(self._ordered[i] * ratio, panel.instruments[i].lot_size))
        return events

    def _dividends(self, panel: Panel) -> list[Event]:
        events: list[Event] = []
        for i, paid in _stated(panel, "dividend"):
            events += _cash("dividend", self._symbols[i], to_cents(self._held[i] * paid), panel)
        return events

    def _delist(self, panel: Panel) -> list[Event]:
        events: list[Event] = []
        for i, proceeds in _stated(panel, "delisting"):
            units, self._held[i], self._ordered[i] = float(self._held[i]), 0.0, 0.0
            if units:
                worth = shorted(proceeds, float(self._marks.prices[i])) if units < 0 else proceeds
                price = to_decimal(to_grid(worth, float(self._tick[i])))
                order_id = f"delisting:{self._symbols[i]}:{panel.now}"
                events.append(Fill(order_id, self._symbols[i], to_decimal(-units), price, Decimal(0), panel.now))
        return events

    def _fill(self, panel: Panel) -> Fills:
        close = panel.fields["close"][-1]
        offered = np.where(np.isfinite(close), panel.fields.get("open", panel.fields["close"])[-1], np.nan)
        columns = ((self._ordered != 0) & np.isfinite(offered)).nonzero()[0]
        units, ids = self._ordered[columns], self._ids_of(columns)
        self._ordered, self._submitted = np.zeros(len(close)), []
        volatility, volume = self._conditions.at_last(panel, columns) if columns.size else (units, units)
        paid, fees = _charge(offered[columns], units, volatility, volume, self._tick[columns], self.costs.rates)
        self._held[columns] = np.rint((self._held[columns] + units) * 1e8) / 1e8
        quantities, prices, charged = in_places(np.array([units, paid, fees]))
        return Fills(self._symbols, columns, ids, quantities, prices, charged, panel.now)


def _stated(panel: Panel, name: str) -> list[tuple[int, float]]:
    if name not in panel.fields:
        return []
    values = panel.fields[name][-1]
    return [(int(i), float(values[i])) for i in np.isfinite(values).nonzero()[0]]


def _cash(kind: str, symbol: str, amount: float, panel: Panel) -> list[Event]:
    return [CashFlow(kind, symbol, to_decimal(amount), panel.now)] if amount else []


@compiled
def _short_value(held: Float64, prices: Float64) -> float:
    value = 0.0
    for i in range(len(held)):
        if held[i] < 0.0:
            value -= held[i] * prices[i]
    return value


@compiled
def _charge(
    offered: Float64, units: Float64, volatility: Float64, volume: Float64, tick: Float64, rates: Rates
) -> tuple[Float64, Float64]:
    paid, fees = np.zeros(len(units)), np.zeros(len(units))
    for k in range(len(units)):
        paid[k] = fill_price(offered[k], units[k], volatility[k], volume[k], rates.half_spread, rates.impact, tick[k])
        fees[k] = to_cents(rates.commission * abs(units[k]) * paid[k])
    return paid, fees
