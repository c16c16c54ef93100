"""Say how much money the edge carries."""

import math

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.robustness.findings import Capacity
from quantdesk.evaluation.robustness.holdings import follow
from quantdesk.evaluation.robustness.world import World
from quantdesk.evaluation.scores import performance

STEPS = tuple(10.0 ** (step / 2) for step in range(-2, 9))
"""Multiples of the capital: a tenth to ten thousand, two a decade."""


def capacity(targets: Float64, world: World) -> Capacity:
    """Trade the same decisions with a tenth to ten thousand times the capital."""
    own = world.setting.capital
    points: list[tuple[float, float, float]] = []
    is_cut = False
    for step in STEPS:
        sharpe, share = _trade(targets, world, step * own)
        is_cut = share > 1.0 and step > 1.0
        if is_cut:
            break
        points.append((step * own, sharpe, share))
    capitals, sharpes, shares = zip(*points, strict=True)
    asked = sharpes[STEPS.index(1.0)]
    rest = slice(STEPS.index(1.0), None)
    half_at, zero_at = (fall(capitals[rest], sharpes[rest], level, asked) for level in (asked / 2, 0.0))
    return Capacity(capitals, sharpes, shares, own, half_at, zero_at, is_cut)


def fall(capitals: tuple[float, ...], sharpes: tuple[float, ...], level: float, first: float) -> float:
    """Find the capital at which the Sharpe ratio has fallen to a level, evenly in the logarithm between points.

    Returns
    -------
    float
        NaN where ``first`` is not positive, infinite where the level is not reached.
    """
    if not first > 0:
        return math.nan
    for i in range(1, len(sharpes)):
        if sharpes[i] <= level:
            part = (sharpes[i - 1] - level) / (sharpes[i - 1] - sharpes[i])
            return float(capitals[i - 1] * (capitals[i] / capitals[i - 1]) ** part)
    return math.inf


def _trade(targets: Float64, world: World, capital: float) -> tuple[float, float]:
    track = world.track(targets, capital)
    held = follow(targets, track, world, capital)
    ordered, volume = np.abs(held.quantity), world.market.volume
    # An order where no volume is known pays the impact of a whole day's.
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(volume > 0, ordered / volume, ordered > 0)
    return performance(track).sharpe, float(shares.max(initial=0.0))
