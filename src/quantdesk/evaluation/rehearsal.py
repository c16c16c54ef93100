"""Learn, trade and set baselines beside, out of sample: everything a run does before it is judged."""

import os
import sys
import time
from dataclasses import dataclass, replace

from quantdesk.compute import Compute
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.panel import Panel
from quantdesk.domain.progress import Tell, silent
from quantdesk.evaluation.backtest import Backtest, Setting, backtest
from quantdesk.evaluation.baselines import Baselines, baselines
from quantdesk.evaluation.blindness import check_blindness
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.splits import Split, WalkForward
from quantdesk.evaluation.walk_forward import OutOfSample, walk_forward
from quantdesk.strategy import FittedStrategy, Rehearsed, Strategy

ALONE_FOR = 5.0
"""Seconds of learning folds here before they are learned side by side."""

ROOM = 4
"""How much memory each process is granted, in sizes of the data set's features."""


class Clock:
    """Say how long each step took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        """Name what was done since the last lap."""
        now = time.perf_counter()
        self.seconds[step] = now - self._last
        self._last = now


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Hold what a strategy did out of sample, and what simpler things did beside it.

    Parameters
    ----------
    strategy : Strategy
        The parts.
    dataset : Dataset
        What it learned from.
    walk : WalkForward
        How history was cut.
    splits : list of Split
        The cuts.
    learned : OutOfSample
        Forecasts that never saw what they are judged on.
    setting : Setting
        Where and how it traded.
    traded : Backtest
        What that gave.
    beside : Baselines
        What simpler things gave.
    """

    strategy: Strategy
    dataset: Dataset
    walk: WalkForward
    splits: list[Split]
    learned: OutOfSample
    setting: Setting
    traded: Backtest
    beside: Baselines

    @property
    def fitted(self) -> FittedStrategy:
        """Return the strategy as the last fold fitted it."""
        return FittedStrategy(self.strategy, self.learned.last, self.dataset.feature_names)


def rehearse(strategy: Strategy, panel: Panel, plan: Plan, clock: Clock, tell: Tell = silent) -> Rehearsal:
    """Run a strategy through history, fold by fold, and refuse it where it reads the future.

    Raises
    ------
    DataError
        If the history is too short.
    StrategyError
        If the strategy asks for what does not exist, or a forecast changes when the future is cut off.
    """
    tell("computing features", 0, 1)
    dataset = strategy.dataset(panel)
    clock.lap("features")
    walk = plan.walk(len(dataset))
    splits = walk.splits(dataset)
    setting = Setting(panel, int(splits[0].test[0]), plan.costs, strategy.limits, plan.capital)
    # First, so that the forecasts of a large market lie in memory once: of a baseline's little is kept.
    beside = baselines(strategy, dataset, splits, setting, plan.seed, tell)
    clock.lap("baselines")
    learned = walk_forward(strategy.model, dataset, splits, plan.seed, tell, _of_folds(plan, dataset))
    clock.lap("learning")
    check_blindness(FittedStrategy(strategy, learned.last, dataset.feature_names), panel, learned, splits[-1])
    clock.lap("checking for leaks")
    traded = backtest(strategy.name, Rehearsed(strategy, learned.forecasts), setting, tell)
    clock.lap("trading")
    return Rehearsal(strategy, dataset, walk, splits, learned, setting, traded, beside)


def _of_folds(plan: Plan, dataset: Dataset) -> Compute:
    if plan.compute.on != "local":
        return plan.compute
    # What each process lays out beside the data is at most a few times as large; a GPU is shared by none.
    room = 1 if _has_gpu() else int(_memory() / (ROOM * dataset.features.nbytes))
    return replace(plan.compute, workers=max(1, min(plan.compute.processes, room)), alone_for=ALONE_FOR)


def _has_gpu() -> bool:
    # Only a strategy with a network has loaded torch.
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_available())


def _memory() -> float:
    # Of the machine, in bytes; where it does not say, folds run one after another.
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 0.0
