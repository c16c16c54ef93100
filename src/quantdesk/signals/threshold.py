"""Enter when confident, leave when no longer so."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.choices import require_numbers, require_whole
from quantdesk.domain.decision import Signal
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import Forecast
from quantdesk.domain.ports import horizon_of


@dataclass(frozen=True)
class Threshold:
    """Enter at one probability of a rise, leave below a lower one.

    Strength is 0.5 at the level of leaving and grows linearly to 1 at twice the distance from
    there to the level of entering.

    Parameters
    ----------
    horizon : int
        Bars ahead.
    enter : float
        Probability from which a position is opened.
    leave : float
        Probability below which it is closed; at most ``enter``.
    allow_short : bool
        Whether to mirror the rule for falls.
    """

    horizon: int
    enter: float = 0.55
    leave: float = 0.5
    allow_short: bool = False

    def __post_init__(self) -> None:
        require_whole("Threshold", horizon=self.horizon)
        require_numbers("Threshold", enter=self.enter, leave=self.leave)
        if not 0 < self.leave <= self.enter < 1:
            raise StrategyError(
                f"Threshold enters at {self.enter} and leaves at {self.leave}",
                "0 < leave <= enter < 1",
                "lower the level of leaving",
            )
        if self.allow_short and self.enter <= 0.5:
            raise StrategyError(
                f"Threshold may go short and enters at {self.enter}",
                "an entry above 0.5, so that it cannot want to be long and short at once",
                "raise the level of entering",
            )

    def signal(self, forecast: Forecast, held: Float64) -> Signal:
        """Compare the probability of a rise with both levels; an instrument without one gets 0.

        Raises
        ------
        StrategyError
            If the forecast does not look that far.
        """
        up = forecast.probability_up[:, horizon_of(forecast, self.horizon)]
        strength = self._side(up, held > 0)
        if self.allow_short:
            down = self._side(1 - up, held < 0)
            # a confident turn beats a position that is merely not bad enough to leave
            strength = np.where(down > strength, -down, np.where(strength > down, strength, np.sign(held) * strength))
        return Signal(strength)

    def _side(self, probability: Float64, is_held: Bools) -> Float64:
        with np.errstate(invalid="ignore"):
            chosen = (probability >= self.enter) | (is_held & (probability >= self.leave))
        distance = 2 * (self.enter - self.leave)
        share = (probability - self.leave) / distance if distance > 0 else np.ones(len(probability))
        return np.where(chosen, 0.5 + 0.5 * np.clip(share, 0.0, 1.0), 0.0)
