"""From a dataset to a trained forecaster: which samples teach, which choose the epoch, what the errors look like."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.progress import Tell, silent
from quantdesk.models.fitting import CLIP, Scaler, demeaned, require_samples, residual_quantiles, standardised_labels
from quantdesk.models.learning.forecaster import DeepForecaster, pack
from quantdesk.models.learning.loop import device_of, on_threads, train
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.network import Network
from quantdesk.models.learning.scaled import Scaled
from quantdesk.models.learning.windows import Windows, windows
from quantdesk.models.training import Training

JUDGED = 20_000
"""Samples of the validation span from which errors and the shares of features are measured, at most."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """Hold what a dataset teaches.

    Parameters
    ----------
    targets : Float64
        Standardised labels, relative to the other instruments where asked, cut at 5
        (n_times, n_instruments, n_horizons).
    outcomes : Float64
        The same, neither relative nor cut.
    n_taught : int
        Times that may teach; their labels end before the validation span begins.
    first_judged : int
        Time at which the validation span begins; the number of times where there is none.
    """

    targets: Float64
    outcomes: Float64
    n_taught: int
    first_judged: int

    @classmethod
    def of(cls, dataset: Dataset, demean: bool, validation_share: float) -> "Lesson":
        """Standardise the labels, and cut the validation span off, purged."""
        outcomes = np.stack([standardised_labels(dataset, h) for h in range(len(dataset.horizons))], axis=-1)
        relative = demean and len(dataset.symbols) > 1
        targets = np.stack([demeaned(column) if relative else column for column in np.moveaxis(outcomes, -1, 0)], axis=-1)
        first = len(dataset) - round(len(dataset) * validation_share)
        reach = dataset.ends.max(axis=1, initial=0)
        n_taught = len(dataset) if first == len(dataset) else int((reach[:first] <= dataset.begins[first] - 1).sum())
        return cls(np.clip(targets, -CLIP, CLIP), outcomes, n_taught, first)

    def samples(self, start: int, stop: int, most: int) -> tuple[Ints, Ints]:
        """List (time, instrument) of the samples between two times, times dropped evenly beyond ``most``."""
        known: Bools = np.any(np.isfinite(self.targets[start:stop]), axis=-1)
        times = np.arange(start, stop)
        total = int(known.sum())
        if total > most:
            chosen = np.linspace(0, len(times) - 1, max(1, int(len(times) * most / total))).round().astype(np.int64)
            times, known = times[chosen], known[chosen]
        rows, instruments = np.nonzero(known)
        return times[rows].astype(np.int64), instruments.astype(np.int64)


def fit(
    network: Network,
    loss: Loss,
    training: Training,
    demean: bool,
    max_samples: int,
    dataset: Dataset,
    seed: int,
    tell: Tell = silent,
) -> DeepForecaster:
    """Train a network on a dataset.

    Raises
    ------
    DataError
        If there are fewer than 30 samples, or training breaks down.
    """
    lesson = Lesson.of(dataset, demean, training.validation_share)
    times, instruments = lesson.samples(0, lesson.n_taught, max_samples)
    require_samples(len(times), max(dataset.horizons))
    device = device_of(training.device)
    scaler = Scaler.of(dataset.rows(0, lesson.n_taught), max_samples)
    taught = windows(dataset.features, lesson.targets[times, instruments], times, instruments, network.lookback, device)
    judged = _judged(dataset, lesson, taught)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = Scaled(network, scaler, len(dataset.horizons), loss.width)
    effort = train(module, taught, judged, loss, training, seed, tell, _blame(dataset, module))
    measured = judged or taught
    outcomes = _outcomes(lesson, measured, len(dataset.symbols))
    with on_threads(training.n_threads):
        residuals, shares = _residuals(module, loss, measured, outcomes), _shares(module, loss, measured)
    return DeepForecaster(network, loss, scaler, pack(module), residuals, shares, effort)


def _judged(dataset: Dataset, lesson: Lesson, taught: Windows) -> Windows | None:
    times, instruments = lesson.samples(lesson.first_judged, len(dataset), JUDGED)
    if len(times) == 0:
        return None
    rows = torch.from_numpy(times * taught.n_instruments + instruments).to(taught.rows.device)
    targets = torch.from_numpy(lesson.targets[times, instruments].astype(np.float32)).to(taught.rows.device)
    return Windows(taught.table, taught.n_instruments, taught.lookback, targets, rows)


def _outcomes(lesson: Lesson, measured: Windows, n_instruments: int) -> Float64:
    rows = measured.rows.cpu().numpy()
    found: Float64 = lesson.outcomes[rows // n_instruments, rows % n_instruments]
    return found


def _sparse(measured: Windows, most: int) -> Tensor:
    n = len(measured)
    return torch.linspace(0, n - 1, min(n, most), device=measured.rows.device).round().long()


def _residuals(module: Scaled, loss: Loss, measured: Windows, outcomes: Float64) -> Float64:
    chosen, said = _sparse(measured, JUDGED), []
    with torch.inference_mode():
        for rows in torch.split(chosen, 512):
            said.append(loss.mean(module(measured.batch(rows)[0]).float()).cpu())
    errors = outcomes[chosen.cpu().numpy()] - torch.cat(said).double().numpy()
    return np.stack([residual_quantiles(column[np.isfinite(column)]) for column in errors.T])


def _shares(module: Scaled, loss: Loss, measured: Windows) -> Float64:
    # Gradient times input (Shrikumar et al. 2017), summed over the window: what moves the outputs, in the units of the outputs.
    total = torch.zeros(measured.table.shape[-1], device=measured.rows.device)
    for rows in torch.split(_sparse(measured, 2048), 512):
        scaled = module.scale(measured.batch(rows)[0]).requires_grad_()
        (slope,) = torch.autograd.grad(loss.mean(module.answer(scaled)).abs().sum(), scaled)
        total += (slope * scaled).detach().sum(dim=1).abs().sum(dim=0)
    amounts = total.double().cpu().numpy()
    return amounts / amounts.sum() if amounts.sum() > 0 else amounts


def _blame(dataset: Dataset, module: Scaled):  # type: ignore[no-untyped-def]
    def name(rows: Tensor, inputs: Tensor) -> str:
        size = torch.nan_to_num((inputs - module.centre) / module.spread, posinf=torch.inf, neginf=-torch.inf).abs()
        place = int(size.argmax())
        sample, rest = divmod(place, inputs.shape[1] * inputs.shape[2])
        step, feature = divmod(rest, inputs.shape[2])
        time, instrument = divmod(int(rows[sample]), len(dataset.symbols))
        when = dataset.times[max(0, time - inputs.shape[1] + 1 + step)]
        return (
            f"the largest input is {dataset.feature_names[feature]!r} of {dataset.symbols[instrument]} at {when}, "
            f"{float(size.flatten()[place]):.3g} standard deviations from its mean"
        )

    return name
