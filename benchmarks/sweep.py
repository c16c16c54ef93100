"""Measure how fast moving-average crossovers are swept, beside vectorbt and backtesting.py in the same run.

A market of 504 instruments and 1,509 daily bars (a random walk with overnight gaps, or a stored
data set), crossovers of closes decided at a close and filled at the next open for 10 bps, the whole
account in one position. Return, Sharpe and drawdown are part of every run. The peers live in
environments of their own, made on demand in the user's cache folder. Speeds are medians, in millions
of bars times strategies a second; one strategy is one parameter pair on one instrument.

Run: ``python benchmarks/sweep.py [--repeats 5] [--data sp500 --home PATH] [--no-peers] [--json FILE]``
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import replace
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from quantdesk.domain.arrays import Times
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.execution.costs import Costs
from quantdesk.execution.rules import Crossover, grid
from quantdesk.execution.sweep import Account, Sweep, bars_per_year, sweep

COSTS = Costs(commission_bps=10.0, half_spread_bps=0.0, impact=0.0, borrow_bps=0.0)
ALL_IN = Account(100_000.0, is_sized_at_fill=True)
RULES = grid(Crossover, fast=range(5, 50, 5), slow=range(20, 200, 10))
PEERS = {"vectorbt": (504, 10), "backtesting": (3, 5)}
"""Instruments and parameter pairs that each peer can do in some seconds."""


def world(data: str, home: str) -> Panel:
    """Load opens and closes of a stored data set, or draw a random walk of the same size."""
    if data:
        from quantdesk.data import store

        panel = store.load(data, Path(home))
        whole = np.isfinite(panel.get("open") + panel.fields["close"]).all(axis=0)
        panel = panel.select(tuple(panel.symbols[i] for i in np.flatnonzero(whole)))
        return replace(panel, fields={name: panel.fields[name] for name in ("open", "close")}, known_at={})
    dice, shape = np.random.default_rng(0), (1509, 504)
    night, day = dice.normal(0.0001, 0.01, shape), dice.normal(0.0001, 0.015, shape)
    level = np.log(dice.uniform(10, 300, shape[1])) + np.cumsum(night + day, axis=0)
    days = np.busday_offset(np.datetime64("2018-01-02"), np.arange(shape[0]), roll="forward")
    times: Times = np.add(days.astype("datetime64[ns]"), np.timedelta64(21, "h"))
    instruments = tuple(Instrument(f"S{i:03d}") for i in range(shape[1]))
    return Panel(times, instruments, {"open": np.exp(level - day), "close": np.exp(level)})


def speed(panel: Panel, n_threads: int) -> float:
    """Sweep once; millions of bars times strategies a second."""
    began = time.perf_counter()
    sweep(panel, RULES, costs=COSTS, account=ALL_IN, n_threads=n_threads)
    return panel.shape[0] * panel.shape[1] * len(RULES) / 1e6 / (time.perf_counter() - began)


def seconds_to_first(folder: str) -> float:
    """Start an interpreter and sweep one rule on one instrument, with compiled code kept in ``folder``."""
    code = (
        "import numpy as np; from sweep import COSTS, ALL_IN, RULES, sweep, world; "
        "panel = world('', ''); sweep(panel.select(panel.symbols[:1]), RULES[:1], costs=COSTS, account=ALL_IN)"
    )
    began = time.perf_counter()
    here = Path(__file__).parent
    subprocess.run([sys.executable, "-c", code], check=True, cwd=here, env={**os.environ, "NUMBA_CACHE_DIR": folder})
    return time.perf_counter() - began


def python_of(name: str) -> Path | None:
    """Find a peer's environment, making it if need be; None where its packages cannot be had."""
    home = user_cache_path("quantdesk") / "benchmarks" / name
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        done = subprocess.run([python, "-m", "pip", "install", "-q", name], capture_output=True, text=True)
        if done.returncode:
            print(f"{name}: left out, pip could not install it: {done.stderr.strip().splitlines()[-1:]}")
            return None
        (home / "ready").touch()
    return python


def peer(name: str, panel: Panel, folder: Path, repeats: int) -> tuple[list[float], Path] | None:
    """Run a peer on a part of the market; speeds and the file with its figures."""
    python = python_of(name)
    if python is None:
        return None
    n_instruments, n_pairs = PEERS[name]
    kept, figures = folder / f"{name}.npz", folder / f"{name}_figures.npz"
    opened, close = (panel.fields[field][:, :n_instruments] for field in ("open", "close"))
    rules = RULES[:: len(RULES) // n_pairs][:n_pairs]
    pairs = np.array([(rule.fast, rule.slow) for rule in rules])
    np.savez(kept, times=panel.times, pairs=pairs, open=opened, close=close)
    script = Path(__file__).with_name("sweep_peers.py")
    done = subprocess.run([python, script, name, kept, str(repeats), figures], capture_output=True, text=True)
    if done.returncode:
        print(f"{name}: left out, it failed: {done.stderr.strip().splitlines()[-1:]}")
        return None
    work = panel.shape[0] * close.shape[1] * len(rules) / 1e6
    return [work / seconds for seconds in json.loads(done.stdout.splitlines()[-1])], figures


def differences(panel: Panel, figures: Path) -> dict[str, float]:
    """Give the largest difference to vectorbt's return, Sharpe and drawdown, relative above 1."""
    theirs, n_pairs = np.load(figures), PEERS["vectorbt"][1]
    rules = RULES[:: len(RULES) // n_pairs][:n_pairs]
    ours: Sweep = sweep(panel, rules, costs=COSTS, account=ALL_IN)
    pairs = {
        "total return": (ours.total_return, theirs["total"]),
        "sharpe": (ours.sharpe, theirs["ratio"] * np.sqrt(bars_per_year(panel, 0))),
        "max drawdown": (ours.max_drawdown, theirs["worst"]),
    }
    return {
        name: float(np.nanmax(np.abs(left.ravel() - right) / np.maximum(1.0, np.abs(right))))
        for name, (left, right) in pairs.items()
    }


def measure(panel: Panel, repeats: int, with_peers: bool) -> dict[str, object]:
    """Measure everything, the peers between two runs of our own."""
    found: dict[str, object] = {"instruments": panel.shape[1], "bars": panel.shape[0], "rules": len(RULES)}
    # Before the peers' data is made: the peak is that of the market and the sweeps alone.
    speed(panel, 1)
    speeds: dict[str, list[float]] = {"1 core": [], "2 cores": []}
    for _ in range(repeats):
        speeds["1 core"].append(speed(panel, 1))
        speeds["2 cores"].append(speed(panel, 2))
    found["peak memory (MB)"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024.0 if sys.platform == "linux" else 2**20
    )
    with tempfile.TemporaryDirectory() as folder:
        found["cold (s)"], found["warm (s)"] = seconds_to_first(folder), seconds_to_first(folder)
        for name in PEERS if with_peers else ():
            result = peer(name, panel, Path(folder), repeats)
            if result:
                speeds[name] = result[0]
                for cores in ("1 core", "2 cores"):
                    speeds[cores].append(speed(panel, int(cores[0])))
                if name == "vectorbt":
                    found.update({f"difference, {what}": value for what, value in differences(panel, result[1]).items()})
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    found.update({f"{name} (M/s)": value for name, value in medians.items()})
    for name in medians.keys() & PEERS.keys():
        for cores in ("1 core", "2 cores"):
            found[f"{cores} over {name}"] = medians[cores] / medians[name]
    return found


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--data", default="")
    arguments.add_argument("--home", default="")
    arguments.add_argument("--no-peers", action="store_true")
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()
    found = measure(world(chosen.data, chosen.home), chosen.repeats, not chosen.no_peers)
    for name, value in found.items():
        print(f"{name:<28}{value:>14.4g}" if isinstance(value, float) else f"{name:<28}{value!s:>14}")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
