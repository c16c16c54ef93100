"""Features of the trend in returns over months."""

from functools import partial
from math import sqrt

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.columns import declare, lagged, ratio, returns, shared
from quantdesk.features.returns import past_return
from quantdesk.features.volatility import volatility
from quantdesk.features.windows import window_sum


@shared
def momentum(bars: Bars, window: int) -> Float64:
    """Divide the log return over ``window`` bars by its own volatility (n_times, n_instruments).

    Scaled so that a return without drift has a standard deviation of 1: the evidence for a
    trend, comparable between calm and wild instruments.
    """
    return ratio(past_return(bars, window), sqrt(window) * volatility(bars, window))


@shared
def skipped_momentum(bars: Bars, window: int, skip: int) -> Float64:
    """Compute the log return from ``window`` bars ago to ``skip`` bars ago (n_times, n_instruments)."""
    return lagged(window_sum(returns(bars), window - skip), skip)


FEATURES = (
    *(
        declare(
            f"momentum_{window}",
            partial(momentum, window=window),
            window + 1,
            "time-series momentum over its volatility: Moskowitz, Ooi & Pedersen 2012",
        )
        for window in (20, 60, 120)
    ),
    declare(
        "momentum_252_21",
        partial(skipped_momentum, window=252, skip=21),
        253,
        "twelve months without the last: Jegadeesh & Titman 1993",
    ),
)
