"""What models share: the samples they learn from, their scaling, and the spread around a prediction."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float32, Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError
from quantdesk.domain.forecast import LEVELS, Forecasts, mean_of

MIN_SAMPLES = 30
"""Samples of one horizon below which nothing is learned: a 5 % quantile needs at least as many."""

CLIP = 5.0
"""Standard deviations beyond which standardised targets and features are cut."""

PART = 2**23
"""Features read at once while a scaler is fitted."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Hold what one horizon is learned from.

    Parameters
    ----------
    features : Float32
        Unscaled, finite or NaN (n_samples, n_features).
    targets : Float64
        What to predict (n_samples,): the outcome, less its mean over the instruments of that
        time where the model asks for it, cut at 5 standard deviations.
    outcomes : Float64
        Label over its expected volatility (n_samples,), neither centred nor cut.
    """

    features: Float32
    targets: Float64
    outcomes: Float64


@dataclass(frozen=True, eq=False)
class Scaler:
    """Standardise features by the mean and deviation of the training span.

    Parameters
    ----------
    centre, width : Float64
        Mean and standard deviation (n_features,); 0 and 1 where the feature needs no scaling.
    limit : Float64
        Largest absolute value after scaling (n_features,); infinite where unscaled.
    """

    centre: Float64
    width: Float64
    limit: Float64

    @classmethod
    def of(cls, dataset: Dataset, max_samples: int) -> "Scaler":
        """Measure the valid samples of a dataset, thinned evenly in time."""
        rows = _evenly(np.arange(len(dataset)), dataset.is_valid, max_samples)
        n_known, total, squares = np.zeros((3, len(dataset.feature_names)))
        for values in _in_parts(dataset, rows):
            known = np.isfinite(values)
            n_known += known.sum(axis=0)
            total += np.where(known, values, 0.0).sum(axis=0, dtype=np.float64)
        centre = total / np.maximum(n_known, 1)
        for values in _in_parts(dataset, rows):
            squares += np.where(np.isfinite(values), (values - centre) ** 2, 0.0).sum(axis=0)
        width = np.sqrt(squares / np.maximum(n_known, 1))
        scaled = dataset.needs_scaling
        return cls(
            centre=np.where(scaled, centre, 0.0),
            width=np.where(scaled & (width > 0), width, 1.0),
            limit=np.where(scaled, CLIP, np.inf),
        )

    def column(self, values: Float32, feature: int) -> Float64:
        """Scale one feature's values of any shape; a missing one becomes 0, the training mean."""
        scaled = (values.astype(np.float64) - self.centre[feature]) / self.width[feature]
        scaled = np.where(np.isfinite(scaled), scaled, 0.0)
        return np.clip(scaled, -self.limit[feature], self.limit[feature])

    def apply(self, values: Float32) -> Float64:
        """Scale samples (n_samples, n_features)."""
        return np.stack([self.column(values[:, j], j) for j in range(values.shape[1])], axis=1)


def training_samples(dataset: Dataset, horizon: int, max_samples: int, demean: bool) -> Samples:
    """Gather the samples of one horizon, thinned in time because the labels overlap.

    Parameters
    ----------
    dataset : Dataset
        The training span.
    horizon : int
        Index into ``dataset.horizons``.
    max_samples : int
        About how many samples to keep; times are dropped evenly, instruments never.
    demean : bool
        Whether the target is relative to the other instruments of its time. Ignored for a
        single instrument, which has nothing to be relative to.

    Raises
    ------
    DataError
        If there are fewer than 30.
    """
    outcomes = standardised_labels(dataset, horizon)
    relative = demean and len(dataset.symbols) > 1
    targets = demeaned(outcomes) if relative else outcomes
    rows = thinned_rows(dataset, horizon, np.isfinite(targets), max_samples)
    times, instruments = np.nonzero(np.isfinite(targets[rows]))
    times = rows[times]
    require_samples(len(times), dataset.horizons[horizon])
    return Samples(
        features=finite(dataset.features[times, instruments]),
        targets=np.clip(targets[times, instruments], -CLIP, CLIP),
        outcomes=outcomes[times, instruments],
    )


def require_samples(n_samples: int, horizon_bars: int) -> None:
    """Refuse to learn from next to nothing.

    Raises
    ------
    DataError
        If there are fewer than 30 samples.
    """
    if n_samples < MIN_SAMPLES:
        raise DataError(
            f"only {n_samples} samples with a known label at the horizon of {horizon_bars} bars",
            f"at least {MIN_SAMPLES} to learn from",
            "give a longer training span (desk evaluate --train), more instruments, or shorter horizons",
        )


def thinned_rows(dataset: Dataset, horizon: int, usable: Bools, max_samples: int) -> Ints:
    """Choose rows half a horizon apart, then evenly so that about ``max_samples`` remain.

    Parameters
    ----------
    usable : Bools
        Which samples would be used (n_times, n_instruments).
    """
    step = max(1, dataset.horizons[horizon] // 2)
    return _evenly(np.arange(0, len(dataset), step), usable, max_samples)


def standardised_labels(dataset: Dataset, horizon: int) -> Float64:
    """Divide the labels of one horizon by the volatility expected over it (n_times, n_instruments).

    NaN where no forecast may be made or the label is not known.
    """
    unit = horizon_volatility(dataset)[:, :, horizon]
    usable = dataset.is_valid & (unit > 0)
    return np.where(usable, dataset.labels[:, :, horizon] / np.where(usable, unit, 1.0), np.nan)


def horizon_volatility(dataset: Dataset) -> Float64:
    """Scale one bar's volatility by the root of the horizon (n_times, n_instruments, n_horizons)."""
    unit: Float64 = dataset.scale[:, :, None] * np.sqrt(np.array(dataset.horizons, dtype=np.float64))
    return unit


def residual_quantiles(residuals: Float64) -> Float64:
    """Take the empirical quantiles of standardised residuals (n_levels,), with mean 0.

    Centred, so that the mean of a forecast is the prediction: a model of relative returns then
    says nothing of the market's drift, which would tilt its ranking towards volatile names.
    """
    quantiles: Float64 = np.quantile(residuals, LEVELS)
    return quantiles - mean_of(quantiles)


def spread_around(dataset: Dataset, mean: Float64, residuals: Float64) -> Forecasts:
    """Turn a mean into a distribution whose width follows the volatility known then.

    Parameters
    ----------
    dataset : Dataset
        What the forecast is for.
    mean : Float64
        Log return (n_times, n_instruments, n_horizons).
    residuals : Float64
        Quantiles of standardised residuals (n_horizons, n_levels).
    """
    quantiles = horizon_volatility(dataset)[..., None] * residuals
    quantiles += mean[..., None]
    quantiles[~dataset.is_valid] = np.nan
    return Forecasts(dataset.times, dataset.symbols, dataset.horizons, quantiles)


def completed(parts: Float64, mean: Float64) -> Float64:
    """Append the column that no feature explains, so that contributions sum to the mean.

    Parameters
    ----------
    parts : Float64
        Log return (n_times, n_instruments, n_horizons, n_features).
    mean : Float64
        Log return (n_times, n_instruments, n_horizons); NaN without a forecast.
    """
    rest = mean - parts.sum(axis=-1)
    whole = np.concatenate([parts, rest[..., None]], axis=-1)
    whole[~np.isfinite(mean)] = np.nan
    return whole


def shares(amounts: Float64) -> Float64:
    """Average non-negative amounts over horizons (n_horizons, n_features) as shares of 1, or all 0."""
    totals = amounts.sum(axis=1, keepdims=True)
    mean: Float64 = (amounts / np.where(totals > 0, totals, 1.0)).mean(axis=0)
    total = mean.sum()
    return mean / total if total > 0 else mean


def finite(values: Float32) -> Float32:
    """Replace infinities by NaN, which every model knows how to read."""
    infinite = np.isinf(values)
    return np.where(infinite, np.float32(np.nan), values) if infinite.any() else values


def demeaned(values: Float64) -> Float64:
    """Take the mean over the instruments of each time away (n_times, n_instruments); NaN where one stands alone."""
    known = np.isfinite(values)
    n_known = known.sum(axis=1, keepdims=True)
    mean = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(n_known, 1)
    return np.where(n_known > 1, values - mean, np.nan)


def _in_parts(dataset: Dataset, rows: Ints) -> Iterator[Float32]:
    # A copy of a large panel's features must not lie beside it.
    n_times = max(1, PART // max(1, dataset.features[0].size if len(dataset) else 1))
    for first in range(0, len(rows), n_times):
        part = rows[first : first + n_times]
        yield finite(dataset.features[part][dataset.is_valid[part]])


def _evenly(rows: Ints, usable: Bools, max_samples: int) -> Ints:
    n_samples = int(usable[rows].sum())
    if n_samples <= max_samples:
        return rows
    n_kept = max(1, int(len(rows) * max_samples / n_samples))
    return rows[np.linspace(0, len(rows) - 1, n_kept).round().astype(np.int64)]
