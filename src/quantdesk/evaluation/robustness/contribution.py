"""Find where the profit came from: which name, which day, which trade."""

import math
from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.compiled import compiled
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.robustness.findings import Contribution, Part
from quantdesk.evaluation.robustness.holdings import Holdings, borrowed, follow
from quantdesk.evaluation.robustness.universe import forbid
from quantdesk.evaluation.robustness.world import World

BEST_DAYS = 0.01
"""Share of the days that counts as the best ones."""


class Trips(NamedTuple):
    """Round trips, from a first unit held to none or to the other side; arrays of shape (n_trips,).

    ``begins`` and ``ends`` are rows of the first and the last bar that gave or took, ``profit`` in
    account currency, ``side`` 1 or -1; one still open ends with the last bar.
    """

    column: Ints
    begins: Ints
    ends: Ints
    side: Ints
    profit: Float64


def contribution(targets: Float64, track: Track, world: World) -> Contribution:
    """Find the instrument, the day and the round trip that gave the most, and do without them."""
    capital = world.setting.capital
    held = follow(targets, track, world, capital)
    profit = float(track.equity[-1]) - capital
    borrow, trips = borrowed(held.units, world), round_trips(held, world)
    days = np.diff(track.equity)
    n_best = max(1, round(BEST_DAYS * len(days)))
    if not len(trips.profit):
        return Contribution(profit, borrow, None, None, None, 0, math.nan)
    return Contribution(
        profit=profit,
        borrow=borrow,
        instrument=_best_instrument(targets, held, world, profit),
        day=_best_day(days, world, profit),
        trip=_best_trip(targets, trips, world, profit),
        n_trips=len(trips.profit),
        best_days=_share(float(np.sort(days)[-n_best:].sum()), profit),
    )


def round_trips(held: Holdings, world: World) -> Trips:
    """List round trips, instrument by instrument; their profits sum to all gains."""
    return Trips(*_round_trips(held.units, held.quantity, held.paid, held.gains, world.market.close, world.rates.commission))


def without_trip(targets: Float64, trips: Trips, which: int) -> Float64:
    """Return targets with one round trip never entered."""
    kept, i = targets.copy(), trips.column[which]
    # Decided at the bar before it began; the last bar's fill came from the decision that ended it.
    kept[max(0, trips.begins[which] - 1) : max(trips.begins[which], trips.ends[which] - 1), i] = 0.0
    return kept


def _best_instrument(targets: Float64, held: Holdings, world: World, profit: float) -> Part:
    gains = held.gains.sum(axis=0)
    i = int(np.argmax(gains))
    bars = np.flatnonzero(held.gains[:, i])
    without = world.sharpe(forbid(targets, np.arange(len(gains)) == i))
    first, last = (int(bars[0]), int(bars[-1])) if len(bars) else (0, 0)
    return _part(world.setting.panel.symbols[i], first, last, float(gains[i]), profit, without, world)


def _best_day(days: Float64, world: World, profit: float) -> Part:
    row = int(np.argmax(days)) + 1
    name = str(world.setting.panel.times[world.setting.start + row].astype("datetime64[D]"))
    return _part(name, row, row, float(days[row - 1]), profit, math.nan, world)


def _best_trip(targets: Float64, trips: Trips, world: World, profit: float) -> Part:
    best = int(np.argmax(trips.profit))
    side = "long" if trips.side[best] > 0 else "short"
    name = f"{side} {world.setting.panel.symbols[trips.column[best]]}"
    without = world.sharpe(without_trip(targets, trips, best))
    return _part(name, int(trips.begins[best]), int(trips.ends[best]), float(trips.profit[best]), profit, without, world)


def _part(name: str, begins: int, ends: int, given: float, profit: float, without: float, world: World) -> Part:
    times = world.setting.panel.times[world.setting.start :]
    return Part(name, times[begins], times[ends], given, _share(given, profit), without)


def _share(given: float, profit: float) -> float:
    return given / profit if profit > 0 else math.nan


@compiled
def _round_trips(
    units: Float64, quantity: Float64, paid: Float64, gains: Float64, close: Float64, commission: float
) -> tuple[Ints, Ints, Ints, Ints, Float64]:
    n_times, n = units.shape
    n_trips = 0
    for i in range(n):
        for t in range(n_times):
            n_trips += np.sign(units[t, i]) != 0.0 and (t == 0 or np.sign(units[t, i]) != np.sign(units[t - 1, i]))
    column, begins, ends = np.zeros(n_trips, np.int64), np.zeros(n_trips, np.int64), np.zeros(n_trips, np.int64)
    side, profit, k = np.zeros(n_trips, np.int64), np.zeros(n_trips), -1
    for i in range(n):
        for t in range(1, n_times):
            before, now = np.sign(units[t - 1, i]), np.sign(units[t, i])
            fresh = gains[t, i] if before == 0.0 else 0.0
            if before * now < 0.0:
                # What the far side of a turn earned since its own fill.
                fresh = units[t, i] * (close[t, i] - paid[t, i]) - commission * abs(units[t, i]) * paid[t, i]
            if before != 0.0:
                profit[k] += gains[t, i] - fresh
                ends[k] = t
            if now != 0.0 and now != before:
                k += 1
                column[k], begins[k], ends[k], side[k], profit[k] = i, t, t, np.int64(now), fresh
    return column, begins, ends, side, profit
