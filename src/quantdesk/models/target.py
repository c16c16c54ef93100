"""What a loss means: the squared error that each skill has on a dataset's labels, and that of models without any."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.models.fitting import CLIP, demeaned, horizon_volatility, require_samples, standardised_labels
from quantdesk.models.persistence import Persistence

R2 = (0.0, 0.001, 0.005, 0.01, 0.05)
"""Shares of the squared target explained. Monthly returns of single stocks: about 0.004 (Gu, Kelly & Xiu 2020)."""

IC = (0.0, 0.01, 0.02, 0.05)
"""Correlations of forecast and target."""


@dataclass(frozen=True)
class TargetLoss:
    """Hold the loss of one forecast, known or imagined.

    Parameters
    ----------
    horizon : int
        Bars ahead.
    forecast : str
        Which forecast.
    r2 : float
        Share of the squared target that it explains; a forecast of 0 explains none.
    mse : float
        Mean squared error in the units of training: volatilities expected over the horizon.
    mse_return : float
        Mean squared error of the log return.
    huber : float or None
        Mean loss of Huber (1964) in the units of training, by which networks learn unless told otherwise; None where only
        the R2 of a forecast is known.
    """

    horizon: int
    forecast: str
    r2: float
    mse: float
    mse_return: float
    huber: float | None = None


def target_loss(dataset: Dataset, demean: bool = True) -> tuple[TargetLoss, ...]:
    """Say which loss each R2 and each IC means, and which one useless models have, on the later half of the times.

    A forecast that is scaled best and has the correlation IC with the target explains IC squared of it.

    Parameters
    ----------
    dataset : Dataset
        Whose labels are forecast.
    demean : bool
        Whether targets are relative to the other instruments of their time, as networks learn them.

    Raises
    ------
    DataError
        If a horizon has fewer than 30 samples in either half.
    """
    repeated = Persistence().fit(dataset, 0).forecast(dataset).mean / horizon_volatility(dataset)
    relative = demean and len(dataset.symbols) > 1
    rows: list[TargetLoss] = []
    for horizon in range(len(dataset.horizons)):
        outcomes = standardised_labels(dataset, horizon)
        last = np.where(np.isfinite(outcomes), repeated[:, :, horizon], np.nan)
        targets, last = (demeaned(values) if relative else values for values in (outcomes, last))
        rows += _of_one(dataset, horizon, np.clip(targets, -CLIP, CLIP), last)
    return tuple(rows)


def _of_one(dataset: Dataset, horizon: int, targets: Float64, repeated: Float64) -> list[TargetLoss]:
    half, bars = len(dataset) // 2, dataset.horizons[horizon]
    is_early = dataset.ends[:, horizon] <= dataset.begins[half] - 1
    known: Bools = np.isfinite(targets)
    early, late = targets[is_early][known[is_early]], targets[half:][known[half:]]
    for part in (early, late):
        require_samples(part.size, bars)
    unit = horizon_volatility(dataset)[half:, :, horizon][known[half:]]

    def mean_losses(forecast: Float64 | float) -> tuple[float, float, float]:
        errors = np.abs(late - forecast)
        near = np.minimum(errors, 1.0)
        losses = (errors**2, (errors * unit) ** 2, near * (errors - near / 2))
        squared, squared_return, huber = (float(np.mean(loss)) for loss in losses)
        return squared, squared_return, huber

    nothing, nothing_return, _ = mean_losses(0.0)
    skills = [(f"R2 of {100 * r2:g} %", r2) for r2 in R2] + [(f"IC of {ic:g}", ic**2) for ic in IC]
    rows = [TargetLoss(bars, name, r2, (1 - r2) * nothing, (1 - r2) * nothing_return) for name, r2 in skills]
    models = (("zero", 0.0), ("training mean", float(early.mean())), ("persistence", repeated[half:][known[half:]]))
    for name, forecast in models:
        mse, mse_return, huber = mean_losses(forecast)
        rows.append(TargetLoss(bars, name, 1 - mse / nothing if nothing else 0.0, mse, mse_return, huber))
    return rows
