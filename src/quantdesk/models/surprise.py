"""Predict whether earnings beat, meet or miss their estimate and how the price will move, or abstain."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, Protocol

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.forecast import LEVELS
from quantdesk.domain.records import Names
from quantdesk.models.learning.choices import FROM_0, WITHIN_1, check_choices
from quantdesk.models.multiclass import BoostedTrees, Classes, Classifier, Logistic, bounded, log_loss

CLASSES = ("miss", "meet", "beat")

TOO_FEW, MISSING, UNSURE = "too few announcements", "a feature is missing", "more than one outcome is likely"
"""Why a prediction is withheld; empty where it is not."""

MIN_ROWS = 200
"""Announcements below which nothing is learned."""

_FOLDS = 3
_LEAST_MOVES, _LEAST_OF_GROUP, _MOST_GROUPS = 30, 100, 5
_CUTS = (0.7, 0.85)  # learned on the first part, temperature on the second, sets on the third


class Rows(Protocol):
    """Announcements, as ``features.earnings`` lays them out; shapes (n,) but for the features."""

    @property
    def feature_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def features(self) -> Float64: ...  # noqa: D102
    @property
    def n_past(self) -> Ints: ...  # noqa: D102
    @property
    def outcomes(self) -> Ints: ...  # noqa: D102
    @property
    def moves(self) -> Float64: ...  # noqa: D102
    @property
    def volatility(self) -> Float64: ...  # noqa: D102
    @property
    def decided_at(self) -> Times: ...  # noqa: D102
    @property
    def settled_at(self) -> Times: ...  # noqa: D102


@dataclass(frozen=True)
class Surprise:
    """Learn the three probabilities, calibrate them, and learn when to say nothing.

    In order of time the rows are cut into three: the first 70 % teach the classifier, the next 15 %
    one temperature (Guo et al. 2017), the last 15 % the threshold of split conformal sets (least
    ambiguous sets: Sadinle, Lei & Wasserman 2019). Rows whose outcome was not known when the next
    part begins are left out of the one before.

    The promise of the sets is over all announcements together: the commonest outcome is covered
    more often than the rarest, and the share that is right when it speaks is promised by nobody.

    Parameters
    ----------
    learner : str
        ``lightgbm``, ``logistic``, or ``either``: the one with the lower log loss in a purged
        walk-forward of three folds inside the first part.
    feature_names : tuple of str
        Features to use; all where it is empty. A row without one of them is not predicted.
    coverage : float
        Share of outcomes that the sets promise to hold.
    min_past : int
        Earlier announcements of the company below which it says nothing.
    trees : BoostedTrees
        How trees are grown.
    """

    learner: Literal["lightgbm", "logistic", "either"] = "either"
    feature_names: tuple[str, ...] = ()
    coverage: float = 0.8
    min_past: int = 4
    trees: BoostedTrees = field(default_factory=BoostedTrees)

    def __post_init__(self) -> None:
        check_choices(self, coverage=WITHIN_1, min_past=FROM_0)

    def learn(self, rows: Rows, seed: int) -> "SurprisePredictor":
        """Learn from rows whose outcomes are known and features whole; the others are left out.

        Raises
        ------
        DataError
            If there are fewer than 200 such rows, they lie too close in time, or a feature is not among them.
        """
        names = self.feature_names or rows.feature_names
        features = _columns(rows, names)
        order = self._usable(rows, features)
        x, y, begin, end = features[order], rows.outcomes[order], rows.decided_at[order], rows.settled_at[order]
        first, second, third = self._parts(begin, end)
        learners = self._learners()
        held_out = {
            name: walk_forward(one, x[first], y[first], begin[first], end[first], seed) for name, one in learners.items()
        }
        losses = {name: _loss_where_known(given, y[first]) for name, given in held_out.items()}
        best = min(losses, key=lambda name: losses[name])
        classes = learners[best].learn(x[first], y[first], len(CLASSES), seed)
        told = np.full((len(order), len(CLASSES)), np.nan)
        told[first], told[second], told[third] = held_out[best], *(classes.probabilities(x[part]) for part in (second, third))
        temperature = best_temperature(told[second], y[second])
        told = cooled(told, temperature)
        threshold = least_probability(told[third], y[third], self.coverage)
        moves, volatility = rows.moves[order], rows.volatility[order]
        signed, size = Moves.of(told, moves, volatility), Moves.of(told, np.abs(moves), volatility)
        return SurprisePredictor(names, classes, temperature, threshold, self.min_past, signed, size, tuple(losses.items()))

    def _usable(self, rows: Rows, features: Float64) -> Ints:
        usable = np.flatnonzero((rows.outcomes >= 0) & (rows.n_past >= self.min_past) & np.isfinite(features).all(axis=1))
        if len(usable) < MIN_ROWS:
            raise DataError(
                f"{len(usable)} announcements with an outcome, every feature and {self.min_past} earlier ones",
                f"{MIN_ROWS} or more",
                "bring in more companies or more years, or leave out a feature that is often missing",
            )
        return usable[np.argsort(rows.decided_at[usable], kind="stable")]

    def _parts(self, begin: Times, end: Times) -> tuple[Ints, Ints, Ints]:
        first, second, third = parts(begin, end, _CUTS)
        if not (len(first) and len(second) and len(third)):
            raise DataError(
                f"{len(begin)} announcements, all predicted between {begin[0]} and {begin[-1]}",
                "announcements that lie apart in time, so that some are settled before others are predicted",
                "bring in more years",
            )
        return first, second, third

    def _learners(self) -> dict[str, Classifier]:
        known: dict[str, Classifier] = {"lightgbm": self.trees, "logistic": Logistic()}
        return known if self.learner == "either" else {self.learner: known[self.learner]}


@dataclass(frozen=True, eq=False)
class SurpriseForecasts:
    """Hold predictions of announcements.

    Parameters
    ----------
    probabilities : Float64
        Of miss, meet and beat (n, 3); NaN where a feature is missing or there is too little history.
    sets : Bools
        Which outcomes are likely (n, 3): together they promise the coverage asked for.
    reasons : Names
        Why the prediction is withheld (n,), empty where it is not.
    moves : Float64
        Quantiles of the log return from the last close before to the next (n, n_levels), at
        ``domain.forecast.LEVELS``; NaN without probabilities or a volatility.
    sizes : Float64
        Quantiles of its absolute value (n, n_levels).
    """

    probabilities: Float64
    sets: Bools
    reasons: Names
    moves: Float64
    sizes: Float64

    @property
    def abstains(self) -> Bools:
        """Say where the prediction is withheld (n,)."""
        return np.asarray(self.reasons != "")

    @property
    def predicted(self) -> Ints:
        """Give the predicted class, -1 where it is withheld (n,)."""
        return np.where(self.abstains, -1, np.argmax(np.nan_to_num(self.probabilities), axis=1)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Moves:
    """Hold quantiles of past moves, in units of the symbol's volatility, by how far the prediction leant.

    The lean is the probability of a beat less that of a miss, as predicted out of sample. It is not
    a mixture of the moves that followed beats, meets and misses: the market expects what can be
    predicted, so a beat that was likely moves the price less than one that was not.

    Parameters
    ----------
    edges : Float64
        Leans at which one group ends and the next begins (n_groups - 1,), ascending.
    table : Float64
        Quantiles of each group (n_groups, n_levels); no group where too few moves were known.
    """

    edges: Float64
    table: Float64

    @classmethod
    def of(cls, probabilities: Float64, moves: Float64, volatility: Float64) -> "Moves":
        """Cut past moves into groups of equal size, at least 100 in each and at most 5 groups."""
        known = np.isfinite(moves) & (volatility > 0) & np.isfinite(probabilities).all(axis=1)
        lean, scaled = lean_of(probabilities[known]), moves[known] / volatility[known]
        if len(scaled) < _LEAST_MOVES:
            return cls(np.empty(0), np.empty((0, len(LEVELS))))
        n_groups = min(_MOST_GROUPS, max(1, len(scaled) // _LEAST_OF_GROUP))
        edges = np.quantile(lean, np.arange(1, n_groups) / n_groups)
        group = np.searchsorted(edges, lean, side="right")
        filled = [scaled[group == place] if (group == place).any() else scaled for place in range(n_groups)]
        return cls(edges, np.stack([np.quantile(own, LEVELS) for own in filled]))

    def quantiles(self, probabilities: Float64, volatility: Float64) -> Float64:
        """Look up each row's group and scale it (n, n_levels); NaN where probability or volatility is."""
        found = np.full((len(probabilities), len(LEVELS)), np.nan)
        rows = np.flatnonzero(np.isfinite(probabilities).all(axis=1) & np.isfinite(volatility))
        if len(self.table):
            group = np.searchsorted(self.edges, lean_of(probabilities[rows]), side="right")
            found[rows] = self.table[group] * volatility[rows, None]
        return found


@dataclass(frozen=True, eq=False)
class SurprisePredictor:
    """Give probabilities, sets and moves; learned, and never changing.

    Parameters
    ----------
    feature_names : tuple of str
        What it reads.
    classes : Classes
        The learned classifier.
    temperature : float
        By which log probabilities are divided.
    threshold : float
        Probability from which an outcome is in the set.
    min_past : int
        Earlier announcements needed.
    signed, size : Moves
        Past moves, and their absolute values.
    contest : tuple of (str, float)
        Log loss of each learner in the walk-forward that chose this one; empty where none was held.
    """

    feature_names: tuple[str, ...]
    classes: Classes
    temperature: float
    threshold: float
    min_past: int
    signed: Moves
    size: Moves
    contest: tuple[tuple[str, float], ...] = ()

    def predict(self, rows: Rows) -> SurpriseForecasts:
        """Predict each announcement from its own row alone, or say why not.

        Raises
        ------
        DataError
            If the rows lack a feature.
        """
        features = _columns(rows, self.feature_names)
        is_whole, is_known = np.isfinite(features).all(axis=1), rows.n_past >= self.min_past
        ready = np.flatnonzero(is_whole & is_known)
        probabilities = np.full((len(features), len(CLASSES)), np.nan)
        if len(ready):
            probabilities[ready] = cooled(self.classes.probabilities(features[ready]), self.temperature)
        sets = np.nan_to_num(probabilities, nan=np.inf) >= self.threshold
        reasons = np.where(~is_known, TOO_FEW, np.where(~is_whole, MISSING, np.where(sets.sum(axis=1) != 1, UNSURE, "")))
        moves, sizes = (table.quantiles(probabilities, rows.volatility) for table in (self.signed, self.size))
        return SurpriseForecasts(probabilities, sets, reasons, moves, sizes)


def parts(decided_at: Times, settled_at: Times, cuts: tuple[float, ...]) -> tuple[Ints, ...]:
    """Cut rows in order of time into consecutive parts, each purged of what the next could not know.

    Parameters
    ----------
    decided_at, settled_at : Times
        When each row is predicted, ascending, and when its outcome is known (n,).
    cuts : tuple of float
        Shares of the rows at which a part ends; one part more is returned.
    """
    edges = [0, *(round(share * len(decided_at)) for share in cuts), len(decided_at)]
    found = []
    for start, stop in pairwise(edges):
        rows = np.arange(start, stop)
        found.append(rows[settled_at[rows] <= decided_at[stop]] if stop < len(decided_at) else rows)
    return tuple(found)


def walk_forward(learner: Classifier, x: Float64, y: Ints, decided_at: Times, settled_at: Times, seed: int) -> Float64:
    """Predict three folds, each learned from all purged rows before it (n, 3); NaN in the first quarter."""
    given, edges = np.full((len(x), len(CLASSES)), np.nan), np.linspace(0, len(x), _FOLDS + 2).round().astype(np.int64)
    for start, stop in pairwise(edges[1:]):
        before = np.flatnonzero(settled_at[:start] <= decided_at[start])
        if not len(before):
            continue
        given[start:stop] = learner.learn(x[before], y[before], len(CLASSES), seed).probabilities(x[start:stop])
    return given


def best_temperature(probabilities: Float64, outcomes: Ints) -> float:
    """Find the temperature in [0.2, 20] with the lowest log loss (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda power: log_loss(cooled(probabilities, float(np.exp(power))), outcomes),
        bounds=(np.log(0.2), np.log(20.0)),
        method="bounded",
    )
    return float(np.exp(found.x))


def cooled(probabilities: Float64, temperature: float) -> Float64:
    """Raise probabilities to the power 1 / temperature and let them sum to 1 again."""
    raised = probabilities ** (1.0 / temperature)
    return bounded(raised / raised.sum(axis=1, keepdims=True))


def lean_of(probabilities: Float64) -> Float64:
    """Subtract the probability of a miss from that of a beat (n,)."""
    lean: Float64 = probabilities[:, 2] - probabilities[:, 0]
    return lean


def least_probability(probabilities: Float64, outcomes: Ints, coverage: float) -> float:
    """Find the probability from which an outcome belongs to the set (split conformal).

    The k-th largest probability given to what happened, with k = ceil((n + 1) coverage); 0, which
    lets every outcome in, where n is too small to promise the coverage.
    """
    given = np.sort(probabilities[np.arange(len(outcomes)), outcomes])[::-1]
    rank = int(np.ceil((len(given) + 1) * coverage))
    return float(given[rank - 1]) if 0 < rank <= len(given) else 0.0


def _loss_where_known(probabilities: Float64, outcomes: Ints) -> float:
    known = np.isfinite(probabilities[:, 0])
    return log_loss(probabilities[known], outcomes[known]) if known.any() else float("inf")


def _columns(rows: Rows, names: tuple[str, ...]) -> Float64:
    missing = [name for name in names if name not in rows.feature_names]
    if missing:
        raise DataError(
            f"the announcements carry no {', '.join(missing)}", f"some of {', '.join(rows.feature_names)}", "check the names"
        )
    return rows.features[:, [rows.feature_names.index(name) for name in names]]
