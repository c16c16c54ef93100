"""Features that compare each instrument with the others of the panel at the same moment."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.feature import Feature
from quantdesk.features import momentum, returns, trend, volatility, volume
from quantdesk.features.windows import row_ranks

RANKED = ("return_5", "momentum_20", "momentum_252_21", "volatility_20", "ma_distance_30", "volume_ratio_20")


@dataclass(frozen=True)
class Rank:
    """Rank a feature across the instruments traded at each moment.

    Parameters
    ----------
    feature : Feature
        What is ranked.
    """

    feature: Feature

    def __call__(self, bars: Bars) -> Float64:
        """Return ranks (n_times, n_instruments) from -0.5, the lowest, to 0.5; ties averaged."""
        return row_ranks(np.asarray(self.feature.compute(bars)))


def ranked(feature: Feature) -> Feature:
    """Declare the cross-sectional rank of a feature."""
    return Feature(
        name=f"{feature.name}_rank",
        compute=Rank(feature),
        lookback=feature.lookback,
        source=f"cross-sectional rank of {feature.name}",
        needs=feature.needs,
        scaling="unit",
    )


_known = {feature.name: feature for family in (returns, momentum, trend, volatility, volume) for feature in family.FEATURES}

FEATURES = tuple(ranked(_known[name]) for name in RANKED)
