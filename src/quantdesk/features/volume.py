"""Features of how much is traded, each against the instrument's own habit."""

from functools import partial

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.columns import close, declare, lagged, logarithm, returns, shared, volume
from quantdesk.features.windows import window_ema, window_mean

_TRADED = ("close", "volume")


@shared
def volume_ratio(bars: Bars, window: int) -> Float64:
    """Divide the volume by its mean over ``window`` bars (n_times, n_instruments)."""
    mean = window_mean(volume(bars), window)
    return volume(bars) / np.where(mean > 0, mean, np.nan)


def volume_change(bars: Bars) -> Float64:
    """Compute the log change of volume since the bar before; NaN where either is zero."""
    return logarithm(volume(bars)) - logarithm(lagged(volume(bars), 1))


@shared
def traded_value(bars: Bars) -> Float64:
    """Multiply the volume by the close, in the account currency up to the bars' own scale."""
    return volume(bars) * close(bars)


def dollar_volume(bars: Bars, short: int, long: int) -> Float64:
    """Compare the mean value traded over few bars with that over many, as a log ratio.

    The level itself is no feature: the adjusted close carries the scale of its own bars.
    """
    value = traded_value(bars)
    return logarithm(window_mean(value, short)) - logarithm(window_mean(value, long))


def illiquidity(bars: Bars, window: int) -> Float64:
    """Average |return| for each unit of value traded, times the mean value traded.

    Amihud's (2002) measure, freed of the currency: the absolute log return that a usual bar's
    trading goes with. Bars without volume are left out; NaN with fewer than three quarters.
    """
    value = traded_value(bars)
    impact = np.abs(returns(bars)) / np.where(value > 0, value, np.nan)
    return window_ema(impact, window, 0.0, 3 * window // 4) * window_mean(value, window)


FEATURES = (
    declare("volume_ratio_20", partial(volume_ratio, window=20), 20, "volume / mean volume", needs=_TRADED),
    declare("volume_change", volume_change, 2, "log change of volume", needs=_TRADED),
    declare(
        "dollar_volume_20_120",
        partial(dollar_volume, short=20, long=120),
        120,
        "log ratio of mean values traded",
        needs=_TRADED,
    ),
    declare("illiquidity_20", partial(illiquidity, window=20), 21, "scaled illiquidity: Amihud 2002", needs=_TRADED),
)
