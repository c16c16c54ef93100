"""Gradient-boosted trees grown level by level (XGBoost)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.domain.arrays import Float32, Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.models.fitting import Samples
from quantdesk.models.learning.choices import UP_TO_1, check_choices
from quantdesk.models.trees import TreeForecaster, fit_trees

if TYPE_CHECKING:
    import xgboost


@dataclass(frozen=True)
class XGBoost:
    """Regress the standardised label on the features by XGBoost (Chen & Guestrin 2016), an ensemble a horizon.

    Parameters
    ----------
    n_trees, depth : int
        Trees, and levels of each.
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
    depth: int = 4
    learning_rate: float = 0.05
    min_leaf: int = 200
    column_share: float = 0.7
    max_samples: int = 100_000
    demean: bool = True
    n_threads: int = 1

    def __post_init__(self) -> None:
        check_choices(self, column_share=UP_TO_1)

    def fit(self, dataset: Dataset, seed: int) -> TreeForecaster:
        """Learn from every sample.

        Raises
        ------
        DataError
            If a horizon has fewer than 30 samples.
        """
        return fit_trees(dataset, self.max_samples, self.demean, lambda samples: self._grow(samples, seed))

    def _grow(self, samples: Samples, seed: int) -> "XGBoostTrees":
        import xgboost

        settings = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "max_depth": self.depth,
            "learning_rate": self.learning_rate,
            "min_child_weight": self.min_leaf,
            "colsample_bytree": self.column_share,
            "max_bin": 64,
            "seed": seed,
            "nthread": self.n_threads,
        }
        rows = xgboost.QuantileDMatrix(samples.features, samples.targets, nthread=self.n_threads, max_bin=64)
        grown = xgboost.train(settings, rows, num_boost_round=self.n_trees)
        return XGBoostTrees(bytes(grown.save_raw("ubj")), samples.features.shape[1], self.n_threads)


@dataclass(frozen=True)
class XGBoostTrees:
    """Hold a grown ensemble as XGBoost's own bytes.

    Parameters
    ----------
    raw : bytes
        The model, as ``Booster.save_raw`` writes it.
    n_features : int
        Features it was grown on.
    n_threads : int
        Threads for predictions.
    """

    raw: bytes
    n_features: int
    n_threads: int

    def predict(self, features: Float32) -> Float64:
        """Predict the standardised return (n_samples,)."""
        return np.asarray(_booster(self.raw, self.n_threads).inplace_predict(features), dtype=np.float64)

    def attribute(self, features: Float32) -> Float64:
        """Split predictions over the features by TreeSHAP (n_samples, n_features)."""
        import xgboost

        rows = xgboost.DMatrix(features, nthread=self.n_threads)
        split = _booster(self.raw, self.n_threads).predict(rows, pred_contribs=True)
        return np.asarray(split, dtype=np.float64)[:, :-1]

    def gains(self) -> Float64:
        """Total the loss each feature's splits took away (n_features,)."""
        by_name = _booster(self.raw, self.n_threads).get_score(importance_type="total_gain")
        total = np.zeros(self.n_features)
        for name, gain in by_name.items():
            total[int(name[1:])] = gain  # unnamed features are called f0, f1, ...
        return total


@lru_cache(maxsize=64)
def _booster(raw: bytes, n_threads: int) -> "xgboost.Booster":
    import xgboost

    booster = xgboost.Booster(model_file=bytearray(raw))
    booster.set_param({"nthread": n_threads})
    return booster
