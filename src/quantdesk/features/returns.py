"""Features of the last returns: over a few bars, over the night, within the bar."""

from functools import partial

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.columns import close, declare, lagged, logarithm, returns, shared
from quantdesk.features.windows import window_sum


@shared
def past_return(bars: Bars, window: int) -> Float64:
    """Sum the log returns of the last ``window`` bars (n_times, n_instruments)."""
    return window_sum(returns(bars), window)


def overnight_gap(bars: Bars) -> Float64:
    """Compute the log total return from the last close to this open (n_times, n_instruments)."""
    return logarithm(bars.open / lagged(close(bars), 1))


def intraday_return(bars: Bars) -> Float64:
    """Compute the log return from this open to this close (n_times, n_instruments)."""
    return logarithm(close(bars) / bars.open)


FEATURES = (
    *(
        declare(f"return_{window}", partial(past_return, window=window), window + 1, "sum of log returns")
        for window in (1, 2, 5, 10, 20)
    ),
    declare("overnight_gap", overnight_gap, 2, "log open / last close", needs=("open", "close")),
    declare("intraday_return", intraday_return, 1, "log close / open", needs=("open", "close")),
)
