"""The one training loop."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quantdesk.domain.errors import DataError
from quantdesk.domain.progress import Tell, silent
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.state import State, restore, save
from quantdesk.models.learning.windows import Windows
from quantdesk.models.training import Training

PLATEAU = 2
"""Epochs without improvement after which a plateau halves the learning rate."""


@dataclass(frozen=True)
class Effort:
    """Say what a training took.

    Parameters
    ----------
    seconds : float
        Wall time, that before a kill included.
    samples_per_second : float
        Samples learned from, over that time.
    n_epochs, best_epoch : int
        Epochs done, and the one whose weights were kept, from 0.
    curve : tuple of tuple
        Training and validation loss of each epoch.
    device : str
        Where it ran.
    price_per_hour : float
        Of the machine; 0 where it is not known.
    """

    seconds: float
    samples_per_second: float
    n_epochs: int
    best_epoch: int
    curve: tuple[tuple[float, float], ...]
    device: str
    price_per_hour: float = 0.0

    @property
    def gpu_hours(self) -> float:
        """Count the hours that a GPU was held."""
        return 0.0 if self.device == "cpu" else self.seconds / 3600

    @property
    def cost(self) -> float:
        """Give the price of the machine for the time it took, in the currency of that price."""
        return self.seconds / 3600 * self.price_per_hour


def device_of(name: str) -> torch.device:
    """Find the device that a training asks for."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def train(
    module: nn.Module,
    samples: Windows,
    validation: Windows | None,
    loss: Loss,
    training: Training,
    seed: int,
    tell: Tell = silent,
    blame: Callable[[Tensor, Tensor], str] | None = None,
) -> Effort:
    """Train a module in place, and leave it with the weights of its best epoch.

    Parameters
    ----------
    module : nn.Module
        Maps (n, lookback, n_features), missing values NaN, to (n, n_horizons, width).
    samples, validation : Windows
        What it learns from, and what chooses the epoch (None: the last epoch is kept).
    loss : Loss
        What is made small.
    training : Training
        Every knob.
    seed : int
        Seed of the order of samples and of dropout; the same seed gives the same bits.
    tell : Tell
        Hears of progress.
    blame : callable, optional
        Names the input behind numbers that are not finite, from a batch's rows and windows.

    Raises
    ------
    DataError
        If the loss is not finite.
    """
    device = samples.table.device
    module.to(device)
    optimiser = torch.optim.AdamW(module.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    identity = _identity(module, samples, loss, training, seed)
    began = time.perf_counter()
    with on_threads(training.n_threads), _seeded(seed, device):
        state = restore(training.checkpoint, identity, module, optimiser) if training.checkpoint else State()
        run = _Run(module, samples, validation, loss, training, optimiser, seed, blame, began - state.seconds)
        while state.epoch < training.epochs and not _is_over(state, training):
            _epoch(run, state, identity, tell)
    if validation is not None and state.best:
        module.load_state_dict(state.best)
    module.eval()
    if training.checkpoint:
        training.checkpoint.unlink(missing_ok=True)
    seconds, speed = time.perf_counter() - run.began, state.epoch * len(samples) / (time.perf_counter() - run.began)
    best = state.best_epoch if validation is not None else state.epoch - 1
    return Effort(seconds, speed, state.epoch, best, tuple(state.curve), device.type, training.price_per_hour)


@dataclass(frozen=True, eq=False)
class _Run:
    module: nn.Module
    samples: Windows
    validation: Windows | None
    loss: Loss
    training: Training
    optimiser: torch.optim.Optimizer
    seed: int
    blame: Callable[[Tensor, Tensor], str] | None
    began: float


def _epoch(run: _Run, state: State, identity: str, tell: Tell) -> None:
    run.module.train()
    batches = batches_of(run.samples, run.training.batch, run.loss.needs_times, _order(run.seed, state.epoch))
    saved, n = time.perf_counter(), len(batches)
    for step in range(state.step, n):
        what = f"epoch {state.epoch + 1} of {run.training.epochs}"
        if step % 20 == 0:
            loss = state.total / step if step else math.nan
            tell(f"{what}, loss {loss:.4f}" if step else what, state.epoch * n + step, run.training.epochs * n)
        _set_rate(run, state, (state.epoch * n + step) / (run.training.epochs * n))
        state.total += _step(run, batches[step], step, is_last=step == n - 1)
        state.step = step + 1
        if time.perf_counter() - saved > run.training.checkpoint_seconds:
            _keep(run, state, identity)
            saved = time.perf_counter()
    _close(run, state, n)
    _keep(run, state, identity)


def _keep(run: _Run, state: State, identity: str) -> None:
    state.seconds = time.perf_counter() - run.began
    if run.training.checkpoint:
        save(run.training.checkpoint, identity, state, run.module, run.optimiser)


def _close(run: _Run, state: State, n_steps: int) -> None:
    judged = math.nan if run.validation is None else average_loss(run.module, run.validation, run.loss, run.training.batch)
    state.curve.append((state.total / n_steps, judged))
    if run.validation is not None and state.epochs_since_best == 0:
        state.best = {name: value.detach().clone() for name, value in run.module.state_dict().items()}
    if run.training.schedule == "plateau" and state.epochs_since_best and state.epochs_since_best % PLATEAU == 0:
        state.factor *= 0.5
    state.epoch, state.step, state.total = state.epoch + 1, 0, 0.0


def _step(run: _Run, rows: Tensor, step: int, *, is_last: bool) -> float:
    inputs, targets = run.samples.batch(rows)
    low = torch.autocast(inputs.device.type, torch.bfloat16) if run.training.precision == "bfloat16" else nullcontext()
    with low:
        outputs = run.module(inputs)
    value = run.loss(outputs.float(), targets, run.samples.rows[rows] // run.samples.n_instruments)
    (value / run.training.accumulate).backward()  # type: ignore[no-untyped-call]
    if (step + 1) % run.training.accumulate == 0 or is_last:
        norm = nn.utils.clip_grad_norm_(run.module.parameters(), run.training.clip)
        if not bool(torch.isfinite(norm)):
            raise _exploded(run, rows, inputs, float(value.detach()))
        run.optimiser.step()
        run.optimiser.zero_grad(set_to_none=True)
    return float(value.detach())


def _exploded(run: _Run, rows: Tensor, inputs: Tensor, value: float) -> DataError:
    culprit = run.blame(run.samples.rows[rows], inputs) if run.blame else "an input"
    return DataError(
        f"training broke down with a loss of {value:g}: {culprit}",
        "finite losses and gradients",
        "look at that input; a smaller learning rate or a smaller `clip` helps where the data is sound",
    )


def average_loss(module: nn.Module, samples: Windows, loss: Loss, batch: int) -> float:
    """Average the loss of a module over samples, without learning from them."""
    module.eval()
    total, n = 0.0, 0
    with torch.inference_mode():
        for rows in batches_of(samples, batch, loss.needs_times, None):
            inputs, targets = samples.batch(rows)
            times = samples.rows[rows] // samples.n_instruments
            total += float(loss(module(inputs).float(), targets, times)) * len(rows)
            n += len(rows)
    return total / max(n, 1)


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
