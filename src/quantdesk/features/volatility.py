"""Features of how much the price moves."""

from math import log as natural_log

from quantdesk.features.algebra import Column, greater, log, ratio, smaller, sqrt
from quantdesk.features.quotes import CLOSE, HIGH, LOW, OPEN, RETURN, feature
from quantdesk.features.rolling import deviation, exponential, mean, squares
from quantdesk.features.windows import rows_for

ATR_BARS = 14
_DOWN, _UP, _BODY = log(LOW / OPEN), log(HIGH / OPEN), log(CLOSE / OPEN)


def volatility(window: int) -> Column:
    """Write the sample standard deviation of one bar's log return."""
    return deviation(RETURN, window)


def average_true_range() -> Column:
    """Average the true range exponentially, as a fraction of the close."""
    before = CLOSE.lag(1)
    true_range = greater(HIGH, before) - smaller(LOW, before)
    return exponential(true_range, rows_for(1.0 / ATR_BARS), 1.0 / ATR_BARS, ATR_BARS) / CLOSE


def relative_spread(window: int) -> Column:
    """Divide the close's population standard deviation by its mean."""
    return sqrt(squares(CLOSE, window) / float(window)) / mean(CLOSE, window)


def parkinson(window: int) -> Column:
    """Estimate one bar's volatility from its high and low: Parkinson 1980, equation 4."""
    extent = log(HIGH / LOW)
    return sqrt(mean(extent * extent, window) / (4.0 * natural_log(2.0)))


def garman_klass(window: int) -> Column:
    """Estimate it from the range and the body of the bar: Garman & Klass 1980, practical estimator."""
    extent = log(HIGH / LOW)
    return sqrt(mean(0.5 * extent * extent - (2.0 * natural_log(2.0) - 1.0) * _BODY * _BODY, window))


def rogers_satchell(window: int) -> Column:
    """Estimate it whatever the drift: Rogers & Satchell 1991."""
    return sqrt(mean(_UP * (_UP - _BODY) + _DOWN * (_DOWN - _BODY), window))


def yang_zhang(window: int) -> Column:
    """Estimate it with the night and whatever the drift: Yang & Zhang 2000, equation 8."""
    weight = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    within = mean(_UP * (_UP - _BODY) + _DOWN * (_DOWN - _BODY), window)
    night, body = (squares(part, window) / (window - 1.0) for part in (log(OPEN / CLOSE.lag(1)), _BODY))
    return sqrt(night + weight * body + (1.0 - weight) * within)


_RANGES = {
    "parkinson": (parkinson, (20, 60), "range volatility: Parkinson 1980"),
    "garman_klass": (garman_klass, (20, 60), "range and body volatility: Garman & Klass 1980"),
    "rogers_satchell": (rogers_satchell, (20,), "range volatility with drift: Rogers & Satchell 1991"),
    "yang_zhang": (yang_zhang, (20, 60), "volatility with nights and drift: Yang & Zhang 2000"),
}

FEATURES = (
    *(feature(f"volatility_{window}", volatility(window), "standard deviation of log returns") for window in (5, 20, 60)),
    *(
        feature(f"volatility_ratio_{short}_{long}", ratio(volatility(short), volatility(long)), "ratio of standard deviations")
        for short, long in ((5, 60), (20, 250))
    ),
    feature("atr_14", average_true_range(), "average true range / close: Wilder 1978"),
    feature(
        "bollinger_position_20",
        ratio(CLOSE / mean(CLOSE, 20) - 1.0, 2.0 * relative_spread(20)),
        "Bollinger bands (20, 2)",
    ),
    feature("bollinger_width_20", 4.0 * relative_spread(20), "Bollinger bands (20, 2)"),
    *(
        feature(f"{name}_{window}", estimate(window), source)
        for name, (estimate, windows, source) in _RANGES.items()
        for window in windows
    ),
)
