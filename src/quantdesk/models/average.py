"""The equal-weight ensemble."""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.attention import Attention
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.ports import Forecaster, Model
from quantdesk.models.attending import attention_of, averaged
from quantdesk.models.learning.choices import check_choices, check_kind


@dataclass(frozen=True)
class Average:
    """Average the quantiles of several models with equal weights (Vincentization; Lichtendahl et al. 2013).

    Parameters
    ----------
    models : tuple of Model
        At least one.
    """

    models: tuple[Model, ...]

    def __post_init__(self) -> None:
        check_choices(self)
        for model in self.models:
            check_kind("one of Average.models", model, Model)
        if not self.models:
            raise StrategyError("Average was given no models", "at least one", "name the models to average")

    def fit(self, dataset: Dataset, seed: int) -> "AverageForecaster":
        """Fit every model on the same data, each with a seed of its own.

        Raises
        ------
        DataError
            If one of them has too few samples.
        """
        return AverageForecaster(tuple(model.fit(dataset, seed + place) for place, model in enumerate(self.models)))


@dataclass(frozen=True, eq=False)
class AverageForecaster:
    """Average the forecasts of several forecasters.

    Parameters
    ----------
    forecasters : tuple of Forecaster
        With equal weights.
    """

    forecasters: tuple[Forecaster, ...]

    @property
    def lookback(self) -> int:
        """Rows on which one forecast depends: the longest lookback among them."""
        return max(forecaster.lookback for forecaster in self.forecasters)

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Average the quantiles level by level."""
        # In place, as every array is as large as all that is forecast.
        total = self.forecasters[0].forecast(dataset).quantiles.copy()
        for forecaster in self.forecasters[1:]:
            total += forecaster.forecast(dataset).quantiles
        total /= len(self.forecasters)
        return Forecasts(dataset.times, dataset.symbols, dataset.horizons, total)

    def spread(self, dataset: Dataset) -> Float64:
        """Give the deviation among the members' mean forecasts (n_times, n_instruments, n_horizons), in log return."""
        means = [forecaster.forecast(dataset).mean for forecaster in self.forecasters]
        return np.asarray(np.std(means, axis=0))

    def contributions(self, dataset: Dataset) -> Float64:
        """Average the contributions, which sum to the averaged mean."""
        total: Float64 = reduce(np.add, (forecaster.contributions(dataset) for forecaster in self.forecasters))
        return total / len(self.forecasters)

    def attention(self, dataset: Dataset) -> Attention | None:
        """Average what those that can say looked at; None where none can."""
        return averaged([attention_of(forecaster, dataset) for forecaster in self.forecasters])

    def importance(self) -> Float64:
        """Average the shares of those that read features (n_features,), summing to 1 or all 0."""
        read = [share for share in (forecaster.importance() for forecaster in self.forecasters) if share.any()]
        return np.mean(read, axis=0) if read else self.forecasters[0].importance()
