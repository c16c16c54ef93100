"""Features that say whether the price was bought or sold hard of late, bounded in [-1, 1]."""

from quantdesk.features.algebra import Column, at_most, clipped, size, where
from quantdesk.features.quotes import CLOSE, feature
from quantdesk.features.rolling import exponential
from quantdesk.features.trend import place_in_range
from quantdesk.features.windows import rows_for


def relative_strength(period: int) -> Column:
    """Write Wilder's relative strength index, mapped from [0, 100] to [-1, 1].

    Equal to (mean gain - mean loss) / (mean gain + mean loss), with exponential means of weight
    1 / period; 0 where the price stood still.
    """
    change, alpha = CLOSE - CLOSE.lag(1), 1.0 / period
    net = exponential(change, rows_for(alpha), alpha, period)
    gross = exponential(size(change), rows_for(alpha), alpha, period)
    return where(at_most(gross, CLOSE * 1e-15), gross * 0.0, clipped(net / gross, -1.0, 1.0))


FEATURES = (
    *(
        feature(f"rsi_{period}", relative_strength(period), "relative strength index in [-1, 1]: Wilder 1978", scaling="unit")
        for period in (2, 14)
    ),
    feature("stochastic_14", place_in_range(14), "stochastic %K in [-1, 1]: Lane 1984", scaling="unit"),
)
