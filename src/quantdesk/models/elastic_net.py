"""The linear model that drops features."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.models.learning.choices import FROM_0, FROM_0_TO_1, check_choices
from quantdesk.models.linear import LinearForecaster, fit_linear

MAX_SWEEPS = 1_000
TOLERANCE = 1e-10


@dataclass(frozen=True)
class ElasticNet:
    """Regress the standardised label on scaled features by the elastic net (Zou & Hastie 2005), a regression a horizon.

    Parameters
    ----------
    penalty : float
        Weight of the penalty beside half the mean squared error.
    l1_share : float
        Share of the penalty on absolute coefficients, which drops features; the rest shrinks.
    max_samples : int
        About how many samples a horizon is learned from.
    demean : bool
        Whether to learn returns relative to the other instruments of the same time.
    """

    penalty: float = 0.01
    l1_share: float = 0.3
    max_samples: int = 100_000
    demean: bool = True

    def __post_init__(self) -> None:
        check_choices(self, penalty=FROM_0, l1_share=FROM_0_TO_1)

    def fit(self, dataset: Dataset, seed: int) -> LinearForecaster:
        """Learn from every sample; the seed is not needed.

        Raises
        ------
        DataError
            If a horizon has fewer than 30 samples.
        """
        return fit_linear(dataset, self.max_samples, self.demean, self._solve)

    def _solve(self, gram: Float64, cross: Float64) -> Float64:
        l1 = self.penalty * self.l1_share
        return coordinate_descent(gram, cross, l1, self.penalty - l1)


def coordinate_descent(gram: Float64, cross: Float64, l1: float, l2: float) -> Float64:
    """Minimise b'Gb / 2 - c'b + l1 |b| + l2 b'b / 2, one coefficient at a time (Friedman et al. 2010).

    Parameters
    ----------
    gram : Float64
        G = X'X / n (n_features, n_features).
    cross : Float64
        c = X'y / n (n_features,).
    """
    coefficients = np.zeros(len(cross))
    for _ in range(MAX_SWEEPS):
        largest_step = 0.0
        for j in np.flatnonzero(np.diag(gram) > 0):
            pull = cross[j] - gram[j] @ coefficients + gram[j, j] * coefficients[j]
            moved = np.sign(pull) * max(abs(pull) - l1, 0.0) / (gram[j, j] + l2)
            largest_step = max(largest_step, abs(moved - coefficients[j]))
            coefficients[j] = moved
        if largest_step < TOLERANCE:
            break
    return coefficients
