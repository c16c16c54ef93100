"""What the linear models share: regression on the correlation of scaled features, and its forecaster."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.models.fitting import (
    Scaler,
    completed,
    horizon_volatility,
    residual_quantiles,
    shares,
    spread_around,
    training_samples,
)

Solve = Callable[[Float64, Float64], Float64]
"""From X'X / n (n_features, n_features) and X'y / n (n_features,), both centred, to coefficients."""


@dataclass(frozen=True, eq=False)
class LinearForecaster:
    """Weigh scaled features.

    Parameters
    ----------
    scaler : Scaler
        Fitted on the training span.
    coefficients : Float64
        Standardised return a unit of scaled feature (n_horizons, n_features).
    intercepts : Float64
        Standardised return (n_horizons,).
    deviations : Float64
        Standard deviation of each scaled feature in training (n_features,).
    residuals : Float64
        Quantiles of standardised errors (n_horizons, n_levels).
    """

    scaler: Scaler
    coefficients: Float64
    intercepts: Float64
    deviations: Float64
    residuals: Float64

    @property
    def lookback(self) -> int:
        """Rows on which one forecast depends: the present one."""
        return 1

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Forecast every time; a missing feature counts as its training mean."""
        # Added up feature by feature: a matrix product would round differently with the batch size.
        predicted = np.broadcast_to(self.intercepts, dataset.labels.shape).copy()
        for feature in range(self.coefficients.shape[1]):
            values = self.scaler.column(dataset.features[:, :, feature], feature)
            for horizon, coefficient in enumerate(self.coefficients[:, feature]):
                predicted[:, :, horizon] += coefficient * values
        return spread_around(dataset, predicted * horizon_volatility(dataset), self.residuals)

    def contributions(self, dataset: Dataset) -> Float64:
        """Give each feature its coefficient times its value; the last column holds the intercept."""
        mean = self.forecast(dataset).mean
        parts = np.empty((*mean.shape, self.coefficients.shape[1]))
        for feature in range(parts.shape[-1]):
            values = self.scaler.column(dataset.features[:, :, feature], feature)
            parts[..., feature] = values[..., None] * self.coefficients[:, feature]
        return completed(parts * horizon_volatility(dataset)[..., None], mean)

    def importance(self) -> Float64:
        """Return each feature's share of the absolute standardised coefficients (n_features,)."""
        return shares(np.abs(self.coefficients) * self.deviations)


def fit_linear(dataset: Dataset, max_samples: int, demean: bool, solve: Solve) -> LinearForecaster:
    """Regress the standardised label of each horizon on the scaled features.

    Raises
    ------
    DataError
        If a horizon has fewer than 30 samples.
    """
    scaler = Scaler.of(dataset, max_samples)
    n_horizons, n_features = len(dataset.horizons), len(dataset.feature_names)
    coefficients, intercepts = np.empty((n_horizons, n_features)), np.empty(n_horizons)
    deviations, residuals = np.zeros(n_features), []
    for horizon in range(n_horizons):
        samples = training_samples(dataset, horizon, max_samples, demean)
        values = scaler.apply(samples.features)
        centre, middle = values.mean(axis=0), float(samples.targets.mean())
        centred = values - centre
        gram, cross = centred.T @ centred / len(centred), centred.T @ (samples.targets - middle) / len(centred)
        coefficients[horizon] = solve(gram, cross)
        intercepts[horizon] = middle - centre @ coefficients[horizon]
        deviations += np.sqrt(np.diag(gram)) / n_horizons
        predicted = values @ coefficients[horizon] + intercepts[horizon]
        residuals.append(residual_quantiles(samples.outcomes - predicted))
    return LinearForecaster(scaler, coefficients, intercepts, deviations, np.stack(residuals))
