"""Momentum: what rose over the past year, but for the last month, keeps rising (Jegadeesh & Titman 1993)."""

from quantdesk.models.grinold import Grinold
from quantdesk.portfolio.sizing import VolatilityScaled
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

STRATEGY = Strategy(
    name="momentum",
    description="Buys the fifth that rose most over the past year but for its last month; each month.",
    features=("momentum_252_21",),
    model=Grinold(feature="momentum_252_21", ic=0.02),
    signal=Rank(horizon=20, long=0.2, short=0.0),
    sizing=VolatilityScaled(),
    horizon=20,
    rebalance="monthly",
)
