"""The rule of thumb that turns a score into an expected return."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
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

MAX_SCORE = 3.0
MAX_SAMPLES = 100_000


@dataclass(frozen=True)
class Grinold:
    """Forecast alpha = volatility x IC x score from one feature (Grinold 1994, "Alpha is volatility times IC times score").

    The score is the feature's z-score over the valid instruments of each time, cut at 3; the
    IC is believed, not learned. Only the spread is measured.

    Parameters
    ----------
    feature : str
        Name of the feature that is the score.
    ic : float
        Believed correlation of score and outcome.
    sign : int
        1 to follow the feature, -1 to go against it.
    """

    feature: str
    ic: float = 0.02
    sign: int = 1

    def __post_init__(self) -> None:
        check_choices(
            self,
            ic=(lambda value: -1 <= value <= 1, "from -1 to 1"),
            sign=(lambda value: value in (-1, 1), "1 to follow the feature or -1 to go against it"),
        )

    def fit(self, dataset: Dataset, seed: int) -> "GrinoldForecaster":
        """Measure the errors of the rule on every horizon.

        Raises
        ------
        StrategyError
            If the dataset does not carry the feature.
        DataError
            If a horizon has fewer than 30 samples.
        """
        column = self._column(dataset)
        predicted = self.sign * self.ic * _scores(dataset, column)
        residuals = []
        for horizon, bars in enumerate(dataset.horizons):
            outcomes = standardised_labels(dataset, horizon)
            rows = thinned_rows(dataset, horizon, np.isfinite(outcomes), MAX_SAMPLES)
            known = np.isfinite(outcomes[rows])
            require_samples(int(known.sum()), bars)
            residuals.append(residual_quantiles((outcomes - predicted)[rows][known]))
        return GrinoldForecaster(column, self.sign * self.ic, np.stack(residuals), len(dataset.feature_names))

    def _column(self, dataset: Dataset) -> int:
        if self.feature not in dataset.feature_names:
            raise StrategyError(
                f"Grinold reads the feature {self.feature!r}",
                f"one of {', '.join(dataset.feature_names)}",
                "add it to the strategy's features",
            )
        return dataset.feature_names.index(self.feature)


@dataclass(frozen=True, eq=False)
class GrinoldForecaster:
    """Apply the rule.

    Parameters
    ----------
    column : int
        The feature's column.
    slope : float
        Standardised return a unit of score.
    residuals : Float64
        Quantiles of standardised errors (n_horizons, n_levels).
    n_features : int
        Features of the dataset.
    """

    column: int
    slope: float
    residuals: Float64
    n_features: int

    @property
    def lookback(self) -> int:
        """Rows on which one forecast depends: the present one."""
        return 1

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Forecast every time; the mean is 0 where the feature is missing."""
        mean = self.slope * _scores(dataset, self.column)[..., None] * horizon_volatility(dataset)
        return spread_around(dataset, mean, self.residuals)

    def contributions(self, dataset: Dataset) -> Float64:
        """Put the whole mean into the feature's column."""
        mean = self.forecast(dataset).mean
        parts = np.zeros((*mean.shape, self.n_features))
        parts[..., self.column] = mean
        return completed(parts, mean)

    def importance(self) -> Float64:
        """Return 1 for the feature, 0 for the others (n_features,)."""
        share = np.zeros(self.n_features)
        share[self.column] = 1.0
        return share


def _scores(dataset: Dataset, column: int) -> Float64:
    values = dataset.features[:, :, column].astype(np.float64)
    known = np.isfinite(values) & dataset.is_valid
    values = np.where(known, values, 0.0)
    n_known = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = np.where(known, values - values.sum(axis=1, keepdims=True) / n_known, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / n_known)
    return np.clip(centred / np.where(deviation > 0, deviation, 1.0), -MAX_SCORE, MAX_SCORE)
