"""Fits, choices and splits that see what they are judged on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.feature import Feature
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.ports import Forecaster
from quantdesk.evaluation.leaks.plants.ground import Plant, market, returns_of, strategy
from quantdesk.evaluation.leaks.study import Lesson, Study, World, learn_from_training, walk_forward_lessons
from quantdesk.evaluation.splits import Split, purge
from quantdesk.models.ridge import Ridge
from quantdesk.strategy import Strategy

Learn = Callable[[Strategy, Dataset, Lesson, int], Forecaster]
Lessons = Callable[[Dataset], list[Lesson]]
Change = Callable[[Dataset], Dataset]
_PENALTIES = (0.01, 0.1, 1.0)
_N_KEPT = 3


def _taught(learn: Learn) -> Study:
    return Study(World(market()), lambda _: _chosen(), learn=learn)


def _split(lessons: Lessons) -> Study:
    return Study(World(market()), lambda _: _chosen(), lessons=lessons)


def _chosen() -> Strategy:
    # A feature with gaps and a shifting mean, so that scaling, filling and choosing matter.
    patchy = Feature("patchy", lambda bars: np.where(returns_of(bars) > 0, returns_of(bars), np.nan), 1, "the gauntlet")
    return replace(strategy(patchy), features=("return_5", "volatility_20", "momentum_20", "intraday_return"))


@dataclass(frozen=True, eq=False)
class _Changed:
    """Forecast from a dataset that is changed first, in a way fixed when it was learned."""

    inner: Forecaster
    change: Change

    @property
    def lookback(self) -> int:
        return self.inner.lookback

    def forecast(self, dataset: Dataset) -> Forecasts:
        return self.inner.forecast(self.change(dataset))

    def contributions(self, dataset: Dataset) -> Float64:
        return self.inner.contributions(self.change(dataset))

    def importance(self) -> Float64:
        return self.inner.importance()


def _learn_changed(measure: Callable[[Dataset], Change], is_whole: bool) -> Learn:
    # Measure the change over all rows, or over those that teach; then learn and forecast through it.
    def learn(chosen: Strategy, dataset: Dataset, lesson: Lesson, seed: int) -> Forecaster:
        change = measure(dataset if is_whole else _training(dataset, lesson))
        return _Changed(learn_from_training(chosen, change(dataset), lesson, seed), change)

    return learn


def _training(dataset: Dataset, lesson: Lesson) -> Dataset:
    return dataset.take(np.flatnonzero(lesson.train.any(axis=1)))


def _measured_plant(name: str, story: str, measure: Callable[[Dataset], Change]) -> Plant:
    return Plant(name, story, partial(_taught, _learn_changed(measure, True)), partial(_taught, _learn_changed(measure, False)))


def _scaling(dataset: Dataset) -> Change:
    values = dataset.features[dataset.is_valid].astype(np.float64)
    low, high = (np.nanquantile(values, level, axis=0) for level in (0.02, 0.98))

    def change(other: Dataset) -> Dataset:
        scaled = np.clip((other.features - low) / (high - low), 0.0, 1.0) ** 2
        return replace(other, features=scaled.astype(np.float32))

    return change


def _filling(dataset: Dataset) -> Change:
    means = np.nanmean(dataset.features[dataset.is_valid].astype(np.float64), axis=0)
    return lambda other: replace(other, features=np.where(np.isnan(other.features), means, other.features).astype(np.float32))


def _components(dataset: Dataset) -> Change:
    values = np.nan_to_num(dataset.features[dataset.is_valid].astype(np.float64))
    axes = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)[2][:_N_KEPT]

    def change(other: Dataset) -> Dataset:
        projected = np.stack([(np.nan_to_num(other.features) * axis).sum(axis=-1) for axis in axes], axis=-1)
        return _with_features(other, projected, tuple(f"component_{number}" for number in range(_N_KEPT)))

    return change


def _with_features(dataset: Dataset, values: Float64, names: tuple[str, ...]) -> Dataset:
    scaling: Bools = np.ones(len(names), dtype=np.bool_)
    return replace(dataset, features=values.astype(np.float32), feature_names=names, needs_scaling=scaling)


def _selection(dataset: Dataset) -> Change:
    known = dataset.is_valid & np.isfinite(dataset.labels[:, :, 0])
    values, labels = np.nan_to_num(dataset.features[known].astype(np.float64)), dataset.labels[:, :, 0][known]
    strength = np.abs((values - values.mean(axis=0)).T @ labels) / values.std(axis=0)
    kept = np.argsort(-strength)[:2]
    return lambda other: _with_features(
        other, other.features[:, :, kept].astype(np.float64), tuple(other.feature_names[place] for place in kept)
    )


def _encoding(dataset: Dataset) -> Change:
    means = np.nanmean(np.where(np.isfinite(dataset.labels[:, :, 1]), dataset.labels[:, :, 1], 0.0), axis=0)

    def change(other: Dataset) -> Dataset:
        column = np.broadcast_to(means, other.is_valid.shape)[..., None]
        return _with_features(
            other, np.concatenate([other.features, column], axis=2).astype(np.float64), (*other.feature_names, "mean_label")
        )

    return change


def _best_penalty(chosen: Strategy, dataset: Dataset, lesson: Lesson, seed: int, is_on_test: bool) -> Forecaster:
    # As with early stopping: the setting that did best on some rows, which must not be those that judge.
    rows = np.flatnonzero(lesson.train.any(axis=1))
    tail = rows[-len(rows) // 5 :]
    proper = purge(dataset, rows, tail, 0)
    judged = np.flatnonzero(lesson.test.any(axis=1)) if is_on_test else tail
    first = replace(lesson, train=lesson.train & np.isin(np.arange(len(dataset)), proper)[:, None])
    made = [learn_from_training(replace(chosen, model=Ridge(each)), dataset, first, seed) for each in _PENALTIES]
    errors = [_error(one.forecast(dataset), dataset, judged) for one in made]
    weights = np.exp(-np.array(errors) / min(errors))
    return made[0] if len(made) == 1 else _Blend(tuple(made), tuple((weights / weights.sum()).tolist()))


@dataclass(frozen=True, eq=False)
class _Blend:
    """Weigh forecasters as their errors suggested."""

    made: tuple[Forecaster, ...]
    weights: tuple[float, ...]

    @property
    def lookback(self) -> int:
        return max(one.lookback for one in self.made)

    def forecast(self, dataset: Dataset) -> Forecasts:
        each = [one.forecast(dataset) for one in self.made]
        total = sum(
            (weight * one.quantiles for weight, one in zip(self.weights, each, strict=True)),
            np.zeros(each[0].quantiles.shape),
        )
        return replace(each[0], quantiles=total)

    def contributions(self, dataset: Dataset) -> Float64:
        return self.made[0].contributions(dataset)

    def importance(self) -> Float64:
        return self.made[0].importance()


def _error(forecasts: Forecasts, dataset: Dataset, rows: Ints) -> float:
    return float(np.nanmean((forecasts.mean[rows] - dataset.labels[rows]) ** 2))


def _signed(chosen: Strategy, dataset: Dataset, lesson: Lesson, seed: int, is_on_test: bool) -> Forecaster:
    # Lean the forecast by how it did: on the rows that judge, or on those that taught.
    learned = learn_from_training(chosen, dataset, lesson, seed)
    judged = np.flatnonzero((lesson.test if is_on_test else lesson.train).any(axis=1))
    made, labels = learned.forecast(dataset).mean[judged], dataset.labels[judged]
    known = np.isfinite(made) & np.isfinite(labels)
    lean = float((made[known] * labels[known]).mean()) / float((made[known] ** 2).mean() + 1e-12)
    return _Shifted(learned, 0.01 * lean)


@dataclass(frozen=True, eq=False)
class _Shifted:
    """Move every quantile by one number."""

    inner: Forecaster
    shift: float

    @property
    def lookback(self) -> int:
        return self.inner.lookback

    def forecast(self, dataset: Dataset) -> Forecasts:
        made = self.inner.forecast(dataset)
        return replace(made, quantiles=made.quantiles + self.shift)

    def contributions(self, dataset: Dataset) -> Float64:
        return self.inner.contributions(dataset)

    def importance(self) -> Float64:
        return self.inner.importance()


def _shuffled(dataset: Dataset) -> list[Lesson]:
    order = np.random.default_rng(0).permutation(len(dataset))
    n_train = 2 * len(dataset) // 3
    return [Lesson.of(Split(np.sort(order[:n_train]), np.sort(order[n_train:])), dataset)]


def _adjacent(dataset: Dataset) -> list[Lesson]:
    middle = len(dataset) // 2
    return [Lesson.of(Split(np.arange(middle), np.arange(middle, len(dataset))), dataset)]


def _around(dataset: Dataset, is_purged: bool) -> list[Lesson]:
    # The middle judges, what comes before and after it teaches.
    third = len(dataset) // 3
    test = np.arange(third, 2 * third)
    rows = np.concatenate([np.arange(third - max(dataset.horizons) - 1), np.arange(2 * third, len(dataset))])
    return [Lesson.of(Split(purge(dataset, rows, test, 5) if is_purged else rows, test), dataset)]


def _lists(dataset: Dataset, is_same_days: bool, is_same_names: bool) -> list[Lesson]:
    # Names that teach and names that judge, each over its own days.
    first = walk_forward_lessons(dataset)[0]
    train, test = first.train.copy(), first.test.copy()
    names = np.arange(len(dataset.symbols))
    if is_same_days:
        train[:] = test[:] = True
    train[:, names % 2 == 1] = False
    test[:, (names % 2 == 0) & (names != 0) if is_same_names else names % 2 == 0] = False
    return [Lesson(train, test)]


PLANTS = (
    _measured_plant(
        "global scaler", "Features are scaled by quantiles of all rows; the twin's by those of the training rows.", _scaling
    ),
    _measured_plant(
        "gaps filled with the mean of all rows",
        "Missing values take the mean of all rows; the twin's that of the training rows.",
        _filling,
    ),
    _measured_plant(
        "principal components over all rows", "Axes are fitted on all rows; the twin's on the training rows.", _components
    ),
    _measured_plant(
        "features selected on all rows",
        "The features most correlated with the label over all rows are kept; the twin asks the training rows.",
        _selection,
    ),
    _measured_plant(
        "target encoding",
        "A name is encoded by its mean label over all rows; the twin's over the training rows.",
        _encoding,
    ),
    Plant(
        "early stopping on the test span",
        "Settings are weighed by their error on the test span; the twin's by that on the tail of the training span.",
        partial(_taught, partial(_best_penalty, is_on_test=True)),
        partial(_taught, partial(_best_penalty, is_on_test=False)),
    ),
    Plant(
        "threshold chosen on the test span",
        "A threshold is moved by how forecasts did in the test span; the twin's by how they did in training.",
        partial(_taught, partial(_signed, is_on_test=True)),
        partial(_taught, partial(_signed, is_on_test=False)),
    ),
    Plant(
        "shuffled split",
        "Rows are dealt at random to training and test; the twin trains on the past and tests on what follows.",
        partial(_split, _shuffled),
        partial(_split, walk_forward_lessons),
    ),
    Plant(
        "no purge",
        "The last training labels end within the test span; the twin drops them.",
        partial(_split, _adjacent),
        partial(_split, lambda dataset: walk_forward_lessons(dataset)[:1]),
    ),
    Plant(
        "label without embargo",
        "Training goes on the bar after the last test decision; the twin's waits for the test labels and an embargo.",
        partial(_split, partial(_around, is_purged=False)),
        partial(_split, partial(_around, is_purged=True)),
    ),
    Plant(
        "the same names in both lists",
        "A name teaches and judges on the same days; the lists of the twin share neither names nor days.",
        partial(_split, partial(_lists, is_same_days=True, is_same_names=True)),
        partial(_split, partial(_lists, is_same_days=False, is_same_names=False)),
    ),
    Plant(
        "other names, the same days",
        "Some names teach and others judge, on the same days; the days of the twin that judge come later.",
        partial(_split, partial(_lists, is_same_days=True, is_same_names=False)),
        partial(_split, partial(_lists, is_same_days=False, is_same_names=True)),
    ),
)
