"""Evidence beside the numbers: what luck, no edge and the choice among trials would have given."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.evaluation.comparison import Superiority
from quantdesk.evaluation.explanation.findings import Explanation
from quantdesk.evaluation.leaks.echoes import Echo
from quantdesk.evaluation.overfitting import Overfitting
from quantdesk.evaluation.resampling import Interval
from quantdesk.evaluation.robustness.findings import Robustness

LEAST_TRIALS = 4
"""Fewer trials than this say nothing about how they were chosen."""


@dataclass(frozen=True, eq=False)
class Placebos:
    """Hold what the whole pipeline earned in worlds where there is nothing to earn.

    Parameters
    ----------
    worlds : tuple of str
        One name a placebo: ``resampled prices``, ``permuted labels`` or ``GARCH market``.
    sharpes : Float64
        Net annual Sharpe ratios (n_placebos,).
    alpha_sharpes : Float64
        The same with that world's own equal-weight market taken out (n_placebos,).
    rank_ics : Float64
        Mean rank IC at the horizon traded (n_placebos,).
    real_sharpe, real_alpha_sharpe, real_rank_ic : float
        What the real run gave.
    seconds : float
        Time that the placebos took.
    """

    worlds: tuple[str, ...]
    sharpes: Float64
    alpha_sharpes: Float64
    rank_ics: Float64
    real_sharpe: float
    real_alpha_sharpe: float
    real_rank_ic: float
    seconds: float

    @property
    def rank(self) -> int:
        """Give the real run's place among all by net Sharpe ratio; 1 is the best."""
        return 1 + int(np.sum(~(self.sharpes < self.real_sharpe)))


@dataclass(frozen=True, eq=False)
class Shuffles:
    """Hold what the same decisions and forecasts give at later times, without learning anything again.

    Parameters
    ----------
    sharpes : Float64
        Annual Sharpe ratios of earlier decisions at each time, charged what the real run paid (n_draws,).
    rank_ics : Float64
        Mean rank IC of the forecasts set against the outcomes of later times (n_draws,).
    real_sharpe, real_rank_ic : float
        In the true order.
    sharpe_p, rank_ic_p : float
        Share of shuffled worlds, the real one among them, that do as well or better.
    """

    sharpes: Float64
    rank_ics: Float64
    real_sharpe: float
    real_rank_ic: float
    sharpe_p: float
    rank_ic_p: float


@dataclass(frozen=True, eq=False)
class Selection:
    """Say what choosing among the trials made on this data amounts to.

    Parameters
    ----------
    n_series : int
        Distinct trials, this one among them, whose returns over these bars are known.
    n_effective : float
        Independent trials that would give luck as good a chance; those whose returns are not
        known count one each.
    interval : Interval
        Of this run's net annual Sharpe ratio, at 95 %.
    overfitting : Overfitting or None
        What becomes of the best of one half of history on the other; None with fewer than
        ``LEAST_TRIALS`` trials.
    superiority : Superiority or None
        Whether any trial earns something beyond the market, all of them counted; None likewise.
    """

    n_series: int
    n_effective: float
    interval: Interval
    overfitting: Overfitting | None
    superiority: Superiority | None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Set the forecasts beside those of simpler models, by squared error in units of volatility.

    Parameters
    ----------
    names : tuple of str
        The strategy's model first.
    losses : Float64
        Mean squared error at the horizon traded (n_models,).
    p_values : Float64
        Of the model confidence set (n_models,).
    may_be_best : Bools
        Whether the data leaves open that it is the best of them (n_models,).
    statistic, p_value : float
        Diebold and Mariano's, of the strategy's model against the linear one; negative favours
        the strategy.
    """

    names: tuple[str, ...]
    losses: Float64
    p_values: Float64
    may_be_best: Bools
    statistic: float
    p_value: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """Hold what a verdict rests on beside the figures of the run itself.

    Parameters
    ----------
    selection : Selection
        What choosing among all trials amounts to.
    comparison : Comparison or None
        The forecasts beside simpler ones; None where there are too few bars.
    robustness : Robustness
        What becomes of the result when something changes a little.
    shuffles : Shuffles
        What the same decisions give at later times.
    placebos : Placebos or None
        What the whole pipeline earns where there is nothing to earn; None where none was asked for.
    explanation : Explanation or None
        What the forecasts rest on; None where there is no feature, or no outcome to score them by.
    echoes : tuple of Echo
        Features that know what follows: where there is one, every other number is void.
    """

    selection: Selection
    comparison: Comparison | None
    robustness: Robustness
    shuffles: Shuffles
    placebos: Placebos | None
    explanation: Explanation | None = None
    echoes: tuple[Echo, ...] = ()
