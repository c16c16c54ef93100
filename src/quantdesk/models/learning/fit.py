"""From a dataset to a trained forecaster: which samples teach, which choose the epoch, what the errors look like."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.models.fitting import CLIP, MIN_SAMPLES, Scaler, demeaned, require_samples, standardised_labels
from quantdesk.models.learning.calibration import corrections
from quantdesk.models.learning.columns import placed
from quantdesk.models.learning.forecaster import DeepForecaster, pack
from quantdesk.models.learning.loop import batches_of, home_of, on_threads
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.network import Network, needs_times
from quantdesk.models.learning.scaled import Scaled
from quantdesk.models.learning.train import Train, train
from quantdesk.models.learning.windows import Windows, windows
from quantdesk.models.training import Training

JUDGED = 20_000
"""Samples of the validation span from which errors and the shares of features are measured, at most."""

MEASURED = 100_000
"""Samples of the training span from which the distribution of all targets is measured, at most."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """Say what a dataset teaches; labels are standardised for the samples asked for, never all at once.

    Parameters
    ----------
    labels : Dataset
        The dataset without its features.
    is_relative : bool
        Whether targets are relative to the other instruments of their time.
    n_taught : int
        Times that may teach; their labels end before the validation span begins.
    first_judged : int
        Time at which the validation span begins; the number of times where there is none.
    """

    labels: Dataset
    is_relative: bool
    n_taught: int
    first_judged: int

    @classmethod
    def of(cls, dataset: Dataset, demean: bool, validation_share: float) -> "Lesson":
        """Cut the validation span off, purged."""
        labels = replace(
            dataset, features=dataset.features[:, :, :0], feature_names=(), needs_scaling=dataset.needs_scaling[:0]
        )
        first = len(dataset) - round(len(dataset) * validation_share)
        reach = dataset.ends.max(axis=1, initial=0)
        n_taught = len(dataset) if first == len(dataset) else int((reach[:first] <= dataset.begins[first] - 1).sum())
        return cls(labels, demean and len(dataset.symbols) > 1, n_taught, first)

    @property
    def targets(self) -> Float64:
        """Standardise all labels, relative where asked and cut at 5 (n_times, n_instruments, n_horizons)."""
        return self._targets(self.outcomes)

    @property
    def outcomes(self) -> Float64:
        """Standardise all labels, neither relative nor cut (n_times, n_instruments, n_horizons)."""
        return _standardised(self.labels)

    def at(self, times: Ints, instruments: Ints) -> tuple[Float64, Float64]:
        """Standardise the labels of some samples: their targets and outcomes, each (n_samples, n_horizons)."""
        needed, place = np.unique(times, return_inverse=True)
        outcomes = _standardised(self.labels.take(needed))
        return self._targets(outcomes)[place, instruments], outcomes[place, instruments]

    def samples(self, start: int, stop: int, most: int) -> tuple[Ints, Ints]:
        """List (time, instrument) of the samples between two times, times dropped evenly beyond ``most``."""
        known = self._known(self.labels.rows(start, stop))
        times = np.arange(start, stop)
        total = int(known.sum())
        if total > most:
            chosen = np.linspace(0, len(times) - 1, max(1, int(len(times) * most / total))).round().astype(np.int64)
            times, known = times[chosen], known[chosen]
        rows, instruments = np.nonzero(known)
        return times[rows].astype(np.int64), instruments.astype(np.int64)

    def _known(self, labels: Dataset) -> Bools:
        known: Bools = np.isfinite(labels.labels)
        known &= (labels.is_valid & (labels.scale > 0))[..., None]
        if self.is_relative:
            known &= known.sum(axis=1, keepdims=True) > 1
        return np.asarray(known.any(axis=-1))

    def _targets(self, outcomes: Float64) -> Float64:
        columns = np.moveaxis(outcomes, -1, 0)
        relative = np.stack([demeaned(column) for column in columns], axis=-1) if self.is_relative else outcomes
        return np.clip(relative, -CLIP, CLIP)


def _standardised(labels: Dataset) -> Float64:
    return np.stack([standardised_labels(labels, h) for h in range(len(labels.horizons))], axis=-1)


def fit(
    network: Network,
    loss: Loss,
    training: Training,
    demean: bool,
    max_samples: int,
    dataset: Dataset,
    seed: int,
    learn: Train = train,
) -> DeepForecaster:
    """Train a network on a dataset, by ``train`` or by what does it in its place.

    Raises
    ------
    DataError
        If a horizon has fewer than 30 samples, or training breaks down.
    """
    network = placed(network, dataset)
    lesson = Lesson.of(dataset, demean, training.validation_share)
    times, instruments = lesson.samples(0, lesson.n_taught, max_samples)
    targets, outcomes = lesson.at(times, instruments)
    for bars, known in zip(dataset.horizons, np.isfinite(targets).T, strict=True):
        require_samples(int(known.sum()), bars)
    scaler = Scaler.of(dataset.rows(0, lesson.n_taught), max_samples)
    taught = windows(dataset.features, targets, times, instruments, network.lookback, home_of(training))
    taught = replace(taught, is_by_time=needs_times(network))
    judged, came_true = _judged(dataset, lesson, taught)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = loss.start(taught.targets[_sparse(taught, MEASURED)].cpu())
        module = Scaled(network, scaler, len(dataset.horizons), loss.width, start)
    effort = learn(module, taught, judged, loss, training, seed, _blame(dataset, module))
    is_judged = judged is not None and bool((np.isfinite(came_true).sum(axis=0) >= MIN_SAMPLES).all())
    measured, happened = (judged, came_true) if judged is not None and is_judged else (taught, outcomes)
    with on_threads(training.n_threads):
        residuals, shares = _corrections(module, loss, measured, happened), _shares(module, loss, measured)
    return DeepForecaster(network, loss, scaler, pack(module), residuals, shares, effort)


def _judged(dataset: Dataset, lesson: Lesson, taught: Windows) -> tuple[Windows | None, Float64]:
    times, instruments = lesson.samples(lesson.first_judged, len(dataset), JUDGED)
    targets, outcomes = lesson.at(times, instruments)
    if len(times) == 0:
        return None, outcomes
    rows = torch.from_numpy(times * taught.n_instruments + instruments).to(taught.rows.device)
    wanted = torch.from_numpy(targets.astype(np.float32)).to(taught.rows.device)
    return replace(taught, targets=wanted, rows=rows), outcomes


def _sparse(measured: Windows, most: int) -> Tensor:
    n = len(measured)
    return torch.linspace(0, n - 1, min(n, most), device=measured.rows.device).round().long()


def _portions(measured: Windows, most: int) -> list[Tensor]:
    if not measured.is_by_time:
        return list(torch.split(_sparse(measured, most), 512))
    times = batches_of(measured, 1, True, None)
    kept = np.linspace(0, len(times) - 1, max(1, min(len(times), len(times) * most // len(measured))))
    return [times[place] for place in kept.round().astype(np.int64)]


def _corrections(module: Scaled, loss: Loss, measured: Windows, outcomes: Float64) -> Float64:
    portions, said = _portions(measured, JUDGED), []
    with torch.inference_mode():
        for rows in portions:
            said.append(loss.quantiles(module(measured.batch(rows)[0]).float()).cpu())
    return corrections(torch.cat(said).double().numpy(), outcomes[torch.cat(portions).cpu().numpy()])


def _shares(module: Scaled, loss: Loss, measured: Windows) -> Float64:
    # Gradient times input (Shrikumar et al. 2017), summed over the window: what moves the outputs, in the units of the outputs.
    total = torch.zeros(measured.table.shape[-1], device=measured.rows.device)
    for rows in _portions(measured, 2048):
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
