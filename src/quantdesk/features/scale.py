"""The volatility of one bar's return, as known at the time: the yardstick of labels and forecasts."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.columns import BRIDGE, returns
from quantdesk.features.windows import window_ema

SCALE_RETURNS = 300
"""Returns that the scale reads; at a decay of 0.94 the weight left out is 9e-9."""

SCALE_LOOKBACK = SCALE_RETURNS + 1 + BRIDGE
"""Bars, the present one included, on which a scale depends."""

_MIN_RETURNS = 20


def ewma_volatility(bars: Bars, decay: float = 0.94) -> Float64:
    """Estimate one bar's volatility from exponentially weighted squared log returns.

    Parameters
    ----------
    bars : Bars
        Adjusted bars.
    decay : float
        Weight of a return against the next newer one, in (0, 1).

    Returns
    -------
    Float64
        Shape (n_times, n_instruments), log return; NaN with fewer than 20 returns, and where
        the price never moved, for nothing can be measured by a scale of zero.

    Notes
    -----
    RiskMetrics Technical Document (1996), section 5.2, with the mean taken as zero.
    """
    variance = window_ema(returns(bars) ** 2, SCALE_RETURNS, 1.0 - decay, _MIN_RETURNS)
    return np.sqrt(np.where(variance > 0, variance, np.nan))
