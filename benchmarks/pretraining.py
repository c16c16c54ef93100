"""Print what pre-training on unlabelled windows is worth where labels are few: mean squared error with and without it.

Instruments oscillate with one of three periods, in noise of the signal's own variance; the label is
the next value without the noise, known for a few windows only. Run: ``python benchmarks/pretraining.py --labels 20 60``.
"""

import argparse
import json
import time

import numpy as np
import torch

from quantdesk.models.fitting import Scaler
from quantdesk.models.learning.loop import average_loss
from quantdesk.models.learning.losses import SquaredError
from quantdesk.models.learning.pretraining import Pretraining
from quantdesk.models.learning.scaled import Scaled
from quantdesk.models.learning.train import train
from quantdesk.models.learning.windows import Windows
from quantdesk.models.networks.patchtst import PatchTST
from quantdesk.models.training import Training

N_NAMES, N_TIMES, LOOKBACK = 20, 100, 24
NETWORK = PatchTST(LOOKBACK, patch=4, stride=4, width=16, heads=2, layers=2, inner=32, dropout=0.1)
TRAINING = Training(epochs=60, batch=64, learning_rate=2e-3, patience=0, validation_share=0.0, device="cpu")


def world(seed: int) -> Windows:
    """Draw the series, and ask for the next value of each window that is whole."""
    random = np.random.default_rng(seed)
    period, phase = random.choice([5.0, 7.0, 11.0], size=N_NAMES), random.uniform(0, 2 * np.pi, N_NAMES)
    signal = np.sqrt(2) * np.sin(2 * np.pi * np.arange(N_TIMES + 1)[:, None] / period + phase)
    seen = (signal + random.standard_normal(signal.shape))[:-1]
    rows = torch.arange((LOOKBACK - 1) * N_NAMES, N_TIMES * N_NAMES)
    targets = torch.from_numpy(signal[1:].reshape(-1, 1).astype(np.float32))[rows]
    return Windows(torch.from_numpy(seen.reshape(-1, 1).astype(np.float32)), N_NAMES, LOOKBACK, targets, rows)


def few(samples: Windows, n: int, seed: int) -> Windows:
    """Keep the labels of some windows only."""
    kept = torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed))[:n].sort().values
    return Windows(samples.table, N_NAMES, LOOKBACK, samples.targets[kept], samples.rows[kept])


def error(n_labels: int, seed: int, is_pretrained: bool) -> float:
    """Train on a few labels of one world, and test on another."""
    torch.manual_seed(seed)
    module = Scaled(NETWORK, Scaler(np.zeros(1), np.ones(1), np.full(1, np.inf)), 1, 1)
    learn = Pretraining(epochs=30, learning_rate=2e-3) if is_pretrained else train
    learn(module, few(world(seed), n_labels, seed), None, SquaredError(), TRAINING, seed)
    return average_loss(module, world(seed + 1000), SquaredError(), 512)


def main() -> None:
    """Print both errors of every seed, and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, nargs="+", default=[20, 60])
    parser.add_argument("--seeds", type=int, default=8)
    asked = parser.parse_args()
    for n_labels in asked.labels:
        pairs, began = [], time.perf_counter()
        for seed in range(asked.seeds):
            pairs.append((error(n_labels, seed, False), error(n_labels, seed, True)))
            print(json.dumps({"labels": n_labels, "seed": seed, "without": pairs[-1][0], "with": pairs[-1][1]}), flush=True)
        without, with_it = np.mean(pairs, axis=0)
        better = sum(after < before for before, after in pairs)
        row = {"labels": n_labels, "without": without, "with": with_it, "better": f"{better} of {len(pairs)}"}
        print(json.dumps(row | {"seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main()
