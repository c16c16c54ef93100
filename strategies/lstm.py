"""A recurrent network that reads the last weeks of each instrument: what the deep extra adds to the linear baseline."""

from quantdesk.models.deep import Deep
from quantdesk.models.networks.lstm import LSTM
from quantdesk.models.training import Training
from quantdesk.portfolio.sizing import VolatilityScaled
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

FEATURES = (
    *("return_1", "return_5", "return_20", "momentum_60", "momentum_252_21", "ma_distance_30", "rsi_14", "overnight_gap"),
    *("volatility_5", "volatility_20", "volatility_60", "volume_ratio_20", "illiquidity_20"),
    *("return_5_rank", "momentum_252_21_rank", "volatility_20_rank"),
)

STRATEGY = Strategy(
    name="lstm",
    description="Ranks instruments by a small LSTM over 24 bars; long the best fifth, short the worst; each week.",
    features=FEATURES,
    model=Deep(LSTM(lookback=24, hidden=32, layers=1), training=Training(epochs=4, batch=512, patience=2), max_samples=100_000),
    signal=Rank(horizon=5, long=0.2, short=0.2, keep=0.4),
    sizing=VolatilityScaled(),
    horizon=5,
    rebalance="weekly",
)
