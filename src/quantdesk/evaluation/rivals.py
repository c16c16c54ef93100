"""Set a strategy's forecasts beside those of simpler models, and say whether the data can tell them apart."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.comparison import diebold_mariano, model_confidence_set
from quantdesk.evaluation.evidence import Comparison
from quantdesk.evaluation.resampling import LEAST_BARS

REFERENCE = "linear"
"""The rival that any model must beat to have earned its keep."""


class Expects(Protocol):
    """Name what is compared of forecasts: their means."""

    @property
    def horizons(self) -> tuple[int, ...]:
        """Bars ahead."""
        ...

    @property
    def mean(self) -> Float64:
        """Mean log return (n_times, n_instruments, n_horizons)."""
        ...


def compare(forecasts: Mapping[str, Expects], labels: Float64, scale: Float64, horizon: int) -> Comparison | None:
    """Compare mean forecasts by squared error in units of volatility, bar by bar.

    Parameters
    ----------
    forecasts : mapping of str to Expects
        The strategy's first, whose horizons are those of the labels; ``linear`` among the others. All at the same times.
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
    outcomes, unit = labels[..., forecasts[names[0]].horizons.index(horizon)], scale * np.sqrt(horizon)
    errors = ((made.mean[..., made.horizons.index(horizon)] - outcomes) / unit for made in forecasts.values())
    losses = _mean_squares([error**2 for error in errors])
    if len(losses) < max(LEAST_BARS, 2 * horizon + 1):
        return None
    chosen = model_confidence_set(losses)
    statistic, p_value = diebold_mariano(losses[:, 0], losses[:, names.index(REFERENCE)], horizon)
    return Comparison(names, losses.mean(axis=0), chosen.p_values, chosen.is_in, statistic, p_value)


def _mean_squares(squares: list[Float64]) -> Float64:
    # Only where every model spoke; a bar without any outcome says nothing.
    known = np.all([np.isfinite(one) for one in squares], axis=0)
    counts = known.sum(axis=1)
    heard = counts > 0
    sums = [np.where(known, one, 0.0).sum(axis=1)[heard] for one in squares]
    means: Float64 = np.stack(sums, axis=-1) / counts[heard, None]
    return means
