"""The small market that leaks are planted in, and the shortest way to a study on it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Model
from quantdesk.evaluation.leaks.study import Study, World
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.sizing import Equal
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

Make = Callable[[], Study]
Prepare = Callable[[World], Panel]
Compute = Callable[[Bars], Float64]


@dataclass(frozen=True, eq=False)
class Plant:
    """Pair a public kind of mistake with the same thing done rightly.

    Parameters
    ----------
    name : str
        Short name, such as ``centred rolling mean``.
    story : str
        What is done wrongly, and what its twin does, in one sentence.
    leaky, clean : callable
        Make the two studies.
    """

    name: str
    story: str
    leaky: Make
    clean: Make


LISTINGS = {1: 150, 4: 250}
"""Columns of names that list late, and the bar at which they do."""


@cache
def market() -> Panel:
    """Simulate ten stocks over 420 days without any edge; with gaps, halts, splits, dividends and a delisting."""
    panel = Synthetic(10, 420).fetch()
    fields = {name: values.copy() for name, values in panel.fields.items()}
    for column, listed_at in LISTINGS.items():
        for values in fields.values():
            values[:listed_at, column] = np.nan
    return replace(panel, fields=fields)


def strategy(*own: Feature, model: Model | None = None) -> Strategy:
    """Rank by a ridge regression on two plain features and one's own."""
    return Strategy(
        name="gauntlet",
        description="A small strategy to plant leaks in.",
        features=("return_5", "volatility_20"),
        model=model or Ridge(),
        signal=Rank(),
        sizing=Equal(),
        horizons=(1, 5),
        own_features=own,
    )


def study_of(chosen: Strategy, prepare: Prepare | None = None, world: World | None = None) -> Study:
    """Study a strategy in the market, or in another world."""
    ground = world or World(market())
    if prepare is None:
        return Study(ground, lambda _: chosen)
    return Study(ground, lambda _: chosen, prepare)


def with_feature(compute: Compute, *needs: str) -> Study:
    """Study the strategy with one more feature."""
    return study_of(strategy(Feature("own", compute, 260, "the gauntlet", needs or ("close",))))


def feature_plant(name: str, story: str, leaky: Compute, clean: Compute) -> Plant:
    """Plant a feature beside its twin."""
    return Plant(name, story, partial(with_feature, leaky), partial(with_feature, clean))


def trailing(values: Float64, window: int, function: Callable[[Float64], Float64]) -> Float64:
    """Apply a function to each row's last ``window`` rows, handed over along the last axis; NaN before."""
    result = np.full(values.shape, np.nan)
    result[window - 1 :] = function(sliding_window_view(values, window, axis=0))
    return result


def lagged(values: Float64, bars: int) -> Float64:
    """Move rows later; below 0, earlier."""
    moved = np.full(values.shape, np.nan)
    if bars >= 0:
        moved[bars:] = values[: len(values) - bars]
    else:
        moved[:bars] = values[-bars:]
    return moved


def returns_of(bars: Bars) -> Float64:
    """Return log returns with 0 where there is none (n_times, n_instruments)."""
    return np.nan_to_num(bars.returns)


def levels_of(bars: Bars) -> Float64:
    """Add the log returns up from 0 (n_times, n_instruments)."""
    return np.cumsum(returns_of(bars), axis=0)
