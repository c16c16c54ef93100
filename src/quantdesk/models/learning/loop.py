"""The one training loop."""

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quantdesk.domain.effort import Effort
from quantdesk.models.learning.energy import Meter, meter_of
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.pace import tell_pace
from quantdesk.models.learning.state import State, restore, save
from quantdesk.models.learning.team import ALONE, Team
from quantdesk.models.learning.windows import Windows
from quantdesk.models.training import Training

PLATEAU = 2
"""Epochs without improvement after which a plateau halves the learning rate."""


class NotFinite(Exception):  # noqa: N818 - caught by train, and told as a DataError
    """Say which samples made the loss or its gradient infinite.

    Parameters
    ----------
    rows : list of int
        Their positions in the table.
    value : float
        The loss.
    """

    def __init__(self, rows: list[int], value: float) -> None:
        super().__init__(rows, value)
        self.rows, self.value = rows, value


def device_of(name: str) -> torch.device:
    """Find the device that a training asks for."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def home_of(training: Training) -> torch.device:
    """Find where the table lies: on the device that learns, or, where several do, in memory that all can read."""
    return device_of(training.device if training.n_processes == 1 else "cpu")


def learn(
    module: nn.Module,
    samples: Windows,
    validation: Windows | None,
    loss: Loss,
    training: Training,
    seed: int,
    team: Team = ALONE,
) -> Effort:
    """Do in this process what ``train`` promises, alone or as one of a team.

    Raises
    ------
    NotFinite
        If the loss is not finite.
    """
    device = samples.table.device
    module.to(device)
    optimiser = torch.optim.AdamW(module.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    identity = _identity(module, samples, loss, training, seed)
    began = time.perf_counter()
    with on_threads(training.n_threads), _seeded(seed, device):
        state = restore(training.checkpoint, identity, module, optimiser) if training.checkpoint else State()
        meter = meter_of(device, team.size, state.joules)
        run = _Run(module, samples, validation, loss, training, optimiser, seed, team, identity, began, state.seconds, meter)
        while state.epoch < training.epochs and not _is_over(state, training):
            _epoch(run, state)
    if validation is not None and state.best:
        module.load_state_dict(state.best)
    module.eval()
    if training.checkpoint and team.rank == 0:
        training.checkpoint.unlink(missing_ok=True)
    best = state.best_epoch if validation is not None else state.epoch - 1
    speed, price = state.epoch * len(samples) / run.seconds, training.price_per_hour
    curve, joules = tuple(state.curve), run.meter.joules
    return Effort(run.seconds, speed, state.epoch, best, curve, device.type, price, team.size, joules)


@dataclass(frozen=True, eq=False)
class _Run:
    module: nn.Module
    samples: Windows
    validation: Windows | None
    loss: Loss
    training: Training
    optimiser: torch.optim.Optimizer
    seed: int
    team: Team
    identity: str
    began: float
    seconds_before: float
    meter: Meter

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began + self.seconds_before


def _epoch(run: _Run, state: State) -> None:
    run.module.train()
    batches = batches_of(run.samples, run.training.batch, run.loss.needs_times, _order(run.seed, state.epoch))
    saved, n = time.perf_counter(), len(batches)
    for step in range(state.step, n):
        _tell(run, state, n)
        _set_rate(run, state, (state.epoch * n + step) / (run.training.epochs * n))
        state.total += _step(run, batches[step], step, state.epoch * n + step, is_last=step == n - 1)
        state.step = step + 1
        if time.perf_counter() - saved > run.training.checkpoint_seconds:
            _keep(run, state)
            saved = time.perf_counter()
    _close(run, state, n)
    _keep(run, state)


def _tell(run: _Run, state: State, n_steps: int) -> None:
    before, judged = state.curve[-1] if state.curve else (math.nan, math.nan)
    loss = state.total / state.step if state.step else before
    tell_pace(state.epoch, run.training.epochs, state.step, n_steps, loss, len(run.samples), run.seconds, judged)


def _keep(run: _Run, state: State) -> None:
    state.seconds, state.joules = run.seconds, run.meter.joules
    if run.training.checkpoint and run.team.rank == 0:
        save(run.training.checkpoint, run.identity, state, run.module, run.optimiser)


def _close(run: _Run, state: State, n_steps: int) -> None:
    judged = math.nan
    if run.validation is not None:
        judged = average_loss(run.module, run.validation, run.loss, run.training.batch, run.team)
    state.curve.append((state.total / n_steps, judged))
    if run.validation is not None and state.epochs_since_best == 0:
        state.best = {name: value.detach().clone() for name, value in run.module.state_dict().items()}
    if run.training.schedule == "plateau" and state.epochs_since_best and state.epochs_since_best % PLATEAU == 0:
        state.factor *= 0.5
    state.epoch, state.step, state.total = state.epoch + 1, 0, 0.0


def _step(run: _Run, rows: Tensor, step: int, n_before: int, *, is_last: bool) -> float:
    if run.team.size > 1:
        # Of each process its own, and none that a checkpoint would have to remember.
        torch.manual_seed((1_000_003 * run.seed + n_before) * run.team.size + run.team.rank)
    inputs, _ = run.samples.batch(run.team.share(rows))
    low = torch.autocast(inputs.device.type, torch.bfloat16) if run.training.precision == "bfloat16" else nullcontext()
    with low:
        outputs = run.module(inputs)
    said, places = run.team.together(outputs.float(), len(rows)), run.samples.rows[rows]
    value = run.loss(said, run.samples.targets[rows], places // run.samples.n_instruments)
    (value / run.training.accumulate).backward()  # type: ignore[no-untyped-call]
    if (step + 1) % run.training.accumulate == 0 or is_last:
        run.team.sum_gradients(run.module.parameters())
        norm = nn.utils.clip_grad_norm_(run.module.parameters(), run.training.clip)
        if not bool(torch.isfinite(norm)):
            raise NotFinite(places.tolist(), float(value.detach()))
        run.optimiser.step()
        run.optimiser.zero_grad(set_to_none=True)
    return float(value.detach())


def average_loss(module: nn.Module, samples: Windows, loss: Loss, batch: int, team: Team = ALONE) -> float:
    """Average the loss of a module over samples, without learning from them."""
    module.eval()
    total, n = 0.0, 0
    with torch.inference_mode():
        for rows in batches_of(samples, batch, loss.needs_times, None)[team.rank :: team.size]:
            inputs, targets = samples.batch(rows)
            times = samples.rows[rows] // samples.n_instruments
            total += float(loss(module(inputs).float(), targets, times)) * len(rows)
            n += len(rows)
    sums = team.total(torch.tensor([total, n], dtype=torch.float64, device=samples.table.device))
    return float(sums[0] / sums[1].clamp(min=1))


def batches_of(samples: Windows, size: int, by_times: bool, order: torch.Generator | None) -> list[Tensor]:
    """Cut samples into batches; whole times stay together where asked.

    Parameters
    ----------
    order : torch.Generator or None
        Shuffles, or leaves the order as it is.
    """
    device = samples.rows.device
    if samples.is_by_time:
        by_times, size = True, 1
    if not by_times:
        index = torch.arange(len(samples)) if order is None else torch.randperm(len(samples), generator=order)
        return list(torch.split(index.to(device), size))
    times = (samples.rows // samples.n_instruments).cpu()
    _, counts = torch.unique_consecutive(times, return_counts=True)
    groups = list(torch.split(torch.arange(len(samples)), counts.tolist()))
    chosen = range(len(groups)) if order is None else torch.randperm(len(groups), generator=order).tolist()
    return [torch.cat(pack).to(device) for pack in _packs([groups[i] for i in chosen], size)]


def _packs(groups: list[Tensor], size: int) -> Iterator[list[Tensor]]:
    pack: list[Tensor] = []
    for group in groups:
        pack.append(group)
        if sum(map(len, pack)) >= size:
            yield pack
            pack = []
    if pack:
        yield pack


def _set_rate(run: _Run, state: State, share: float) -> None:
    rate = run.training.learning_rate * state.factor * falling(run.training.schedule, share)
    for group in run.optimiser.param_groups:
        group["lr"] = rate


def falling(schedule: str, share: float) -> float:
    """Give the learning rate, as a part of the first one, after a share of the training.

    Cosine annealing, and with warm restarts after 1/7 and 3/7 (Loshchilov & Hutter 2017).
    """
    if schedule == "restarts":
        first, last = next((low, high) for low, high in ((0, 1), (1, 3), (3, 7)) if share * 7 < high or high == 7)
        share = (share * 7 - first) / (last - first)
    elif schedule == "exponential":
        return float(0.01**share)
    elif schedule != "cosine":
        return 1.0
    return 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


def _is_over(state: State, training: Training) -> bool:
    known = bool(state.curve) and math.isfinite(state.curve[-1][1])
    return known and training.patience > 0 and state.epochs_since_best >= training.patience


def _order(seed: int, epoch: int) -> torch.Generator:
    # From seed and epoch alone, so that nothing need be remembered of it.
    return torch.Generator().manual_seed(1_000_003 * seed + epoch)


def _identity(module: nn.Module, samples: Windows, loss: Loss, training: Training, seed: int) -> str:
    knobs = {name: value for name, value in vars(training).items() if not name.startswith(("checkpoint", "price"))}
    shapes = [tuple(value.shape) for value in module.state_dict().values()]
    data = (samples.rows.sum().item(), torch.nan_to_num(samples.targets).double().sum().item(), tuple(samples.table.shape))
    return hashlib.sha256(repr((str(module), shapes, repr(loss), knobs, seed, data)).encode()).hexdigest()


@contextmanager
def on_threads(n_threads: int) -> Iterator[None]:
    """Compute on so many threads while the body runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
