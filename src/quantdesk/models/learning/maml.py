"""Learning to learn: weights from which a few steps on a few samples go far (Finn, Abbeel & Levine 2017)."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from quantdesk.domain.arrays import Ints
from quantdesk.domain.effort import Effort, count
from quantdesk.domain.errors import DataError
from quantdesk.models.adaptation import Adaptation
from quantdesk.models.learning.energy import meter_of
from quantdesk.models.learning.loop import falling, on_threads
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.pace import tell_pace
from quantdesk.models.learning.windows import Windows
from quantdesk.models.training import Training

Weights = dict[str, Tensor]
"""Parameters by name."""


def adapted(loss: Callable[[Weights], Tensor], weights: Weights, adaptation: Adaptation, is_learning: bool) -> Weights:
    """Take a few steps of gradient descent (Algorithm 1, line 6).

    Parameters
    ----------
    loss : callable
        The loss of a task, from weights. Stacked weights of many tasks and the sum of their losses
        adapt each task by itself.
    weights : dict of str to Tensor
        Where to start; they must require gradients.
    adaptation : Adaptation
        How many steps, how large, and of which order.
    is_learning : bool
        Whether the result is to be differentiated by where it started.
    """
    keeps = is_learning and adaptation.is_second_order
    for _ in range(adaptation.steps):
        slopes = torch.autograd.grad(
            loss(weights), tuple(weights.values()), create_graph=keeps, allow_unused=True, materialize_grads=True
        )
        moved = {name: value - adaptation.rate * slope for (name, value), slope in zip(weights.items(), slopes, strict=True)}
        weights = moved if is_learning else {name: value.detach().requires_grad_() for name, value in moved.items()}
    return weights


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Use the forms of attention and recurrence whose gradients have gradients."""
    with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
        yield


@dataclass(frozen=True, eq=False)
class Tasks:
    """Hold many tasks: each adapts on a run of one instrument's samples and is judged on a later run.

    Parameters
    ----------
    order : Ints
        Samples sorted by instrument, then time (n_samples,).
    support, query : Ints
        First and last place in ``order``, exclusive (n_tasks, 2).
    """

    order: Ints
    support: Ints
    query: Ints

    def __len__(self) -> int:
        return len(self.query)

    @classmethod
    def of(cls, samples: Windows, decided_at: Ints, known_at: Ints, shots: int) -> "Tasks":
        """Make a task of every moment at which an instrument has labels behind it and samples ahead.

        Parameters
        ----------
        samples : Windows
            What there is to learn from.
        decided_at, known_at : Ints
            Position at which each time decides, and at which the last of its labels is known (n_times,).
        shots : int
            Most samples of either run.
        """
        times, instruments = _places(samples)
        order = np.lexsort((times, instruments))
        times, instruments = times[order], instruments[order]
        first = np.searchsorted(instruments, instruments, side="left")
        end = np.searchsorted(instruments, instruments, side="right")
        begin = _first_decided(first, end, decided_at[times], known_at[times])
        place = np.arange(len(order))
        support = np.stack([np.maximum(first, place + 1 - shots), place + 1], axis=1)
        query = np.stack([begin, np.minimum(begin + shots, end)], axis=1)
        usable = begin < end
        return cls(order, support[usable], query[usable])

    @classmethod
    def at_end(cls, taught: Windows, judged: Windows, shots: int) -> tuple["Tasks", Windows]:
        """Make a task of each judged instrument: its last taught samples, then all that is judged."""
        both = Windows(
            taught.table,
            taught.n_instruments,
            taught.lookback,
            torch.cat([taught.targets, judged.targets]),
            torch.cat([taught.rows, judged.rows]),
        )
        times, instruments = _places(both)
        order = np.lexsort((times, instruments))
        is_judged, owner = order >= len(taught), instruments[order]
        found = []
        for one in np.unique(owner[is_judged]):
            own = np.flatnonzero(owner == one)
            cut = int(own[is_judged[own]][0])
            found.append((max(int(own[0]), cut - shots), cut, cut, int(own[-1]) + 1))
        places = np.array(found, dtype=np.int64).reshape(-1, 4)
        return cls(order, places[:, :2], places[:, 2:]), both


def _places(samples: Windows) -> tuple[Ints, Ints]:
    rows = samples.rows.cpu().numpy()
    return rows // samples.n_instruments, rows % samples.n_instruments


def _first_decided(first: Ints, end: Ints, decided_at: Ints, known_at: Ints) -> Ints:
    # Of the same instrument, the first sample decided when the labels of this one are known.
    found = np.empty(len(first), dtype=np.int64)
    for start in np.unique(first):
        own = slice(start, end[start])
        found[own] = start + np.searchsorted(decided_at[own], known_at[own], side="left")
    return found


@dataclass(frozen=True, eq=False)
class Learner:
    """Hold a module with what it is judged by and how it adapts.

    Parameters
    ----------
    module : nn.Module
        Maps raw windows to (n, n_horizons, width).
    loss : Loss
        What is made small.
    adaptation : Adaptation
        How.
    """

    module: nn.Module
    loss: Loss
    adaptation: Adaptation

    @property
    def weights(self) -> Weights:
        """Give the module's own parameters."""
        return dict(self.module.named_parameters())

    def error(self, weights: Weights, windows: Tensor, targets: Tensor) -> Tensor:
        """Measure the loss of a run of samples under given weights."""
        outputs = functional_call(self.module, weights, (windows,))
        return self.loss(outputs, targets, torch.zeros_like(targets[:, 0]))


def task_loss(learner: Learner, samples: Windows, tasks: Tasks, task: int) -> Tensor:
    """Adapt on a task's support, and measure the loss of its query, to be differentiated."""
    weights = _adapted_to(learner, samples, tasks, task, is_learning=True)
    return learner.error(weights, *_run(samples, tasks, tasks.query[task]))


def answers(learner: Learner, samples: Windows, tasks: Tasks, task: int) -> Tensor:
    """Adapt on a task's support, and answer its query (n, n_horizons, width)."""
    with twice_differentiable():
        weights = _adapted_to(learner, samples, tasks, task, is_learning=False)
    with torch.no_grad():
        return functional_call(learner.module, weights, (_run(samples, tasks, tasks.query[task])[0],))  # type: ignore[no-any-return]


def _adapted_to(learner: Learner, samples: Windows, tasks: Tasks, task: int, *, is_learning: bool) -> Weights:
    support = _run(samples, tasks, tasks.support[task])
    if not len(support[0]):
        return learner.weights
    return adapted(lambda own: learner.error(own, *support), learner.weights, learner.adaptation, is_learning)


def _run(samples: Windows, tasks: Tasks, places: Ints) -> tuple[Tensor, Tensor]:
    return samples.batch(torch.from_numpy(tasks.order[slice(*places)]).to(samples.rows.device))


def meta_train(
    learner: Learner,
    taught: Windows,
    tasks: Tasks,
    judged: tuple[Tasks, Windows],
    training: Training,
    seed: int,
) -> Effort:
    """Learn weights in place, and leave the module with those of its best epoch (Algorithm 1).

    An epoch sees about every sample once as a query. The loss on the validation span after
    adaptation chooses the epoch.

    Raises
    ------
    DataError
        If the loss is not finite.
    """
    module, began, curve = learner.module, time.perf_counter(), list[tuple[float, float]]()
    best: Weights = {}
    meter = meter_of(taught.rows.device)
    joules = meter.joules
    optimiser = torch.optim.AdamW(module.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    with on_threads(training.n_threads), torch.random.fork_rng(), twice_differentiable():
        torch.manual_seed(seed)
        for epoch in range(training.epochs):
            spent = _epoch(learner, taught, tasks, training, optimiser, seed, epoch, began)
            curve.append((spent, _judge(learner, *judged)))
            joules = meter.joules
            if curve[-1][1] <= min(value for _, value in curve):
                best = {name: value.detach().clone() for name, value in module.state_dict().items()}
            if training.patience and epoch - _best_epoch(curve) >= training.patience:
                break
    module.load_state_dict(best)
    module.eval()
    seconds = time.perf_counter() - began
    speed = len(curve) * len(taught) / seconds
    device, price = taught.rows.device.type, training.price_per_hour
    effort = Effort(seconds, speed, len(curve), _best_epoch(curve), tuple(curve), device, price, joules=joules)
    count(effort)
    return effort


def _best_epoch(curve: list[tuple[float, float]]) -> int:
    return min(range(len(curve)), key=lambda epoch: curve[epoch][1])


def _epoch(
    learner: Learner,
    taught: Windows,
    tasks: Tasks,
    training: Training,
    optimiser: torch.optim.Optimizer,
    seed: int,
    epoch: int,
    began: float,
) -> float:
    learner.module.train()
    shots = learner.adaptation.shots
    n_a_step = max(1, training.batch // (2 * shots))
    chosen = np.random.default_rng([seed, epoch]).permutation(len(tasks))[: max(n_a_step, len(tasks) // shots)]
    steps = [chosen[start : start + n_a_step] for start in range(0, len(chosen), n_a_step)]
    total = 0.0
    for step, pack in enumerate(steps):
        done, whole = epoch * len(steps) + step, training.epochs * len(steps)
        loss = total * len(steps) / step if step else math.nan
        tell_pace(epoch, training.epochs, step, len(steps), loss, len(taught), time.perf_counter() - began)
        for group in optimiser.param_groups:
            group["lr"] = training.learning_rate * falling(training.schedule, done / whole)
        for task in pack:
            value = task_loss(learner, taught, tasks, int(task)) / len(pack)
            value.backward()  # type: ignore[no-untyped-call]
            total += float(value.detach()) / len(steps)
        norm = nn.utils.clip_grad_norm_(learner.module.parameters(), training.clip)
        if not math.isfinite(float(norm)):
            raise _exploded(learner.adaptation)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return total


def _judge(learner: Learner, tasks: Tasks, samples: Windows) -> float:
    learner.module.eval()
    losses = []
    for task in range(len(tasks)):
        _, targets = _run(samples, tasks, tasks.query[task])
        losses.append(float(learner.loss(answers(learner, samples, tasks, task), targets, torch.zeros_like(targets[:, 0]))))
    average = float(np.average(losses, weights=tasks.query[:, 1] - tasks.query[:, 0]))
    if not math.isfinite(average):
        raise _exploded(learner.adaptation)
    return average


def _exploded(adaptation: Adaptation) -> DataError:
    return DataError(
        f"meta-learning broke down after inner steps of {adaptation.rate:g}",
        "finite losses and gradients",
        "make the rate of the adaptation smaller, or look at the features",
    )
