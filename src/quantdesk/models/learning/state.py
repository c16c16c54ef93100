"""Where a training stands, kept whole on disk so that a kill costs little and changes nothing."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass
class State:
    """Hold everything that the next step depends on.

    Parameters
    ----------
    epoch, step : int
        Where training stands: steps are counted within the epoch.
    total : float
        Sum of the losses of this epoch's steps.
    factor : float
        What a plateau has made of the learning rate.
    curve : list of tuple
        Training and validation loss of each epoch done.
    best : dict of str to Tensor
        Weights of the best epoch so far.
    seconds : float
        Wall time so far.
    joules : float or None
        Energy so far, where it is known.
    """

    epoch: int = 0
    step: int = 0
    total: float = 0.0
    factor: float = 1.0
    curve: list[tuple[float, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    joules: float | None = 0.0

    @property
    def best_epoch(self) -> int:
        """Give the epoch with the smallest validation loss, from 0."""
        return min(range(len(self.curve)), key=lambda epoch: self.curve[epoch][1])

    @property
    def epochs_since_best(self) -> int:
        """Count the epochs done since."""
        return len(self.curve) - 1 - self.best_epoch


def save(path: Path, identity: str, state: State, module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Write the state beside an older one and put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        random["cuda"] = torch.cuda.get_rng_state()
    unfinished = path.with_suffix(f".{os.getpid()}")
    torch.save(
        {
            "identity": identity,
            "state": vars(state),
            "module": module.state_dict(),
            "optimiser": optimiser.state_dict(),
            "random": random,
        },
        unfinished,
    )
    os.replace(unfinished, path)


def restore(path: Path, identity: str, module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> State:
    """Continue where a training of the same identity was left; begin where there is none."""
    if not path.is_file():
        return State()
    kept = torch.load(path, weights_only=True, map_location="cpu")
    if kept["identity"] != identity:
        return State()
    module.load_state_dict(kept["module"])
    optimiser.load_state_dict(kept["optimiser"])
    torch.set_rng_state(kept["random"]["cpu"])
    if "cuda" in kept["random"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(kept["random"]["cuda"])
    return State(**{"joules": None, **kept["state"]})
