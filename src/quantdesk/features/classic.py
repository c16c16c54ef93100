"""The classic features: what a first model reads, long known and little alike, whatever else the library holds."""

TREND = [
    "return_1",
    "return_2",
    "return_5",
    "return_10",
    "return_20",
    "momentum_20",
    "momentum_60",
    "momentum_120",
    "momentum_252_21",
    "ma_distance_7",
    "ma_distance_30",
    "ma_distance_90",
    "ma_distance_180",
    "macd",
    "macd_histogram",
    "breakout_20",
    "breakout_55",
]
OSCILLATION = [
    "rsi_2",
    "rsi_14",
    "stochastic_14",
    "bollinger_position_20",
    "bollinger_width_20",
    "overnight_gap",
    "intraday_return",
]
VOLATILITY = ["volatility_5", "volatility_20", "volatility_60", "volatility_ratio_5_60", "atr_14", "parkinson_20"]
VOLUME = [
    "volume_ratio_20",
    "volume_change",
    "dollar_volume_20_120",
    "illiquidity_20",
    "relative_volume_7",
    "relative_volume_30",
    "relative_volume_90",
    "relative_volume_180",
]
RANK = [
    "return_5_rank",
    "momentum_20_rank",
    "momentum_252_21_rank",
    "volatility_20_rank",
    "ma_distance_30_rank",
    "volume_ratio_20_rank",
]
FACTS = [
    "*_margin",
    "*_margin_change_*",
    "eps_*",
    "insider_*",
    "vix",
    "vix_*",
    "term_slope*",
    "treasury_*",
    "oil_*",
    "index_level_*",
    "bitcoin_*",
]

CLASSIC: tuple[str, ...] = (*FACTS, *TREND, *OSCILLATION, *VOLATILITY, *VOLUME, *RANK)
"""Names and patterns; those whose fields the data lacks are left out, as always."""
