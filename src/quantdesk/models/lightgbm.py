"""Gradient-boosted trees grown leaf by leaf (LightGBM)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.domain.arrays import Float32, Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.models.fitting import Samples
from quantdesk.models.learning.choices import FROM_2, UP_TO_1, check_choices
from quantdesk.models.trees import TreeForecaster, fit_trees

if TYPE_CHECKING:
    import lightgbm


@dataclass(frozen=True)
class LightGBM:
    """Regress the standardised label on the features by LightGBM (Ke et al. 2017), an ensemble a horizon.

    Parameters
    ----------
    n_trees, n_leaves : int
        Trees, and leaves of each.
    learning_rate : float
        Share of each tree's correction that is taken.
    min_leaf : int
        Samples below which a leaf is not made; large, because returns are nearly all noise.
    column_share : float
        Share of the features that each tree may use, drawn by the seed.
    max_samples : int
        About how many samples a horizon is learned from.
    demean : bool
        Whether to learn returns relative to the other instruments of the same time.
    n_threads : int
        Threads; fixed, because the sums depend on it in the last digits. One by default: folds and
        seeds run side by side, and threads that wait for one another are slow on a busy machine.
    """

    n_trees: int = 100
    n_leaves: int = 15
    learning_rate: float = 0.05
    min_leaf: int = 200
    column_share: float = 0.7
    max_samples: int = 100_000
    demean: bool = True
    n_threads: int = 1

    def __post_init__(self) -> None:
        check_choices(self, n_leaves=FROM_2, column_share=UP_TO_1)

    def fit(self, dataset: Dataset, seed: int) -> TreeForecaster:
        """Learn from every sample.

        Raises
        ------
        DataError
            If a horizon has fewer than 30 samples.
        """
        return fit_trees(dataset, self.max_samples, self.demean, lambda samples: self._grow(samples, seed))

    def _grow(self, samples: Samples, seed: int) -> "LightGBMTrees":
        import lightgbm

        settings = {
            "objective": "regression",
            "num_leaves": self.n_leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_leaf,
            "feature_fraction": self.column_share,
            "max_bin": 63,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.n_threads,
            "verbosity": -1,
        }
        rows = lightgbm.Dataset(samples.features, samples.targets, params={"verbosity": -1})
        grown = lightgbm.train(settings, rows, num_boost_round=self.n_trees)
        return LightGBMTrees(grown.model_to_string(), self.n_threads)


@dataclass(frozen=True)
class LightGBMTrees:
    """Hold a grown ensemble as LightGBM's own text.

    Parameters
    ----------
    text : str
        The model, as ``Booster.model_to_string`` writes it.
    n_threads : int
        Threads for predictions.
    """

    text: str
    n_threads: int

    def predict(self, features: Float32) -> Float64:
        """Predict the standardised return (n_samples,)."""
        return np.asarray(_booster(self.text).predict(features, num_threads=self.n_threads), dtype=np.float64)

    def attribute(self, features: Float32) -> Float64:
        """Split predictions over the features by TreeSHAP (n_samples, n_features)."""
        split = _booster(self.text).predict(features, pred_contrib=True, num_threads=self.n_threads)
        return np.asarray(split, dtype=np.float64)[:, :-1]

    def gains(self) -> Float64:
        """Total the loss each feature's splits took away (n_features,)."""
        return np.asarray(_booster(self.text).feature_importance("gain"), dtype=np.float64)


@lru_cache(maxsize=64)
def _booster(text: str) -> "lightgbm.Booster":
    import lightgbm

    return lightgbm.Booster(model_str=text)
