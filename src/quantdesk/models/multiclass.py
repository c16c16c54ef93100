"""Learn the probabilities of a few classes: boosted trees, and multinomial logistic regression."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.models.learning.choices import FROM_0, FROM_2, check_choices

if TYPE_CHECKING:
    import lightgbm

SMALLEST = 1e-6
"""No class is given less probability than this, so that a surprise costs much but not everything."""

_CLIP = 5.0
_MAX_STEPS = 200


class Classes(Protocol):
    """Something learned that gives probabilities."""

    def probabilities(self, features: Float64) -> Float64:
        """Give the probability of each class (n, n_classes); rows sum to 1."""
        ...


class Classifier(Protocol):
    """Hyperparameters; learning gives ``Classes``."""

    def learn(self, features: Float64, outcomes: Ints, n_classes: int, seed: int) -> Classes:
        """Learn from features (n, n_features), NaN where missing, and classes 0, 1, ... (n,)."""
        ...


@dataclass(frozen=True)
class Logistic:
    """Regress classes on standardised features by multinomial logistic regression with a ridge penalty.

    A missing feature counts as its mean.

    Parameters
    ----------
    ridge : float
        Penalty on squared coefficients, in samples.
    """

    ridge: float = 10.0

    def __post_init__(self) -> None:
        check_choices(self, ridge=FROM_0)

    def learn(self, features: Float64, outcomes: Ints, n_classes: int, seed: int) -> "LogisticClasses":
        """Minimise the penalised log loss by L-BFGS; ``seed`` changes nothing."""
        from scipy.optimize import minimize

        with np.errstate(invalid="ignore"):
            known = np.isfinite(features)
            n_known = np.maximum(known.sum(axis=0), 1)
            centre = np.where(known, features, 0.0).sum(axis=0) / n_known
            width = np.sqrt(np.where(known, (features - centre) ** 2, 0.0).sum(axis=0) / n_known)
        empty = LogisticClasses(centre, np.where(width > 0, width, 1.0), np.zeros((features.shape[1] + 1, n_classes)))
        design, hit = empty.design(features), np.eye(n_classes)[outcomes]

        def loss(flat: Float64) -> tuple[float, Float64]:
            weights = flat.reshape(empty.weights.shape)
            given = softmax(design @ weights)
            slopes = weights.copy()
            slopes[-1] = 0.0  # the penalty spares the base rates
            total = -np.log(np.maximum((given * hit).sum(axis=1), 1e-300)).sum() + 0.5 * self.ridge * (slopes**2).sum()
            gradient: Float64 = (design.T @ (given - hit) + self.ridge * slopes).ravel()
            return float(total) / len(hit), gradient / len(hit)

        found = minimize(loss, empty.weights.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _MAX_STEPS})
        return LogisticClasses(empty.centre, empty.width, np.asarray(found.x).reshape(empty.weights.shape))


@dataclass(frozen=True, eq=False)
class LogisticClasses:
    """Hold a learned multinomial logistic regression.

    Parameters
    ----------
    centre, width : Float64
        Mean and standard deviation of each feature where it was learned (n_features,).
    weights : Float64
        Coefficients (n_features + 1, n_classes), the intercept last.
    """

    centre: Float64
    width: Float64
    weights: Float64

    def design(self, features: Float64) -> Float64:
        """Standardise, cut at 5 deviations, and add the intercept's column (n, n_features + 1)."""
        scaled = np.clip(np.nan_to_num((features - self.centre) / self.width), -_CLIP, _CLIP)
        return np.column_stack([scaled, np.ones(len(features))])

    def probabilities(self, features: Float64) -> Float64:
        """Give the probability of each class (n, n_classes)."""
        return bounded(softmax(self.design(features) @ self.weights))


@dataclass(frozen=True)
class BoostedTrees:
    """Grow one LightGBM tree a class and round on the softmax log loss (Ke et al. 2017).

    Parameters
    ----------
    n_trees, n_leaves : int
        Rounds, and leaves of each tree.
    learning_rate : float
        Share of each tree's correction that is taken.
    min_leaf : int
        Samples below which a leaf is not made.
    """

    n_trees: int = 100
    n_leaves: int = 15
    learning_rate: float = 0.05
    min_leaf: int = 100

    def __post_init__(self) -> None:
        check_choices(self, n_leaves=FROM_2)

    def learn(self, features: Float64, outcomes: Ints, n_classes: int, seed: int) -> "TreeClasses":
        """Grow the trees, on one thread and the same to the last bit each time."""
        import lightgbm

        settings = {
            "objective": "multiclass",
            "num_class": n_classes,
            "num_leaves": self.n_leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_leaf,
            "feature_fraction": 0.7,
            "max_bin": 63,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        rows = lightgbm.Dataset(features, outcomes, params={"verbosity": -1})
        return TreeClasses(lightgbm.train(settings, rows, num_boost_round=self.n_trees).model_to_string())


@dataclass(frozen=True)
class TreeClasses:
    """Hold grown trees as LightGBM's own text.

    Parameters
    ----------
    text : str
        The model, as ``Booster.model_to_string`` writes it.
    """

    text: str

    def probabilities(self, features: Float64) -> Float64:
        """Give the probability of each class (n, n_classes)."""
        return bounded(np.asarray(_booster(self.text).predict(features, num_threads=1), dtype=np.float64))


def softmax(scores: Float64) -> Float64:
    """Turn scores (n, n_classes) into probabilities."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    share: Float64 = raised / raised.sum(axis=1, keepdims=True)
    return share


def bounded(probabilities: Float64) -> Float64:
    """Keep every probability at ``SMALLEST`` or more; rows sum to 1 again."""
    lifted = np.maximum(probabilities, SMALLEST)
    share: Float64 = lifted / lifted.sum(axis=1, keepdims=True)
    return share


def log_loss(probabilities: Float64, outcomes: Ints) -> float:
    """Average minus the log of the probability given to what happened, in nats."""
    return float(-np.log(probabilities[np.arange(len(outcomes)), outcomes]).mean())


@lru_cache(maxsize=16)
def _booster(text: str) -> "lightgbm.Booster":
    import lightgbm

    return lightgbm.Booster(model_str=text)
