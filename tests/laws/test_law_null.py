"""Null: where there is no edge none is found, and where one is planted it is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Forecaster
from quantdesk.evaluation.evaluate import evaluate
from quantdesk.evaluation.plan import Plan
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.limits import Limits
from quantdesk.portfolio.sizing import Equal
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

SEEDS = range(6)
WIDE = Limits(gross=1.0, per_name=1.0, per_sector=1.0, daily_var=1.0, drawdown=1.0)


@dataclass(frozen=True)
class Found:
    """What an evaluation found on one market: annual gross Sharpe ratio, years judged, headline."""

    sharpe: float
    years: float
    headline: str


def linear(model: object = None) -> Strategy:
    """Rank by a ridge regression on one feature, market-neutral, without limits in the way."""
    return Strategy(
        name="linear on momentum",
        description="For the null law.",
        features=("momentum_20", "return_5", "volatility_20"),
        model=model or Ridge(),  # type: ignore[arg-type]
        signal=Rank(horizon=1, long=0.3, short=0.3),
        sizing=Equal(),
        horizon=1,
        horizons=(1, 5),
        rebalance="daily",
        limits=WIDE,
    )


@lru_cache
def market(ic: float, seed: int) -> Panel:
    return Synthetic(n_instruments=24, n_days=900, ic=ic, seed=seed).fetch()


def find(strategy: Strategy, ic: float, seed: int, home: Path) -> Found:
    """Evaluate a strategy on one synthetic market, the first time it is tried there."""
    evaluation, _ = evaluate(strategy, market(ic, seed), Plan(home / f"{ic}-{seed}"))
    gross = evaluation.gross_performance
    return Found(gross.sharpe, gross.n_bars / gross.bars_per_year, evaluation.verdict.headline)


def null_violations(found: list[Found]) -> list[str]:
    """List what speaks of an edge: a mean beyond three standard errors, or a verdict that says so."""
    sharpes = np.array([one.sharpe for one in found])
    error = 1.0 / np.sqrt(sum(one.years for one in found))
    violations = []
    if abs(sharpes.mean()) > 3.0 * error:
        violations.append(f"mean gross Sharpe {sharpes.mean():.2f}, standard error {error:.2f}")
    return violations + [one.headline for one in found if not one.headline.startswith("no evidence")]


def test_on_noise_no_edge_is_found(tmp_path: Path) -> None:
    found = [find(linear(), 0.0, seed, tmp_path) for seed in SEEDS]
    assert null_violations(found) == []


def test_a_planted_edge_is_found(tmp_path: Path) -> None:
    found = [find(linear(), 0.12, seed, tmp_path) for seed in SEEDS]
    violations = null_violations(found)
    assert any("mean gross Sharpe" in violation for violation in violations)
    assert np.mean([one.sharpe for one in found]) > 1.0
    assert any("evidence of an edge" in violation for violation in violations)


@dataclass(frozen=True)
class Remembering:
    """A forecaster that was taught on the test span, labels and all: what it forecasts is what will be."""

    inner: Forecaster
    whole: Dataset

    @property
    def lookback(self) -> int:
        return self.inner.lookback

    def forecast(self, dataset: Dataset) -> Forecasts:
        made = self.inner.forecast(dataset)
        rows = np.searchsorted(self.whole.times, dataset.times)
        columns = np.array([self.whole.symbols.index(symbol) for symbol in dataset.symbols])
        hints = np.nan_to_num(self.whole.labels[np.ix_(rows, columns)])
        return replace(made, quantiles=made.quantiles + 0.2 * hints[..., None])

    def contributions(self, dataset: Dataset) -> Float64:
        return self.inner.contributions(dataset)

    def importance(self) -> Float64:
        return self.inner.importance()


@dataclass(frozen=True)
class Leaking:
    """A model that peeks at the labels of the whole market."""

    whole: Callable[[], Dataset]

    def fit(self, dataset: Dataset, seed: int) -> Forecaster:
        return Remembering(Ridge().fit(dataset, seed), self.whole())


def test_a_model_taught_on_the_test_span_is_caught_finding_an_edge_on_noise(tmp_path: Path) -> None:
    found = []
    for seed in (0, 1):
        leaking = Leaking(lambda seed=seed: linear().dataset(market(0.0, seed)))  # type: ignore[misc]
        found.append(find(linear(leaking), 0.0, seed, tmp_path))
    assert any("mean gross Sharpe" in violation for violation in null_violations(found))


def test_a_fill_at_a_price_already_gone_is_caught_finding_an_edge_on_noise() -> None:
    close = market(0.0, 0).fields["close"]
    today = np.nan_to_num(np.log(close[1:] / close[:-1]))
    earned = (np.sign(today) * today).mean(axis=1)
    found = Found(float(earned.mean() / earned.std() * np.sqrt(252)), len(earned) / 252, "evidence of an edge")
    assert len(null_violations([found])) == 2


@pytest.mark.parametrize("sharpe", [0.0, 0.9, -0.9])
def test_what_chance_allows_is_no_violation(sharpe: float) -> None:
    assert null_violations([Found(sharpe, 5.0, "no evidence of an edge: x")]) == []
