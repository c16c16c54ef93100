"""Features of how much is traded, each against the instrument's own habit."""

from quantdesk.features.algebra import Column, log, size
from quantdesk.features.quotes import CLOSE, RETURN, VOLUME, feature
from quantdesk.features.rolling import exponential, mean, share_below

PROFILE_BARS = 60
"""Bars over which the volume is spread by price."""

_VALUE = VOLUME * CLOSE


def dollar_volume(short: int, long: int) -> Column:
    """Compare the mean value traded over few bars with that over many, as a log ratio.

    The level itself is no feature: the adjusted close carries the scale of its own bars.
    """
    return log(mean(_VALUE, short)) - log(mean(_VALUE, long))


def illiquidity(window: int) -> Column:
    """Average |return| for each unit of value traded, times the mean value traded.

    Amihud's (2002) measure, freed of the currency: the absolute log return that a usual bar's
    trading goes with. Bars without volume are left out; NaN with fewer than three quarters.
    """
    return exponential(size(RETURN) / _VALUE, window, 0.0, 3 * window // 4) * mean(_VALUE, window)


def _profile(factor: float) -> Column:
    return share_below(CLOSE, VOLUME, PROFILE_BARS, factor)


FEATURES = (
    feature("volume_ratio_20", VOLUME / mean(VOLUME, 20), "volume / mean volume"),
    feature("volume_change", log(VOLUME) - log(VOLUME).lag(1), "log change of volume"),
    feature("dollar_volume_20_120", dollar_volume(20, 120), "log ratio of mean values traded"),
    feature("illiquidity_20", illiquidity(20), "scaled illiquidity: Amihud 2002"),
    feature("profile_below_60", _profile(1.0), "share of volume at closes up to the present one", "unit"),
    feature("profile_far_below_60", _profile(0.95), "share of volume at closes 5 % and more below", "unit"),
    feature("profile_far_above_60", 1.0 - _profile(1.05), "share of volume at closes over 5 % above", "unit"),
)
