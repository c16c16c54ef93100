"""A linear model over the classic features: the baseline that is hard to beat."""

from quantdesk.features.classic import CLASSIC
from quantdesk.models.conformal import Conformal
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.sizing import VolatilityScaled
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

STRATEGY = Strategy(
    name="linear",
    description="Ranks instruments by ridge regression on classic features; long the best fifth, short the worst; each week.",
    features=CLASSIC,
    model=Conformal(Ridge()),
    signal=Rank(horizon=5, long=0.2, short=0.2, keep=0.4),
    sizing=VolatilityScaled(),
    horizon=5,
    rebalance="weekly",
)
