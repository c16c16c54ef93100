"""Null statistics: every p-value is uniform on noise, or too large by construction; and finds what is planted.

``benchmarks/under_the_null.py`` prints the same over more and longer worlds.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import signal, stats

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.comparison import adjusted_p_values, diebold_mariano, model_confidence_set, superiority
from quantdesk.evaluation.overfitting import effective_trials
from quantdesk.evaluation.resampling import independent_bars, robust_probabilistic_sharpe, timing_p_value
from quantdesk.evaluation.significance import probabilistic_sharpe, significance

WORLDS = 200
FIVE_YEARS = 1260
Null = Callable[[np.random.Generator], float]


def normal(random: np.random.Generator, n_bars: int = 252, n: int = 1) -> Float64:
    return 0.01 * random.standard_normal((n_bars, n))


def dependent(random: np.random.Generator, coefficient: float, n_bars: int = 756, n: int = 1) -> Float64:
    """Draw fat-tailed noise with autocorrelation and changing volatility."""
    shocks = random.standard_t(5, (n_bars, n)) * np.exp(0.5 * np.sin(np.arange(n_bars) / 60))[:, None]
    returns: Float64 = signal.lfilter([0.01], [1.0, -coefficient], shocks, axis=0)
    return returns


def plain(returns: Float64) -> float:
    return 1.0 - probabilistic_sharpe(float(returns.mean() / returns.std(ddof=1)), len(returns))


def overlapping(random: np.random.Generator, horizon: int) -> float:
    shocks = random.standard_normal((200 + horizon, 2))
    errors = [np.convolve(shocks[:, i], np.ones(horizon), "valid") for i in range(2)]
    return diebold_mariano(errors[0] ** 2, errors[1] ** 2, horizon)[1]


def blind(random: np.random.Generator) -> float:
    return timing_p_value(dependent(random, 0.8, 300)[:, 0], dependent(random, 0.1, 300)[:, 0], n_draws=199)


UNIFORM: dict[str, Null] = {
    "probabilistic Sharpe": lambda r: plain(normal(r)[:, 0]),
    "robust probabilistic Sharpe": lambda r: 1.0 - robust_probabilistic_sharpe(dependent(r, 0.2)[:, 0]),
    "reality check": lambda r: superiority(normal(r, n=10), n_draws=199).reality_check,
    "superior predictive ability": lambda r: superiority(normal(r, n=10), n_draws=199).consistent,
    "superior predictive ability, dependent": lambda r: superiority(dependent(r, 0.1, 504, 10), n_draws=199).consistent,
    "superior predictive ability, long blocks": lambda r: (
        superiority(normal(r, 200, 10), n_draws=199, mean_block=16.0).consistent
    ),
    "Diebold-Mariano": lambda r: overlapping(r, 1),
    "Diebold-Mariano over a horizon": lambda r: overlapping(r, 4),
    "model confidence set": lambda r: float(model_confidence_set(normal(r, n=6), n_draws=199).p_values.min()),
    "timing": blind,
}


def worlds(test: Null, seed: int = 0) -> Float64:
    return np.array([test(np.random.default_rng([seed, world])) for world in range(WORLDS)])


def departure(found: Float64) -> float:
    """Give the Kolmogorov-Smirnov p-value against the uniform."""
    return float(stats.kstest(found, "uniform").pvalue)


@pytest.mark.parametrize("name", UNIFORM)
def test_on_noise_the_p_value_is_uniform(name: str) -> None:
    found = worlds(UNIFORM[name])
    assert departure(found) > 0.01
    assert (found <= 0.05).mean() <= 0.10


def test_the_law_catches_a_p_value_that_forgets_autocorrelation() -> None:
    found = worlds(lambda r: plain(dependent(r, 0.5)[:, 0]))
    assert departure(found) < 0.01
    assert (found <= 0.05).mean() > 0.10


def test_the_law_catches_the_best_of_many_passed_off_as_the_only_one() -> None:
    def best(random: np.random.Generator) -> float:
        returns = normal(random, n=10)
        return plain(returns[:, returns.mean(axis=0).argmax()])

    assert departure(worlds(best)) < 1e-6


@pytest.mark.parametrize("which", ["reality_check", "upper"])
def test_strategies_far_below_the_benchmark_make_the_p_value_too_large_never_too_small(which: str) -> None:
    def poor(random: np.random.Generator) -> float:
        returns = normal(random, n=10)
        returns[:, 5:] -= 0.004
        return float(getattr(superiority(returns, n_draws=199), which))

    found = worlds(poor)
    for level in (0.05, 0.1, 0.2, 0.5):
        assert (found <= level).mean() <= level + 2 * math.sqrt(level * (1 - level) / WORLDS)
    assert found.mean() > 0.55


@pytest.mark.parametrize(("planted", "theory"), [(1.0, 0.723), (2.0, 0.998)])
def test_a_planted_sharpe_over_five_years_is_found_as_often_as_theory_says(planted: float, theory: float) -> None:
    shift = 0.01 * planted / math.sqrt(252)
    found = [worlds(lambda r: plain(normal(r, FIVE_YEARS)[:, 0] + shift))]
    found.append(worlds(lambda r: 1.0 - robust_probabilistic_sharpe(normal(r, FIVE_YEARS)[:, 0] + shift)))
    assert stats.norm.cdf(planted * math.sqrt(5) - stats.norm.ppf(0.95)) == pytest.approx(theory, abs=5e-4)
    for each in found:
        assert (each <= 0.05).mean() == pytest.approx(theory, abs=0.08)


def test_false_discoveries_are_no_more_than_asked_for() -> None:
    def false_share(random: np.random.Generator) -> float:
        z = random.standard_normal(50) + np.repeat([3.0, 0.0], [10, 40])
        found = adjusted_p_values(stats.norm.sf(z), "Benjamini-Hochberg") <= 0.2
        return float(found[10:].sum() / max(int(found.sum()), 1))

    assert 0.10 < worlds(false_share).mean() < 0.2 * 0.8 + 0.03


def search(seed: int, planted: float = 0.0) -> tuple[float, float]:
    """Choose the best of 1,000 trials: its deflated Sharpe ratio, and the one that forgets the trials."""
    returns = dependent(np.random.default_rng(seed), 0.1, 756, 1000)
    returns[:, 0] += returns[:, 0].std() * planted / math.sqrt(252)
    sharpes = returns.mean(axis=0) / returns.std(axis=0)
    n = effective_trials(returns, n_draws=100)
    chosen = returns[:, sharpes.argmax()]
    best = significance(chosen, 1000, n, bars_per_year=252, n_independent=independent_bars(chosen))
    return best.deflated_sharpe, best.probabilistic_sharpe


def test_a_search_of_a_thousand_trials_on_noise_ends_in_no_evidence() -> None:
    found = np.array([search(seed) for seed in range(20)])
    assert (found[:, 0] < 0.95).mean() >= 0.95
    assert (found[:, 1] >= 0.95).all()


def test_a_great_strategy_among_a_thousand_trials_is_still_found() -> None:
    assert np.mean([search(seed, planted=4.5)[0] >= 0.95 for seed in range(6)]) >= 0.6
