"""Set a strategy's forecasts beside those of simpler models, and say whether the data can tell them apart."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.forecast import Forecasts
from quantdesk.evaluation.comparison import diebold_mariano, model_confidence_set
from quantdesk.evaluation.evidence import Comparison
from quantdesk.evaluation.resampling import LEAST_BARS

REFERENCE = "linear"
"""The rival that any model must beat to have earned its keep."""


def compare(forecasts: dict[str, Forecasts], labels: Float64, scale: Float64, horizon: int) -> Comparison | None:
    """Compare mean forecasts by squared error in units of volatility, bar by bar.

    Parameters
    ----------
    forecasts : dict of str to Forecasts
        The strategy's first, ``linear`` among the others; all at the same times.
    labels : Float64
        What happened (n_times, n_instruments, n_horizons).
    scale : Float64
        Volatility known then, of one bar (n_times, n_instruments).
    horizon : int
        The horizon compared, bars.

    Returns
    -------
    Comparison or None
        None where fewer than 30 bars have an outcome.
    """
    names = tuple(forecasts)
    h = forecasts[names[0]].horizons.index(horizon)
    errors = [(made.mean[..., h] - labels[..., h]) / (scale * np.sqrt(horizon)) for made in forecasts.values()]
    losses = _mean_squares(np.stack(errors, axis=-1))
    if len(losses) < max(LEAST_BARS, 2 * horizon + 1):
        return None
    chosen = model_confidence_set(losses)
    statistic, p_value = diebold_mariano(losses[:, 0], losses[:, names.index(REFERENCE)], horizon)
    return Comparison(names, losses.mean(axis=0), chosen.p_values, chosen.is_in, statistic, p_value)


def _mean_squares(errors: Float64) -> Float64:
    # Only where every model spoke; a bar without any outcome says nothing.
    squares = errors**2
    known = np.isfinite(squares).all(axis=-1, keepdims=True)
    counts = known.sum(axis=1)
    heard = counts[:, 0] > 0
    means: Float64 = np.where(known, squares, 0.0).sum(axis=1)[heard] / counts[heard]
    return means
