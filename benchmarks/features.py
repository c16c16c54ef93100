"""Measure how fast the daily features are, in bulk and for one more day, and how much memory they hold.

Computes every feature of daily prices and volumes on a random market of the size of the S&P 500
over six years, on one core and on all allowed, then one more day bar by bar; beside it polars and
pandas compute some of the same columns. Medians of five; ratios are of cells a second and core for core.

Run: ``python benchmarks/features.py [--instruments 504] [--days 1509]``
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from quantdesk.domain.arrays import Float32, Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.feature import Feature
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.features.evaluate import Formula, evaluate
from quantdesk.features.library import choose, compute
from quantdesk.features.stream import FeatureStream

WINDOWS = (5, 10, 20, 30, 60)
PRICES = ("open", "high", "low", "close", "volume")
PEERS = tuple(f"{name}_{window}" for window in WINDOWS for name in ("mean_price", "deviation", "highest", "lowest"))
HISTORY = 400


def market(n_instruments: int, n_days: int) -> Panel:
    """Draw a random walk with ranges and volumes."""
    draw = np.random.default_rng(0)
    shape = (n_days, n_instruments)
    close = 50.0 * np.exp(np.cumsum(draw.normal(0, 0.02, shape), axis=0))
    opening = close * np.exp(draw.normal(0, 0.01, shape))
    reach = np.exp(np.abs(draw.normal(0, 0.01, shape)))
    high, low = np.maximum(opening, close) * reach, np.minimum(opening, close) / reach
    times = np.datetime64("2018-01-01T21", "ns") + np.arange(n_days) * np.timedelta64(1, "D")
    fields = dict(zip(PRICES, (opening, high, low, close, draw.lognormal(12, 0.5, shape)), strict=True))
    return Panel(times, tuple(Instrument(f"S{i}") for i in range(n_instruments)), fields, name="random walk")


def median_seconds(work: Callable[[], object], n: int = 5) -> float:
    """Time a piece of work after one run that does not count."""
    work()
    seconds = []
    for _ in range(n):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def on_cores(n_cores: int, work: Callable[[], object]) -> float:
    """Time a piece of work on the first few of the allowed cores."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(allowed)[:n_cores]))
    try:
        return median_seconds(work)
    finally:
        os.sched_setaffinity(0, allowed)


def peak_bytes(work: Callable[[], object]) -> int:
    """Measure by how much a piece of work raises the resident memory, at most (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def by_pandas(high: pd.DataFrame, low: pd.DataFrame, close: pd.DataFrame) -> list[pd.DataFrame]:
    """Compute the same columns with pandas."""
    found = []
    for window in WINDOWS:
        rolling = close.rolling(window)
        found += [rolling.mean() / close, rolling.std() / close]
        found += [high.rolling(window).max() / close, low.rolling(window).min() / close]
    return found


def by_polars(frame: pl.DataFrame) -> pl.DataFrame:
    """Compute the same columns with polars, an instrument after the other in one long frame."""
    close = pl.col("close")
    columns = []
    for window in WINDOWS:
        columns += [
            (close.rolling_mean(window) / close).over("symbol").alias(f"mean_{window}"),
            (close.rolling_std(window) / close).over("symbol").alias(f"std_{window}"),
            (pl.col("high").rolling_max(window) / close).over("symbol").alias(f"max_{window}"),
            (pl.col("low").rolling_min(window) / close).over("symbol").alias(f"min_{window}"),
        ]
    return frame.select(columns)


def one_day(features: tuple[Feature, ...], panel: Panel, n_days: int = 40) -> list[float]:
    """Time one more day after another, in milliseconds."""
    stream = FeatureStream(features, panel.rows(0, HISTORY))
    seconds = []
    for row in range(HISTORY, HISTORY + n_days):
        bar = panel.rows(row, row + 1)
        began = time.perf_counter()
        stream.advance(bar)
        seconds.append(1e3 * (time.perf_counter() - began))
    return seconds


def processor_seconds(work: Callable[[], object], n: int = 5) -> float:
    """Measure what a piece of work takes of all cores together, without the system's share; the least of a few."""
    taken = []
    for _ in range(n):
        began = os.times().user
        work()
        taken.append(os.times().user - began)
    return min(taken)


def report_batch(n_cores: int, features: tuple[Feature, ...], bars: Bars) -> None:
    """Print all bars at once, into a table of fresh memory and into one that is there already."""
    table: Float32 = np.empty((*bars.close.shape, len(features)), np.float32)
    columns = [one.compute.column for one in features if isinstance(one.compute, Formula)]
    none = np.empty((0, *bars.close.shape))
    fresh = on_cores(n_cores, lambda: compute(features, bars))
    again = on_cores(n_cores, lambda: evaluate(columns, (), bars, table, none))
    for name, seconds in (("a fresh table", fresh), ("a table in memory", again)):
        rate = table.size / seconds / 1e6
        print(f"batch, {n_cores} core(s), into {name:<18} {rate:6.0f} M cells/s   {seconds:6.3f} s")
    cost = processor_seconds(lambda: evaluate(columns, (), bars, table, none)) / table.size
    print(f"processor time      {1e9 * cost:8.2f} ns a cell")


def report_peers(panel: Panel, n_cells: int, cores: int) -> None:
    """Print the same twenty columns by this library, polars and pandas."""
    frames = {name: pd.DataFrame(panel.fields[name]) for name in ("high", "low", "close")}
    symbols = np.repeat(np.arange(panel.shape[1]), panel.shape[0])
    columns: dict[str, Float64] = {name: panel.fields[name].T.reshape(-1) for name in frames}
    long = pl.DataFrame({"symbol": symbols, **columns})
    same, _ = choose(PEERS, PRICES)
    bars = Bars.of(panel)
    seconds = {
        "this library": median_seconds(lambda: compute(same, bars)),
        f"polars ({pl.thread_pool_size()} threads)": median_seconds(lambda: by_polars(long)),
        "pandas (1 thread)": median_seconds(lambda: by_pandas(**frames)),
    }
    ours = seconds["this library"]
    for name, taken in seconds.items():
        rate = n_cells * len(same) / taken / 1e6
        print(f"{len(same)} columns, {name:<24} {rate:8.0f} M cells/s   {taken / ours:6.1f} x our time ({cores} cores)")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--instruments", type=int, default=504)
    arguments.add_argument("--days", type=int, default=1509)
    chosen = arguments.parse_args()
    panel = market(chosen.instruments, chosen.days)
    bars, (features, _) = Bars.of(panel), choose(("*",), PRICES)
    n_cells, cores = chosen.instruments * chosen.days, len(os.sched_getaffinity(0))
    print(f"{len(features)} features, {chosen.instruments} instruments, {chosen.days} days")
    for n in sorted({1, cores}):
        report_batch(n, features, bars)
    if sys.platform == "linux":
        peak = peak_bytes(lambda: compute(features, bars)) / (4.0 * n_cells * len(features))
        print(f"peak memory         {peak:8.2f} x the table")
    days = one_day(features, panel)
    print(f"one more day        {statistics.median(days):8.2f} ms   (slowest of {len(days)}: {max(days):.2f})")
    report_peers(panel, n_cells, cores)


if __name__ == "__main__":
    main()
