"""Features of the trend in returns over months."""

from math import sqrt

from quantdesk.features.algebra import Column, ratio
from quantdesk.features.quotes import RETURN, feature
from quantdesk.features.rolling import deviation, total


def momentum(window: int) -> Column:
    """Divide the log return over ``window`` bars by its own volatility.

    Scaled so that a return without drift has a standard deviation of 1: the evidence for a
    trend, comparable between calm and wild instruments.
    """
    return ratio(total(RETURN, window), deviation(RETURN, window) * sqrt(window))


def skipped_momentum(window: int, skip: int) -> Column:
    """Compute the log return from ``window`` bars ago to ``skip`` bars ago."""
    return total(RETURN, window - skip).lag(skip)


FEATURES = (
    *(
        feature(
            f"momentum_{window}",
            momentum(window),
            "time-series momentum over its volatility: Moskowitz, Ooi & Pedersen 2012",
        )
        for window in (20, 60, 120)
    ),
    feature("momentum_252_21", skipped_momentum(252, 21), "twelve months without the last: Jegadeesh & Titman 1993"),
)
