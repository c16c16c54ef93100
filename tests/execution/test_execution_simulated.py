"""The simulated broker: when it fills, when it does not, and what it pays and charges."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.panel import Panel
from quantdesk.domain.trade import CashFlow, Event, Fill, Order, Split
from quantdesk.execution.costs import Costs
from quantdesk.execution.orders import orders_for
from quantdesk.execution.simulated import SimulatedBroker
from small_worlds import NAN, events, panel_of

FREE = Costs(multiplier=0.0)


def order(panel: Panel, row: int, quantity: str, symbol: str = "A", order_id: str = "") -> Order:
    return Order(order_id or f"{symbol}{row}", symbol, Decimal(quantity), panel.times[row])


def advance(broker: SimulatedBroker, panel: Panel, row: int) -> Sequence[Event]:
    return broker.advance(panel.rows(0, row + 1))


def held(quantity: str, panel: Panel, costs: Costs = FREE) -> SimulatedBroker:
    """Hold units of A from the first bar on."""
    return SimulatedBroker(costs, {"A": float(quantity)})


def flat(n: int, **fields: Float64) -> Panel:
    return panel_of(np.full((n, 1), 100.0), **fields)


def test_an_order_fills_at_the_next_open_and_only_once() -> None:
    panel = panel_of([[100.0], [105.0], [110.0]], open=np.array([[99.0], [103.0], [107.0]]))
    broker = SimulatedBroker(FREE)
    assert advance(broker, panel, 0) == []
    broker.submit([order(panel, 0, "7")])
    assert advance(broker, panel, 1) == [Fill("A0", "A", Decimal("7"), Decimal("103"), Decimal("0"), panel.times[1])]
    assert advance(broker, panel, 2) == []


def test_spread_impact_and_commission_are_charged_to_the_cent() -> None:
    panel = flat(2, volume=np.full((2, 1), 1000.0))
    broker = SimulatedBroker(Costs(commission_bps=3, half_spread_bps=5, impact=1))
    broker.submit([order(panel, 0, "-10")])
    (fill,) = advance(broker, panel, 1)
    assert isinstance(fill, Fill)
    # 100 x (1 - 0.0005 - 0.02 x sqrt(10 / 1000)) = 99.75; 3 bps of 997.50 is 0.29925
    assert (fill.price, fill.fee) == (Decimal("99.75"), Decimal("0.3"))


def test_an_order_for_a_halted_instrument_lapses() -> None:
    panel = panel_of([[100.0], [NAN], [100.0]])
    broker = SimulatedBroker(FREE)
    broker.submit([order(panel, 0, "5")])
    assert advance(broker, panel, 1) == []
    assert advance(broker, panel, 2) == []


def test_an_id_seen_before_is_ignored_even_after_it_filled() -> None:
    panel = flat(4)
    broker = SimulatedBroker(FREE)
    broker.submit([order(panel, 0, "5"), order(panel, 0, "5")])
    broker.submit([order(panel, 0, "5")])
    assert len(advance(broker, panel, 1)) == 1
    broker.submit([order(panel, 0, "5")])
    assert advance(broker, panel, 2) == []


def test_of_a_decision_that_comes_again_only_what_is_new_is_traded() -> None:
    panel = panel_of(np.full((3, 3), 100.0))
    some, all_three = (
        orders_for("desk", panel.symbols, panel.times[0], np.array(units)) for units in ([7.0, 0, 0], [7.0, 8, 9])
    )
    broker = SimulatedBroker(FREE)
    broker.submit(some)
    broker.submit(all_three)
    broker.submit(list(all_three))
    fills = advance(broker, panel, 1)
    assert [(fill.order_id, fill.quantity) for fill in fills if isinstance(fill, Fill)] == [
        (order.id, order.quantity) for order in all_three
    ]
    broker.submit(all_three)
    assert advance(broker, panel, 2) == []


def test_orders_of_other_columns_find_theirs() -> None:
    panel = panel_of(np.full((2, 3), 100.0))
    broker = SimulatedBroker(FREE)
    broker.submit(orders_for("desk", ("C", "A"), panel.times[0], np.array([5.0, -3.0])))
    fills = advance(broker, panel, 1)
    assert {fill.symbol: int(fill.quantity) for fill in fills if isinstance(fill, Fill)} == {"A": -3, "C": 5}
    assert [fill.order_id.partition("-")[2] for fill in fills if isinstance(fill, Fill)] == ["A", "C"]


def test_a_split_multiplies_the_units_held_and_the_units_ordered() -> None:
    panel = panel_of([[100.0], [50.0], [50.0]], split=events((3, 1), r1c0=2.0))
    broker = held("10", panel)
    broker.submit([order(panel, 0, "-10")])
    split, fill = advance(broker, panel, 1)
    assert split == Split("A", Decimal("2.0"), panel.times[1])
    assert isinstance(fill, Fill)
    assert (fill.quantity, fill.price) == (Decimal("-20"), Decimal("50"))


def test_a_reverse_split_leaves_no_dust_and_an_order_too_small_for_it_is_dropped() -> None:
    panel = flat(2, split=events((2, 1), r1c0=1 / 3))
    broker = held("100", panel)
    broker.submit([order(panel, 0, "1")])
    assert advance(broker, panel, 1) == [Split("A", Decimal(str(1 / 3)), panel.times[1])]
    assert broker._held.tolist() == [33.33333333]


def test_a_split_of_nothing_held_is_not_reported() -> None:
    panel = flat(2, split=events((2, 1), r1c0=2.0))
    assert advance(SimulatedBroker(FREE), panel, 1) == []


@pytest.mark.parametrize(("quantity", "amount"), [("10", "12.3"), ("-10", "-12.3")])
def test_a_dividend_is_paid_to_holders_and_charged_to_shorts(quantity: str, amount: str) -> None:
    panel = flat(2, dividend=events((2, 1), r1c0=1.23))
    assert advance(held(quantity, panel), panel, 1) == [CashFlow("dividend", "A", Decimal(amount), panel.times[1])]


def test_who_buys_on_the_ex_date_gets_no_dividend() -> None:
    panel = flat(2, dividend=events((2, 1), r1c0=1.23))
    broker = SimulatedBroker(FREE)
    broker.submit([order(panel, 0, "10")])
    assert [type(event) for event in advance(broker, panel, 1)] == [Fill]


def test_a_dividend_after_a_split_is_paid_on_the_new_units() -> None:
    panel = flat(2, dividend=events((2, 1), r1c0=1.0), split=events((2, 1), r1c0=3.0))
    assert advance(held("10", panel), panel, 1)[1] == CashFlow("dividend", "A", Decimal("30"), panel.times[1])


@pytest.mark.parametrize(("quantity", "proceeds"), [("10", 81.25), ("-10", 130.0), ("10", 0.0)])
def test_a_delisted_position_is_closed_at_the_proceeds_and_its_order_is_void(quantity: str, proceeds: float) -> None:
    panel = panel_of([[100.0], [NAN], [NAN]], delisting=events((3, 1), r1c0=proceeds))
    broker = held(quantity, panel)
    broker.submit([order(panel, 0, "5")])
    (fill,) = advance(broker, panel, 1)
    assert isinstance(fill, Fill)
    assert (fill.quantity, fill.price, fill.fee) == (-Decimal(quantity), Decimal(str(proceeds)), Decimal(0))
    assert advance(broker, panel, 2) == []


def test_a_short_in_a_delisted_name_owes_no_less_than_the_last_close() -> None:
    panel = panel_of([[100.0], [NAN]], delisting=events((2, 1), r1c0=70.0))
    (fill,) = advance(held("-10", panel), panel, 1)
    assert isinstance(fill, Fill)
    assert fill.price == Decimal(100)


def test_an_order_is_void_even_where_the_delisted_instrument_still_has_a_price() -> None:
    panel = flat(2, delisting=events((2, 1), r1c0=90.0))
    broker = held("10", panel)
    broker.submit([order(panel, 0, "5")])
    assert [getattr(event, "quantity", None) for event in advance(broker, panel, 1)] == [Decimal("-10")]


def test_a_short_pays_to_borrow_for_every_calendar_day() -> None:
    panel = flat(7)
    broker = held("-1000", panel, Costs(multiplier=1.0, borrow_bps=365))
    # 100,000 x 3.65 % / 365 = 10.00 a day; the sixth bar is a Monday
    paid = [advance(broker, panel, row) for row in range(7)]
    amounts = [float(flow.amount) for events_ in paid for flow in events_ if isinstance(flow, CashFlow)]
    assert amounts == [-10.0, -10.0, -10.0, -10.0, -30.0, -10.0]


def test_borrow_is_charged_on_the_last_close_before_a_split() -> None:
    panel = panel_of([[100.0], [50.0], [50.0]], split=events((3, 1), r1c0=2.0))
    broker = held("-1000", panel, Costs(borrow_bps=365))
    first, second = (advance(broker, panel, row)[0] for row in (1, 2))
    assert isinstance(first, CashFlow)
    assert isinstance(second, CashFlow)
    assert first.amount == second.amount == Decimal("-10")


def test_dividends_are_reported_in_the_order_of_the_columns_whatever_was_bought_first() -> None:
    panel = panel_of(np.full((2, 2), 100.0), dividend=events((2, 2), r1c0=1.0, r1c1=1.0))
    broker = SimulatedBroker(FREE, {"B": 1.0, "A": 1.0})
    assert [getattr(event, "symbol", "") for event in advance(broker, panel, 1)] == ["A", "B"]
