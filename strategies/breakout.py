"""Breakout: a price near the top of its range of 55 bars goes on (Donchian's channel)."""

from quantdesk.models.grinold import Grinold
from quantdesk.portfolio.sizing import VolatilityScaled
from quantdesk.signals.threshold import Threshold
from quantdesk.strategy import Strategy

STRATEGY = Strategy(
    name="breakout",
    description="Buys what stands high in its 55-bar range and keeps it until it falls back to the middle; each day.",
    features=("breakout_55",),
    model=Grinold(feature="breakout_55", ic=0.05),
    signal=Threshold(horizon=10, enter=0.52, leave=0.50),
    sizing=VolatilityScaled(),
    horizon=10,
    rebalance="daily",
)
