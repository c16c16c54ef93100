"""Score answers time by time: rank correlation with what came, and quantile loss."""

from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.forecast import LEVELS, mean_of


class Score(NamedTuple):
    """Skill, and loss in units of volatility, at each time (n_times,)."""

    skill: Float64
    loss: Float64


def score(quantiles: Float64, labels: Float64, unit: Float64, is_across: bool) -> Score:
    """Score quantiles: ranked as returns, as a verdict ranks them; lost in units of volatility.

    Parameters
    ----------
    quantiles : Float64
        Log returns (n_times, n_instruments, n_levels), NaN where nothing was asked.
    labels : Float64
        What came, log returns (n_times, n_instruments).
    unit : Float64
        The volatility expected (n_times, n_instruments).
    is_across : bool
        Whether skill is the rank correlation over the instruments of each time, 0 where all answers are the
        same; otherwise each time's part of the rank correlation over all samples, whose mean it is.
    """
    known = np.isfinite(labels) & np.isfinite(quantiles[..., 0])
    said, came = (np.where(known, values, np.nan) for values in (mean_of(quantiles), labels))
    if is_across:
        skill = (_standard_ranks(said) * _standard_ranks(came)).sum(axis=1)
    else:
        flat = _standard_ranks(said.reshape(1, -1)) * _standard_ranks(came.reshape(1, -1))
        skill = flat.reshape(said.shape).sum(axis=1) * len(said)
    return Score(skill, _pinball(quantiles, labels, unit))


def _standard_ranks(values: Float64) -> Float64:
    # Centred ranks of unit length, a row at a time; 0 where missing or alike.
    from scipy.stats import rankdata

    known = np.isfinite(values)
    ranks = rankdata(np.where(known, values, np.inf), axis=1)
    centred = np.where(known, ranks - (known.sum(axis=1, keepdims=True) + 1) / 2, 0.0)
    size = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return np.where(size > 0, centred / np.where(size > 0, size, 1.0), 0.0)


def _pinball(quantiles: Float64, labels: Float64, unit: Float64) -> Float64:
    # Twice the mean over levels, which approaches the continuous ranked probability score (Gneiting & Raftery 2007).
    error = labels[..., None] - quantiles
    loss = 2.0 * np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1.0) * error).mean(axis=-1)
    loss = loss / np.where(unit > 0, unit, np.nan)
    known = np.isfinite(loss)
    mean: Float64 = np.where(known, loss, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean
