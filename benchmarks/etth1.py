"""Print the test error of the networks on ETTh1 by the protocol of the papers.

Look-back 336, each channel standardised by its training span, borders at 12, 16 and 20 months of 30 days, all seven
channels, mean squared and mean absolute error in standardised units, the epoch chosen by the validation span. Every
window of every span counts; the papers' code leaves out the last windows of the test span, which do not fill a batch,
and its error is printed beside. PatchTST is theirs: width 16, 4 heads, 3 layers, 128 inner units, dropout 0.3, batches
of 128 x 7 windows, Adam, the learning rate from the fourth epoch on 1e-4 times 0.9 an epoch; DLinear's is halved every
epoch. TSMixer is its paper's but for the look-back (theirs is 512) and layer norms for
batch norms; the transformer and the LSTM read all channels and are ours.

Run: ``python benchmarks/etth1.py ../shared/data/forecast_benchmarks/ETTh1.csv.gz --json etth1.json``, and
``python benchmarks/etth1.py --table etth1.json`` for the table of docs/guides/networks.md.
"""

import argparse
import gzip
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from quantdesk.domain.arrays import Float32
from quantdesk.models.learning.loop import on_threads
from quantdesk.models.learning.losses import SquaredError
from quantdesk.models.learning.network import Network
from quantdesk.models.learning.reversible import Reversible
from quantdesk.models.learning.train import train
from quantdesk.models.learning.windows import Windows, resident
from quantdesk.models.networks.dlinear import DLinear
from quantdesk.models.networks.lstm import LSTM
from quantdesk.models.networks.patchtst import PatchTST
from quantdesk.models.networks.transformer import Transformer
from quantdesk.models.networks.tsmixer import TSMixer
from quantdesk.models.training import Training

MONTH = 30 * 24
BORDERS = (0, 12 * MONTH, 16 * MONTH, 20 * MONTH)
LOOKBACK = 336

PUBLISHED = {("PatchTST", 96): 0.375, ("PatchTST", 192): 0.414, ("DLinear", 96): 0.375, ("DLinear", 192): 0.405}
"""Test MSE in the papers: PatchTST/42 (Nie et al. 2023, table 3), DLinear (Zeng et al. 2023, table 2)."""


def networks() -> dict[str, tuple[Network, bool, Training]]:
    """Name each network, whether it reads the channels one by one, and how it is trained."""
    alone = Training(epochs=44, batch=7 * 128, learning_rate=1e-4 / 0.9**3, weight_decay=0.0, patience=10, clip=math.inf)
    alone = replace(alone, schedule="exponential")
    quick = replace(alone, epochs=10, batch=128, learning_rate=1e-3, patience=4)
    patch = PatchTST(LOOKBACK, 16, 8, width=16, heads=4, layers=3, inner=128, dropout=0.3)
    mixer = TSMixer(LOOKBACK, blocks=2, inner=64, dropout=0.7, forecasts_itself=True)
    return {
        "DLinear": (DLinear(LOOKBACK), True, replace(alone, batch=7 * 32, epochs=7, learning_rate=5e-3)),
        "PatchTST": (Reversible(patch), True, alone),
        "TSMixer": (Reversible(mixer), False, replace(quick, epochs=20, batch=32, learning_rate=5e-4)),
        "Transformer": (Reversible(Transformer(LOOKBACK, width=32, layers=1, dropout=0.0)), False, replace(quick, epochs=6)),
        "LSTM": (Reversible(LSTM(LOOKBACK, hidden=64, layers=1)), False, quick),
    }


def read(path: Path) -> Float32:
    """Read the series and standardise each by its training span (n_times, 7)."""
    with gzip.open(path, "rt") as file:
        values = np.loadtxt(file, delimiter=",", skiprows=1, usecols=range(1, 8))
    taught = values[: BORDERS[1]]
    scaled: Float32 = ((values - taught.mean(axis=0)) / taught.std(axis=0)).astype(np.float32)
    return scaled


def cut(values: Float32, span: int, horizon: int, is_alone: bool) -> Windows:
    """Take the windows of one span whose futures end within it; the past may reach back before it."""
    first = max(BORDERS[span], LOOKBACK)
    decided = np.arange(first - 1, BORDERS[span + 1] - horizon)
    futures = np.lib.stride_tricks.sliding_window_view(values, horizon, axis=0)[decided + 1]
    n_channels = values.shape[1]
    if not is_alone:
        targets = torch.from_numpy(futures.reshape(len(decided), -1).copy())
        return Windows(resident(values[:, None], torch.device("cpu")), 1, LOOKBACK, targets, torch.from_numpy(decided))
    rows = torch.from_numpy((decided[:, None] * n_channels + np.arange(n_channels)).reshape(-1))
    targets = torch.from_numpy(futures.reshape(-1, horizon).copy())
    return Windows(resident(values[:, :, None], torch.device("cpu")), n_channels, LOOKBACK, targets, rows)


class Plain(torch.nn.Module):
    """Give a network's outputs the width that losses read."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Map windows to (n, n_outputs, 1)."""
        out: torch.Tensor = self.inner(windows)
        return out[..., None]


def errors(module: torch.nn.Module, samples: Windows) -> torch.Tensor:
    """Say how far off every window, channel and step is (n_rows, n_steps)."""
    with torch.inference_mode():
        batches = map(samples.batch, torch.split(torch.arange(len(samples)), 512))
        return torch.cat([module(inputs)[..., 0] - targets for inputs, targets in batches])


def table(path: Path) -> str:
    """Render what an earlier run found in Markdown."""
    names = ["network", "horizon", "test MSE", "test MAE", "MSE without the last, incomplete batch", "MSE in the paper"]
    lines = ["| " + " | ".join([*names, "best epoch"]) + " |", "|---" * 7 + "|"]
    for row in json.loads(path.read_text()):
        published = f"{row['published']:.3f}" if row["published"] else ""
        whole = f"{row['mse_of_whole_batches']:.3f}"
        cells = [row["network"], row["horizon"], f"{row['mse']:.3f}", f"{row['mae']:.3f}", whole, published]
        lines.append("| " + " | ".join(map(str, [*cells, f"{row['best']} of {row['epochs']}"])) + " |")
    return "\n".join(lines)


def judge(name: str, values: Float32, horizon: int, seed: int) -> dict[str, object]:
    """Train a network at a horizon, and measure it on the test span."""
    network, is_alone, training = networks()[name]
    taught, judged, tested = (cut(values, span, horizon, is_alone) for span in range(3))
    torch.manual_seed(seed)
    module = Plain(network.build(1 if is_alone else values.shape[1], taught.targets.shape[1]))
    effort = train(module, taught, judged, SquaredError(), training, seed)
    with on_threads(training.n_threads):
        apart = errors(module, tested)
    whole_batches = apart[: len(apart) // training.batch * training.batch]
    row = {"network": name, "horizon": horizon, "mse": float((apart**2).mean()), "mae": float(apart.abs().mean())}
    row |= {"mse_of_whole_batches": float((whole_batches**2).mean()), "published": PUBLISHED.get((name, horizon))}
    return row | {"epochs": effort.n_epochs, "best": effort.best_epoch + 1, "seconds": effort.seconds}


def main() -> None:
    """Train every network at every horizon, and print what it makes of the test span."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--horizons", type=int, nargs="+", default=[96, 192])
    parser.add_argument("--only", nargs="+", default=list(networks()))
    parser.add_argument("--seed", type=int, default=2021)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path, help="render this earlier --json instead")
    asked, found = parser.parse_args(), []
    if asked.table:
        print(table(asked.table))
        return
    values = read(asked.path)
    for horizon in asked.horizons:
        for name in asked.only:
            found.append(judge(name, values, horizon, asked.seed))
            print(json.dumps(found[-1]), flush=True)
            if asked.json:
                asked.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
