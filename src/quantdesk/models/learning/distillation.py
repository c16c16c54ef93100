"""What a student learns from a teacher, and what it loses."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.attention import Attention
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import LEVELS, MEDIAN, Forecasts, mean_of
from quantdesk.domain.ports import Forecaster, Model
from quantdesk.models.fitting import Scaler, horizon_volatility, require_samples
from quantdesk.models.learning.fit import Lesson
from quantdesk.models.learning.forecaster import DeepForecaster, pack
from quantdesk.models.learning.individual import refuse_whole_times, with_shares
from quantdesk.models.learning.loop import home_of, on_threads
from quantdesk.models.learning.losses import Loss, Quantiles, known_mean
from quantdesk.models.learning.meta_fit import blank, elsewhere, judged_samples
from quantdesk.models.learning.network import Network
from quantdesk.models.learning.train import train
from quantdesk.models.learning.windows import windows
from quantdesk.models.training import Training

_LOGISTIC_90 = 2.0 * math.log(19.0)  # the width of a standard logistic's central 90 %


@dataclass(frozen=True)
class Imitation(Loss):
    """Ask for the teacher's quantiles, its odds of a rise, and the labels.

    ``alpha (W + T^2 KL) + (1 - alpha) P``. W is the mean squared distance between quantiles of
    the same level. KL is the divergence of the student's probability of a rise from the
    teacher's, their log odds divided by T (Hinton, Vinyals & Dean 2015, section 2). P is the
    pinball loss. Targets hold the labels, then the teacher's quantiles (n, n_horizons * (1 + n_levels)).

    Parameters
    ----------
    temperature : float
        T.
    alpha : float
        Weight of the teacher.
    """

    temperature: float
    alpha: float

    @property
    def width(self) -> int:
        """One output a level."""
        return len(LEVELS)

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Average over what is known; without a teacher's forecast the label has its own weight alone."""
        n_horizons = outputs.shape[1]
        labels, taught = targets[:, :n_horizons], targets[:, n_horizons:].reshape(outputs.shape)
        wanted = torch.nan_to_num(taught)
        apart = ((outputs - wanted) ** 2).mean(dim=-1)
        odds, wanted_odds = log_odds(outputs) / self.temperature, log_odds(wanted) / self.temperature
        surprise = functional.binary_cross_entropy_with_logits(odds, torch.sigmoid(wanted_odds), reduction="none")
        least = functional.binary_cross_entropy_with_logits(wanted_odds, torch.sigmoid(wanted_odds), reduction="none")
        teacher = known_mean(apart + self.temperature**2 * (surprise - least), taught[..., 0])
        return self.alpha * teacher + (1.0 - self.alpha) * Quantiles()(outputs, labels, times)

    def mean(self, outputs: Tensor) -> Tensor:
        """Integrate the quantiles."""
        return Quantiles().mean(outputs)

    def start(self, targets: Tensor) -> Tensor:
        """Begin with the quantiles of all labels."""
        return Quantiles().start(targets[:, : targets.shape[1] // (1 + len(LEVELS))])


def log_odds(quantiles: Tensor) -> Tensor:
    """Give the log odds of a rise of the logistic distribution with the same median and central 90 %."""
    width = (quantiles[..., -1] - quantiles[..., 0]).clamp(min=0.1)
    return _LOGISTIC_90 * quantiles[..., MEDIAN] / width


@dataclass(frozen=True)
class Quality:
    """Compare student and teacher on the validation span, averaged over horizons.

    Parameters
    ----------
    student_ic, teacher_ic : float
        Mean over times of the correlation of forecast means with outcomes, over instruments; over
        times where there are fewer than 3 instruments.
    student_pinball, teacher_pinball : float
        Mean pinball loss, in volatilities.
    """

    student_ic: float
    teacher_ic: float
    student_pinball: float
    teacher_pinball: float

    @property
    def loss_of_ic(self) -> float:
        """Give how much IC the student lost; negative where it gained."""
        return self.teacher_ic - self.student_ic

    @property
    def loss_of_pinball(self) -> float:
        """Give by how much its pinball loss is larger."""
        return self.student_pinball - self.teacher_pinball


@dataclass(frozen=True, eq=False)
class DistilledForecaster:
    """Ask the student.

    Parameters
    ----------
    student : DeepForecaster
        The small network.
    quality : Quality
        What it lost against its teacher. The validation span also chose its epoch, which favours it a little.
    """

    student: DeepForecaster
    quality: Quality

    @property
    def lookback(self) -> int:
        """Rows on which one forecast depends: the student's window."""
        return self.student.lookback

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Forecast every time."""
        return self.student.forecast(dataset)

    def contributions(self, dataset: Dataset) -> Float64:
        """Integrate the student's gradients."""
        return self.student.contributions(dataset)

    def attention(self, dataset: Dataset) -> Attention | None:
        """Say what the student looked at; None where it cannot."""
        return self.student.attention(dataset)

    def importance(self) -> Float64:
        """Return each feature's share of what moves the student (n_features,)."""
        return self.student.importance()


def distil(
    teacher: Model,
    blocks: int,
    network: Network,
    loss: Imitation,
    training: Training,
    max_samples: int,
    dataset: Dataset,
    seed: int,
) -> DistilledForecaster:
    """Fit the teacher block after block, then the student on what it said.

    Raises
    ------
    DataError
        If there are too few samples for the first teacher or for the student, none to validate
        on, or training breaks down.
    """
    lesson = Lesson.of(dataset, False, training.validation_share)
    times, instruments = lesson.samples(0, lesson.n_taught, max_samples)
    require_samples(len(times), max(dataset.horizons))
    later, device = judged_samples(lesson), home_of(training)
    refuse_whole_times(network, loss, "Distilled")
    said = unseen_forecasts(teacher, dataset, lesson.first_judged, blocks, seed)
    taught = windows(dataset.features, _targets(lesson, said, times, instruments), times, instruments, network.lookback, device)
    judged = elsewhere(taught, *later, _targets(lesson, said, *later))
    scaler = Scaler.of(dataset.rows(0, lesson.n_taught), max_samples)
    module = blank(network, scaler, loss, taught, seed)
    effort = train(module, taught, judged, loss, training, seed)
    nothing = np.zeros((len(dataset.horizons), len(LEVELS)))
    shares = np.zeros(len(dataset.feature_names))
    student = DeepForecaster(network, Quantiles(), scaler, pack(module), nothing, shares, effort)
    start = max(0, lesson.first_judged - student.lookback + 1)
    with on_threads(training.n_threads):
        student = with_shares(student, dataset.rows(start, len(dataset)))
        answered = _standardised(student, dataset, lesson.first_judged, len(dataset))
    return DistilledForecaster(student, _quality(answered, said[lesson.first_judged :], lesson.outcomes[lesson.first_judged :]))


def _targets(lesson: Lesson, said: Float64, times: Ints, instruments: Ints) -> Float64:
    return np.concatenate([lesson.at(times, instruments)[0], said[times, instruments].reshape(len(times), -1)], axis=1)


def unseen_forecasts(teacher: Model, dataset: Dataset, first_judged: int, blocks: int, seed: int) -> Float64:
    """Forecast each block of time with a teacher that learned from those before it alone, purged.

    Returns
    -------
    Float64
        Quantiles in volatilities (n_times, n_instruments, n_horizons, n_levels); NaN in the first block.
    """
    said = np.full((*dataset.labels.shape, len(LEVELS)), np.nan)
    edges = [*np.linspace(0, first_judged, blocks + 1).round().astype(int)[1:], len(dataset)]
    for start, stop in pairwise(edges):
        if start < stop:
            n_before = int((dataset.ends.max(axis=1)[:start] <= dataset.begins[start] - 1).sum())
            said[start:stop] = _standardised(teacher.fit(dataset.rows(0, n_before), seed), dataset, start, stop)
    return said


def _standardised(forecaster: Forecaster, dataset: Dataset, start: int, stop: int) -> Float64:
    first = max(0, start - forecaster.lookback + 1)
    rows = dataset.rows(first, stop)
    unit = horizon_volatility(rows)[..., None]
    quantiles = forecaster.forecast(rows).quantiles / np.where(unit > 0, unit, np.nan)
    return quantiles[start - first :]


def _quality(student: Float64, teacher: Float64, outcomes: Float64) -> Quality:
    return Quality(ic(student, outcomes), ic(teacher, outcomes), pinball(student, outcomes), pinball(teacher, outcomes))


def ic(quantiles: Float64, outcomes: Float64) -> float:
    """Average the correlation of means (n_times, n_instruments, n_horizons) with outcomes; NaN where there is none."""
    means = mean_of(quantiles)
    found = []
    for horizon in range(outcomes.shape[2]):
        said, happened = means[..., horizon], outcomes[..., horizon]
        rows = [(said.ravel(), happened.ravel())] if said.shape[1] < 3 else zip(said, happened, strict=True)
        found += [_correlation(*row) for row in rows]
    known = [value for value in found if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def _correlation(said: Float64, happened: Float64) -> float:
    known = np.isfinite(said) & np.isfinite(happened)
    if known.sum() < 3 or np.ptp(said[known]) == 0 or np.ptp(happened[known]) == 0:
        return math.nan
    return float(np.corrcoef(said[known], happened[known])[0, 1])


def pinball(quantiles: Float64, outcomes: Float64) -> float:
    """Average the pinball loss over levels and over what is known."""
    error = outcomes[..., None] - quantiles
    return float(np.nanmean(np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1.0) * error)))
