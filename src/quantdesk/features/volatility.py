"""Features of how much the price moves."""

from functools import partial
from math import log, sqrt

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.columns import close, declare, high, lagged, logarithm, low, ratio, returns, shared
from quantdesk.features.windows import rows_for, window_ema, window_mean, window_std

ATR_BARS = 14
_RANGED = ("high", "low", "close")


@shared
def volatility(bars: Bars, window: int) -> Float64:
    """Compute the sample standard deviation of one bar's log return (n_times, n_instruments)."""
    return window_std(returns(bars), window)


def volatility_ratio(bars: Bars, short: int, long: int) -> Float64:
    """Divide the volatility of the last few bars by that of many (n_times, n_instruments)."""
    return ratio(volatility(bars, short), volatility(bars, long))


def average_true_range(bars: Bars) -> Float64:
    """Average the true range exponentially, as a fraction of the close (n_times, n_instruments)."""
    before = lagged(close(bars), 1)
    true_range = np.maximum(high(bars), before) - np.minimum(low(bars), before)
    alpha = 1.0 / ATR_BARS
    return window_ema(true_range, rows_for(alpha), alpha, ATR_BARS) / close(bars)


@shared
def relative_spread(bars: Bars, window: int) -> Float64:
    """Divide the close's population standard deviation by its mean (n_times, n_instruments)."""
    spread = window_std(close(bars), window) * sqrt((window - 1) / window)
    return spread / window_mean(close(bars), window)


def bollinger_position(bars: Bars, window: int) -> Float64:
    """Place the close between the lower (-1) and the upper (1) band at two standard deviations."""
    distance = close(bars) / window_mean(close(bars), window) - 1.0
    return ratio(distance, 2.0 * relative_spread(bars, window))


def bollinger_width(bars: Bars, window: int) -> Float64:
    """Compute the distance between the bands over their middle (n_times, n_instruments)."""
    return 4.0 * relative_spread(bars, window)


def parkinson(bars: Bars, window: int) -> Float64:
    """Estimate one bar's volatility from its high and low: Parkinson 1980, equation 4."""
    squared = logarithm(high(bars) / low(bars)) ** 2
    estimate: Float64 = np.sqrt(window_mean(squared, window) / (4.0 * log(2.0)))
    return estimate


FEATURES = (
    *(
        declare(
            f"volatility_{window}",
            partial(volatility, window=window),
            window + 1,
            "standard deviation of log returns",
        )
        for window in (5, 20, 60)
    ),
    declare("volatility_ratio_5_60", partial(volatility_ratio, short=5, long=60), 61, "ratio of standard deviations"),
    declare(
        "atr_14",
        average_true_range,
        rows_for(1.0 / ATR_BARS) + 1,
        "average true range / close: Wilder 1978",
        needs=_RANGED,
    ),
    declare("bollinger_position_20", partial(bollinger_position, window=20), 20, "Bollinger bands (20, 2)"),
    declare("bollinger_width_20", partial(bollinger_width, window=20), 20, "Bollinger bands (20, 2)"),
    declare("parkinson_20", partial(parkinson, window=20), 20, "range volatility: Parkinson 1980", needs=_RANGED),
)
