"""How strongly to lean, and the portfolio that follows."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError


@dataclass(frozen=True, eq=False)
class Signal:
    """Say how strongly to lean on each instrument.

    Parameters
    ----------
    strength : Float64
        Shape (n_instruments,), in [-1, 1]; 0 is no opinion or no position.

    Raises
    ------
    DataError
        If a strength is missing or outside [-1, 1].
    """

    strength: Float64

    def __post_init__(self) -> None:
        if not (np.abs(self.strength) <= 1.0 + 1e-12).all():
            bad = int(np.flatnonzero(~(np.abs(self.strength) <= 1.0 + 1e-12))[0])
            raise DataError(
                f"signal strength of instrument {bad} is {self.strength[bad]}", "a number in [-1, 1]", "clip it, or give 0"
            )


@dataclass(frozen=True, eq=False)
class Target:
    """Hold the portfolio wanted.

    Parameters
    ----------
    weights : Float64
        Signed fraction of net asset value (n_instruments,). NaN: leave what is held.

    Raises
    ------
    DataError
        If a weight is infinite.
    """

    weights: Float64

    def __post_init__(self) -> None:
        if np.isinf(self.weights).any():
            bad = int(np.flatnonzero(np.isinf(self.weights))[0])
            raise DataError(
                f"target weight of instrument {bad} is infinite", "a fraction of net asset value", "check the sizing"
            )
