"""Forbid some of the names."""

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.evaluation.robustness.findings import Change, Universe
from quantdesk.evaluation.robustness.world import World
from quantdesk.portfolio.limits import Sectors

N_DRAWS = 50
SHARE = 0.2
"""Share of the instruments that a draw forbids; one at least, never all."""


def universe(targets: Float64, world: World, seed: int) -> Universe:
    """Forbid a random fifth of the instruments 50 times, and each known sector in turn."""
    random, n = np.random.default_rng(seed), targets.shape[1]
    n_forbidden = max(1, round(SHARE * n))
    draws = range(N_DRAWS if n_forbidden < n else 0)
    chosen = [np.isin(np.arange(n), random.choice(n, n_forbidden, replace=False)) for _ in draws]
    sectors = Sectors.of(world.setting.panel.instruments)
    without = (
        Change(f"without {name}", world.sharpe(forbid(targets, members > 0)))
        for name, members in zip(sectors.names, sectors.members, strict=True)
    )
    sharpes = tuple(world.sharpe(forbid(targets, names)) for names in chosen)
    return Universe(SHARE, sharpes, tuple(without) if len(sectors.names) > 1 else ())


def forbid(targets: Float64, names: Bools) -> Float64:
    """Return targets with the weights of some instruments 0 at all times; ``names`` is (n_instruments,)."""
    return np.where(names, 0.0, targets)
