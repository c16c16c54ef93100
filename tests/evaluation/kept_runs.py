"""Runs kept with their receipts, for tests that verify them; each is made once and copied."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from quantdesk.data import quality, store
from quantdesk.domain.panel import Panel
from quantdesk.evaluation import keep
from quantdesk.evaluation.evaluate import evaluate
from quantdesk.evaluation.outcome import Evaluation
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.receipt import receipt_of
from quantdesk.evaluation.sketch import Sketch
from quantdesk.strategy import FittedStrategy, load, shipped_folder

SMALL = "synthetic:n_days=500,n_instruments=6,seed=1"

STORED = {"mine": SMALL, "real": "sample"}
"""Data sets that can be replaced in their home, and what they are the last bars of."""

N_BARS = 500


@dataclass(frozen=True)
class Kept:
    """Hold a desk's home with one run in it, and what was run."""

    home: Path
    panel: Panel
    evaluation: Evaluation
    fitted: FittedStrategy

    @property
    def folder(self) -> Path:
        """Give the run's folder."""
        return self.home / "runs" / self.evaluation.run_id


@cache
def _made(data: str, symbols: tuple[str, ...]) -> Kept:
    """Evaluate a copy of ``linear`` in a home of its own; ``mine`` and ``real`` are stored there first."""
    home = Path(tempfile.mkdtemp(prefix="kept-"))
    (home / "strategies").mkdir()
    strategy = shutil.copy(shipped_folder() / "linear.py", home / "strategies" / "mine.py")
    if data in STORED:
        market = store.load(STORED[data], home)
        market = market.rows(len(market.times) - N_BARS, len(market.times))
        store.save(replace(market, name=data, caveats=()), home)
    panel = store.load(data, home)
    panel = quality.gate(panel.select(symbols) if symbols else panel)
    chosen, plan = load(str(strategy), home), Plan(home, seed=3)
    evaluation, fitted = evaluate(chosen, panel, plan)
    receipt = receipt_of(evaluation, chosen, plan, data, symbols)
    keep.keep(evaluation, fitted, home, receipt=receipt, sketch=Sketch.of(panel))
    return Kept(home, panel, evaluation, fitted)


def kept(folder: Path, data: str = "mine", symbols: tuple[str, ...] = ()) -> Kept:
    """Copy a kept run into a folder, free to be tampered with."""
    made = _made(data, symbols)
    shutil.copytree(made.home, folder / "kept")
    return Kept(folder / "kept", made.panel, made.evaluation, made.fitted)
