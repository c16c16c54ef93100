"""What the boosted trees share: one ensemble a horizon, and their forecaster."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from quantdesk.domain.arrays import Float32, Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.models.fitting import (
    Samples,
    completed,
    finite,
    horizon_volatility,
    residual_quantiles,
    shares,
    spread_around,
    training_samples,
)

Given = TypeVar("Given")
Result = TypeVar("Result")


class Trees(Protocol):
    """A grown ensemble, picklable."""

    def predict(self, features: Float32) -> Float64:
        """Predict the standardised return (n_samples,)."""
        ...

    def attribute(self, features: Float32) -> Float64:
        """Split predictions over the features by TreeSHAP (n_samples, n_features)."""
        ...

    def gains(self) -> Float64:
        """Total the loss each feature's splits took away (n_features,)."""
        ...


@dataclass(frozen=True, eq=False)
class TreeForecaster:
    """Ask one ensemble a horizon. Features are read as they are: trees do not care for scale.

    Parameters
    ----------
    ensembles : tuple of Trees
        One a horizon.
    residuals : Float64
        Quantiles of standardised errors (n_horizons, n_levels).
    """

    ensembles: tuple[Trees, ...]
    residuals: Float64

    @property
    def lookback(self) -> int:
        """Rows on which one forecast depends: the present one."""
        return 1

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Forecast every time; a missing feature goes the way that training found best."""
        predicted = np.full(dataset.labels.shape, np.nan)
        if dataset.is_valid.any():
            values = finite(dataset.features[dataset.is_valid])
            for horizon, column in enumerate(at_once(lambda trees: trees.predict(values), self.ensembles)):
                predicted[dataset.is_valid, horizon] = column
        return spread_around(dataset, predicted * horizon_volatility(dataset), self.residuals)

    def contributions(self, dataset: Dataset) -> Float64:
        """Give each feature its TreeSHAP value (Lundberg et al. 2020); the last column holds the rest."""
        mean = self.forecast(dataset).mean
        parts = np.zeros((*mean.shape, len(dataset.feature_names)))
        if dataset.is_valid.any():
            values = finite(dataset.features[dataset.is_valid])
            for horizon, trees in enumerate(self.ensembles):
                parts[dataset.is_valid, horizon] = trees.attribute(values)
        return completed(parts * horizon_volatility(dataset)[..., None], mean)

    def importance(self) -> Float64:
        """Return each feature's share of the gain (n_features,)."""
        return shares(np.stack([trees.gains() for trees in self.ensembles]))


def fit_trees(dataset: Dataset, max_samples: int, demean: bool, grow: Callable[[Samples], Trees]) -> TreeForecaster:
    """Grow an ensemble on the standardised label of each horizon.

    Raises
    ------
    DataError
        If a horizon has fewer than 30 samples.
    """

    def grow_one(horizon: int) -> tuple[Trees, Float64]:
        samples = training_samples(dataset, horizon, max_samples, demean)
        trees = grow(samples)
        return trees, residual_quantiles(samples.outcomes - trees.predict(samples.features))

    grown = at_once(grow_one, range(len(dataset.horizons)))
    return TreeForecaster(tuple(trees for trees, _ in grown), np.stack([residuals for _, residuals in grown]))


def at_once(work: Callable[[Given], Result], over: Iterable[Given]) -> list[Result]:
    """Do the same work on several things, one thread a core; the libraries below release Python's lock.

    One thread an ensemble, several ensembles at once: threads inside one ensemble wait for each other.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, over))
