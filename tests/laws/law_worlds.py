"""What the laws are held on: one market with everything in it, and every shipped strategy fitted on it."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Decides
from quantdesk.evaluation.walk_forward import forecast_rows
from quantdesk.execution.costs import Costs
from quantdesk.loop import Replay, Step, open_desk
from quantdesk.portfolio.limits import Limits
from quantdesk.strategy import FittedStrategy, Rehearsed, Strategy, find, load

NOWHERE = Path("/nowhere")
STRATEGIES = tuple(sorted(find(NOWHERE)))
LEARNED = 520
"""Bars that teach in the laws' market; the rest is traded."""

CAPITAL = 100_000.0


@lru_cache
def market() -> Panel:
    """Simulate a market whose traded part has halts, splits, dividends and a delisting."""
    return Synthetic(n_instruments=12, n_days=760, seed=133).fetch()


@lru_cache
def strategy_named(name: str) -> Strategy:
    """Load a shipped strategy, its slow parts made smaller: fewer trees and epochs, a shorter conformal window."""
    strategy = load(name, NOWHERE)
    return replace(strategy, model=_smaller(strategy.model))


@lru_cache
def dataset_of(name: str) -> Dataset:
    """Compute a strategy's dataset on the whole market."""
    return strategy_named(name).dataset(market())


@lru_cache
def fitted(name: str) -> FittedStrategy:
    """Fit a strategy on the first part of the market."""
    return strategy_named(name).fit(taught(dataset_of(name)), seed=0)


@lru_cache
def rehearsed(name: str) -> Rehearsed:
    """Forecast the rest of the market in one batch."""
    return Rehearsed(strategy_named(name), batch_forecasts(fitted(name), dataset_of(name)))


def taught(dataset: Dataset) -> Dataset:
    """Cut the rows whose labels had ended when trading begins."""
    known = np.flatnonzero(dataset.ends.max(axis=1) <= LEARNED)
    return dataset.take(known)


def batch_forecasts(fitted: FittedStrategy, dataset: Dataset) -> Forecasts:
    """Forecast every traded row at once, as the walk-forward does."""
    return forecast_rows(fitted.forecaster, dataset, np.arange(LEARNED, len(dataset)))


def trade(strategy: Decides, panel: Panel, n_bars: int, limits: Limits | None = None, start: int = LEARNED) -> list[Step]:
    """Run the loop for some bars from ``start`` on."""
    desk = open_desk("law", strategy, Costs(), limits or Limits(), CAPITAL, panel.times[start])
    return list(islice(desk.run(Replay(panel, start, strategy.lookback)), n_bars))


def differing(left: Float64, right: Float64) -> list[int]:
    """Name the rows that are not bit-identical; two missing values are."""
    pairs = enumerate(zip(left, right, strict=True))
    return [row for row, (a, b) in pairs if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")]


def _smaller(model: Any) -> Any:
    if not is_dataclass(model) or isinstance(model, type):
        return model
    changes: dict[str, Any] = {}
    for name, value in ((field.name, getattr(model, field.name)) for field in fields(model)):
        if isinstance(value, tuple):
            changes[name] = tuple(_smaller(part) for part in value)
        elif is_dataclass(value):
            changes[name] = _smaller(value)
        elif name == "n_trees":
            changes[name] = 12
        elif name == "window":
            changes[name] = 40
        elif name == "epochs":
            changes[name] = 1
    return replace(model, **changes)


def every_part(model: Any) -> Iterator[Any]:
    """Walk a model and the models within it."""
    yield model
    for field in fields(model):
        value = getattr(model, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if is_dataclass(part) and not isinstance(part, type):
                yield from every_part(part)
