"""Find features that say the same whatever the bars are: what they know came from elsewhere, and nobody can cut it off."""

from dataclasses import replace

import numpy as np

from quantdesk.domain.arrays import Bools, Float32
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.leaks.study import World
from quantdesk.strategy import Strategy


def outside(strategy: Strategy, panel: Panel, seed: int = 0) -> tuple[str, ...]:
    """Name the strategy's own features that differ by time and by instrument and yet do not depend on the panel.

    A calendar is the same for all instruments and a sector for all times; a score that is neither was brought along, and
    when each of its values became known cannot be told.

    Parameters
    ----------
    strategy : Strategy
        Whose own features are asked.
    panel : Panel
        The data as it would be evaluated on.
    seed : int
        Of the garbage that all its values are replaced with.
    """
    own = {feature.name for feature in strategy.own_features}
    asked = tuple(name for name in strategy.features if name in own)
    if not asked:
        return ()
    alone = replace(strategy, features=asked)
    garbage = World(panel).scrambled(panel.times[0] - np.timedelta64(1, "s"), seed).panel
    real, made_up = (alone.dataset(each) for each in (panel, garbage))
    return tuple(
        name
        for name, values, others in zip(real.feature_names, _columns(real.features), _columns(made_up.features), strict=True)
        if _is_same(values, others) and _varies(values)
    )


def _columns(features: Float32) -> Float32:
    columns: Float32 = np.moveaxis(features, -1, 0)
    return columns


def _is_same(values: Float32, others: Float32) -> bool:
    known: Bools = np.isfinite(values) & np.isfinite(others)
    return bool(known.any()) and np.array_equal(values[known], others[known])


def _varies(values: Float32) -> bool:
    known = np.isfinite(values)
    low, high = np.where(known, values, np.inf), np.where(known, values, -np.inf)
    return all(bool((high.max(axis=axis) > low.min(axis=axis)).any()) for axis in (0, 1))
