"""What an explanation holds: what each feature's loss costs, beside what the loss of a useless one would."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Times
from quantdesk.domain.attention import Attention

RARE = 0.05
"""The chance, all columns together, that any useless one leaves its band."""


CLEAR = 2.0
"""Below this t of the whole record's rank IC, what a few of its times show is no skill."""


class Family(NamedTuple):
    """Features that say much the same: a name, and their columns."""

    name: str
    members: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Fall:
    """Say how much worse the forecasts become without each feature, then each family, then all features together.

    Parameters
    ----------
    mean : Float64
        Mean over times of what is lost (n_columns,); negative where the forecasts become better.
    error : Float64
        Standard error of it over blocks of times (n_columns,).
    spread : Float64
        What of that is owed to which draws were made (n_columns,); 0 where nothing is drawn.
    reach : Float64
        Half-width of the noise band (n_columns,): of useless features and families the furthest leaves its
        band in 5 % of worlds, and so do all features together, a question of their own.
    p_values : Float64
        Chance that the furthest of useless columns goes as far (n_columns,).
    """

    mean: Float64
    error: Float64
    spread: Float64
    reach: Float64
    p_values: Float64

    @property
    def is_more(self) -> Bools:
        """Tell which columns left their band upward: losing them costs more than noise would (n_columns,)."""
        return (self.p_values <= RARE) & (self.mean > 0)

    @property
    def is_harm(self) -> Bools:
        """Tell which left it downward: the forecasts are better without them (n_columns,)."""
        return (self.p_values <= RARE) & (self.mean < 0)


@dataclass(frozen=True, eq=False)
class Flow:
    """Say what each feature added to the forecasts, through time.

    Parameters
    ----------
    times : Times
        Decision times looked at (n_times,).
    sizes : Float64
        Mean over instruments of the absolute contribution, log return (n_times, n_features).
    directions : Float64
        Rank correlation of a feature's value and its contribution (n_features,): above 0 where a high value
        raises the forecast; NaN where either does not vary.
    """

    times: Times
    sizes: Float64
    directions: Float64

    @property
    def mean(self) -> Float64:
        """Average the sizes over time (n_features,)."""
        known = np.isfinite(self.sizes)
        mean: Float64 = np.where(known, self.sizes, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return mean


class Record(NamedTuple):
    """Say how good the forecasts were at every time: the mean rank IC and its t, as the verdict has them."""

    rank_ic: float
    t: float

    @property
    def is_skill(self) -> bool:
        """Tell whether there is skill that could rest on something."""
        return self.t > CLEAR


@dataclass(frozen=True, eq=False)
class Explanation:
    """Say what the forecasts rested on, out of sample, with nothing learned again.

    Parameters
    ----------
    feature_names : tuple of str
        Columns that the falls begin with.
    families : tuple of Family
        Columns that follow: features that are lost together.
    times : Times
        Decision times looked at, a horizon apart at least (n_times,).
    n_instruments, n_draws, n_blocks : int
        Instruments looked at, shuffles of each column, blocks of times that change sign together.
    is_across : bool
        Whether skill is the rank IC over the instruments of a time; otherwise over all samples at once.
    skill, loss : float
        Mean rank IC, and mean quantile loss in units of volatility, with nothing lost.
    shuffled_skill, shuffled_loss : Fall
        Rank IC lost and quantile loss gained by shuffling, the latter as a fraction of ``loss``.
    ablated_skill, ablated_loss : Fall
        The same where the column is missing.
    flow : Flow
        Contributions.
    attention : Attention or None
        What a network that attends looked at, at the flow's times.
    record : Record or None
        The skill at all times, of which those looked at are a few; None where it is not known.
    """

    feature_names: tuple[str, ...]
    families: tuple[Family, ...]
    times: Times
    n_instruments: int
    n_draws: int
    n_blocks: int
    is_across: bool
    skill: float
    loss: float
    shuffled_skill: Fall
    shuffled_loss: Fall
    ablated_skill: Fall
    ablated_loss: Fall
    flow: Flow
    attention: Attention | None
    record: Record | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Name the columns of the falls."""
        return (*self.feature_names, *(family.name for family in self.families), "all features")
