"""Correct quantiles by what came true, so that they hold as often as they say."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.forecast import LEVELS, mean_of


def corrections(said: Float64, outcomes: Float64) -> Float64:
    """Measure what must be added to each level of what was said.

    Each level is first moved to where its share of the outcomes lay below it, all of them back by their mean, so
    that the mean of a forecast stays what the model said; then each pair of levels around the median is widened,
    or narrowed, until it held as many outcomes as it promised (conformalised quantile regression; Romano,
    Patterson & Candès 2019).

    Parameters
    ----------
    said : Float64
        Quantiles before correction (n_samples, n_horizons, n_levels), in units of the expected volatility.
    outcomes : Float64
        What happened (n_samples, n_horizons), in the same units; NaN where not known.

    Returns
    -------
    Float64
        Shape (n_horizons, n_levels), with mean 0 as a forecast.
    """
    found = np.empty(said.shape[1:])
    for horizon, happened in enumerate(outcomes.T):
        known = np.isfinite(happened)
        found[horizon] = _of_one(happened[known, None] - said[known, horizon])
    return found


def _of_one(errors: Float64) -> Float64:
    moved: Float64 = np.array([np.quantile(errors[:, place], level) for place, level in enumerate(LEVELS)])
    moved -= mean_of(moved)
    for low in range(len(LEVELS) // 2):
        high = len(LEVELS) - 1 - low
        missed_by = np.maximum(moved[low] - errors[:, low], errors[:, high] - moved[high])
        wider = np.quantile(missed_by, LEVELS[high] - LEVELS[low])
        moved[low], moved[high] = moved[low] - wider, moved[high] + wider
    return moved
