"""Fit on the past, forecast what follows, fold by fold: the only way to a reported number."""

from dataclasses import dataclass

import numpy as np

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


def walk_forward(model: Model, dataset: Dataset, splits: list[Split], seed: int, tell: Tell = silent) -> OutOfSample:
    """Fit a model on each split's training rows and forecast its test rows."""
    quantiles, importances = [], []
    for done, split in enumerate(splits):
        tell("learning", done, len(splits))
        forecaster = model.fit(dataset.take(split.train), seed)
        quantiles.append(forecast_rows(forecaster, dataset, split.test).quantiles)
        importances.append(forecaster.importance())
    tell("learning", len(splits), len(splits))
    rows = np.concatenate([split.test for split in splits])
    forecasts = Forecasts(dataset.times[rows], dataset.symbols, dataset.horizons, np.concatenate(quantiles))
    return OutOfSample(forecasts, rows, np.mean(importances, axis=0), forecaster)


def forecast_rows(forecaster: Forecaster, dataset: Dataset, rows: Ints) -> Forecasts:
    """Forecast contiguous rows, giving the forecaster the history before them that it reads."""
    start, stop = max(0, int(rows[0]) - forecaster.lookback + 1), int(rows[-1]) + 1
    made = forecaster.forecast(dataset.rows(start, stop))
    kept = slice(int(rows[0]) - start, None)
    return Forecasts(made.times[kept], made.symbols, made.horizons, made.quantiles[kept])
