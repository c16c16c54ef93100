"""An order decided at a bar's close fills at the next bar, at a price that did not need its high or low."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np

from quantdesk.domain.panel import Panel
from quantdesk.domain.trade import Fill, Order
from quantdesk.evaluation.leaks.leak import Leak
from quantdesk.evaluation.leaks.seen import Seen
from quantdesk.execution.costs import Costs


def same_bar_fills(seen: Seen, n_moments: int) -> Iterator[Leak]:
    """Fill the same orders in several next bars: the price must follow that bar, but not its extremes."""
    n_times = len(seen.panel.times)
    for row in np.linspace(n_times // 2, n_times - 2, max(2, n_moments // 2)).round().astype(int).tolist():
        plain = _fills(seen, row, {})
        higher = _fills(seen, row, {"open": 1.5, "high": 1.5, "low": 1.5, "close": 1.5})
        wider = _fills(seen, row, {"high": 1.3, "low": 0.7})
        for symbol, fill in plain.items():
            yield from _judged(seen, row, fill, higher.get(symbol), wider.get(symbol))


def _judged(seen: Seen, row: int, fill: Fill, higher: Fill | None, wider: Fill | None) -> Iterator[Leak]:
    decided = seen.panel.times[row]
    if fill.time <= decided:
        words = "filled no later than it was decided", "filled later"
        yield Leak("same-bar fill", "an order", decided, fill.symbol, *words, "it trades before it could be decided")
    elif higher and higher.price == fill.price:
        words = f"filled at {fill.price:.6g}, whatever the next bar brings", "filled at a price of the next bar"
        yield Leak(
            "same-bar fill", "an order", decided, fill.symbol, *words, "the price is one that was over when it was decided"
        )
    elif wider and wider.price != fill.price:
        words = f"filled at {fill.price:.6g}, and at {wider.price:.6g} had the bar been wider", "the same in both"
        yield Leak(
            "same-bar fill", "an order", decided, fill.symbol, *words, "the fill knows the high or low of a bar not over"
        )


def _fills(seen: Seen, row: int, moved: dict[str, float]) -> dict[str, Fill]:
    panel = seen.panel.rows(0, row + 2)
    broker = seen.study.broker(Costs())
    broker.advance(panel.rows(0, row + 1))
    orders = [
        Order(f"check:{row}:{symbol}", symbol, Decimal(10), panel.times[row])
        for column, symbol in enumerate(panel.symbols)
        if np.isfinite(panel.fields["close"][row : row + 2, column]).all()
    ]
    broker.submit(orders)
    events = broker.advance(_moved(panel, moved))
    return {event.symbol: event for event in events if isinstance(event, Fill) and event.order_id.startswith("check:")}


def _moved(panel: Panel, moved: dict[str, float]) -> Panel:
    fields = dict(panel.fields)
    for name in set(moved) & set(fields):
        fields[name] = fields[name].copy()
        fields[name][-1] *= moved[name]
    return replace(panel, fields=fields)
