"""A linear model over every feature: the baseline that is hard to beat."""

from quantdesk.models.conformal import Conformal
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.sizing import VolatilityScaled
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

STRATEGY = Strategy(
    name="linear",
    description="Ranks instruments by a ridge regression on every feature, long the best fifth, short the worst; each week.",
    features=("*",),
    model=Conformal(Ridge()),
    signal=Rank(horizon=5, long=0.2, short=0.2, keep=0.4),
    sizing=VolatilityScaled(),
    horizon=5,
    rebalance="weekly",
)
