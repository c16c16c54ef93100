"""Gather windows by index from the resident array: none is ever materialised beside it."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from quantdesk.domain.arrays import Float32, Float64, Ints
from quantdesk.domain.errors import StrategyError


@dataclass(frozen=True, eq=False)
class Windows:
    """Hold where windows come from; a batch of them exists only while it is used.

    Parameters
    ----------
    table : Tensor
        Features as they are (n_times * n_instruments, n_features), a view of the dataset's memory on
        the CPU; missing values are NaN.
    n_instruments : int
        Rows of one time.
    lookback : int
        Times in a window.
    targets : Tensor
        What to predict (n_samples, n_targets); NaN where not known.
    rows : Tensor
        Each sample's position in ``table`` at the time of decision (n_samples,), int64.
    is_by_time : bool
        Whether a batch is the samples of one time, and of no other.
    """

    table: Tensor
    n_instruments: int
    lookback: int
    targets: Tensor
    rows: Tensor
    is_by_time: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Gather some samples: windows (n, lookback, n_features) and targets (n, n_targets)."""
        return gather(self.table, self.rows[samples], self.n_instruments, self.lookback), self.targets[samples]


def gather(table: Tensor, rows: Tensor, n_instruments: int, lookback: int) -> Tensor:
    """Gather the window that ends at each row (n, lookback, n_features); NaN before history begins."""
    steps = torch.arange(1 - lookback, 1, device=rows.device) * n_instruments
    places = rows[:, None] + steps
    found = table.index_select(0, places.clamp(min=0).reshape(-1)).reshape(len(rows), lookback, table.shape[1])
    if bool((places[:, 0] < 0).any()):
        found = torch.where((places < 0)[..., None], torch.nan, found)
    return found


def resident(features: Float32, device: torch.device) -> Tensor:
    """Lay the features of a dataset out as one table on a device; on the CPU nothing is copied."""
    with warnings.catch_warnings():
        # What processes share is read-only, and nothing writes to it here.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        table = torch.from_numpy(np.ascontiguousarray(features).reshape(-1, features.shape[-1]))
    return table.to(device)


def windows(
    features: Float32, targets: Float64, times: Ints, instruments: Ints, lookback: int, device: torch.device
) -> Windows:
    """Say which windows of a dataset to learn from.

    Parameters
    ----------
    features : Float32
        Shape (n_times, n_instruments, n_features).
    targets : Float64
        Shape (n_samples, n_targets).
    times, instruments : Ints
        Where each sample is decided (n_samples,).

    Raises
    ------
    StrategyError
        If a window is longer than the history, or this machine has no such device.
    """
    _require_history(len(features), lookback)
    _require_device(device)
    n_instruments = features.shape[1]
    return Windows(
        table=resident(features, device),
        n_instruments=n_instruments,
        lookback=lookback,
        targets=torch.from_numpy(targets.astype(np.float32)).to(device),
        rows=torch.from_numpy(times * n_instruments + instruments).to(device),
    )


def _require_history(n_times: int, lookback: int) -> None:
    if lookback > n_times:
        raise StrategyError(
            f"the network looks back {lookback} bars, and there are {n_times} to learn from",
            f"a lookback of {n_times} or less, better far less",
            "shorten the lookback, or give a longer history",
        )


def _require_device(device: torch.device) -> None:
    n_gpus = torch.cuda.device_count()
    found = {"cuda": (device.index or 0) < n_gpus, "mps": torch.backends.mps.is_available()}
    if not found.get(device.type, True):
        raise StrategyError(
            f"a network is to learn on {device}, which this machine does not have",
            f"one of its devices ({n_gpus} for CUDA), or auto",
            "set Training.device to auto, or run it where that device is",
        )
