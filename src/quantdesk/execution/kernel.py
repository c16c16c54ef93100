"""The fast path: one compiled pass from target weights to a net asset value, equal to the loop."""

from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled
from quantdesk.execution.costs import Market, Rates, fill_price, shorted, to_cents, to_grid, to_places, units_for


class Halt(NamedTuple):
    """When to stop trading after a loss, in the form that compiled code takes.

    ``drawdown`` is the fraction lost from the peak, ``cooldown`` the bars spent flat afterwards.
    """

    drawdown: float
    cooldown: int


class Path(NamedTuple):
    """What a simulated portfolio did at each bar, arrays of shape (n_times,).

    ``equity`` in account currency, exposures as fractions of it, ``traded`` and ``costs`` in
    account currency; ``units`` are those held at the end (n_instruments,).
    """

    equity: Float64
    gross_exposure: Float64
    net_exposure: Float64
    traded: Float64
    costs: Float64
    units: Float64


def simulate(targets: Float64, market: Market, rates: Rates, halt: Halt, capital: float) -> Path:
    """Trade towards target weights at the next bar, bar after bar.

    Parameters
    ----------
    targets : Float64
        Weights decided at each close (n_times, n_instruments), limits applied; NaN leaves a position.
    market : Market
        Prices and conditions on the same axes.
    rates : Rates
        Costs as fractions.
    halt : Halt
        The drawdown halt; a drawdown of 1 or more never halts.
    capital : float
        Cash at the start, account currency.

    Returns
    -------
    Path
        Equal to what the loop with a ``SimulatedBroker`` gives for the same targets, to 1e-9.
    """
    return Path(*_simulate(targets, market, rates, halt, capital))


@compiled
def _simulate(
    targets: Float64, market: Market, rates: Rates, halt: Halt, capital: float
) -> tuple[Float64, Float64, Float64, Float64, Float64, Float64]:
    n_times, n = targets.shape
    units, orders = np.zeros(n), np.zeros(n)
    equity, gross, net, traded, costs = (
        np.zeros(n_times),
        np.zeros(n_times),
        np.zeros(n_times),
        np.zeros(n_times),
        np.zeros(n_times),
    )
    cash, peak, bars_left = capital, capital, 0
    for t in range(n_times):
        if t > 0:
            flow, costs[t] = _book(units, orders, market, rates, t)
            cash += flow
            flow, traded[t], charged = _trade(units, orders, market, rates, t)
            cash += flow
            costs[t] += charged
        equity[t], gross[t], net[t] = _mark(cash, units, market.close[t])
        if bars_left > 0:
            bars_left -= 1
            peak = equity[t] if bars_left == 0 else peak
        else:
            peak = max(peak, equity[t])
            if equity[t] <= (1.0 - halt.drawdown) * peak:
                bars_left = halt.cooldown
        _order(orders, units, targets[t], equity[t], market, t, bars_left > 0)
    return equity, gross, net, traded, costs, units


@compiled
def _book(units: Float64, orders: Float64, market: Market, rates: Rates, t: int) -> tuple[float, float]:
    # Borrow on last close's value, splits, dividends, delistings: in the broker's order.
    short = 0.0
    for i in range(len(units)):
        if units[i] < 0.0:
            short -= units[i] * market.close[t - 1, i]
    borrow = to_cents(short * rates.borrow * market.years[t])
    flow = -borrow
    for i in range(len(units)):
        ratio = market.split[t, i]
        if ratio > 0.0 and ratio != 1.0:
            units[i] = to_places(units[i] * ratio)
            orders[i] = to_grid(orders[i] * ratio, market.lot[i])
        dividend = market.dividend[t, i]
        if units[i] != 0.0 and not np.isnan(dividend):
            flow += to_cents(units[i] * dividend)
        if not np.isnan(market.delisting[t, i]):
            worth = shorted(market.delisting[t, i], market.close[t, i]) if units[i] < 0.0 else market.delisting[t, i]
            flow += units[i] * to_grid(worth, market.tick[i])
            units[i], orders[i] = 0.0, 0.0
    return flow, borrow


@compiled
def _trade(units: Float64, orders: Float64, market: Market, rates: Rates, t: int) -> tuple[float, float, float]:
    flow, traded, charged = 0.0, 0.0, 0.0
    for i in range(len(units)):
        quantity, price = orders[i], market.price[t, i]
        if quantity == 0.0 or np.isnan(price):
            continue
        volatility, volume, tick = market.volatility[t, i], market.volume[t, i], market.tick[i]
        paid = fill_price(price, quantity, volatility, volume, rates.half_spread, rates.impact, tick)
        fee = to_cents(rates.commission * abs(quantity) * paid)
        flow -= quantity * paid + fee
        units[i] = to_places(units[i] + quantity)
        traded += abs(quantity) * paid
        charged += fee + quantity * (paid - price)
    return flow, traded, charged


@compiled
def _mark(cash: float, units: Float64, close: Float64) -> tuple[float, float, float]:
    long, short = 0.0, 0.0
    for i in range(len(units)):
        if units[i] > 0.0:
            long += units[i] * close[i]
        elif units[i] < 0.0:
            short -= units[i] * close[i]
    equity = cash + long - short
    scale = 1.0 / equity if equity > 0.0 else np.nan
    return equity, (long + short) * scale, (long - short) * scale


@compiled
def _order(orders: Float64, units: Float64, weights: Float64, equity: float, market: Market, t: int, is_halted: bool) -> None:
    for i in range(len(units)):
        weight = 0.0 if is_halted else weights[i]
        orders[i] = 0.0
        if market.is_traded[t, i] and not np.isnan(weight):
            orders[i] = to_places(units_for(weight, equity, market.close[t, i], market.lot[i]) - units[i])
