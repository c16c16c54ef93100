"""Does a whole market fit a small machine? Brings 5,300 symbols of 20 years in, judges, keeps and loads them.

The bars are a random walk with halts, late listings and departures, written in long form to a
temporary folder. Prints time and peak memory (resident, of this process) by step.

Run: ``python benchmarks/large_panel.py [--symbols 5300] [--years 20]``
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from quantdesk.data import quality, store
from quantdesk.data.sources.file import File

GROUP = 200
Result = TypeVar("Result")


def write_market(path: Path, n_symbols: int, n_years: int) -> None:
    """Write one Parquet file, a row a symbol and day, symbol after symbol."""
    days = np.busday_offset(np.datetime64("2004-01-02"), np.arange(252 * n_years), roll="forward")
    parts = []
    for start in range(0, n_symbols, GROUP):
        parts.append(path.with_name(f"part-{start:05d}.parquet"))
        _group(days, start, min(GROUP, n_symbols - start)).write_parquet(parts[-1])
    pl.scan_parquet(parts).sink_parquet(path)
    for part in parts:
        part.unlink()


def _group(days: "np.ndarray[tuple[int], np.dtype[np.datetime64]]", start: int, n_symbols: int) -> pl.DataFrame:
    dice = np.random.default_rng(start)
    shape = (n_symbols, len(days))
    moves = 0.0002 + 0.02 * dice.standard_normal(shape, dtype=np.float32).astype(np.float64)
    close = np.round(dice.uniform(5, 200, (n_symbols, 1)) * np.exp(np.cumsum(moves, axis=1)), 4)
    opens = np.round(close * np.exp(-moves / 2), 4)
    spread = np.abs(moves) + 0.002
    listed = np.where(dice.random(n_symbols) < 0.4, dice.integers(0, len(days) // 2, n_symbols), 0)
    gone = np.where(dice.random(n_symbols) < 0.1, dice.integers(len(days) // 2, len(days), n_symbols), len(days))
    at = np.arange(len(days))
    is_bar = (at >= listed[:, None]) & (at < gone[:, None]) & (dice.random(shape, dtype=np.float32) > 2e-5)
    rows, columns = np.nonzero(is_bar)
    names = np.array([f"S{start + number:05d}" for number in range(n_symbols)])
    volume = np.round(1e6 * np.exp(0.4 * dice.standard_normal(shape, dtype=np.float32)))
    return pl.DataFrame(
        {
            "date": days[columns],
            "symbol": pl.Series(names[rows]),
            "open": opens[is_bar],
            "high": np.maximum(opens, close)[is_bar] * (1 + spread[is_bar]),
            "low": np.minimum(opens, close)[is_bar] * (1 - spread[is_bar]),
            "close": close[is_bar],
            "volume": volume[is_bar].astype(np.int64),
        }
    )


def step(name: str, work: Callable[[], Result]) -> Result:
    """Run one step and print how long it took and how much memory it held at most."""
    _forget_peak()
    began = time.perf_counter()
    result = work()
    print(f"{name:<8} {time.perf_counter() - began:7.1f} s {_peak_gb():7.2f} GB", flush=True)
    return result


def _forget_peak() -> None:
    # Linux counts the peak anew after this; elsewhere each step shows the highest so far.
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def _peak_gb() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e9 / 1024)


def main() -> None:
    """Print one line a step, then the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=5300)
    parser.add_argument("--years", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, home = Path(folder) / "market.parquet", Path(folder) / "home"
        writer = multiprocessing.get_context("spawn").Process(target=write_market, args=(path, chosen.symbols, chosen.years))
        writer.start()
        writer.join()
        print(f"{chosen.symbols} symbols, {chosen.years} years: a file of {path.stat().st_size / 1e6:.0f} MB")
        began = time.perf_counter()
        panel = step("ingest", File(path, "large").fetch)
        report = step("check", partial(quality.check, panel))
        n_bars = int(report.is_traded.sum())
        print(f"         {n_bars:,} bars; {report.n_refused} refused, {report.n_flagged} flagged")
        del report
        step("save", partial(store.save, panel, home))
        del panel
        loaded = step("load", partial(store.load, "large", home))
        print(f"all      {time.perf_counter() - began:7.1f} s; {loaded.shape[1]} instruments x {loaded.shape[0]} bars")


if __name__ == "__main__":
    main()
