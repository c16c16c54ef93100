"""Compute every feature of minute bars shard by shard, and say what a symbol-year costs.

The bars are read from one Parquet file, some symbols at a time, in as many processes as there are cores; only each
feature's mean comes back. Run: ``python benchmarks/minute_shards.py ../shared/data/us_intraday_2025_2026/bars_1min.parquet``.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from quantdesk import compute
from quantdesk.compute import Compute
from quantdesk.data.shards import shards
from quantdesk.data.sources.file import File
from quantdesk.features import library
from quantdesk.features.surroundings import bars_of, fields_of

MINUTES_PER_YEAR = 252 * 390


def study(_shared: None, shard: File) -> tuple[int, int, float, float]:
    """Read a shard, compute its features, and hand back bars, features, seconds and peak memory (bytes)."""
    began = time.process_time()
    panel = shard.fetch()
    chosen, _ = library.choose(("*",), fields_of(panel))
    table = library.compute(chosen, bars_of(panel))
    assert np.isfinite(np.nanmean(table))
    n_bars = int(np.isfinite(panel.fields["close"]).sum())
    return n_bars, table.shape[2], time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def main() -> None:
    """Print the cost of a symbol-year, and what the whole market over ten years would take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--symbols", type=int, default=8, help="Symbols in a shard.")
    parser.add_argument("--timezone", default="America/New_York")
    asked = parser.parse_args()
    cut = shards(File(asked.path, timezone=asked.timezone, sort=True), asked.symbols)
    began = time.perf_counter()
    found = np.array(compute.map(study, None, cut, Compute(workers=0)))
    wall = time.perf_counter() - began
    years = found[:, 0].sum() / MINUTES_PER_YEAR
    per_year = found[:, 2].sum() / years
    print(f"{int(found[:, 0].sum()):,} bars in {len(cut)} shards, {int(found[0, 1])} features: {wall:.1f} s wall")
    print(f"{per_year:.2f} core-seconds a symbol-year of {MINUTES_PER_YEAR:,} minutes")
    print(
        f"peak memory of a process {found[:, 3].max() / 1e9:.2f} GB, {found[:, 3].max() / 1e6 / asked.symbols:.0f} MB a symbol"
    )
    print(f"8,000 symbols over 10 years: {80_000 * per_year / 3600:.0f} core-hours")


if __name__ == "__main__":
    main()
