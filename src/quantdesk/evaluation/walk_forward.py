"""Fit on the past, forecast what follows, fold by fold: the only way to a reported number."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from quantdesk import compute
from quantdesk.compute import Compute
from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.ports import Forecaster, Model
from quantdesk.domain.progress import Tell, silent
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
    last : Forecaster
        What the last fold learned.
    """

    forecasts: Forecasts
    rows: Ints
    importance: Float64
    last: Forecaster


class _Lesson(NamedTuple):
    model: Model
    dataset: Dataset
    seed: int
    last: int


class _Fold(NamedTuple):
    quantiles: Float64
    importance: Float64
    forecaster: Forecaster | None


def walk_forward(
    model: Model, dataset: Dataset, splits: list[Split], seed: int, tell: Tell = silent, on: Compute | None = None
) -> OutOfSample:
    """Fit a model on each split's training rows and forecast its test rows.

    Parameters
    ----------
    on : Compute, optional
        Where the folds run, and where finished ones are kept; here and nowhere by default.
    """
    lesson = _Lesson(model, dataset, seed, last=int(splits[-1].test[-1]))
    folds = compute.map(_learn, lesson, splits, on, tell, "learning")
    rows = np.concatenate([split.test for split in splits])
    quantiles = np.concatenate([fold.quantiles for fold in folds])
    forecasts = Forecasts(dataset.times[rows], dataset.symbols, dataset.horizons, quantiles)
    last = folds[-1].forecaster
    assert last is not None
    return OutOfSample(forecasts, rows, np.mean([fold.importance for fold in folds], axis=0), last)


def _learn(lesson: _Lesson, split: Split) -> _Fold:
    forecaster = lesson.model.fit(lesson.dataset.take(split.train), lesson.seed)
    quantiles = forecast_rows(forecaster, lesson.dataset, split.test).quantiles
    # Only the last fold's forecaster is asked for again, and they can be large.
    is_last = int(split.test[-1]) == lesson.last
    return _Fold(quantiles, forecaster.importance(), forecaster if is_last else None)


def forecast_rows(forecaster: Forecaster, dataset: Dataset, rows: Ints) -> Forecasts:
    """Forecast contiguous rows, giving the forecaster the history before them that it reads."""
    start, stop = max(0, int(rows[0]) - forecaster.lookback + 1), int(rows[-1]) + 1
    made = forecaster.forecast(dataset.rows(start, stop))
    kept = slice(int(rows[0]) - start, None)
    return Forecasts(made.times[kept], made.symbols, made.horizons, made.quantiles[kept])
