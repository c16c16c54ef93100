"""Do prices adjusted from our split and dividend events equal Lean's? Prints a line an instrument.

Lean's adjusted close is the raw close times the price and split factors of the first factor row on
or after the day. Ours starts from the events alone: units for one old, cash for one new, on their
ex-dates. The price factors are written to seven digits after the point, so each is off by up to
5e-8; adjusted closes can be told apart to 5e-8 / (smallest factor), relatively, and no closer.

Run: ``python benchmarks/lean_adjustment.py FOLDER``, with FOLDER such as ``equity/usa``.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quantdesk.data.actions import back_adjustment
from quantdesk.data.sources.lean import Lean, Life
from quantdesk.domain.arrays import Float64
from quantdesk.domain.panel import Panel

HALF_A_DIGIT = 5e-8


@dataclass(frozen=True)
class Comparison:
    """Compare one instrument.

    Parameters
    ----------
    symbol : str
        The instrument.
    n_days : int
        Bars compared.
    n_events : int
        Splits and dividends between the first and the last bar.
    difference : float
        Largest relative difference of adjusted closes.
    tolerance : float
        Relative difference that the digits of the factors allow.
    by_reference : float
        The same where the cash is taken of the reference price that the factor file itself gives,
        so that nothing of it comes from our closes; large only where the two disagree.
    """

    symbol: str
    n_days: int
    n_events: int
    difference: float
    tolerance: float
    by_reference: float


def compare(folder: Path) -> list[Comparison]:
    """Compare every instrument of a folder that has bars."""
    lean = Lean(folder)
    panel, lives = lean.fetch(), lean.lives()
    ours, with_references = back_adjustment(panel), back_adjustment(_by_reference(panel, lives))
    return [_compared(panel, i, life, ours[:, i], with_references[:, i]) for i, life in enumerate(lives)]


def _compared(panel: Panel, i: int, life: Life, ours: Float64, with_references: Float64) -> Comparison:
    close = panel.fields["close"][:, i]
    is_traded = np.isfinite(close)
    lean = life.factors.on(life.bars.days)
    # Events after the last bar happen to no bar of ours; Lean's factors know them already.
    lean = lean / lean[-1]
    theirs = close[is_traded] * lean
    own, referenced = close[is_traded] * ours[is_traded], close[is_traded] * with_references[is_traded]
    events = np.isfinite(panel.get("split")[:, i]) | np.isfinite(panel.get("dividend")[:, i])
    return Comparison(
        symbol=life.symbol,
        n_days=int(is_traded.sum()),
        n_events=int(events.sum()),
        difference=float(np.abs(own / theirs - 1.0).max()),
        tolerance=float(HALF_A_DIGIT / life.factors.price.min()),
        by_reference=float(np.abs(referenced / theirs - 1.0).max()),
    )


def _by_reference(panel: Panel, lives: tuple[Life, ...]) -> Panel:
    paid = panel.get("dividend").copy()
    for i, life in enumerate(lives):
        for row in np.flatnonzero(np.isfinite(paid[:, i])):
            before = np.flatnonzero(np.isfinite(panel.fields["close"][:row, i]))[-1]
            at = int(np.searchsorted(life.factors.days, panel.times[before].astype("datetime64[D]")))
            if panel.times[before].astype("datetime64[D]") in life.factors.days:
                paid[row, i] *= life.factors.reference[at] / panel.fields["close"][before, i]
    return replace(panel, fields={**panel.fields, "dividend": paid})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    found = compare(parser.parse_args().folder)
    print("symbol    days  events  largest difference  digits allow  with reference prices")
    for one in found:
        print(
            f"{one.symbol:8s} {one.n_days:5d} {one.n_events:7d} {one.difference:19.1e} {one.tolerance:13.1e} "
            f"{one.by_reference:22.1e}"
        )
    inside = sum(one.difference <= one.tolerance for one in found)
    print(f"equal to the last digit given: {inside} of {len(found)}, over {sum(one.n_days for one in found):,} days")


if __name__ == "__main__":
    main()
