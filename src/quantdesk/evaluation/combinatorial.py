"""How much a result owes to which years taught and which judged: combinatorial purged cross-validation."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import LEVELS, Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.progress import Tell, silent
from quantdesk.evaluation.backtest import Setting, backtest
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.scores import performance
from quantdesk.evaluation.splits import CombinatorialPurged
from quantdesk.evaluation.walk_forward import forecast_rows
from quantdesk.strategy import Rehearsed, Strategy


def combinatorial(
    strategy: Strategy, panel: Panel, plan: Plan, tell: Tell = silent, cv: CombinatorialPurged | None = None
) -> list[float]:
    """Give the net annual Sharpe ratio of each path through the combinations.

    Every path covers the whole history out of sample; training rows may lie after the test
    blocks, so this measures stability and is not what could have been earned.
    """
    chosen = cv or CombinatorialPurged(embargo_bars=plan.embargo_bars)
    dataset = strategy.dataset(panel)
    paths = _paths(strategy, dataset, chosen, plan.seed, tell)
    setting = Setting(panel, 0, plan.costs, strategy.limits, plan.capital)
    sharpes = []
    for number, quantiles in enumerate(paths):
        forecasts = Forecasts(dataset.times, dataset.symbols, dataset.horizons, quantiles)
        traded = backtest(f"path {number + 1}", Rehearsed(strategy, forecasts), setting, tell)
        sharpes.append(performance(traded.track).sharpe)
    return sharpes


def _paths(strategy: Strategy, dataset: Dataset, cv: CombinatorialPurged, seed: int, tell: Tell) -> list[Float64]:
    combinations, ids = cv.splits(dataset), cv.path_ids()
    shape = (int(ids.max()) + 1, len(dataset), len(dataset.symbols), len(dataset.horizons), len(LEVELS))
    paths: list[Float64] = list(np.full(shape, np.nan))
    for done, splits in enumerate(combinations):
        tell("learning combinations", done, len(combinations))
        forecaster = strategy.model.fit(dataset.take(splits[0].train), seed)
        for block, split in enumerate(splits):
            paths[ids[done, block]][split.test] = forecast_rows(forecaster, dataset, split.test).quantiles
    return paths
