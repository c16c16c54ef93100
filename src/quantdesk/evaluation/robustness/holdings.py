"""Follow what each instrument held, traded and gave, bar by bar."""

from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled
from quantdesk.domain.errors import DeskError
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.robustness.world import World
from quantdesk.execution.costs import Market, Rates, fill_price, shorted, to_cents, to_grid, to_places, units_for
from quantdesk.portfolio.limits import DrawdownHalt, Limits


class Holdings(NamedTuple):
    """Arrays of shape (n_times, n_instruments).

    ``units`` are held after each bar, ``quantity`` was traded in it at the price ``paid`` (0 where
    nothing was), and ``gains`` is what the instrument added to the net asset value in account
    currency, after commission, spread and impact, borrowing apart.
    """

    units: Float64
    quantity: Float64
    paid: Float64
    gains: Float64


def follow(targets: Float64, track: Track, world: World, capital: float) -> Holdings:
    """Split a track over its instruments.

    Parameters
    ----------
    targets : Float64
        Weights (n_times, n_instruments) that gave the track.
    capital : float
        Cash at its start.

    Raises
    ------
    DeskError
        If the instruments' gains less borrowing are not the change of the net asset value to the cent.
    """
    market = world.market
    obeyed = np.where(_is_halted(track.equity, world.setting.limits, capital)[:, None], 0.0, targets)
    units, quantity, paid, flow = _follow(obeyed, track.equity, market, world.rates)
    worth = np.where(units != 0.0, units * market.close, 0.0)
    held = Holdings(units, quantity, paid, flow + np.diff(worth, axis=0, prepend=0.0))
    _check(held, track, world, capital)
    return held


def borrowed(units: Float64, world: World) -> float:
    """Sum what was paid to borrow, account currency, for units held after each bar (n_times, n_instruments)."""
    market = world.market
    short = np.where(units < 0, -units * market.close, 0.0).sum(axis=1)[:-1]
    return float(np.rint(short * world.rates.borrow * market.years[1:] * 100.0).sum() / 100.0)


def _check(held: Holdings, track: Track, world: World, capital: float) -> None:
    change = float(track.equity[-1]) - capital
    found = float(held.gains.sum()) - borrowed(held.units, world)
    # Beyond a hundred million, floats of an account no longer tell cents apart.
    if abs(found - change) > max(0.01, 1e-10 * float(np.abs(track.equity).max())):
        raise DeskError(
            f"the instruments gave {found:.2f} by {track.times[-1]}, the account {change:.2f}",
            "the same to the cent",
            "report this with the data: what is said of single instruments cannot be trusted",
        )


def _is_halted(equity: Float64, limits: Limits, capital: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    halt, halted = DrawdownHalt(capital), np.zeros(len(equity), dtype=np.bool_)
    for t, value in enumerate(equity.tolist()):
        halt = halt.after(value, limits)
        halted[t] = halt.is_active
    return halted


@compiled
def _follow(targets: Float64, equity: Float64, market: Market, rates: Rates) -> tuple[Float64, Float64, Float64, Float64]:
    n_times, n = targets.shape
    units, quantity, paid, flow = np.zeros((n_times, n)), np.zeros((n_times, n)), np.zeros((n_times, n)), np.zeros((n_times, n))
    orders = np.zeros(n)
    for t in range(n_times):
        for i in range(n):
            held, order = (units[t - 1, i] if t > 0 else 0.0), orders[i]
            if t > 0:
                held, order, flow[t, i] = _happens(held, order, market, t, i)
            price = market.price[t, i]
            if order != 0.0 and not np.isnan(price):
                quantity[t, i], volume = order, market.volume[t, i]
                paid[t, i] = fill_price(
                    price, order, market.volatility[t, i], volume, rates.half_spread, rates.impact, market.tick[i]
                )
                flow[t, i] -= order * paid[t, i] + to_cents(rates.commission * abs(order) * paid[t, i])
                held = to_places(held + order)
            units[t, i], orders[i] = held, 0.0
            if market.is_traded[t, i] and not np.isnan(targets[t, i]):
                wanted = units_for(targets[t, i], equity[t], market.close[t, i], market.lot[i])
                orders[i] = to_places(wanted - held)
    return units, quantity, paid, flow


@compiled
def _happens(held: float, order: float, market: Market, t: int, i: int) -> tuple[float, float, float]:
    # Split, dividend, delisting: in the broker's order.
    flow, ratio = 0.0, market.split[t, i]
    if ratio > 0.0 and ratio != 1.0:
        held, order = to_places(held * ratio), to_grid(order * ratio, market.lot[i])
    if held != 0.0 and not np.isnan(market.dividend[t, i]):
        flow = to_cents(held * market.dividend[t, i])
    if not np.isnan(market.delisting[t, i]):
        worth = shorted(market.delisting[t, i], market.close[t, i]) if held < 0.0 else market.delisting[t, i]
        return 0.0, 0.0, flow + held * to_grid(worth, market.tick[i])
    return held, order, flow
