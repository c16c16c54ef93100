"""One position through one bar, as compiled arithmetic that the sweeps and the rule trader share."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled_in_place
from quantdesk.execution.costs import Market, fill_price, shorted, to_grid

Bytes = NDArray[np.uint8]

UNITS, ORDER, WANT, SIDE, SPENT, ENTRY, BEST, AGE, TICK, LOT = range(10)
"""What a position's state holds. ``WANT`` is the side last wanted, ``SIDE`` the one held at the last
close, ``SPENT`` the one not to be taken again yet; ``ENTRY`` and ``BEST`` are prices in today's units,
``AGE`` the bars held."""

PRICE, CLOSE, SPLIT, DIVIDEND, DELISTING, VOLATILITY, VOLUME, YEARS = range(8)
"""What a bar holds; the fields of ``Market``."""

IS_UP, IS_DOWN, IS_TRADED, IS_EVENT = 1, 2, 4, 8
"""What a sign says of a bar: the rule's two signals, whether there was trading, whether there was a
split, dividend or delisting."""

LEAVE = 2
"""The side wanted where a position is to be left as it is; otherwise -1, 0 or 1."""

TIE = 1.0 + 1e-9
"""A line lies above another only if it does by more than sums in another order could make of it."""

FINE = 2.0**-60
"""A step so small that rounding to it changes no float of ordinary size."""


class Terms(NamedTuple):
    """What an account pays and how it rounds, in the form that compiled code takes.

    ``commission``, ``half_spread``, ``impact`` and ``borrow`` are fractions; ``weight`` is the
    fraction of the account's worth that a position takes. Cash, units and the worth that orders are
    sized on are kept to one part in ``cash_parts``, ``unit_parts`` and ``worth_parts``.
    """

    commission: float
    half_spread: float
    impact: float
    borrow: float
    weight: float
    cash_parts: float
    unit_parts: float
    worth_parts: float
    is_sized_at_fill: bool


class Levels(NamedTuple):
    """Where a position is closed whatever the rule says, in the form that compiled code takes.

    Fractions of the price, infinite where there is none; ``bars`` held, infinite where none.
    """

    stop_loss: float
    take_profit: float
    trailing_stop: float
    bars: float


def bars_of(market: Market) -> Float64:
    """Lay a market out bar by bar (n_instruments, n_times, 8), as compiled code reads it."""
    fields = (market.price, market.close, market.split, market.dividend, market.delisting, market.volatility, market.volume)
    bars = np.empty((*market.close.shape[::-1], len(fields) + 1))
    for j, values in enumerate(fields):
        bars[:, :, j] = values.T
    bars[:, :, YEARS] = market.years
    return bars


def signs_of(bars: Float64, is_traded: Float64) -> Bytes:
    """Say of each bar what there was, and that both signals could count where it traded (n_instruments, n_times)."""
    split, paid = bars[:, :, SPLIT], bars[:, :, DIVIDEND : DELISTING + 1]
    is_event = ((split > 0) & (split != 1)) | np.isfinite(paid).any(axis=2)
    return (np.where(is_traded > 0, IS_TRADED | IS_UP | IS_DOWN, 0) | np.where(is_event, IS_EVENT, 0)).astype(np.uint8)


@compiled_in_place
def rounded(value: float, parts: float) -> float:
    """Round to one part in ``parts``, half to even."""
    return float(np.rint(value * parts) / parts)


@compiled_in_place
def settle(state: Float64, bar: Float64, terms: Terms) -> float:
    """Apply a bar's split, dividend and delisting to a position; return the cash that came in."""
    units, flow, ratio, dividend, proceeds = state[UNITS], 0.0, bar[SPLIT], bar[DIVIDEND], bar[DELISTING]
    if ratio > 0.0 and ratio != 1.0:
        units = rounded(units * ratio, terms.unit_parts)
        state[ORDER] = to_grid(state[ORDER] * ratio, state[LOT])
    if units != 0.0 and not np.isnan(dividend):
        flow = rounded(units * dividend, terms.cash_parts)
    if not np.isnan(proceeds):
        worth = shorted(proceeds, bar[CLOSE]) if units < 0.0 else proceeds
        flow += units * to_grid(worth, state[TICK])
        units, state[ORDER] = 0.0, 0.0
    state[UNITS] = units
    return flow


@compiled_in_place
def fill(state: Float64, bar: Float64, cash: float, terms: Terms) -> tuple[float, float, float]:
    """Fill what was ordered, or let it lapse; return the cash that came in, the value traded and its cost."""
    order, price, units = state[ORDER], bar[PRICE], state[UNITS]
    state[ORDER] = 0.0
    if order == 0.0 or np.isnan(price):
        return 0.0, 0.0, 0.0
    paid = fill_price(price, order, bar[VOLATILITY], bar[VOLUME], terms.half_spread, terms.impact, state[TICK])
    if terms.is_sized_at_fill:
        # The impact is that of the order as decided; the fee of a purchase is kept back.
        each = paid * (1.0 + terms.commission) if order > 0.0 else paid
        order = state[WANT] * terms.weight * (cash + units * price) / each - units
    size = order if order > 0.0 else -order
    fee = rounded(terms.commission * size * paid, terms.cash_parts)
    state[UNITS] = rounded(units + order, terms.unit_parts)
    return -order * paid - fee, size * paid, fee + order * (paid - price)


@compiled_in_place
def decide(state: Float64, side: int, bar: Float64, sign: int, sides: int, levels: Levels | None) -> None:
    """Decide at a bar's close which side to take next; ``LEAVE`` where there was no trading.

    ``side`` is the one held now; ``sides`` is 1 for long only, -1 for short only, 0 for both.
    """
    is_up, is_down, is_out, spent = sign & IS_UP != 0, sign & IS_DOWN != 0, False, 0.0
    # Nothing of this is compiled for a sweep without levels.
    if levels is not None:
        _watch(state, side, bar, sign)
        is_out = side != 0 and _is_reached(state, side, bar[CLOSE], levels)
        if sign & IS_TRADED:
            _spend(state, side, is_up, is_down, is_out)
        spent = state[SPENT]
    state[SIDE], want = side, LEAVE
    if sign & IS_TRADED:
        if side <= 0 <= sides and is_up and spent != 1.0:
            want = 1
        elif sides <= 0 <= side and is_down and spent != -1.0:
            want = -1
        elif is_out or (side > 0 and is_down) or (side < 0 and is_up):
            want = 0
    state[WANT] = want


@compiled_in_place
def order(state: Float64, equity: float, close: float, terms: Terms) -> None:
    """Order what leads from the units held to the side wanted, sized as ``units_for`` sizes."""
    if state[WANT] != LEAVE:
        worth = rounded(equity, terms.worth_parts) if equity > 0.0 else 0.0
        units = to_grid(state[WANT] * terms.weight * worth / close, state[LOT])
        state[ORDER] = rounded(units - state[UNITS], terms.unit_parts)


@compiled_in_place
def _watch(state: Float64, side: int, bar: Float64, sign: int) -> None:
    # A split divides the prices remembered and a dividend lowers them: neither is a loss.
    if bar[SPLIT] > 0.0:
        state[ENTRY] /= bar[SPLIT]
        state[BEST] /= bar[SPLIT]
    if not np.isnan(bar[DIVIDEND]):
        state[ENTRY] -= bar[DIVIDEND]
        state[BEST] -= bar[DIVIDEND]
    if side != state[SIDE]:
        state[ENTRY], state[BEST], state[AGE] = bar[PRICE], bar[PRICE], 0.0
    if sign & IS_TRADED and side * (bar[CLOSE] - state[BEST]) > 0.0:
        state[BEST] = bar[CLOSE]
    state[AGE] += 1.0


@compiled_in_place
def _is_reached(state: Float64, side: int, close: float, levels: Levels) -> bool:
    gain = side * (close - state[ENTRY])
    return bool(
        gain <= -levels.stop_loss * state[ENTRY]
        or gain >= levels.take_profit * state[ENTRY]
        or side * (close - state[BEST]) <= -levels.trailing_stop * state[BEST]
        or state[AGE] >= levels.bars
    )


@compiled_in_place
def _spend(state: Float64, side: int, is_up: bool, is_down: bool, is_out: bool) -> None:
    # A side left at one of its levels is spent: not taken again until its signal has ceased.
    if (state[SPENT] == 1.0 and not is_up) or (state[SPENT] == -1.0 and not is_down):
        state[SPENT] = 0.0
    if is_out:
        state[SPENT] = side
