"""The baseline that says: what happened last happens again."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.models.fitting import (
    completed,
    horizon_volatility,
    require_samples,
    residual_quantiles,
    spread_around,
    standardised_labels,
    thinned_rows,
)
from quantdesk.models.learning.choices import check_choices


@dataclass(frozen=True)
class Persistence:
    """Forecast that the return over the last horizon repeats; nothing is learned but the spread.

    Parameters
    ----------
    max_samples : int
        About how many samples the spread is measured on.
    """

    max_samples: int = 100_000

    def __post_init__(self) -> None:
        check_choices(self)

    def fit(self, dataset: Dataset, seed: int) -> "PersistenceForecaster":
        """Measure the errors of persistence on every horizon.

        Raises
        ------
        DataError
            If a horizon has fewer than 30 samples.
        """
        repeated = _last_known_returns(dataset)
        unit = horizon_volatility(dataset)
        residuals = []
        for horizon, bars in enumerate(dataset.horizons):
            outcomes = standardised_labels(dataset, horizon)
            rows = thinned_rows(dataset, horizon, np.isfinite(outcomes), self.max_samples)
            known = np.isfinite(outcomes[rows])
            require_samples(int(known.sum()), bars)
            predicted = repeated[rows, :, horizon][known] / unit[rows, :, horizon][known]
            residuals.append(residual_quantiles(outcomes[rows][known] - predicted))
        return PersistenceForecaster(max(dataset.horizons) + 2, np.stack(residuals), len(dataset.feature_names))


@dataclass(frozen=True, eq=False)
class PersistenceForecaster:
    """Repeat the newest label that has ended.

    Parameters
    ----------
    lookback : int
        Rows on which one forecast depends: the longest horizon, and the bar before it begins.
    residuals : Float64
        Quantiles of standardised errors (n_horizons, n_levels).
    n_features : int
        Features of the dataset, none of which is read.
    """

    lookback: int
    residuals: Float64
    n_features: int

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Forecast every time; 0 where no label of the dataset had just ended."""
        return spread_around(dataset, _last_known_returns(dataset), self.residuals)

    def contributions(self, dataset: Dataset) -> Float64:
        """Leave everything to the last column: no feature is read."""
        mean = self.forecast(dataset).mean
        return completed(np.zeros((*mean.shape, self.n_features)), mean)

    def importance(self) -> Float64:
        """Return 0 for every feature (n_features,)."""
        return np.zeros(self.n_features)


def _last_known_returns(dataset: Dataset) -> Float64:
    repeated = np.zeros(dataset.labels.shape)
    positions = dataset.begins - 1
    for horizon in range(len(dataset.horizons)):
        ends = dataset.ends[:, horizon]
        rows = np.minimum(np.searchsorted(ends, positions), max(len(dataset) - 1, 0))
        ended_now = ends[rows] == positions
        repeated[ended_now, :, horizon] = np.nan_to_num(dataset.labels[rows[ended_now], :, horizon])
    return repeated
