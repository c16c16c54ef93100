"""The 158 features of qlib's Alpha158 (Yang et al. 2020), under the names that they have here."""

CANDLES = [
    "body",
    "bar_range",
    "body_share",
    "upper_shadow",
    "upper_shadow_share",
    "lower_shadow",
    "lower_shadow_share",
    "close_shift",
    "close_shift_share",
]
PRICES = ["open_to_close", "high_to_close", "low_to_close", "typical_to_close"]
PATHS = [
    "past_price",
    "mean_price",
    "deviation",
    "slope",
    "fit",
    "residual",
    "highest",
    "lowest",
    "upper_quantile",
    "lower_quantile",
    "place",
    "rsv",
    "since_high",
    "since_low",
    "low_to_high",
    "price_volume_correlation",
    "change_correlation",
    "rising",
    "falling",
    "rising_balance",
    "gain_share",
    "loss_share",
    "gain_balance",
    "volume_mean",
    "volume_deviation",
    "volume_weighted_volatility",
    "volume_gain_share",
    "volume_loss_share",
    "volume_gain_balance",
]
WINDOWS = (5, 10, 20, 30, 60)

ALPHA158: tuple[str, ...] = (*CANDLES, *PRICES, *(f"{name}_{window}" for name in PATHS for window in WINDOWS))
"""In the order of Alpha158; its volume-weighted price is the mean of high, low and close here."""
