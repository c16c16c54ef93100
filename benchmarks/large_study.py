"""Does a study of a whole market fit a small machine? Makes a panel where there is none, then evaluates a strategy on it.

Everything that ``desk evaluate --placebo 0`` does is done: features, learning fold by fold, trading in
the loop, baselines, the leak check, the evidence, the report and the record. Prints one JSON object:
seconds and peak memory (resident, of this process) by step, and what the whole came to.

Run: ``python benchmarks/large_study.py FOLDER [--strategy linear] [--symbols 5300] [--years 20]``
"""

import argparse
import json
import multiprocessing
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from large_panel import write_market

from quantdesk import strategy as parts
from quantdesk.data import store
from quantdesk.data.sources.file import File
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.evaluate import evaluate
from quantdesk.evaluation.keep import keep
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.receipt import receipt_of
from quantdesk.evaluation.sketch import Sketch
from quantdesk.evaluation.summary import summarise

WITHIN = {
    "main": "large_study.py",
    "evaluate": "evaluation/evaluate.py",
    "_evidence": "evaluation/evaluate.py",
    "rehearse": "evaluation/rehearsal.py",
}
"""Functions whose own calls are the steps, and the files that they stand in."""

EVERY_SECONDS = 0.1


@dataclass
class Step:
    """Count the seconds spent in a step, and the most memory held in it, bytes."""

    seconds: float = 0.0
    peak: int = 0


@dataclass
class Watch:
    """Look at what the main thread is doing, and how much memory it holds, several times a second."""

    steps: dict[str, Step] = field(default_factory=dict)

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        threading.Thread(target=self._look, args=(threading.main_thread().ident,), daemon=True).start()

    def _look(self, thread: int) -> None:
        last = time.perf_counter()
        while True:
            time.sleep(EVERY_SECONDS)
            name = _step_of(sys._current_frames()[thread])
            if name not in self.steps:
                print(name, file=sys.stderr, flush=True)
            step = self.steps.setdefault(name, Step())
            now = time.perf_counter()
            step.seconds, step.peak, last = step.seconds + now - last, max(step.peak, _peak_since()), now


def _step_of(frame: FrameType | None) -> str:
    # The innermost call that one of the functions above makes; itself where it makes none.
    inner = ""
    while frame is not None:
        name = frame.f_code.co_name
        if name in WITHIN and frame.f_code.co_filename.endswith(WITHIN[name]):
            return inner or name
        inner, frame = name, frame.f_back
    return inner


def _peak_since() -> int:
    # Linux counts the peak anew after a 5 is written there, so that none between two looks is missed.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(line.split()[1]) * 1024


def panel_in(folder: Path, n_symbols: int, n_years: int) -> Panel:
    """Load the market kept in a folder; where it is not there yet, make it."""
    name, home = f"market_{n_symbols}_{n_years}", folder / "home"
    if not (home / "data" / name).exists():
        path = folder / f"{name}.parquet"
        folder.mkdir(parents=True, exist_ok=True)
        # In a process of its own, so that what it took is given back.
        making = multiprocessing.get_context("spawn").Process(target=_make, args=(path, home, n_symbols, n_years))
        making.start()
        making.join()
    return store.load(name, home)


def _make(path: Path, home: Path, n_symbols: int, n_years: int) -> None:
    write_market(path, n_symbols, n_years)
    store.save(File(path, path.stem).fetch(), home)
    path.unlink()


def main() -> None:
    """Run the study and print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--strategy", default="linear")
    parser.add_argument("--symbols", type=int, default=5300)
    parser.add_argument("--years", type=int, default=20)
    chosen = parser.parse_args()
    watch, began, home = Watch(), time.perf_counter(), chosen.folder / "home"
    watch.start()
    panel = panel_in(chosen.folder, chosen.symbols, chosen.years)
    strategy = parts.load(chosen.strategy, home)
    plan = Plan(home)
    result, fitted = evaluate(strategy, panel, plan)
    receipt = receipt_of(result, strategy, plan, panel.name)
    kept = keep(result, fitted, home, receipt=receipt, sketch=Sketch.of(panel))
    time.sleep(2 * EVERY_SECONDS)
    told = {
        "strategy": strategy.name,
        "bars": panel.shape[0],
        "instruments": panel.shape[1],
        "seconds": round(time.perf_counter() - began, 1),
        "peak_gb": round(max(step.peak for step in watch.steps.values()) / 1e9, 2),
        "steps": {
            name: {"seconds": round(step.seconds, 1), "peak_gb": round(step.peak / 1e9, 2)}
            for name, step in watch.steps.items()
        },
        "verdict": result.verdict.headline,
        "fills": len(result.fills),
        "net_sharpe": summarise(result, kept)["net_sharpe"],
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
