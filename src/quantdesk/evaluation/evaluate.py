"""The whole evaluation of one strategy on one panel: learn, trade, compare, judge."""

import hashlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from quantdesk import registry
from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.panel import Panel
from quantdesk.domain.progress import Tell, silent
from quantdesk.evaluation import scores as score
from quantdesk.evaluation import significance as luck
from quantdesk.evaluation.backtest import Backtest, Setting, at_no_cost, backtest, cost_curve, track_of
from quantdesk.evaluation.baselines import baselines
from quantdesk.evaluation.blindness import check_blindness
from quantdesk.evaluation.outcome import Evaluation, ForecastScores, Performance, Significance, Track
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.resampling import independent_bars
from quantdesk.evaluation.splits import Split, WalkForward
from quantdesk.evaluation.verdict import judge
from quantdesk.evaluation.walk_forward import OutOfSample, walk_forward
from quantdesk.registry import Trial, Trials
from quantdesk.strategy import FittedStrategy, Rehearsed, Strategy


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


def evaluate(strategy: Strategy, panel: Panel, plan: Plan, tell: Tell = silent) -> tuple[Evaluation, FittedStrategy]:
    """Evaluate a strategy out of sample, and count the trial.

    Returns
    -------
    tuple
        The evaluation, and the strategy as the last fold fitted it.

    Raises
    ------
    DataError
        If the history is too short.
    StrategyError
        If the strategy asks for what does not exist.
    """
    clock = Clock()
    tell("computing features", 0, 1)
    dataset = strategy.dataset(panel)
    clock.lap("features")
    walk = WalkForward.fitting(len(dataset), plan.is_expanding, plan.embargo_bars)
    splits = walk.splits(dataset)
    learned = walk_forward(strategy.model, dataset, splits, plan.seed, tell)
    clock.lap("learning")
    check_blindness(FittedStrategy(strategy, learned.last, dataset.feature_names), panel, learned, splits[-1])
    clock.lap("checking for leaks")
    setting = Setting(panel, int(learned.rows[0]), plan.costs, strategy.limits, plan.capital)
    traded = backtest(strategy.name, Rehearsed(strategy, learned.forecasts), setting, tell)
    clock.lap("trading")
    beside = baselines(strategy, dataset, splits, setting, plan.seed, tell)
    clock.lap("baselines")
    tell("judging", 0, 1)
    evaluation = _judged(strategy, dataset, splits, walk, plan, setting, learned, traded, beside)
    Trials(plan.home).add(_trial(strategy, evaluation))
    clock.lap("judging")
    fitted = FittedStrategy(strategy, learned.last, dataset.feature_names)
    return replace(evaluation, seconds=clock.seconds), fitted


def _judged(
    strategy: Strategy,
    dataset: Dataset,
    splits: list[Split],
    walk: WalkForward,
    plan: Plan,
    setting: Setting,
    learned: OutOfSample,
    traded: Backtest,
    beside: dict[str, Track],
) -> Evaluation:
    panel, rows = setting.panel, learned.rows
    performance = score.performance(traded.track)
    gross = score.performance(track_of(traded.targets, at_no_cost(setting)))
    against = {name: score.performance(track) for name, track in beside.items()}
    receipt = _receipt(strategy, panel, walk, plan)
    run_id = registry.run_id(**receipt)
    trials = Trials(plan.home).on(receipt["data"], panel.name)
    net, alpha, beta = _weigh(run_id, trials, performance, traded.track, beside["equal weight"])
    caveats = panel.caveats + unlisted_runs(plan.home, {trial.run_id for trial in Trials(plan.home).made()})
    labels, scale = dataset.labels[rows], dataset.scale[rows]
    forecast_scores = score.forecast_scores(learned.forecasts, labels, scale)
    return Evaluation(
        run_id=run_id,
        strategy=strategy.name,
        description=strategy.description,
        data=panel.name,
        fingerprint=receipt["data"],
        seed=plan.seed,
        settings=_settings(strategy, walk, plan),
        folds=tuple(_fold(dataset, split) for split in splits),
        verdict=judge(performance, gross, net, alpha, against, scores_at(strategy.horizon, forecast_scores), caveats),
        track=traded.track,
        performance=performance,
        gross_performance=gross,
        baselines=beside,
        baseline_performance=against,
        forecast_scores=forecast_scores,
        significance=net,
        alpha_significance=alpha,
        beta=beta,
        costs=cost_curve(traded.targets, setting),
        horizon=strategy.horizon,
        forecasts=learned.forecasts,
        labels=labels,
        scale=scale,
        feature_names=dataset.feature_names,
        importance=learned.importance,
        fills=traded.fills,
    )


def unlisted_runs(home: Path, listed: set[str]) -> tuple[str, ...]:
    """Say so where runs are kept that the trial ledger does not list."""
    kept = {folder.name for folder in (home / "runs").glob("[!.]*") if folder.is_dir()}
    missing = len(kept - listed)
    return (f"{missing} runs are kept that the trial ledger does not list: trials are undercounted",) if missing else ()


def scores_at(horizon: int, scores: tuple[ForecastScores, ...]) -> ForecastScores:
    """Pick the scores at one horizon, bars ahead."""
    return next(one for one in scores if one.horizon == horizon)


def _receipt(strategy: Strategy, panel: Panel, walk: WalkForward, plan: Plan) -> dict[str, str]:
    chosen = {**asdict(walk), **asdict(plan.costs), "capital": plan.capital}
    return {
        "data": panel.fingerprint(),
        "strategy": strategy.fingerprint(),
        "code": registry.fingerprint_code(Path(__file__).parents[1]),
        "settings": hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16],
        "environment": json.dumps(registry.environment()),
        "seed": str(plan.seed),
    }


def _trial(strategy: Strategy, evaluation: Evaluation) -> Trial:
    return Trial(
        data=evaluation.fingerprint,
        data_name=evaluation.data,
        strategy=strategy.fingerprint(),
        name=strategy.name,
        sharpe=evaluation.performance.sharpe,
        verdict=evaluation.verdict.headline,
        run_id=evaluation.run_id,
    )


def _weigh(
    run_id: str, before: list[Trial], performance: Performance, track: Track, market: Track
) -> tuple[Significance, Significance, float]:
    # Running the very same thing again is a trial, but not another independent try.
    distinct = {trial.run_id: trial.sharpe for trial in before} | {run_id: performance.sharpe}
    years = performance.bars_per_year
    variance = _trial_variance(np.array(list(distinct.values())), years / max(1, len(track.returns)))
    beta, residual = luck.alpha(track.returns, market.returns)
    net, alpha = (
        luck.significance(
            returns,
            len(before) + 1,
            float(len(distinct)),
            variance,
            bars_per_year=years,
            n_independent=independent_bars(returns),
        )
        for returns in (track.returns, residual)
    )
    return net, alpha, beta


def _trial_variance(sharpes: Float64, of_noise: float) -> float:
    # Trials that resemble each other must not make noise look tamer than it is.
    known = sharpes[np.isfinite(sharpes)]
    return max(of_noise, float(np.var(known, ddof=1))) if len(known) >= 5 else of_noise


def _settings(strategy: Strategy, walk: WalkForward, plan: Plan) -> dict[str, str]:
    return {
        "walk-forward": f"{'expanding' if walk.is_expanding else 'rolling'}, first {walk.train_bars} bars train, "
        f"{walk.test_bars} bars a test, labels purged, {walk.embargo_bars} bars embargo",
        "model": repr(strategy.model),
        "signal": repr(strategy.signal),
        "sizing": repr(strategy.sizing),
        "rebalance": strategy.rebalance,
        "limits": repr(strategy.limits),
        "costs": repr(plan.costs),
        "capital": f"{plan.capital:,.0f}",
    }


def _fold(dataset: Dataset, split: Split) -> tuple[np.datetime64, np.datetime64, np.datetime64, np.datetime64]:
    times = dataset.times
    return times[split.train[0]], times[split.train[-1]], times[split.test[0]], times[split.test[-1]]
