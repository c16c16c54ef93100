"""Begin on another day, and decide on another one of each period."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.forecast import Forecasts
from quantdesk.evaluation.robustness.decisions import decide_again, opens_period
from quantdesk.evaluation.robustness.findings import Starts
from quantdesk.evaluation.robustness.world import World
from quantdesk.strategy import Strategy

N_STARTS = 8
SHIFTS = (1, 2, 3, 4)
"""Bars by which decisions are moved within their period."""


def starts(strategy: Strategy, forecasts: Forecasts, targets: Float64, world: World) -> Starts:
    """Begin at 8 later bars of the first half, and decide 1 to 4 bars later in each period."""
    setting = world.setting
    rows = np.unique(np.arange(1, N_STARTS + 1) * (len(targets) // 2) // N_STARTS)
    times = setting.panel.times[setting.start + rows]
    sharpes = tuple(world.sharpe(targets, begin=int(row)) for row in rows)
    # Where a period is no longer than this, a shift would move a decision into another one.
    longest = len(targets) / max(1, opens_period(strategy, setting).sum())
    shifts = tuple(shift for shift in SHIFTS if shift < longest)
    shifted = tuple(world.sharpe(decide_again(strategy, forecasts, setting, shift)) for shift in shifts)
    return Starts(tuple(times), sharpes, shifts, shifted)
