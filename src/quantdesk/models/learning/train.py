"""Train a module, here or in several processes, and name the input behind numbers that are not finite."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from quantdesk.domain.effort import Effort, count
from quantdesk.domain.errors import DataError
from quantdesk.models.learning.loop import NotFinite, learn
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.processes import learn_in_processes
from quantdesk.models.learning.windows import Windows, gather
from quantdesk.models.training import Training

Blame = Callable[[Tensor, Tensor], str]
"""Names the input behind numbers that are not finite, from a batch's rows and windows."""


class Train(Protocol):
    """What trains a module in place; ``train`` does, and stages that end with it."""

    def __call__(
        self,
        module: Any,
        samples: Windows,
        validation: Windows | None,
        loss: Loss,
        training: Training,
        seed: int,
        blame: Blame | None = None,
    ) -> Effort:
        """Leave the module with the weights of its best epoch."""
        ...


def train(
    module: nn.Module,
    samples: Windows,
    validation: Windows | None,
    loss: Loss,
    training: Training,
    seed: int,
    blame: Blame | None = None,
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
    blame : Blame, optional
        Asked where the loss is not finite.

    Raises
    ------
    DataError
        If the loss is not finite.
    StrategyError, ComputeError
        If several processes cannot share this training, or one of them died.
    """
    try:
        if training.n_processes > 1:
            effort = learn_in_processes(module, samples, validation, loss, training, seed)
        else:
            effort = learn(module, samples, validation, loss, training, seed)
    except NotFinite as broken:
        raise _exploded(samples, broken, blame) from None
    count(effort)
    return effort


def _exploded(samples: Windows, broken: NotFinite, blame: Blame | None) -> DataError:
    rows = torch.tensor(broken.rows, device=samples.table.device)
    culprit = "an input"
    if blame:
        culprit = blame(rows, gather(samples.table, rows, samples.n_instruments, samples.lookback))
    return DataError(
        f"training broke down with a loss of {broken.value:g}: {culprit}",
        "finite losses and gradients",
        "look at that input; a smaller learning rate or a smaller `clip` helps where the data is sound",
    )
