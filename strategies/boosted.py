"""Gradient-boosted trees beside a linear model, averaged, with intervals that are calibrated."""

from quantdesk.features.classic import CLASSIC
from quantdesk.models.average import Average
from quantdesk.models.conformal import Conformal
from quantdesk.models.lightgbm import LightGBM
from quantdesk.models.ridge import Ridge
from quantdesk.models.xgboost import XGBoost
from quantdesk.portfolio.sizing import VolatilityScaled
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

STRATEGY = Strategy(
    name="boosted",
    description="Averages two boosted-tree models and a ridge regression; long the best fifth, short the worst; each week.",
    features=CLASSIC,
    model=Conformal(Average((LightGBM(), XGBoost(), Ridge()))),
    signal=Rank(horizon=5, long=0.2, short=0.2, keep=0.4),
    sizing=VolatilityScaled(),
    horizon=5,
    rebalance="weekly",
)
