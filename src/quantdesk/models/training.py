"""How networks are trained: every knob in one place."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quantdesk.models.learning.choices import BELOW_1, FROM_0, check_choices, check_kind, refuse

Schedule = Literal["constant", "cosine", "restarts", "exponential", "plateau"]
"""How the learning rate goes down: never, along a cosine, along cosines that start again, by the same share at every step
to a hundredth, or when nothing improves."""

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Training:
    """Choose how a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the samples, at most.
    batch : int
        Samples a step.
    learning_rate, weight_decay : float
        Of AdamW (Loshchilov & Hutter 2019).
    schedule : Schedule
        How the learning rate goes down.
    patience : int
        Epochs without a better loss on the validation span after which training stops; 0 never stops.
    validation_share : float
        Last share of the training times that chooses the epoch; labels that reach into it do not
        train. 0 trains on everything and keeps the last epoch.
    clip : float
        Largest norm of the gradient.
    accumulate : int
        Batches whose gradients make one step.
    precision : Precision
        Of the products; weights and sums stay float32.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``, ``mps``; ``auto`` takes CUDA, then Apple's MPS, then the CPU.
    n_threads : int
        On the CPU; fixed, because sums depend on it in the last digits. One by default: twins and the tasks of a
        cluster run side by side, and threads that wait for one another are slow on a busy machine.
    n_processes : int
        Processes of this machine that share every batch, one a GPU; on the CPU, one a core. They compute what one would,
        up to the last digits; networks that read a whole time at once cannot be shared.
    checkpoint : Path or None
        Where training is kept after each epoch and every ``checkpoint_seconds``, so that a kill costs
        little; a finished training removes it. Text is taken for a path.
    checkpoint_seconds : float
        See ``checkpoint``.
    price_per_hour : float
        Of the machine, in any currency, so that the cost of a training is known; 0 where it is not.

    Raises
    ------
    StrategyError
        If a knob is outside its range.
    """

    epochs: int = 20
    batch: int = 1024
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    schedule: Schedule = "cosine"
    patience: int = 4
    validation_share: float = 0.15
    clip: float = 1.0
    accumulate: int = 1
    precision: Precision = "float32"
    device: str = "auto"
    n_threads: int = 1
    n_processes: int = 1
    checkpoint: Path | None = None
    checkpoint_seconds: float = 60.0
    price_per_hour: float = 0.0

    def __post_init__(self) -> None:
        given: object = self.checkpoint
        if isinstance(given, str):
            object.__setattr__(self, "checkpoint", Path(given))
        elif given is not None:
            check_kind("Training.checkpoint", given, Path)
        check_choices(
            self,
            patience=FROM_0,
            weight_decay=FROM_0,
            checkpoint_seconds=FROM_0,
            price_per_hour=FROM_0,
            validation_share=BELOW_1,
        )
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            refuse("Training.device", self.device, "auto, cpu, cuda, cuda:0 or mps")
