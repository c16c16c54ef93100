"""Does the quality gate find faults planted in sound data, and leave the sound bars alone? Prints a table over seeds.

Sixty faults of fifteen kinds go into six real years of 504 symbols, each into a symbol of its own,
at places drawn by seed. A fault counts as found where a refusal or doubt names its symbol and a time
within it (or, for a column that knows the future, the column). A sound bar counts as flagged where
a refusal or doubt of its symbol covers it and no fault does.

Run: ``python benchmarks/planted_faults.py [--data ../shared/data/us_daily_sp500_2018_2023/ohlcv.parquet] [--seeds 5]``
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quantdesk.data import quality
from quantdesk.data.sources.file import File
from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.panel import Panel

PRICES = ("open", "high", "low", "close")
RATIOS = (2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 1.5, 0.5, 0.1)
REAL = Path(__file__).resolve().parents[1] / "../shared/data/us_daily_sp500_2018_2023/ohlcv.parquet"


@dataclass(frozen=True)
class Fault:
    """Say what was planted: a kind, a column (-1: a field of the whole panel) and rows, both included."""

    kind: str
    column: int
    first: int
    last: int
    what: str


@dataclass(frozen=True, eq=False)
class Field:
    """Hold the ground to plant in: a panel's fields, copied, and the dice."""

    values: dict[str, Float64]
    dice: np.random.Generator

    def bar(self, name: str, row: int, column: int) -> float:
        """Read one value."""
        return float(self.values[name][row, column])

    def times(self, factor: float, rows: slice, column: int, names: tuple[str, ...] = PRICES) -> None:
        """Multiply a stretch of some fields."""
        for name in names:
            self.values[name][rows, column] *= factor

    def row(self, n_before: int = 60, n_after: int = 60) -> int:
        """Draw a row away from the ends."""
        return int(self.dice.integers(n_before, len(self.values["close"]) - n_after))

    def factor(self, low: float, high: float) -> float:
        """Draw a factor between two, or its reciprocal."""
        drawn = float(np.exp(self.dice.uniform(np.log(low), np.log(high))))
        return drawn if self.dice.random() < 0.5 else 1.0 / drawn


Plant = Callable[[Field, int, int], Fault]


def impossible(ground: Field, column: int, turn: int) -> Fault:
    """Plant a value that no bar can have."""
    row = ground.row()
    low = ground.bar("low", row, column)
    chosen: tuple[tuple[str, float], ...] = (
        ("low", -low),
        ("close", 0.0),
        ("high", np.inf),
        ("volume", -1000.0),
        ("high", low * 0.98),
        ("open", low * 0.97),
    )
    name, value = chosen[turn % len(chosen)]
    ground.values[name][row, column] = value
    return Fault("impossible bar", column, row, row, f"{name} {value:.4g}")


def wild_tick(ground: Field, column: int, turn: int) -> Fault:
    """Plant a close, or a whole bar, eleven to a hundred times off, such as 2.95 beside 146.76."""
    row, factor = ground.row(), ground.factor(11.0, 100.0)
    if turn % 2:
        ground.times(factor, slice(row, row + 1), column)
    else:
        _close_only(ground, row, column, factor)
    return Fault("wild tick", column, row, row, f"x {factor:.3g}")


def mild_tick(ground: Field, column: int, turn: int) -> Fault:
    """Plant a close (its bar's range widened to it), or a whole bar, 20 to 80 % off."""
    row, factor = ground.row(), ground.factor(1.2, 1.8)
    if turn % 2:
        ground.times(factor, slice(row, row + 1), column)
    else:
        _close_only(ground, row, column, factor)
    return Fault("mild tick", column, row, row, f"x {factor:.3g}")


def last_tick(ground: Field, column: int, turn: int) -> Fault:
    """Plant a last bar 25 to 80 % off."""
    row, factor = len(ground.values["close"]) - 1, ground.factor(1.25, 1.8)
    ground.times(factor, slice(row, row + 1), column)
    return Fault("bad last tick", column, row, row, f"x {factor:.3g}")


def wick(ground: Field, column: int, turn: int) -> Fault:
    """Plant a high or low 1.4 to 3 times beyond the bar's other prices."""
    row, factor = ground.row(), float(ground.dice.uniform(1.4, 3.0))
    name = ("high", "low")[turn % 2]
    ground.values[name][row, column] *= factor if name == "high" else 1.0 / factor
    return Fault("lone high or low", column, row, row, f"{name} {factor:.3g}-fold")


def stale(ground: Field, column: int, turn: int) -> Fault:
    """Plant 6 to 20 bars with one price while the volume goes on."""
    row, n_bars = ground.row(), int(ground.dice.integers(6, 21))
    for name in PRICES:
        ground.values[name][row : row + n_bars, column] = ground.bar("close", row, column)
    return Fault("stale run", column, row, row + n_bars - 1, f"{n_bars} bars")


def missing(ground: Field, column: int, turn: int) -> Fault:
    """Take one to three bars away."""
    row, n_bars = ground.row(), int(ground.dice.integers(1, 4))
    for values in ground.values.values():
        values[row : row + n_bars, column] = np.nan
    return Fault("missing bars", column, row, row + n_bars - 1, f"{n_bars} bars")


def split(ground: Field, column: int, turn: int) -> Fault:
    """Undo the adjustment for a split before its date, in price and volume."""
    row, ratio = ground.row(), RATIOS[int(ground.dice.integers(len(RATIOS)))]
    ground.times(ratio, slice(None, row), column)
    ground.times(1.0 / ratio, slice(None, row), column, ("volume",))
    return Fault("unadjusted split", column, row, row, f"{ratio:g}:1")


def copied(ground: Field, column: int, turn: int) -> Fault:
    """Write 5 to 20 bars of the symbol, or of another one, over later or earlier bars."""
    row, n_bars = ground.row(), int(ground.dice.integers(5, 21))
    source = column
    if turn % 2:
        others = np.flatnonzero(np.isfinite(ground.values["close"]).all(axis=0))
        source = int(ground.dice.choice(others[others != column]))
    taken = ground.row()
    while source == column and abs(taken - row) < n_bars + 1:
        taken = ground.row()
    for name in (*PRICES, "volume"):
        ground.values[name][row : row + n_bars, column] = ground.values[name][taken : taken + n_bars, source].copy()
    return Fault("copied stretch", column, row, row + n_bars - 1, f"{n_bars} bars of {'another' if turn % 2 else 'its own'}")


def backfilled(ground: Field, column: int, turn: int) -> Fault:
    """Fill the first 10 to 120 bars with the price of the next, with no volume or with a constant one."""
    n_bars = int(ground.dice.integers(10, 121))
    for name in PRICES:
        ground.values[name][:n_bars, column] = ground.bar("open", n_bars, column)
    ground.values["volume"][:n_bars, column] = (0.0, ground.bar("volume", n_bars, column))[turn % 2]
    return Fault("back-filled", column, 0, n_bars - 1, f"{n_bars} bars")


def price_unit(ground: Field, column: int, turn: int) -> Fault:
    """Change the unit of the price for good."""
    row, factor = ground.row(), (100.0, 0.01, 1000.0, 0.001)[turn % 4]
    ground.times(factor, slice(row, None), column)
    return Fault("price unit", column, row, row, f"x {factor:g}")


def volume_unit(ground: Field, column: int, turn: int) -> Fault:
    """Change the unit of the volume for good."""
    row, factor = ground.row(), (100.0, 0.01, 1000.0, 0.001)[turn % 4]
    ground.times(factor, slice(row, None), column, ("volume",))
    return Fault("volume unit", column, row, row, f"x {factor:g}")


def shifted(ground: Field, column: int, turn: int) -> Fault:
    """Date the bars of 200 to 600 sessions a session late or early."""
    n_bars = int(ground.dice.integers(200, 601))
    row, step = ground.row(60, n_bars + 60), (1, -1)[turn % 2]
    for values in ground.values.values():
        values[row : row + n_bars, column] = values[row - step : row - step + n_bars, column].copy()
    # The session beside an early stretch is told twice, and either bar may be named.
    return Fault("date shifted", column, row, row + n_bars - (step > 0), f"{n_bars} bars {'late' if step > 0 else 'early'}")


def repeated(ground: Field, column: int, turn: int) -> Fault:
    """Write a bar over the next one."""
    row = ground.row()
    for name in (*PRICES, "volume"):
        ground.values[name][row, column] = ground.bar(name, row - 1, column)
    return Fault("repeated bar", column, row, row, "")


def ahead(ground: Field, column: int, turn: int) -> Fault:
    """Add a column that holds, once a quarter, the price or the return some sessions later."""
    bars = (20, 5)[turn % 2]
    close = ground.values["close"]
    told = np.full(close.shape, np.nan)
    rows = np.arange(int(ground.dice.integers(1, 60)), len(close) - bars, 63)
    later = close[rows + bars] * ground.dice.normal(1.0, 0.0005, (len(rows), close.shape[1]))
    told[rows] = later if turn % 2 == 0 else later / close[rows] - 1.0
    name = f"{'price' if turn % 2 == 0 else 'return'}_{bars}d_after"
    ground.values[name] = told
    return Fault("column ahead", -1, 0, len(close) - 1, name)


def _close_only(ground: Field, row: int, column: int, factor: float) -> None:
    close = ground.bar("close", row, column) * factor
    ground.values["close"][row, column] = close
    ground.values["high"][row, column] = max(close, ground.bar("high", row, column))
    ground.values["low"][row, column] = min(close, ground.bar("low", row, column))


PLAN: tuple[tuple[Plant, int], ...] = (
    (impossible, 6),
    (wild_tick, 5),
    (mild_tick, 6),
    (last_tick, 2),
    (wick, 3),
    (stale, 5),
    (missing, 5),
    (split, 6),
    (copied, 5),
    (backfilled, 4),
    (price_unit, 3),
    (volume_unit, 3),
    (shifted, 3),
    (repeated, 2),
    (ahead, 2),
)


def planted(panel: Panel, seed: int) -> tuple[Panel, list[Fault]]:
    """Plant sixty faults, each in a symbol of its own that trades throughout."""
    dice = np.random.default_rng(seed)
    ground = Field({name: values.copy() for name, values in panel.fields.items()}, dice)
    whole = np.flatnonzero(np.isfinite(panel.fields["close"]).all(axis=0) & (panel.get("volume") > 0).all(axis=0))
    columns = iter(dice.permutation(whole).tolist())
    faults = [plant(ground, next(columns), turn) for plant, n_times in PLAN for turn in range(n_times)]
    return replace(panel, fields=ground.values), faults


def is_found(fault: Fault, panel: Panel, report: quality.QualityReport) -> bool:
    """Tell whether a refusal or doubt names the fault's symbol (or column) and a time within it."""
    if fault.column < 0:
        return any(finding.kind == "looks ahead" and fault.what in finding.message for finding in report.findings)
    for mark in report.marks:
        if mark.severity != "note":
            is_here = (mark.columns == fault.column) & (mark.rows <= fault.last) & (mark.last() >= fault.first)
            if is_here.any():
                return True
    return False


def flagged_sound(faults: list[Fault], panel: Panel, report: quality.QualityReport) -> Bools:
    """Find the bars that are flagged though no fault covers them (n_times, n_instruments)."""
    flagged = np.nan_to_num(report.scores, nan=1.0) < 1.0
    for fault in faults:
        flagged[fault.first : fault.last + 1, fault.column] &= fault.column < 0
    return np.asarray(flagged)


def main() -> None:
    """Print what is found, kind by kind, over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=REAL)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    chosen = parser.parse_args()
    panel = File(chosen.data, "us").fetch()
    began = time.perf_counter()
    sound = quality.check(panel)
    n_bars = int(sound.is_traded.sum())
    print(f"unmodified: {sound.n_flagged} of {n_bars:,} bars flagged, in {time.perf_counter() - began:.2f} s")
    for finding in sound.findings:
        if finding.severity != "note":
            print(f"  {finding.severity} ({finding.kind}): {finding.message}")
    own = np.nan_to_num(sound.scores, nan=1.0) < 1.0
    found, all_kinds, totals, spilled = Counter[str](), Counter[str](), [], []
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
        world, faults = planted(panel, seed)
        report = quality.check(world)
        missed = [fault for fault in faults if not is_found(fault, world, report)]
        extra = int((flagged_sound(faults, world, report) & ~own).sum())
        all_kinds.update(fault.kind for fault in faults)
        found.update(fault.kind for fault in faults if fault not in missed)
        totals.append(len(faults) - len(missed))
        spilled.append(extra)
        told = "; ".join(f"{one.kind} {one.what} {panel.symbols[one.column]} {panel.times[one.first]!s:.10}" for one in missed)
        print(
            f"seed {seed}: {totals[-1]} of {len(faults)} found, {extra} further sound bars flagged{told and '; missed: '}{told}"
        )
    print(f"\n{'kind':<20} found of planted, {chosen.seeds} seeds")
    for kind in all_kinds:
        print(f"{kind:<20} {found[kind]:4d} of {all_kinds[kind]}")
    print(f"found {min(totals)} to {max(totals)} of {len(faults)}, median {np.median(totals):g}; ", end="")
    print(f"further sound bars flagged {min(spilled)} to {max(spilled)}, median {np.median(spilled):g}")


if __name__ == "__main__":
    main()
