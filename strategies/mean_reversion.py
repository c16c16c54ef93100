"""Mean reversion: what fell most in a week recovers part of it (Lehmann 1990)."""

from quantdesk.models.grinold import Grinold
from quantdesk.portfolio.sizing import Equal
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

STRATEGY = Strategy(
    name="mean_reversion",
    description="Buys the fifth that fell most in the past week and sells the fifth that rose most; each week.",
    features=("return_5",),
    model=Grinold(feature="return_5", ic=0.02, sign=-1),
    signal=Rank(horizon=5, long=0.2, short=0.2),
    sizing=Equal(),
    horizon=5,
    rebalance="weekly",
)
