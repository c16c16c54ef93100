"""Evidence beside the numbers: what luck, no edge and the choice among trials would have given."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64


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
    """Hold what the same decisions and forecasts give at other times, without learning anything again.

    Parameters
    ----------
    sharpes : Float64
        Net annual Sharpe ratios of the decisions taken in another order of times (n_draws,).
    rank_ics : Float64
        Mean rank IC of the forecasts set against the outcomes of other times (n_draws,).
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
