"""Everything on the most promising of a basket, or cash."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.choices import require_numbers, require_whole
from quantdesk.domain.decision import Signal
from quantdesk.domain.forecast import Forecast
from quantdesk.domain.ports import horizon_of


@dataclass(frozen=True)
class BestOfBasket:
    """Lean fully on the instruments with the highest expected return, if it is high enough.

    Parameters
    ----------
    horizon : int
        Bars ahead.
    n_best : int
        Instruments at most; among equals the first column wins.
    minimum : float
        Expected log return over the horizon that must be exceeded; else cash.
    """

    horizon: int
    n_best: int = 1
    minimum: float = 0.0

    def __post_init__(self) -> None:
        require_whole("BestOfBasket", horizon=self.horizon, n_best=self.n_best)
        require_numbers("BestOfBasket", minimum=self.minimum)

    def signal(self, forecast: Forecast, held: Float64) -> Signal:
        """Pick the best; what is held plays no part.

        Raises
        ------
        StrategyError
            If the forecast does not look that far.
        """
        expected = forecast.mean[:, horizon_of(forecast, self.horizon)]
        expected = np.where(np.isfinite(expected), expected, -np.inf)
        best = np.argsort(-expected, kind="stable")[: self.n_best]
        strength = np.zeros(len(expected))
        strength[best[expected[best] > self.minimum]] = 1.0
        return Signal(strength)
