"""Compute twenty columns of Alpha158 by this library, TA-Lib, polars, pandas and qlib, and every feature by this library.

A random market of the size of the S&P 500 over six years. The columns are the mean and deviation of closes, the highest
high and the lowest low over 5, 10, 20, 30 and 60 days, over the close. Each peer runs in an environment of its own, on
one core and on two, from its own layout of the same prices (qlib from its files); its figures are held against ours.
Speeds are medians, in millions of cells (one feature of one instrument on one day) a second.

Run: ``python benchmarks/features_peers.py [--repeats 5] [--instruments 504] [--days 1509] [--json FILE]``
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from peer_homes import ask, last_line, prepare, python_in

Floats = npt.NDArray[np.float64]
Prices = dict[str, Floats]
Way = tuple[Callable[[], Any], Callable[[Any], Any]]
"""What is timed, and how its answer becomes a table (n_days, n_instruments, n_columns)."""

WINDOWS = (5, 10, 20, 30, 60)
NAMES = tuple(f"{name}_{window}" for window in WINDOWS for name in ("mean_price", "deviation", "highest", "lowest"))
PRICES = ("open", "high", "low", "close", "volume")
HISTORY, MORE_DAYS = 400, 40
LONGEST_SECONDS = 120
HOMES = {"TA-Lib": "features", "polars": "features", "pandas": "features", "qlib": "qlib"}


def prices(n_days: int, n_instruments: int) -> Prices:
    """Draw a random walk with ranges and volumes; shapes (n_days, n_instruments)."""
    draw, shape = np.random.default_rng(0), (n_days, n_instruments)
    close = 50.0 * np.exp(np.cumsum(draw.normal(0, 0.02, shape), axis=0))
    opening = close * np.exp(draw.normal(0, 0.01, shape))
    reach = np.exp(np.abs(draw.normal(0, 0.01, shape)))
    high, low = np.maximum(opening, close) * reach, np.minimum(opening, close) / reach
    return dict(zip(PRICES, (opening, high, low, close, draw.lognormal(12, 0.5, shape)), strict=True))


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """Time a piece of work after one run that does not count."""
    work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def peak_mb() -> float | None:
    """Read the most memory that this process has held (Linux; elsewhere None)."""
    # Not from getrusage, which counts in what the process held that started this one.
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


def ours(kept: Prices, _folder: Path) -> Way:
    """Compute the columns of all instruments in one pass."""
    return _of_desk(kept, NAMES)


def every(kept: Prices, _folder: Path) -> Way:
    """Compute every feature of prices and volumes."""
    return _of_desk(kept, ("*",))


def alpha158(kept: Prices, _folder: Path) -> Way:
    """Compute the 158 features of Alpha158."""
    from quantdesk.features.alpha158 import ALPHA158

    return _of_desk(kept, ALPHA158)


def _of_desk(kept: Prices, names: tuple[str, ...]) -> Way:
    from quantdesk.domain.bars import Bars
    from quantdesk.features.library import choose, compute

    bars, (features, _) = Bars.of(panel_of(kept)), choose(names, PRICES)
    return lambda: compute(features, bars), lambda table: table


def panel_of(kept: Prices) -> Any:
    """Lay prices out as a panel of business days."""
    from quantdesk.domain.instrument import Instrument
    from quantdesk.domain.panel import Panel

    n_days, n_instruments = kept["close"].shape
    days = np.busday_offset(np.datetime64("2018-01-02"), np.arange(n_days), roll="forward")
    times = np.add(days.astype("datetime64[ns]"), np.timedelta64(21, "h"))
    return Panel(times, tuple(Instrument(f"S{i:04d}") for i in range(n_instruments)), kept, name="random walk")


def talib(kept: Prices, _folder: Path) -> Way:
    """Compute an instrument and a column after the other."""
    import talib as ta  # type: ignore[import-not-found, unused-ignore]

    high, low, close = (np.ascontiguousarray(kept[name].T) for name in ("high", "low", "close"))

    def work() -> Floats:
        out = np.empty((len(close), len(NAMES), close.shape[1]))
        for h, l, c, columns in zip(high, low, close, out, strict=True):
            for i, n in enumerate(WINDOWS):
                sample = (n / (n - 1)) ** 0.5
                columns[4 * i : 4 * i + 4] = ta.SMA(c, n), ta.STDDEV(c, n, sample), ta.MAX(h, n), ta.MIN(l, n)
            columns /= c
        return out

    return work, lambda out: out.transpose(2, 0, 1)


def pandas(kept: Prices, _folder: Path) -> Way:
    """Compute a column of all instruments after the other."""
    import pandas as pd

    high, low, close = (pd.DataFrame(kept[name]) for name in ("high", "low", "close"))

    def work() -> Any:
        found = []
        for n in WINDOWS:
            rolling = close.rolling(n)
            found += [rolling.mean() / close, rolling.std() / close]
            found += [high.rolling(n).max() / close, low.rolling(n).min() / close]
        return found

    return work, lambda found: np.stack([frame.to_numpy() for frame in found], axis=2)


def polars(kept: Prices, _folder: Path) -> Way:
    """Compute all columns of one long frame, an instrument after the other."""
    import polars as pl

    n_days, n_instruments = kept["close"].shape
    columns = {name: kept[name].T.reshape(-1) for name in ("high", "low", "close")}
    frame = pl.DataFrame({"symbol": np.repeat(np.arange(n_instruments), n_days), **columns})
    close, wanted = pl.col("close"), []
    for n in WINDOWS:
        rolled = close.rolling_mean(n), close.rolling_std(n), pl.col("high").rolling_max(n), pl.col("low").rolling_min(n)
        wanted += [(one / close).over("symbol").alias(f"{n}, {i}") for i, one in enumerate(rolled)]
    shape = n_instruments, n_days, len(NAMES)
    return lambda: frame.select(wanted), lambda found: found.to_numpy().reshape(shape).transpose(1, 0, 2)


def qlib(kept: Prices, folder: Path) -> Way:
    """Compute Alpha158's own expressions from files in its format, its cache emptied before each run."""
    of_window = "Mean($close,{0})/$close", "Std($close,{0})/$close", "Max($high,{0})/$close", "Min($low,{0})/$close"
    return _of_qlib(kept, folder, [text.format(window) for window in WINDOWS for text in of_window])


def whole_qlib(kept: Prices, folder: Path) -> Way:
    """Compute all of Alpha158 in the same way."""
    from qlib.contrib.data.loader import Alpha158DL  # type: ignore[import-not-found, unused-ignore]

    return _of_qlib(kept, folder, Alpha158DL.get_feature_config()[0])


def _of_qlib(kept: Prices, folder: Path, wanted: list[str]) -> Way:
    import pandas as pd
    import qlib as ql  # type: ignore[import-not-found, unused-ignore]
    from qlib.data import D  # type: ignore[import-not-found, unused-ignore]
    from qlib.data.cache import H  # type: ignore[import-not-found, unused-ignore]

    symbols = _write_qlib(kept, folder, pd.bdate_range("2018-01-02", periods=len(kept["close"])))
    ql.init(provider_uri=str(folder), region="us", kernels=len(os.sched_getaffinity(0)), logging_level=40)

    def work() -> Any:
        H.clear()
        return D.features(symbols, wanted, freq="day")

    shape = kept["close"].shape[::-1]
    return work, lambda found: found.sort_index().to_numpy().reshape(*shape, len(wanted)).transpose(1, 0, 2)


def _write_qlib(kept: Prices, folder: Path, days: Any) -> list[str]:
    symbols = [f"S{i:04d}" for i in range(kept["close"].shape[1])]
    texts = [str(day.date()) for day in days]
    for name in ("calendars", "instruments"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "calendars/day.txt").write_text("\n".join(texts))
    (folder / "instruments/all.txt").write_text("\n".join(f"{symbol}\t{texts[0]}\t{texts[-1]}" for symbol in symbols))
    for i, symbol in enumerate(symbols):
        own = folder / "features" / symbol.lower()
        own.mkdir(parents=True, exist_ok=True)
        typical = (kept["high"][:, i] + kept["low"][:, i] + kept["close"][:, i]) / 3.0
        for name, values in {"vwap": typical, **{name: kept[name][:, i] for name in PRICES}}.items():
            np.hstack([0.0, values]).astype("<f4").tofile(own / f"{name}.day.bin")
    return symbols


OURS = {"same columns": ours, "every feature": every, "Alpha158": alpha158}
WAYS = {"TA-Lib": talib, "polars": polars, "pandas": pandas, "qlib": qlib}
WHOLE = {"qlib's Alpha158": whole_qlib}


def inside(name: str, folder: Path, repeats: int) -> None:
    """Measure one way in this process, keep its table and print what it took."""
    warnings.simplefilter("ignore")
    with np.load(folder / "prices.npz") as kept:
        work, table = (OURS | WAYS | WHOLE)[name]({field: kept[field] for field in kept.files}, folder / "qlib")
    found = {"seconds": median_seconds(work, repeats), "peak memory (MB)": peak_mb()}
    if name not in ("every feature", "Alpha158", "qlib's Alpha158"):
        np.save(folder / f"{name}.npy", table(work()))
    print(json.dumps(found))


def way(name: str, python: str | Path, folder: Path, repeats: int) -> dict[str, Any]:
    """Measure one way on one core and on two, each in a process of its own."""
    found: dict[str, Any] = {}
    for cores in (1, 2):
        command: list[str | Path] = [Path(__file__), "--inside", name, "--folder", folder, "--repeats", str(repeats)]
        told = json.loads(ask(python, command, LONGEST_SECONDS, cores))
        found |= {f"{cores} core (s)": told["seconds"], "peak memory (MB)": told["peak memory (MB)"]}
    return found


def peer(name: str, folder: Path, repeats: int) -> dict[str, Any]:
    """Measure one peer, and hold its table against ours; or say why it is left out."""
    why = prepare(HOMES[name])
    if why:
        return {"left out": why}
    try:
        found = way(name, python_in(HOMES[name]), folder, repeats)
        return found | {"difference": difference(*(np.load(folder / f"{of}.npy") for of in ("same columns", name)))}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return {"left out": last_line(error)}


def whole(folder: Path) -> dict[str, Any]:
    """Measure all of Alpha158 by qlib, once; or say why it is left out."""
    why = prepare(HOMES["qlib"])
    if why:
        return {"left out": why}
    try:
        return way("qlib's Alpha158", python_in(HOMES["qlib"]), folder, repeats=1)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return {"left out": last_line(error)}


def difference(ours: Floats, theirs: Floats) -> float:
    """Give the largest difference once every window is full, relative above 1."""
    ours, theirs = ours[max(WINDOWS) :], theirs[max(WINDOWS) :]
    return float(np.max(np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))))


def one_more_day(features: Any, panel: Any) -> float:
    """Time one more day bar by bar, the median in milliseconds."""
    from quantdesk.features.stream import FeatureStream

    stream = FeatureStream(features, panel.rows(0, HISTORY))
    seconds = []
    for row in range(HISTORY, HISTORY + MORE_DAYS):
        bar = panel.rows(row, row + 1)
        began = time.perf_counter()
        stream.advance(bar)
        seconds.append(time.perf_counter() - began)
    return 1e3 * statistics.median(seconds)


def measure(n_days: int, n_instruments: int, repeats: int) -> dict[str, Any]:
    """Measure the twenty columns here and by the peers, and every feature here."""
    from quantdesk.features.library import choose

    kept, (features, _) = prices(n_days, n_instruments), choose(("*",), PRICES)
    found: dict[str, Any] = {"instruments": n_instruments, "days": n_days, "features": len(features), "columns": len(NAMES)}
    if n_days >= HISTORY + MORE_DAYS:
        found["one more day (ms)"] = one_more_day(features, panel_of(kept))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "prices.npz", **kept)  # type: ignore[arg-type]
        found |= {own: way(own, sys.executable, folder, repeats) for own in OURS}
        found["peers"] = {name: peer(name, folder, repeats) for name in WAYS}
        found["Alpha158 of qlib"] = whole(folder)
    return with_speeds(found, n_days * n_instruments)


def with_speeds(found: dict[str, Any], n_cells: int) -> dict[str, Any]:
    """Add millions of cells a second, and how many times a peer's speed ours is, core for core."""
    mine = found["same columns"]
    theirs = found["Alpha158 of qlib"]
    for own, n in (
        (mine, found["columns"]),
        (found["every feature"], found["features"]),
        (found["Alpha158"], 158),
        *([] if "left out" in theirs else [(theirs, 158)]),
    ):
        own |= {f"{cores} core (M/s)": n_cells * n / 1e6 / own[f"{cores} core (s)"] for cores in (1, 2)}
    if "left out" not in theirs:
        theirs |= {
            f"ratio, {cores} core": theirs[f"{cores} core (s)"] / found["Alpha158"][f"{cores} core (s)"] for cores in (1, 2)
        }
    for own in found["peers"].values():
        if "left out" not in own:
            own |= {f"{cores} core (M/s)": n_cells * found["columns"] / 1e6 / own[f"{cores} core (s)"] for cores in (1, 2)}
            own |= {f"ratio, {cores} core": own[f"{cores} core (s)"] / mine[f"{cores} core (s)"] for cores in (1, 2)}
    return found


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--instruments", type=int, default=504)
    arguments.add_argument("--days", type=int, default=1509)
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--inside", choices=OURS | WAYS | WHOLE, help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.inside:
        inside(chosen.inside, chosen.folder, chosen.repeats)
        return
    found = measure(chosen.days, chosen.instruments, chosen.repeats)
    print(json.dumps(found, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
