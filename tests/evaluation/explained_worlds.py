"""Small forecasters and worlds for tests of explanations."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.models.fitting import spread_around

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from explanations_on_noise import World, dataset, explained

__all__ = ["Told", "World", "dataset", "explained"]

SPREAD = 0.5 * np.array([[-1.64, -1.28, -0.67, 0.0, 0.67, 1.28, 1.64]])


def _mean_of_window(windows: Float64) -> Float64:
    return np.asarray(np.nan_to_num(windows).sum(axis=0)[..., 0])


@dataclass(frozen=True)
class Told:
    """Forecast by a rule: from a window (lookback, n_instruments, n_features) to a mean (n_instruments,)."""

    rule: Callable[[Float64], Float64] = _mean_of_window
    lookback: int = 1
    seen: list[Dataset] = field(default_factory=list)

    def forecast(self, dataset: Dataset) -> Forecasts:
        self.seen.append(dataset)
        mean = np.zeros(dataset.labels.shape)
        for row in np.flatnonzero(dataset.is_valid.any(axis=1)):
            window = dataset.features[max(0, row - self.lookback + 1) : row + 1].astype(np.float64)
            mean[row] = 0.001 * self.rule(window)[:, None]
        return spread_around(dataset, mean, SPREAD)

    def contributions(self, dataset: Dataset) -> Float64:
        raise NotImplementedError

    def importance(self) -> Float64:
        raise NotImplementedError
