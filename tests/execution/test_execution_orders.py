"""From weights to orders, and the border between floats and decimals."""

from decimal import Decimal

import numpy as np

from quantdesk.execution.orders import in_places, order_id, orders_for, to_decimal, units_to_trade
from small_worlds import NAN, days

NOW = days(1)[0]


def test_a_float_on_a_decimal_grid_becomes_the_decimal_it_means() -> None:
    assert to_decimal(0.1 + 0.2) == Decimal("0.3")
    assert to_decimal(-33.333333333333336) == Decimal("-33.33333333")


def test_a_float_becomes_the_count_of_places_that_it_means_however_large_it_is() -> None:
    values = [0.1 + 0.2, -33.333333333333336, 0.0]
    assert in_places(np.array(values)).tolist() == [30_000_000, -3_333_333_333, 0]
    assert in_places(np.array([*values, 3e11, 2e15 + 1])).tolist()[-2:] == [3 * 10**19, (2 * 10**15 + 1) * 10**8]
    assert in_places(np.array([values, [3e11] * 3])).tolist()[0] == [30_000_000, -3_333_333_333, 0]


def test_trades_lead_from_what_is_held_to_what_is_wanted() -> None:
    weights, units = np.array([0.5, -0.25, NAN, 0.1, 0.0]), np.array([2.0, 0.0, 9.0, 0.0, 3.5])
    close, lot = np.array([100.0, 50.0, 10.0, NAN, 20.0]), np.array([1.0, 2.0, 1.0, 1.0, 1.0])
    trades = units_to_trade(weights, units, 1000.0, close, lot)
    # 5 - 2; -5 to the even lot -4; left; halted; all of 3.5
    assert trades.tolist() == [3.0, -4.0, 0.0, 0.0, -3.5]


def test_an_account_worth_nothing_closes_what_it_holds() -> None:
    assert units_to_trade(np.array([0.5]), np.array([7.0]), -10.0, np.array([1.0]), np.ones(1)).tolist() == [-7.0]


def test_at_a_price_of_nothing_there_is_no_order() -> None:
    assert units_to_trade(np.array([0.5]), np.zeros(1), 1000.0, np.zeros(1), np.ones(1)).tolist() == [0.0]


def test_dust_of_floating_point_is_no_trade() -> None:
    held = np.array([float(Decimal("0.009")), 0.1 + 0.2])
    trades = units_to_trade(np.array([0.0009, 0.03]), held, 1000.0, np.array([100.0, 100.0]), np.array([0.001, 0.001]))
    assert trades.tolist() == [0.0, 0.0]
    assert orders_for("x", ("A", "B"), NOW, trades) == ()


def test_an_order_is_written_for_each_trade_and_its_id_repeats_on_a_resend() -> None:
    first, second = (orders_for("desk", ("A", "B", "C"), NOW, np.array([5.0, 0.0, -2.0])) for _ in range(2))
    assert first == second
    assert [(order.symbol, order.quantity) for order in first] == [("A", Decimal("5")), ("C", Decimal("-2"))]
    assert [order.id for order in first] == [order_id("desk", NOW, "A"), order_id("desk", NOW, "C")]


def test_ids_differ_by_strategy_time_and_instrument() -> None:
    ids = {order_id(name, time, symbol) for name in "xy" for time in days(2) for symbol in "AB"}
    assert len(ids) == 8
    assert all(len(one) == 14 for one in ids)
