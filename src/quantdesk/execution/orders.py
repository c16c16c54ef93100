"""The border between floating-point research and decimal money: targets become orders."""

import hashlib
from decimal import Decimal

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.panel import Panel
from quantdesk.domain.trade import Order
from quantdesk.execution.costs import to_places, units_for

PLACES = Decimal("1e-8")
"""The finest units of an order or a position, as in the ledger."""


def to_decimal(value: float) -> Decimal:
    """Turn a float that stands on a decimal grid into the decimal it means (8 places)."""
    return Decimal(str(round(value, 8)))


def units_to_trade(weights: Float64, units: Float64, equity: float, close: Float64, lot: Float64) -> Float64:
    """Size the trades that lead from the units held to the weights wanted.

    Parameters
    ----------
    weights : Float64
        Fractions of net asset value (n_instruments,); NaN leaves the position.
    units : Float64
        Signed units held (n_instruments,).
    equity : float
        Net asset value, account currency.
    close : Float64
        This bar's closes (n_instruments,); NaN where there was no trading, and then no order.
    lot : Float64
        Smallest quantity steps (n_instruments,).

    Returns
    -------
    Float64
        Signed units to trade (n_instruments,), 0 where nothing is to be done.
    """
    trades = np.zeros(len(weights))
    possible = np.isfinite(weights) & np.isfinite(close) & (close > 0)
    for i in np.flatnonzero(possible):
        trades[i] = to_places(units_for(weights[i], equity, close[i], lot[i]) - units[i])
    return trades


def orders_for(strategy: str, panel: Panel, trades: Float64) -> list[Order]:
    """Write one order for each trade other than 0, with an id that a resend repeats."""
    orders = []
    for i in np.flatnonzero(trades):
        symbol = panel.instruments[i].symbol
        orders.append(Order(order_id(strategy, panel.now, symbol), symbol, to_decimal(trades[i]), panel.now))
    return orders


def order_id(strategy: str, time: np.datetime64, symbol: str) -> str:
    """Digest who, when and what into 16 hexadecimal digits."""
    return hashlib.sha256(f"{strategy}|{time}|{symbol}".encode()).hexdigest()[:16]
