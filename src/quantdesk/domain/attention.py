"""What a forecaster says it looked at: weights over the past, and over the features."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Attention:
    """Hold weights averaged over the instruments of each time; rows sum to 1, or are NaN without a forecast.

    Parameters
    ----------
    lags : Float64 or None
        Weight of each row of the window, the oldest first (n_times, lookback).
    features : Float64 or None
        Weight of each feature (n_times, n_features).
    """

    lags: Float64 | None
    features: Float64 | None


@runtime_checkable
class Attends(Protocol):
    """A forecaster that can say what it looked at."""

    def attention(self, dataset: Dataset) -> Attention | None:
        """Give the weights at every time of the dataset, None where the network inside has none."""
        ...
