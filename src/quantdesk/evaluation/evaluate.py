"""The whole evaluation of one strategy on one panel: rehearse, weigh the evidence, judge, count the trial."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
from quantdesk.evaluation.backtest import at_no_cost, cost_curve, track_of
from quantdesk.evaluation.evidence import Evidence, Placebos, Selection
from quantdesk.evaluation.explanation.findings import Explanation, Record
from quantdesk.evaluation.explanation.study import Taught, explain
from quantdesk.evaluation.kin import earlier_tries
from quantdesk.evaluation.leaks.echoes import echoes
from quantdesk.evaluation.leaks.outside import outside
from quantdesk.evaluation.outcome import Evaluation, ForecastScores, Track
from quantdesk.evaluation.placebo.placebo import earned, placebos
from quantdesk.evaluation.placebo.shuffles import shuffles
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.rehearsal import Clock, Rehearsal, rehearse
from quantdesk.evaluation.resampling import independent_bars
from quantdesk.evaluation.rivals import compare
from quantdesk.evaluation.robustness.study import robustness
from quantdesk.evaluation.robustness.words import fragile
from quantdesk.evaluation.selection import selection
from quantdesk.evaluation.significance import Significance
from quantdesk.evaluation.splits import Split, WalkForward
from quantdesk.evaluation.tracks import run_of
from quantdesk.evaluation.verdict import brought_along, judge
from quantdesk.registry import Trial, Trials
from quantdesk.strategy import FittedStrategy, Strategy

MOST_CAVEATS = 3
"""Weaknesses that stand beside the verdict; the report shows them all."""


def evaluate(
    strategy: Strategy, panel: Panel, plan: Plan, tell: Tell = silent, known: list[Trial] | None = None
) -> tuple[Evaluation, FittedStrategy]:
    """Evaluate a strategy out of sample, and count the trial.

    Parameters
    ----------
    strategy : Strategy
        What to evaluate.
    panel : Panel
        On what.
    plan : Plan
        How.
    tell : Tell
        Hears of progress.
    known : list of Trial, optional
        Every trial to judge it against, where an earlier run is made again: then this one is not counted.

    Returns
    -------
    tuple
        The evaluation, and the strategy as the last fold fitted it.

    Raises
    ------
    DataError
        If the history is too short.
    StrategyError
        If the strategy asks for what does not exist, or reads the future.
    """
    clock = Clock()
    receipt = _receipt(strategy, panel, plan)
    run_id = registry.run_id(**receipt)
    trials = Trials(plan.home).made() if known is None else known
    # Folds are the same and the first twins too, however many twins are asked for.
    common = registry.run_id(**(receipt | {"settings": _digest(panel, replace(plan, n_placebos=0))}))
    kept = plan.home / "kept" / common if known is None else None
    plan = replace(plan, compute=replace(plan.compute, kept=kept))
    with _resumable(kept):
        made = rehearse(strategy, panel, plan, clock, tell)
        tell("judging", 0, 1)
        before = earlier_tries(trials, panel, receipt["data"], plan.home)
        evidence = _evidence(made, plan, run_id, before, tell)
        clock.lap("weighing evidence")
        forecast_scores = score.forecast_scores(made.learned.forecasts, *_outcomes(made))
        evidence = replace(evidence, explanation=_explanation(made, forecast_scores, plan, tell))
        clock.lap("explaining")
        evidence = replace(evidence, placebos=_placebos(made, plan, tell))
        clock.lap("placebos")
    caveats = panel.caveats + unlisted_runs(plan.home, {run_id, *(trial.run_id for trial in trials)})
    caveats += tuple(brought_along(name) for name in outside(strategy, panel))
    caveats += fragile(evidence.robustness)[:MOST_CAVEATS]
    evaluation = _judged(made, plan, run_id, receipt["data"], len(before) + 1, forecast_scores, evidence, caveats)
    if known is None:
        Trials(plan.home).add(_trial(strategy, evaluation))
    clock.lap("judging")
    return replace(evaluation, seconds=clock.seconds), made.fitted


@contextmanager
def _resumable(kept: Path | None) -> Iterator[None]:
    # After Ctrl-C or a kill the finished parts wait for the same run to be made again.
    try:
        yield
    finally:
        if kept and not isinstance(sys.exception(), KeyboardInterrupt):
            shutil.rmtree(kept, ignore_errors=True)


def _evidence(made: Rehearsal, plan: Plan, run_id: str, before: list[Trial], tell: Tell) -> Evidence:
    rows, horizon = made.learned.rows, made.strategy.horizon
    track, market = made.traded.track, made.beside.tracks["equal weight"]
    forecasts = {"this strategy": made.learned.forecasts, **made.beside.forecasts}
    return Evidence(
        selection=selection(plan.home, run_id, before, track, market, score.performance(track).bars_per_year),
        comparison=compare(forecasts, made.dataset.labels[rows], made.dataset.scale[rows], horizon),
        robustness=robustness(made.strategy, made.learned, made.traded, made.setting, plan, tell),
        shuffles=shuffles(made.learned, made.dataset.labels[rows], made.traded.targets, made.setting, horizon, seed=plan.seed),
        placebos=None,
        echoes=echoes(made.dataset, made.setting.panel.fields["close"]),
    )


def _outcomes(made: Rehearsal) -> tuple[Float64, Float64]:
    rows = made.learned.rows
    return made.dataset.labels[rows], made.dataset.scale[rows]


def _explanation(made: Rehearsal, scores: tuple[ForecastScores, ...], plan: Plan, tell: Tell) -> Explanation | None:
    tell("explaining", 0, 1)
    traded = scores_at(made.strategy.horizon, scores)
    record = Record(traded.rank_ic_mean, traded.rank_ic_t) if np.isfinite(traded.rank_ic_mean) else None
    taught = [Taught(one, split.test) for one, split in zip(made.learned.learned, made.splits, strict=True)]
    return explain(taught, made.dataset, made.dataset.horizons.index(made.strategy.horizon), plan.seed, record)


def _placebos(made: Rehearsal, plan: Plan, tell: Tell) -> Placebos | None:
    if not plan.n_placebos:
        return None
    market = made.beside.tracks["equal weight"]
    real = earned(made.learned, made.dataset, made.strategy.horizon, made.traded.track, market)
    return placebos(made.strategy, made.setting.panel, plan, real, tell)


def _judged(
    made: Rehearsal,
    plan: Plan,
    run_id: str,
    data: str,
    n_trials: int,
    forecast_scores: tuple[ForecastScores, ...],
    evidence: Evidence,
    caveats: tuple[str, ...],
) -> Evaluation:
    strategy, dataset, learned, traded, setting = made.strategy, made.dataset, made.learned, made.traded, made.setting
    performance = score.performance(traded.track)
    gross = score.performance(track_of(traded.targets, at_no_cost(setting)))
    against = {name: score.performance(track) for name, track in made.beside.tracks.items()}
    net, alpha, beta = _weigh(evidence.selection, n_trials, traded.track, made.beside.tracks["equal weight"])
    (labels, scale), traded_scores = _outcomes(made), scores_at(strategy.horizon, forecast_scores)
    return Evaluation(
        run_id=run_id,
        strategy=strategy.name,
        description=strategy.description,
        data=setting.panel.name,
        fingerprint=data,
        seed=plan.seed,
        settings=_settings(strategy, made.walk, plan),
        folds=tuple(_fold(dataset, split) for split in made.splits),
        verdict=judge(performance, gross, net, alpha, against, traded_scores, evidence, caveats),
        track=traded.track,
        performance=performance,
        gross_performance=gross,
        baselines=made.beside.tracks,
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
        evidence=evidence,
        spent=learned.spent,
    )


def unlisted_runs(home: Path, listed: set[str]) -> tuple[str, ...]:
    """Say so where runs are kept that the trial ledger does not list."""
    kept = {folder.name for folder in (home / "runs").glob("[!.]*") if folder.is_dir()}
    missing = len(kept - {run_of(trial) for trial in listed})
    return (f"{missing} runs are kept that the trial ledger does not list: trials are undercounted",) if missing else ()


def scores_at(horizon: int, scores: tuple[ForecastScores, ...]) -> ForecastScores:
    """Pick the scores at one horizon, bars ahead."""
    return next(one for one in scores if one.horizon == horizon)


def _receipt(strategy: Strategy, panel: Panel, plan: Plan) -> dict[str, str]:
    return {
        "data": panel.fingerprint(),
        "strategy": strategy.fingerprint(),
        "code": registry.fingerprint_code(Path(__file__).parents[1]),
        "settings": _digest(panel, plan),
        "environment": json.dumps(registry.environment()),
        "seed": str(plan.seed),
    }


def _digest(panel: Panel, plan: Plan) -> str:
    walk = plan.walk(len(panel.times))
    chosen = {**asdict(walk), **asdict(plan.costs), "capital": plan.capital, "n_placebos": plan.n_placebos}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]


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


def _weigh(chosen: Selection, n_trials: int, track: Track, market: Track) -> tuple[Significance, Significance, float]:
    beta, residual = luck.alpha(track.returns, market.returns)
    net, alpha = (
        luck.significance(
            returns,
            n_trials,
            chosen.n_effective,
            bars_per_year=score.performance(track).bars_per_year,
            n_independent=independent_bars(returns),
        )
        for returns in (track.returns, residual)
    )
    return net, alpha, beta


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
