"""Features that compare each instrument with the others of the panel at the same moment."""

from quantdesk.domain.feature import Feature, Scaling
from quantdesk.features import momentum, returns, trend, volatility, volume
from quantdesk.features.algebra import Column, across, given
from quantdesk.features.evaluate import Formula
from quantdesk.features.market import BETA
from quantdesk.features.quotes import feature

RANKED = ("return_5", "momentum_20", "momentum_252_21", "volatility_20", "ma_distance_30", "volume_ratio_20")
SCORED = ("return_5", "momentum_252_21", "volatility_20", "illiquidity_20")
NEUTRAL = ("return_20", "momentum_252_21", "volatility_20")
"""Features ranked, scored, and freed of what their sector or their beta explains."""

_known = {one.name: one for family in (returns, momentum, trend, volatility, volume) for one in family.FEATURES}


def _compared(one: Feature, kind: str, ending: str, what: str, scaling: Scaling, *others: Column) -> Feature:
    assert isinstance(one.compute, Formula)
    return feature(f"{one.name}_{ending}", across(kind, one.compute.column, *others), f"{what} of {one.name}", scaling)


FEATURES = (
    *(_compared(_known[name], "rank", "rank", "cross-sectional rank", "unit") for name in RANKED),
    *(_compared(_known[name], "score", "score", "cross-sectional z-score", "standard") for name in SCORED),
    *(
        _compared(_known[name], "within_group", "in_sector", "distance from the sector's mean", "standard", given("sector"))
        for name in NEUTRAL
    ),
    *(_compared(_known[name], "residual", "beyond_beta", "part not explained by beta", "standard", BETA) for name in NEUTRAL),
)
