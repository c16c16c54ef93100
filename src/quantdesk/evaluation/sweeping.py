"""Try many rules, choose the best on the first part of history, and see what is left of it on the rest."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quantdesk import registry
from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.domain.progress import Tell, silent
from quantdesk.evaluation import significance as luck
from quantdesk.evaluation.backtest import Setting, track_of
from quantdesk.evaluation.baselines import UNLIMITED, equal_weight
from quantdesk.evaluation.kin import earlier_tries
from quantdesk.evaluation.overfitting import Overfitting, backtest_overfitting, effective_trials
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.resampling import independent_bars
from quantdesk.evaluation.scores import infer_bars_per_year
from quantdesk.evaluation.selection import beside
from quantdesk.evaluation.tracks import TABLE, run_of, table_bytes, trial_id
from quantdesk.evaluation.verdict import CONFIDENCE, chance, said
from quantdesk.execution.rule_portfolio import portfolios
from quantdesk.execution.rules import Exits, Rule, lookback_of
from quantdesk.execution.sweep import Account
from quantdesk.registry import Trial, Trials

CHOSEN_ON = 2 / 3
"""Share of history on which the best is chosen."""

LEAST_BARS = 250
"""Bars below which there is nothing to choose on."""


@dataclass(frozen=True, eq=False)
class Searched:
    """Hold what a search found, and what is left of it where it was not chosen.

    Parameters
    ----------
    run_id : str
        Digest of data, rules, costs and code.
    rules : tuple of Rule
        What was tried; each is a trial.
    sharpes, later_sharpes : Float64
        Net annual Sharpe ratios on the first part, where the best is chosen, and on the rest (n_rules,).
    best : int
        The rule with the largest of ``sharpes``.
    since : numpy.datetime64
        Close at which the rest begins.
    significance : Significance
        Of the best where it was chosen, among all that were tried.
    market, later_market : float
        Net Sharpe ratio of equal weight on the same two parts.
    overfitting : Overfitting or None
        How often the best of one half of history is no better than most on the other; None for fewer than two that trade.
    """

    run_id: str
    rules: tuple[Rule, ...]
    sharpes: Float64
    later_sharpes: Float64
    best: int
    since: np.datetime64
    significance: luck.Significance
    market: float
    later_market: float
    overfitting: Overfitting | None

    @property
    def verdict(self) -> tuple[str, ...]:
        """Give the headline and the reasons."""
        return words(self)


def search(panel: Panel, rules: Sequence[Rule], exits: Exits, plan: Plan, tell: Tell = silent) -> Searched:
    """Trade each rule on all instruments from one purse, count every one as a trial, and judge the best.

    Positions are an equal share of the purse each, decided at a close and filled at the next open
    at the plan's costs, units not rounded.

    Raises
    ------
    DataError
        If there are fewer than 250 bars after the longest look-back, or no rule to try.
    """
    start = max((lookback_of(rule) for rule in rules), default=0)
    n_bars = len(panel.times) - start
    if not rules or n_bars < LEAST_BARS:
        raise DataError(
            f"{len(rules)} rules over {n_bars} bars", f"a rule and {LEAST_BARS} bars after its look-back", "ask for others"
        )
    tell("trading every rule", 0, 1)
    made = portfolios(panel, rules, exits, plan.costs, Account(plan.capital), start)
    times = panel.times[start:]
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = np.nan_to_num(made.equity[:, 1:] / made.equity[:, :-1] - 1.0)
    cut = round(returns.shape[1] * CHOSEN_ON)
    market = _market(panel, start, plan)
    rate = market[1]
    sharpes, later = (_sharpes(part, rate) for part in (returns[:, :cut], returns[:, cut:]))
    best = int(np.argmax(np.nan_to_num(sharpes, nan=-np.inf)))
    tell("judging", 0, 1)
    data = panel.fingerprint()
    run_id, before = _run_id(data, rules, exits, plan), earlier_tries(Trials(plan.home).made(), panel, data, plan.home)
    others = sorted({trial.run_id for trial in before if run_of(trial.run_id) != run_id})
    known, _ = beside(plan.home, others, times[1 : cut + 1], returns[:, :cut].T)
    found = Searched(
        run_id=run_id,
        rules=tuple(rules),
        sharpes=sharpes,
        later_sharpes=later,
        best=best,
        since=times[cut + 1],
        significance=_weigh(returns[best, :cut], known, len(rules) + len(before), len(rules) + len(others), rate),
        market=float(_sharpes(market[0][None, :cut], rate)[0]),
        later_market=float(_sharpes(market[0][None, cut:], rate)[0]),
        overfitting=_overfitting(returns, rate),
    )
    _keep(found, panel, data, plan.home, times, made.equity)
    return found


def words(found: Searched) -> tuple[str, ...]:
    """Say what the search allows: never more than that the best is worth a full evaluation."""
    of, later = found.significance, float(found.later_sharpes[found.best])
    if not np.isfinite(found.sharpes).any():
        return ("no evidence of an edge: none of the rules ever traded",)
    beats_holding = of.sharpe > found.market and later > found.later_market
    if of.deflated_sharpe >= CONFIDENCE and later > 0 and beats_holding:
        head = "worth a full evaluation: it stood out among all that were tried, and went on earning"
    elif of.deflated_sharpe >= CONFIDENCE and later > 0:
        head = "no evidence of an edge: what the best earned, equal weight earned too"
    elif of.deflated_sharpe >= CONFIDENCE:
        head = "no evidence of an edge: it stood out where it was chosen, and not afterwards"
    else:
        head = "no evidence of an edge: the best of so many tries looks as good by luck"
    reasons = [
        f"{found.rules[found.best]} was the best of {len(found.rules)} where it was chosen, with a net Sharpe ratio of "
        f"{said(of.sharpe)}; all tries on this data are worth {of.n_effective_trials:.0f} independent ones, of which noise "
        f"would bring the best to {said(of.expected_best_from_noise)}: the chance that the true one is above that is "
        f"{chance(of.deflated_sharpe)}.",
        f"On the bars since {str(found.since)[:10]}, which did not choose it, it has {said(later)}; equal weight has "
        f"{said(found.later_market)} there, and {said(found.market)} before.",
    ]
    if found.overfitting is not None:
        low, high = found.overfitting.noise
        reasons.append(
            "The best of one half of history falls into the lower half on the other "
            f"{100 * found.overfitting.probability:.0f} % of the time, where noise gives {100 * low:.0f} to {100 * high:.0f} %."
        )
    return (head, *reasons)


def _sharpes(returns: Float64, rate: float) -> Float64:
    spread = returns.std(axis=1, ddof=1)
    moves = spread > 1e-12
    return np.where(moves, returns.mean(axis=1) / np.where(moves, spread, 1.0) * np.sqrt(rate), np.nan)


def _market(panel: Panel, start: int, plan: Plan) -> tuple[Float64, float]:
    setting = Setting(panel, start, plan.costs, UNLIMITED, plan.capital)
    track = track_of(equal_weight(setting), setting)
    return track.returns, infer_bars_per_year(track)


def _weigh(own: Float64, known: Float64, n_trials: int, n_distinct: int, rate: float) -> luck.Significance:
    return luck.significance(
        own,
        n_trials,
        effective_trials(known) + n_distinct - known.shape[1],
        bars_per_year=rate,
        n_independent=independent_bars(own),
    )


def _overfitting(returns: Float64, rate: float) -> Overfitting | None:
    traded = returns[returns.std(axis=1) > 1e-12]
    return backtest_overfitting(traded.T, bars_per_year=rate, n_draws=50) if len(traded) > 1 else None


def _run_id(data: str, rules: Sequence[Rule], exits: Exits, plan: Plan) -> str:
    tried = hashlib.sha256(repr((tuple(rules), exits, plan.costs, plan.capital)).encode()).hexdigest()
    return registry.run_id(data=data, rules=tried, code=registry.fingerprint_code(Path(__file__).parents[1]))


def _keep(found: Searched, panel: Panel, data: str, home: Path, times: Times, equity: Float64) -> None:
    folder = home / "runs" / found.run_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TABLE).write_bytes(table_bytes(times, equity))
    Trials(home).add(
        *(
            Trial(
                data=data,
                data_name=panel.name,
                strategy=hashlib.sha256(repr(rule).encode()).hexdigest()[:16],
                name=repr(rule),
                sharpe=float(sharpe),
                verdict=f"one of {len(found.rules)} rules tried together",
                run_id=trial_id(found.run_id, number),
            )
            for number, (rule, sharpe) in enumerate(zip(found.rules, found.sharpes, strict=True))
        )
    )
