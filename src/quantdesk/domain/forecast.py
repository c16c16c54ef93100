"""What a model says about the future: a distribution, never a point."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.errors import DataError

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Probability levels of every forecast; the first and the last bound the 90 % interval."""

MEDIAN = LEVELS.index(0.5)
_NORMAL_90 = 3.2897072539029435  # the width of a standard normal's central 90 %


@dataclass(frozen=True, eq=False)
class Forecast:
    """Hold predictive quantiles of log return for one moment.

    Parameters
    ----------
    time : numpy.datetime64
        The decision time.
    symbols : tuple of str
        Instruments, in order.
    horizons : tuple of int
        Bars ahead.
    quantiles : Float64
        Shape (n_instruments, n_horizons, n_levels), never decreasing along the last axis; NaN
        for an instrument without a forecast.

    Raises
    ------
    DataError
        If quantiles cross or the shape does not fit.
    """

    time: np.datetime64
    symbols: tuple[str, ...]
    horizons: tuple[int, ...]
    quantiles: Float64

    def __post_init__(self) -> None:
        check_quantiles(self.quantiles, (len(self.symbols), len(self.horizons), len(LEVELS)))

    @property
    def mean(self) -> Float64:
        """Approximate the mean log return (n_instruments, n_horizons)."""
        return mean_of(self.quantiles)

    @property
    def volatility(self) -> Float64:
        """Derive the standard deviation from the 90 % width as for a normal (n_instruments, n_horizons)."""
        return (self.quantiles[..., -1] - self.quantiles[..., 0]) / _NORMAL_90

    @property
    def probability_up(self) -> Float64:
        """Give the probability of a rise (n_instruments, n_horizons), in [0.01, 0.99]."""
        return probability_up(self.quantiles)


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Hold the forecasts of many moments; ``at`` gives one of them.

    Parameters
    ----------
    times : Times
        Decision times (n_times,).
    symbols : tuple of str
        Instruments, in order.
    horizons : tuple of int
        Bars ahead.
    quantiles : Float64
        Log returns, shape (n_times, n_instruments, n_horizons, n_levels); NaN without a forecast.
    """

    times: Times
    symbols: tuple[str, ...]
    horizons: tuple[int, ...]
    quantiles: Float64

    def __post_init__(self) -> None:
        check_quantiles(self.quantiles, (len(self.times), len(self.symbols), len(self.horizons), len(LEVELS)))

    def at(self, row: int) -> Forecast:
        """Return the forecast of one moment."""
        return Forecast(self.times[row], self.symbols, self.horizons, self.quantiles[row])

    @property
    def mean(self) -> Float64:
        """Approximate the mean log return (n_times, n_instruments, n_horizons)."""
        return mean_of(self.quantiles)

    @property
    def probability_up(self) -> Float64:
        """Give the probability of a rise (n_times, n_instruments, n_horizons), in [0.01, 0.99]."""
        return probability_up(self.quantiles)


def check_quantiles(quantiles: Float64, shape: tuple[int, ...]) -> None:
    """Refuse quantiles of another shape, or that cross.

    Raises
    ------
    DataError
        If either is so.
    """
    if quantiles.shape != shape:
        raise DataError(f"quantiles have shape {quantiles.shape}", f"{shape}", "return one quantile a level")
    # Level by level: all differences at once would be as large as the quantiles.
    if any((quantiles[..., level + 1] < quantiles[..., level]).any() for level in range(len(LEVELS) - 1)):
        raise DataError("forecast quantiles cross", "quantiles that never decrease with the level", "sort them")


def mean_of(quantiles: Float64) -> Float64:
    """Integrate the quantile function piecewise linearly, flat beyond the outer levels."""
    edges = np.array([0.0, *LEVELS, 1.0])
    weights = (edges[2:] - edges[:-2]) / 2
    weights[0] += edges[1] / 2
    weights[-1] += (1 - edges[-2]) / 2
    mean: Float64 = quantiles @ weights
    return mean


def probability_up(quantiles: Float64) -> Float64:
    """Interpolate 1 - F(0) linearly between levels, continuing the outer slopes to 0.01 and 0.99."""
    levels = np.array(LEVELS)
    above = np.isfinite(quantiles[..., 0])
    segment = np.clip((quantiles <= 0).sum(axis=-1) - 1, 0, len(LEVELS) - 2)[..., None]
    low = np.take_along_axis(quantiles, segment, axis=-1)[..., 0]
    high = np.take_along_axis(quantiles, segment + 1, axis=-1)[..., 0]
    left = levels[segment[..., 0]]
    width = levels[segment[..., 0] + 1] - left
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(high > low, (0.0 - low) / (high - low), np.where(low > 0, -np.inf, np.inf))
        below = np.clip(left + width * share, 0.01, 0.99)
    return np.where(above, 1.0 - below, np.nan)
