"""From a dataset to a network that has learned to learn its instruments."""

from dataclasses import replace

import numpy as np
import torch

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError
from quantdesk.domain.forecast import LEVELS
from quantdesk.models.adaptation import Adaptation
from quantdesk.models.fitting import MIN_SAMPLES, Scaler, require_samples
from quantdesk.models.learning.calibration import corrections
from quantdesk.models.learning.fit import JUDGED, MEASURED, Lesson
from quantdesk.models.learning.forecaster import DeepForecaster, pack
from quantdesk.models.learning.individual import IndividualForecaster, flat, refuse_whole_times, with_shares
from quantdesk.models.learning.loop import device_of, on_threads
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.maml import Learner, Tasks, answers, meta_train
from quantdesk.models.learning.meta_forecaster import MetaForecaster, own_weights, support
from quantdesk.models.learning.network import Network
from quantdesk.models.learning.scaled import Scaled
from quantdesk.models.learning.windows import Windows, windows
from quantdesk.models.training import Training


def fit(
    network: Network,
    loss: Loss,
    training: Training,
    adaptation: Adaptation,
    demean: bool,
    max_samples: int,
    dataset: Dataset,
    seed: int,
) -> MetaForecaster:
    """Learn the shared weights on tasks of the training span, then adapt them to every instrument.

    Raises
    ------
    DataError
        If there are fewer than 30 samples, none of them to validate on, or training breaks down.
    StrategyError
        If the network or the loss needs every instrument of a time.
    """
    refuse_whole_times(network, loss, "MetaLearned")
    lesson = Lesson.of(dataset, demean, training.validation_share)
    times, instruments = lesson.samples(0, lesson.n_taught, max_samples)
    require_samples(len(times), max(dataset.horizons))
    scaler = Scaler.of(dataset.rows(0, lesson.n_taught), max_samples)
    device, (targets, _) = device_of(training.device), lesson.at(times, instruments)
    taught = windows(dataset.features, targets, times, instruments, network.lookback, device)
    later = judged_samples(lesson)
    tasks = Tasks.of(taught, dataset.begins - 1, dataset.ends.max(axis=1), adaptation.shots)
    judged = Tasks.at_end(taught, elsewhere(taught, *later, lesson.at(*later)[0]), adaptation.shots)
    _require_tasks(tasks)
    module = blank(network, scaler, loss, taught, seed).to(device)
    learner = Learner(module, loss, adaptation)
    effort = meta_train(learner, taught, tasks, judged, training, seed)
    with on_threads(training.n_threads):
        residuals = _corrections(learner, *judged, lesson)
        shares = np.zeros(len(dataset.feature_names))
        shared = DeepForecaster(network, loss, scaler, pack(module), residuals, shares, effort)
        shared = with_shares(shared, dataset.rows(max(0, lesson.first_judged - network.lookback + 1), len(dataset)))
        own = _individual(shared, dataset, lesson.targets, adaptation)
    return MetaForecaster(own, adaptation, demean, max(dataset.horizons))


def blank(network: Network, scaler: Scaler, loss: Loss, taught: Windows, seed: int) -> Scaled:
    """Build a module that has learned nothing but what is usual."""
    start = loss.start(taught.targets[:: 1 + len(taught) // MEASURED].cpu())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Scaled(network, scaler, len(start), loss.width, start)


def judged_samples(lesson: Lesson) -> tuple[Ints, Ints]:
    """List (time, instrument) of the samples of the validation span.

    Raises
    ------
    DataError
        If there are none.
    """
    n_times = len(lesson.labels)
    times, instruments = lesson.samples(lesson.first_judged, n_times, JUDGED)
    if not len(times):
        raise DataError(
            f"no samples with a known label in the last {n_times - lesson.first_judged} of {n_times} times",
            "some to validate on",
            "give a longer training span, or a larger validation_share",
        )
    return times, instruments


def elsewhere(taught: Windows, times: Ints, instruments: Ints, targets: Float64) -> Windows:
    """Take other samples of the same table."""
    device = taught.rows.device
    rows = torch.from_numpy(times * taught.n_instruments + instruments).to(device)
    return replace(taught, targets=torch.from_numpy(targets.astype(np.float32)).to(device), rows=rows)


def _require_tasks(tasks: Tasks) -> None:
    if not len(tasks):
        raise DataError(
            "no instrument has samples decided after another of its labels was known",
            "some to adapt on, and later ones to be judged by",
            "give a longer training span, or shorter horizons",
        )


def _corrections(learner: Learner, tasks: Tasks, samples: Windows, lesson: Lesson) -> Float64:
    rows = np.concatenate([samples.rows.cpu().numpy()[tasks.order[start:stop]] for start, stop in tasks.query])
    outcomes = lesson.at(rows // samples.n_instruments, rows % samples.n_instruments)[1]
    said = [learner.loss.quantiles(answers(learner, samples, tasks, task).float()) for task in range(len(tasks))]
    known = np.isfinite(outcomes).sum(axis=0)
    if (known < MIN_SAMPLES).any():
        return np.zeros((outcomes.shape[1], len(LEVELS)))
    return corrections(torch.cat(said).double().cpu().numpy(), outcomes)


def _individual(shared: DeepForecaster, dataset: Dataset, targets: Float64, adaptation: Adaptation) -> IndividualForecaster:
    symbols, values, names = [], [], tuple(name for name, _ in shared.module.named_parameters())
    for place, symbol in enumerate(dataset.symbols):
        times = _last(targets[:, place], adaptation.shots)
        if len(times):
            wanted = torch.from_numpy(targets[times, place])
            symbols.append(symbol)
            values.append(flat(own_weights(shared, support(dataset, times, place, shared.lookback), wanted, adaptation)))
    return IndividualForecaster(shared, tuple(symbols), names, np.stack(values))


def _last(targets: Float64, shots: int) -> Ints:
    return np.flatnonzero(np.isfinite(targets).any(axis=1))[-shots:].astype(np.int64)
