"""A broker that fills at the next bar, charges what trading costs, and never trades a halted name."""

from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from quantdesk.domain.panel import Panel
from quantdesk.domain.trade import CashFlow, Event, Fill, Order, Split
from quantdesk.execution.costs import CONDITIONS_LOOKBACK, Costs, Market, fill_price, shorted, to_cents, to_grid, to_places
from quantdesk.execution.marks import Marks
from quantdesk.execution.orders import PLACES, to_decimal


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
        self._units = dict(units or {})
        self._orders: dict[str, Order] = {}
        self._seen: set[str] = set()
        self._marks = Marks()

    def submit(self, orders: Iterable[Order]) -> None:
        """Accept orders for the next bar; an id seen before is ignored."""
        for order in orders:
            if order.id not in self._seen:
                self._seen.add(order.id)
                self._orders[order.symbol] = order

    def advance(self, panel: Panel) -> list[Event]:
        """Report the last bar's cash flows, splits and fills."""
        if not self._marks.prices.size:
            self._marks = Marks().after(panel.rows(0, max(1, len(panel.times) - 1)))
        column = {symbol: i for i, symbol in enumerate(panel.symbols)}
        events: list[Event] = self._borrow(panel, column)
        events += self._split(panel)
        events += self._dividends(panel)
        self._marks = self._marks.after(panel)
        events += self._delist(panel)
        events += self._fill(panel, column)
        return events

    def _borrow(self, panel: Panel, column: dict[str, int]) -> list[Event]:
        shorts = [symbol for symbol, units in self._units.items() if units < 0]
        if not shorts or len(panel.times) < 2:
            return []
        value = 0.0
        for i in sorted(column[symbol] for symbol in shorts):
            value -= self._units[panel.symbols[i]] * self._marks.prices[i]
        years = float((panel.times[-1] - panel.times[-2]) / np.timedelta64(1, "D")) / 365.0
        return _cash("borrow", "", -to_cents(value * self.costs.rates.borrow * years), panel.now)

    def _split(self, panel: Panel) -> list[Event]:
        events: list[Event] = []
        ratios = panel.get("split")[-1]
        for i in np.flatnonzero(np.isfinite(ratios) & (ratios > 0) & (ratios != 1)):
            instrument, ratio = panel.instruments[i], float(ratios[i])
            held = to_decimal(self._units.get(instrument.symbol, 0.0))
            if held:
                # In decimals, as the ledger does it: floats would fall on another side of a tie.
                self._units[instrument.symbol] = float((held * Decimal(str(ratio))).quantize(PLACES))
                events.append(Split(instrument.symbol, Decimal(str(ratio)), panel.now))
            order = self._orders.pop(instrument.symbol, None)
            units = to_grid(float(order.quantity) * ratio, instrument.lot_size) if order else 0.0
            if order and units:
                self._orders[instrument.symbol] = Order(order.id, order.symbol, to_decimal(units), order.created_at)
        return events

    def _dividends(self, panel: Panel) -> list[Event]:
        paid = panel.get("dividend")[-1]
        events: list[Event] = []
        for i in np.flatnonzero(np.isfinite(paid)):
            symbol = panel.symbols[i]
            units = self._units.get(symbol, 0.0)
            events += _cash("dividend", symbol, to_cents(units * float(paid[i])), panel.now)
        return events

    def _delist(self, panel: Panel) -> list[Event]:
        events: list[Event] = []
        proceeds = panel.get("delisting")[-1]
        for i in np.flatnonzero(np.isfinite(proceeds)):
            instrument = panel.instruments[i]
            self._orders.pop(instrument.symbol, None)
            units = self._units.pop(instrument.symbol, 0.0)
            if units:
                worth = shorted(float(proceeds[i]), float(self._marks.prices[i])) if units < 0 else float(proceeds[i])
                price = to_decimal(to_grid(worth, instrument.tick_size))
                order_id = f"delisting:{instrument.symbol}:{panel.now}"
                events.append(Fill(order_id, instrument.symbol, to_decimal(-units), price, Decimal(0), panel.now))
        return events

    def _fill(self, panel: Panel, column: dict[str, int]) -> list[Event]:
        orders, self._orders = self._orders, {}
        if not orders:
            return []
        market = Market.of(panel.rows(max(0, len(panel.times) - CONDITIONS_LOOKBACK), len(panel.times)), self.costs)
        fills: list[Event] = []
        for order in orders.values():
            i = column[order.symbol]
            if np.isfinite(market.price[-1, i]):
                fills.append(self._trade(order, market, i, panel.now))
        return fills

    def _trade(self, order: Order, market: Market, i: int, time: np.datetime64) -> Fill:
        rates, units = self.costs.rates, float(order.quantity)
        price = fill_price(
            market.price[-1, i],
            units,
            market.volatility[-1, i],
            market.volume[-1, i],
            rates.half_spread,
            rates.impact,
            market.tick[i],
        )
        fee = to_cents(rates.commission * abs(units) * price)
        self._units[order.symbol] = to_places(self._units.get(order.symbol, 0.0) + units)
        return Fill(order.id, order.symbol, order.quantity, to_decimal(price), to_decimal(fee), time)


def _cash(kind: str, symbol: str, amount: float, time: np.datetime64) -> list[Event]:
    return [CashFlow(kind, symbol, to_decimal(amount), time)] if amount else []
