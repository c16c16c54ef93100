"""Does the temporal fusion transformer's variable selection find the three informative of twenty inputs? Prints a line a seed.

Inputs are independent and persistent (autocorrelation 0.8). One raises the next return, one lowers it, and one acts by its
size alone, so that no correlation shows it. Where nothing is informative, the largest weight says what to expect of chance.
Run: ``python benchmarks/tft_selection.py [--seeds 10] [--first 0] [--ic 0.3]``
"""

import argparse
import time

import numpy as np
import torch

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.models.deep import Deep
from quantdesk.models.learning.forecaster import DeepForecaster
from quantdesk.models.learning.losses import Quantiles
from quantdesk.models.learning.windows import gather, resident
from quantdesk.models.networks.tft import TFT, weights
from quantdesk.models.training import Training

N_TIMES, N_INSTRUMENTS, N_INPUTS = 200, 40, 20
MODEL = Deep(
    TFT(lookback=4, width=16, heads=2), Quantiles(), Training(epochs=8, batch=256, learning_rate=1e-2, patience=0), demean=False
)


def world(seed: int, ic: float) -> tuple[Dataset, Ints]:
    """Draw a panel and the positions of its informative inputs: raising, lowering, by size."""
    random = np.random.default_rng(seed)
    inputs = random.standard_normal((N_TIMES, N_INSTRUMENTS, N_INPUTS))
    for row in range(1, N_TIMES):
        inputs[row] = 0.8 * inputs[row - 1] + 0.6 * inputs[row]
    raising, lowering, sized = informative = random.choice(N_INPUTS, 3, replace=False)
    size = (np.abs(inputs[..., sized]) - np.sqrt(2 / np.pi)) / np.sqrt(1 - 2 / np.pi)
    signal = inputs[..., raising] - inputs[..., lowering] + size
    outcomes = ic * signal + random.standard_normal(signal.shape)
    return _dataset(inputs, 0.01 * outcomes), informative


def _dataset(inputs: Float64, labels: Float64) -> Dataset:
    begins = np.arange(N_TIMES) + 1
    return Dataset(
        times=np.datetime64("2001-01-01", "ns") + np.arange(N_TIMES) * np.timedelta64(1, "D"),
        features=inputs.astype(np.float32),
        labels=labels[..., None],
        begins=begins,
        ends=begins[:, None] + 1,
        scale=np.full(labels.shape, 0.01),
        is_valid=np.ones(labels.shape, dtype=np.bool_),
        feature_names=tuple(f"input_{place}" for place in range(N_INPUTS)),
        needs_scaling=np.ones(N_INPUTS, dtype=np.bool_),
        horizons=(1,),
        symbols=tuple(f"S{place}" for place in range(N_INSTRUMENTS)),
    )


def mean_weights(forecaster: DeepForecaster, dataset: Dataset, n: int = 1000) -> Float64:
    """Average the selection weights over some samples, evenly in time, and over their windows (n_inputs,)."""
    n_times, n_instruments, _ = dataset.features.shape
    rows = torch.linspace(forecaster.lookback * n_instruments, n_times * n_instruments - 1, n).long()
    windows = gather(resident(dataset.features, torch.device("cpu")), rows, n_instruments, forecaster.lookback)
    found: Float64 = weights(forecaster.module, windows).selection.mean(dim=(0, 1)).numpy()
    return found


def places(amounts: Float64, chosen: Ints) -> list[int]:
    """Rank the chosen inputs by their amounts, from 1."""
    return [int((amounts > amounts[one]).sum()) + 1 for one in chosen]


def row(seed: int, ic: float) -> bool:
    """Train on one world, print what was found, and tell whether the three lead."""
    dataset, informative = world(seed, ic)
    began = time.perf_counter()
    forecaster = MODEL.fit(dataset, seed)
    seconds, found = time.perf_counter() - began, mean_weights(forecaster, dataset)
    ranks, next_best = places(found, informative), np.delete(found, informative).max()
    least = found[informative].min()
    by_share = places(forecaster.shares, informative)
    print(f"{seed:4d} {ic:5.2f}  {ranks!s:12} {least:7.3f} {next_best:10.3f}  {by_share!s:12} {seconds:6.1f}", flush=True)
    return sorted(ranks) == [1, 2, 3]


def main() -> None:
    """Print one line a seed, then how often the three lead."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--ic", type=float, default=0.3)
    parser.add_argument("--none", type=int, default=2)
    chosen = parser.parse_args()
    print("seed    IC  places       least  next best  by gradient  seconds")
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    led = [row(seed, chosen.ic) for seed in seeds]
    print(f"the three informative inputs come first in {sum(led)} of {len(led)} seeds")
    for seed in range(chosen.none):
        row(seed, 0.0)


if __name__ == "__main__":
    main()
