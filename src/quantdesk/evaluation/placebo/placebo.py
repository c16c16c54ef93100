"""Run the whole pipeline in worlds without an edge: what it finds there, it can find anywhere."""

import time
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from quantdesk import compute
from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DeskError
from quantdesk.domain.panel import Panel
from quantdesk.domain.progress import Tell, silent
from quantdesk.evaluation import scores as score
from quantdesk.evaluation import significance as luck
from quantdesk.evaluation.backtest import Setting, backtest, track_of
from quantdesk.evaluation.baselines import UNLIMITED, equal_weight
from quantdesk.evaluation.evidence import Placebos
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.placebo.garch import garch_market
from quantdesk.evaluation.placebo.labels import permuted_labels
from quantdesk.evaluation.placebo.prices import resampled
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.walk_forward import OutOfSample, walk_forward
from quantdesk.strategy import Rehearsed, Strategy

Kind = Literal["resampled prices", "permuted labels", "GARCH market"]
KINDS: tuple[Kind, ...] = ("resampled prices", "permuted labels", "GARCH market")
"""The worlds, in the order in which they take turns."""


class World(NamedTuple):
    """Name one placebo: what kind it is, and the seed that makes it."""

    kind: Kind
    seed: int


class Earned(NamedTuple):
    """What a run gave, in the real world or another: annual Sharpe ratio after costs, that of its alpha, rank IC."""

    sharpe: float
    alpha_sharpe: float
    rank_ic: float


class _Shared(NamedTuple):
    strategy: Strategy
    panel: Panel
    plan: Plan


def placebos(strategy: Strategy, panel: Panel, plan: Plan, real: Earned, tell: Tell = silent) -> Placebos:
    """Evaluate a strategy in ``plan.n_placebos`` worlds where there is nothing to earn.

    Each world runs everything that the real one does: features, walk-forward with every refit,
    decisions, costs and limits. Where labels are permuted, the model learns from them, and is
    judged and paid by the real ones.

    Parameters
    ----------
    real : Earned
        What the real run gave.

    Raises
    ------
    DeskError
        If a world cannot be evaluated; it is named.
    """
    began = time.perf_counter()
    chosen = worlds(plan.n_placebos, plan.seed)
    shared = _Shared(strategy, panel, plan)
    found = compute.map(evaluated, shared, chosen, plan.compute, tell, "running twin")
    table = np.array(found, dtype=np.float64).reshape(-1, len(Earned._fields))
    return Placebos(
        worlds=tuple(world.kind for world in chosen),
        sharpes=table[:, 0],
        alpha_sharpes=table[:, 1],
        rank_ics=table[:, 2],
        real_sharpe=real.sharpe,
        real_alpha_sharpe=real.alpha_sharpe,
        real_rank_ic=real.rank_ic,
        seconds=time.perf_counter() - began,
    )


def worlds(n: int, seed: int) -> list[World]:
    """List ``n`` worlds, the kinds taking turns, each with a seed of its own."""
    seeds = np.random.SeedSequence(seed).generate_state(max(n, 1), np.uint64)[:n]
    return [World(KINDS[number % len(KINDS)], int(own)) for number, own in enumerate(seeds)]


def evaluated(shared: _Shared, world: World) -> Earned:
    """Run the pipeline in one world.

    Raises
    ------
    DeskError
        If it fails there.
    """
    try:
        return _evaluated(shared, world)
    except DeskError as error:
        what = f"in the placebo world {world.kind!r} (seed {world.seed}): {error.what}"
        raise DeskError(what, error.expected, error.action) from error


def _evaluated(shared: _Shared, world: World) -> Earned:
    strategy, plan = shared.strategy, shared.plan
    panel = _twin(shared.panel, world)
    dataset = strategy.dataset(panel)
    taught = permuted_labels(dataset, world.seed) if world.kind == "permuted labels" else dataset
    splits = plan.walk(len(dataset)).splits(dataset)
    learned = walk_forward(strategy.model, taught, splits, plan.seed)
    setting = Setting(panel, int(learned.rows[0]), plan.costs, strategy.limits, plan.capital)
    track = backtest(strategy.name, Rehearsed(strategy, learned.forecasts), setting).track
    passive = setting.under(limits=UNLIMITED)
    return earned(learned, dataset, strategy.horizon, track, track_of(equal_weight(passive), passive))


def earned(learned: OutOfSample, dataset: Dataset, horizon: int, track: Track, market: Track) -> Earned:
    """Weigh a run, in the real world or another, against the equal-weight market of the same world."""
    _, residual = luck.alpha(track.returns, market.returns)
    return Earned(score.performance(track).sharpe, _sharpe(residual, track), _rank_ic(learned, dataset, horizon))


def _twin(panel: Panel, world: World) -> Panel:
    if world.kind == "resampled prices":
        return resampled(panel, world.seed)
    return garch_market(panel, world.seed) if world.kind == "GARCH market" else panel


def _sharpe(returns: Float64, track: Track) -> float:
    spread = float(returns.std(ddof=1))
    return float(returns.mean()) / spread * float(np.sqrt(score.infer_bars_per_year(track))) if spread > 0 else float("nan")


def _rank_ic(learned: OutOfSample, dataset: Dataset, horizon: int) -> float:
    column = dataset.horizons.index(horizon)
    only = replace(learned.forecasts, horizons=(horizon,), quantiles=learned.forecasts.quantiles[:, :, [column]])
    rows = learned.rows
    return score.forecast_scores(only, dataset.labels[rows][:, :, [column]], dataset.scale[rows])[0].rank_ic_mean
