"""Fit on the past, forecast what follows, fold by fold: the only way to a reported number."""

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from quantdesk import compute
from quantdesk.compute import Compute
from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.effort import Spent, counting
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.ports import Forecaster, Model
from quantdesk.domain.progress import Tell
from quantdesk.evaluation.splits import Split


@dataclass(frozen=True, eq=False)
class OutOfSample:
    """Hold forecasts that never saw what they are judged on.

    Parameters
    ----------
    forecasts : Forecasts
        For every test time, in order.
    rows : Ints
        Their row positions in the dataset.
    importance : Float64
        Mean over folds (n_features,).
    learned : tuple of Forecaster
        What each fold learned.
    spent : tuple of Spent
        What learning took, fold by fold.
    """

    forecasts: Forecasts
    rows: Ints
    importance: Float64
    learned: tuple[Forecaster, ...]
    spent: tuple[Spent, ...] = ()

    @property
    def last(self) -> Forecaster:
        """Return what the last fold learned."""
        return self.learned[-1]


class _Lesson(NamedTuple):
    model: Model
    dataset: Dataset
    seed: int


class _Fold(NamedTuple):
    quantiles: Float64
    importance: Float64
    spent: Spent
    forecaster: Forecaster


def walk_forward(
    model: Model, dataset: Dataset, splits: list[Split], seed: int, tell: Tell | None = None, on: Compute | None = None
) -> OutOfSample:
    """Fit a model on each split's training rows and forecast its test rows.

    Parameters
    ----------
    tell : Tell, optional
        Hears of folds and of what is told within them; by default whatever hears of progress here.
    on : Compute, optional
        Where the folds run, and where finished ones are kept; here and nowhere by default.
    """
    folds = compute.map(_learn, _Lesson(model, dataset, seed), splits, on, tell, "learning fold")
    learned, spent = tuple(fold.forecaster for fold in folds), tuple(fold.spent for fold in folds)
    importance = np.mean([fold.importance for fold in folds], axis=0)
    rows = np.concatenate([split.test for split in splits])
    forecasts = Forecasts(dataset.times[rows], dataset.symbols, dataset.horizons, _joined(folds))
    return OutOfSample(forecasts, rows, importance, learned, spent)


def _joined(folds: list[_Fold]) -> Float64:
    # Each fold is let go once it is copied: the forecasts of a large market must not lie there twice.
    joined = np.empty((sum(len(fold.quantiles) for fold in folds), *folds[0].quantiles.shape[1:]))
    stop = len(joined)
    while folds:
        quantiles = folds.pop().quantiles
        joined[stop - len(quantiles) : stop] = quantiles
        stop -= len(quantiles)
    return joined


def _as_slice(rows: Ints) -> slice | Ints:
    # Neighbouring rows are read where they lie.
    is_whole = len(rows) > 0 and rows[-1] - rows[0] + 1 == len(rows)
    return slice(int(rows[0]), int(rows[-1]) + 1) if is_whole else rows


def _learn(lesson: _Lesson, split: Split) -> _Fold:
    began = time.perf_counter()
    with counting() as trainings:
        forecaster = lesson.model.fit(lesson.dataset.take(_as_slice(split.train)), lesson.seed)
    spent = Spent(time.perf_counter() - began, tuple(trainings))
    quantiles = forecast_rows(forecaster, lesson.dataset, split.test).quantiles
    return _Fold(quantiles, forecaster.importance(), spent, forecaster)


def forecast_rows(forecaster: Forecaster, dataset: Dataset, rows: Ints) -> Forecasts:
    """Forecast contiguous rows, giving the forecaster the history before them that it reads."""
    start, stop = max(0, int(rows[0]) - forecaster.lookback + 1), int(rows[-1]) + 1
    made = forecaster.forecast(dataset.rows(start, stop))
    kept = slice(int(rows[0]) - start, None)
    # A copy, for a view would hold on to the history too.
    return Forecasts(made.times[kept], made.symbols, made.horizons, made.quantiles[kept].copy())
