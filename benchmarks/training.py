"""Time training beside a bare loop and beside other packages, and measure its memory on a large panel.

Prints (1) samples a second of the desk's training over those of a bare PyTorch loop with the same network, batches,
loss and optimiser, windows laid out beforehand; (2) the share of a step that gathering its windows takes; (3) samples a
second over neuralforecast's, with its own defaults but for the size of the LSTM, and windows a second over those of
pytorch-forecasting's data set; (4) the peak memory of training on 5,300 symbols, 5,040 days and 64 features over the
size of the panel. Seconds are of the processor, on one thread, so that a busy machine changes them little; runs that
are compared alternate. The peers run in an environment of their own, made on first use (about 2 GB).

Run: ``python benchmarks/training.py [own peers memory]``; ``memory`` needs 9 GB and is left out unless asked for.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from platformdirs import user_cache_path
from torch import nn

from quantdesk.domain.dataset import Dataset
from quantdesk.models.fitting import Scaler
from quantdesk.models.learning.losses import Huber
from quantdesk.models.learning.network import Network
from quantdesk.models.learning.reversible import Reversible
from quantdesk.models.learning.scaled import Scaled
from quantdesk.models.learning.train import train
from quantdesk.models.learning.windows import Windows, windows
from quantdesk.models.networks.lstm import LSTM
from quantdesk.models.networks.mlp import MLP
from quantdesk.models.networks.patchtst import PatchTST
from quantdesk.models.training import Training

LOOKBACK = 60
RUNS = 5
ONCE = Training(epochs=1, batch=1024, patience=0, schedule="constant", device="cpu", n_threads=1)
CASES: dict[str, tuple[Network, int, Training, int]] = {
    "LSTM": (LSTM(LOOKBACK, 64, 2), 32, replace(ONCE, batch=128), 2048),
    "LSTM, bfloat16": (LSTM(LOOKBACK, 64, 2), 32, replace(ONCE, batch=128, precision="bfloat16"), 2048),
    "PatchTST": (Reversible(PatchTST(LOOKBACK, 16, 8, 128, 16, 3, 256, 0.2)), 1, ONCE, 4096),
}
"""Network, features, training and samples of a run; batches as the peers have them."""

PEERS = ("neuralforecast", "pytorch-forecasting")
SHAPE = (5040, 5300, 64)


def drawn(n_features: int, n_samples: int, lookback: int = LOOKBACK) -> Windows:
    """Draw a panel of 504 instruments and 1,509 times, and samples of it."""
    random = np.random.default_rng(0)
    features = random.standard_normal((1509, 504, n_features), dtype=np.float32)
    times, instruments = (random.integers(low, high, n_samples) for low, high in ((lookback, 1509), (0, 504)))
    return windows(features, random.standard_normal((n_samples, 1)), times, instruments, lookback, torch.device("cpu"))


def module_of(network: Network, n_features: int) -> Scaled:
    """Make the network with its scaling, the same each time."""
    torch.manual_seed(0)
    scaler = Scaler(np.zeros(n_features), np.ones(n_features), np.full(n_features, 5.0))
    return Scaled(network, scaler, 1, 1)


def epoch(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, training: Training) -> None:
    """Train on windows laid out beforehand."""
    optimiser = torch.optim.AdamW(module.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    module.train()
    for rows in torch.split(torch.randperm(len(inputs)), training.batch):
        loss = nn.functional.huber_loss(module(inputs[rows]), targets[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), training.clip)
        optimiser.step()


def seconds(task: Callable[[], object]) -> float:
    """Time a task, in seconds of the processor."""
    began = time.process_time()
    task()
    return time.process_time() - began


def desk(name: str) -> float:
    """Train once; seconds of the processor."""
    network, n_features, training, n_samples = CASES[name]
    module, samples = module_of(network, n_features), drawn(n_features, n_samples)
    return seconds(lambda: train(module, samples, None, Huber(), training, seed=0))


def bare(name: str) -> float:
    """Train once, as short as PyTorch lets one."""
    network, n_features, training, n_samples = CASES[name]
    module, samples = module_of(network, n_features).inner, drawn(n_features, n_samples)
    inputs, targets = samples.batch(torch.arange(n_samples))
    return seconds(lambda: epoch(module, inputs, targets, training))


def feeding(name: str) -> float:
    """Measure the windows gathered a second."""
    _, n_features, training, _ = CASES[name]
    samples = drawn(n_features, 50 * training.batch)
    batches = torch.split(torch.randperm(len(samples)), training.batch)
    return len(samples) / min(seconds(lambda: [samples.batch(rows) for rows in batches]) for _ in range(RUNS))


def python_of_peers() -> Path | None:
    """Find the peers' environment, making it if need be; None where its packages cannot be had."""
    home = user_cache_path("quantdesk") / "benchmarks" / PEERS[0]
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        torch_too = "torch==" + torch.__version__.partition("+")[0]
        done = subprocess.run([python, "-m", "pip", "install", "-q", torch_too, *PEERS], capture_output=True, text=True)
        if done.returncode:
            print(f"peers left out, pip could not install them: {done.stderr.strip().splitlines()[-1:]}")
            return None
        (home / "ready").touch()
    return python


def peer(python: Path, what: str) -> float:
    """Ask the peers' environment for a speed."""
    script, quiet = Path(__file__).with_name("training_peers.py"), {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, script, what], capture_output=True, text=True, check=True, env=quiet, cwd=user_cache_path("quantdesk")
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def large_panel() -> Dataset:
    """Draw the large panel, a year at a time."""
    n_times, n, n_features = SHAPE
    random, features = np.random.default_rng(0), np.empty(SHAPE, dtype=np.float32)
    for first in range(0, n_times, 252):
        random.standard_normal(dtype=np.float32, out=features[first : first + 252])
    labels = np.empty((n_times, n, 1))
    random.standard_normal(out=labels)
    begins = np.arange(1, n_times + 1)
    return Dataset(
        times=np.datetime64("2000-01-01", "ns") + np.arange(n_times) * np.timedelta64(1, "D"),
        features=features,
        labels=labels,
        begins=begins,
        ends=begins[:, None] + 1,
        scale=np.ones((n_times, n)),
        is_valid=np.ones((n_times, n), dtype=bool),
        feature_names=tuple(f"f{i}" for i in range(n_features)),
        needs_scaling=np.ones(n_features, dtype=bool),
        horizons=(1,),
        symbols=tuple(f"S{i}" for i in range(n)),
    )  # fmt: skip


def peak_bytes() -> int:
    """Read the largest memory this process has held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def remember() -> None:
    """Train on the large panel and print what its memory was at the most; called in a process of its own."""
    from quantdesk.models.deep import Deep

    dataset = large_panel()
    before, began = peak_bytes(), time.perf_counter()
    Deep(MLP(lookback=5), training=replace(ONCE, batch=4096)).fit(dataset, 0)
    size, peak = dataset.features.nbytes, peak_bytes()
    print(
        f"panel {size / 1e9:.2f} GB, with labels and program {before / 1e9:.2f} GB; "
        f"peak in training {peak / 1e9:.2f} GB, {peak / size:.3f}x the panel, {time.perf_counter() - began:.0f} s"
    )


def main() -> None:
    """Measure what is asked for and print."""
    parts = sys.argv[1:] or ["own", "peers"]
    torch.set_num_threads(1)
    if parts == ["remember"]:
        remember()
        return
    if "own" in parts:
        for name in ("LSTM", "PatchTST"):
            pairs = [(desk(name), bare(name)) for _ in range(1 + RUNS)][1:]
            speed = CASES[name][3] / statistics.median(here for here, _ in pairs)
            ratio, share = statistics.median(there / here for here, there in pairs), speed / feeding(name)
            print(
                f"{name:<14} {speed:7,.0f} samples/s   {ratio:.3f}x a bare loop   gathering {100 * share:.2f} % of a step",
                flush=True,
            )
    if "peers" in parts and (python := python_of_peers()):
        for name in CASES:
            speeds = [(CASES[name][3] / desk(name), peer(python, name.partition(",")[0])) for _ in range(3)]
            ratio = statistics.median(here / there for here, there in speeds)
            print(f"{name:<14} {ratio:5.2f}x neuralforecast   {', '.join(f'{h:,.0f}/{t:,.0f}' for h, t in speeds)}", flush=True)
        here, there = feeding("LSTM"), peer(python, "feeding")
        print(f"feeding        {here / there:5.0f}x pytorch-forecasting   {here:,.0f}/{there:,.0f} windows/s", flush=True)
    if "memory" in parts:
        subprocess.run([sys.executable, __file__, "remember"], check=True)


if __name__ == "__main__":
    main()
