"""The border between floating-point research and decimal money: targets become orders."""

import hashlib
from decimal import Decimal

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.batches import Counts, Ids, Orders
from quantdesk.domain.compiled import compiled
from quantdesk.domain.trade import SCALE
from quantdesk.execution.costs import to_places, units_for

# Below it neighbouring floats are less than 1e-8 apart, so that each count has a float of its own.
_EXACT = 2.0**52


def to_decimal(value: float) -> Decimal:
    """Turn a float that stands on a decimal grid into the decimal it means (8 places)."""
    return Decimal(str(round(value, 8)))


def in_places(values: Float64) -> Counts:
    """Turn floats that stand on a decimal grid into the counts of 1e-8 that they mean."""
    scaled = np.rint(values * SCALE)
    if np.abs(scaled).max(initial=0.0) < _EXACT:
        return scaled.astype(np.int64).astype(np.object_)
    counts = [int(to_decimal(value) * SCALE) for value in values.ravel().tolist()]
    return np.array(counts, dtype=np.object_).reshape(values.shape)


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
    return _units_to_trade(weights, units, float(equity), close, lot)


@compiled
def _units_to_trade(weights: Float64, units: Float64, equity: float, close: Float64, lot: Float64) -> Float64:
    trades = np.zeros(len(weights))
    for i in range(len(weights)):
        if np.isfinite(weights[i]) and np.isfinite(close[i]) and close[i] > 0.0:
            trades[i] = to_places(units_for(weights[i], equity, close[i], lot[i]) - units[i])
    return trades


def orders_for(strategy: str, symbols: tuple[str, ...], time: np.datetime64, trades: Float64) -> Orders:
    """Write one order for each trade other than 0, with an id that a resend repeats.

    Parameters
    ----------
    strategy : str
        Who decides.
    symbols : tuple of str
        The instruments.
    time : numpy.datetime64
        When it decides, UTC.
    trades : Float64
        Signed units (n_instruments,).
    """
    columns = trades.nonzero()[0]
    decision = _decision_id(strategy, time) if columns.size else ""
    return Orders(symbols, columns, Ids(decision, symbols, columns), in_places(trades[columns]), time)


def order_id(strategy: str, time: np.datetime64, symbol: str) -> str:
    """Name an order: 12 hexadecimal digits for who decides and when, and the instrument."""
    return f"{_decision_id(strategy, time)}-{symbol}"


def _decision_id(strategy: str, time: np.datetime64) -> str:
    return hashlib.sha256(f"{strategy}|{time}".encode()).hexdigest()[:12]
