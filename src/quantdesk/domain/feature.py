"""A number computed from the past, with what it needs declared beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import StrategyError

Scaling = Literal["standard", "unit"]
"""``standard``: a model centres and scales it on its training span; ``unit``: already of order one."""


@dataclass(frozen=True)
class Feature:
    """Declare one feature: how it is computed, from what, and how far back it looks.

    Parameters
    ----------
    name : str
        Unique name, such as ``momentum_20``.
    compute : callable
        Maps ``Bars`` to values of shape (n_times, n_instruments); pure, and blind to later rows.
    lookback : int
        Bars, the present one included, on which a value depends: any panel that holds them
        gives the same value.
    source : str
        The formula's origin, in a few words.
    needs : tuple of str
        Fields without which it cannot be computed.
    scaling : Scaling
        How a model must scale it.
    """

    name: str
    compute: Callable[[Bars], Float64]
    lookback: int
    source: str
    needs: tuple[str, ...] = ("close",)
    scaling: Scaling = "standard"

    def __post_init__(self) -> None:
        if self.scaling not in ("standard", "unit"):
            raise StrategyError(
                f"feature {self.name!r} declares scaling {self.scaling!r}", "'standard' or 'unit'", "declare it"
            )
        if self.lookback < 1:
            raise StrategyError(
                f"feature {self.name!r} declares a lookback of {self.lookback}", "1 bar or more", "declare the bars it reads"
            )
