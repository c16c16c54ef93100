"""Lean on the best against the worst of the moment."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.choices import require_numbers, require_whole
from quantdesk.domain.decision import Signal
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import Forecast
from quantdesk.domain.ports import horizon_of


@dataclass(frozen=True)
class Rank:
    """Go long the top share and short the bottom share by expected return over volatility.

    Strength grows with the rank's distance from the edge of the share, 1 for the furthest. Equal
    scores share a rank. Where ``long`` equals ``short``, strengths sum to 0: the side that is the
    heavier because of ties is scaled down. With fewer than two forecasts there is nothing to rank, which
    ``least_instruments`` says before anything is learned.

    Parameters
    ----------
    horizon : int
        Bars ahead.
    long, short : float
        Shares of the instruments with a forecast; at least one name each, unless 0.
    keep : float
        Wider share in which a name held stays; 0 for none.
    """

    horizon: int = 5
    long: float = 0.2
    short: float = 0.2
    keep: float = 0.0

    least_instruments: ClassVar[int] = 2

    def __post_init__(self) -> None:
        require_whole("Rank", horizon=self.horizon)
        require_numbers("Rank", long=self.long, short=self.short, keep=self.keep)
        if not all(0 <= share <= 1 for share in (self.long, self.short, self.keep)) or self.long + self.short > 1:
            raise StrategyError(
                f"Rank has long {self.long}, short {self.short}, keep {self.keep}",
                "shares between 0 and 1, long and short together at most 1",
                "lower the shares",
            )

    def signal(self, forecast: Forecast, held: Float64) -> Signal:
        """Rank the moment's forecasts; an instrument without one gets 0.

        Raises
        ------
        StrategyError
            If the forecast does not look that far.
        """
        place = horizon_of(forecast, self.horizon)
        mean, volatility = forecast.mean[:, place], forecast.volatility[:, place]
        strength = np.zeros(len(mean))
        ranked = np.isfinite(mean) & (volatility > 0)
        if ranked.sum() < 2:
            return Signal(strength)
        standing = _standing(mean[ranked] / volatility[ranked])
        above = self._side(standing, self.long, held[ranked] > 0)
        below = self._side(1 - standing, self.short, held[ranked] < 0)
        if self.long == self.short:
            level = min(above.sum(), below.sum())
            above, below = _scaled_to(above, level), _scaled_to(below, level)
        strength[ranked] = above - below
        return Signal(strength)

    def _side(self, standing: Float64, share: float, is_held: Bools) -> Float64:
        if share == 0:
            return np.zeros(len(standing))
        enter = max(share, 1 / len(standing))
        wide = max(enter, self.keep)
        grade = (standing - (1 - wide)) / wide
        chosen = (standing > 1 - enter + 1e-9) | (is_held & (grade > 1e-9))
        grade = np.where(chosen, grade, 0.0)
        largest = grade.max()
        return grade / largest if largest > 0 else grade


def _standing(scores: Float64) -> Float64:
    ordered = np.sort(scores)
    worse, not_better = np.searchsorted(ordered, scores, side="left"), np.searchsorted(ordered, scores, side="right")
    standing: Float64 = (worse + not_better) / (2 * len(scores))
    return standing


def _scaled_to(side: Float64, level: float) -> Float64:
    total = side.sum()
    return side * (level / total) if total > 0 else side
