"""See whether the edge survives a slower hand."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.robustness.findings import Delays
from quantdesk.evaluation.robustness.world import World

BARS = (0, 1, 2)


def delays(targets: Float64, world: World) -> Delays:
    """Trade the same decisions 0, 1 and 2 bars late."""
    return Delays(BARS, tuple(world.sharpe(late(targets, bars)) for bars in BARS))


def late(targets: Float64, bars: int) -> Float64:
    """Move each decision ``bars`` bars on; nothing is wanted before the first (n_times, n_instruments)."""
    moved = np.full(targets.shape, np.nan)
    moved[bars:] = targets[: len(targets) - bars]
    return moved
