"""Do the desk's statistics keep their word on noise, and find what is there? Prints one table a question.

World ``s`` of a table is drawn from ``default_rng([table, s])``, s from 0. "Market-like" noise has
Student t shocks of 5 degrees, GARCH(0.05, 0.10, 0.85) volatility and an autocorrelation of 0.1.
Run: ``python benchmarks/under_the_null.py [--worlds 400] [--searches 200] [--only 1 6]``.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.comparison import Discovery, adjusted_p_values, diebold_mariano, model_confidence_set, superiority
from quantdesk.evaluation.overfitting import (
    backtest_overfitting,
    cluster_trials,
    effective_trials,
    participation_ratio,
)
from quantdesk.evaluation.resampling import (
    Method,
    independent_bars,
    robust_probabilistic_sharpe,
    sharpe_interval,
    timing_p_value,
)
from quantdesk.evaluation.significance import expected_maximum, probabilistic_sharpe, significance

YEAR = 252
FIVE_YEARS = 5 * YEAR
PER_YEAR = math.sqrt(YEAR)
METHODS: tuple[Discovery, ...] = ("Benjamini-Hochberg", "Benjamini-Yekutieli")


def normal(random: np.random.Generator, n_bars: int, n: int) -> Float64:
    """Draw independent normal returns of 1 % a bar (n_bars, n)."""
    return 0.01 * random.standard_normal((n_bars, n))


def market_like(random: np.random.Generator, n_bars: int, n: int, autocorrelation: float = 0.1, shared: float = 0.0) -> Float64:
    """Draw fat-tailed, clustered, autocorrelated returns without an edge (n_bars, n).

    ``shared`` is the part of the shocks' variance that all columns have in common.
    """
    warm = 100
    shocks = random.standard_t(5, (n_bars + warm, n + 1)) / math.sqrt(5 / 3)
    own = math.sqrt(1 - shared) * shocks[:, :n] + math.sqrt(shared) * shocks[:, n:]
    variance, last, out = np.ones(n), np.zeros(n), np.empty((n_bars + warm, n))
    for bar in range(n_bars + warm):
        drawn = np.sqrt(variance) * own[bar]
        variance = 0.05 + 0.10 * drawn**2 + 0.85 * variance
        last = autocorrelation * last + drawn
        out[bar] = last
    return 0.01 * out[warm:]


def plain_psr(returns: Float64) -> float:
    """Give one minus the probabilistic Sharpe ratio of one series."""
    return 1.0 - significance(returns, 1, 1, bars_per_year=YEAR).probabilistic_sharpe


def forecasts_of(random: np.random.Generator, horizon: int) -> float:
    """Compare two equally good forecasts whose errors overlap over a horizon: the p-value."""
    shocks = random.standard_normal((250 + horizon, 2))
    errors = np.stack([np.convolve(shocks[:, i], np.ones(horizon), "valid") for i in range(2)], axis=1)
    return diebold_mariano(errors[:, 0] ** 2, errors[:, 1] ** 2, horizon)[1]


def timing_of(random: np.random.Generator) -> float:
    """Ask whether slow positions, blind to the returns, time them: the p-value."""
    held = market_like(random, 500, 1, autocorrelation=0.9)[:, 0]
    return timing_p_value(held, market_like(random, 500, 1)[:, 0], n_draws=399)


def many(random: np.random.Generator, poor: int = 0) -> Float64:
    """Draw 20 strategies that share a market, none better than the benchmark, some much worse (500, 20)."""
    excess = market_like(random, 500, 20, shared=0.3)
    excess[:, :poor] -= 0.01 * 3.0 / PER_YEAR
    return excess


Null = Callable[[np.random.Generator], float]
EXACT: dict[str, Null] = {
    "probabilistic Sharpe, independent normal": lambda r: plain_psr(normal(r, FIVE_YEARS, 1)[:, 0]),
    "probabilistic Sharpe, fat tails and GARCH": lambda r: plain_psr(market_like(r, FIVE_YEARS, 1, 0.0)[:, 0]),
    "robust probabilistic Sharpe, market-like": lambda r: 1 - robust_probabilistic_sharpe(market_like(r, FIVE_YEARS, 1)[:, 0]),
    "robust probabilistic Sharpe, autocorrelation 0.3": lambda r: (
        1 - robust_probabilistic_sharpe(market_like(r, FIVE_YEARS, 1, 0.3)[:, 0])
    ),
    "reality check, 20 equals": lambda r: superiority(many(r), n_draws=399).reality_check,
    "superior predictive ability, 20 equals": lambda r: superiority(many(r), n_draws=399).consistent,
    "Diebold-Mariano, 1 bar": lambda r: forecasts_of(r, 1),
    "Diebold-Mariano, 5 bars": lambda r: forecasts_of(r, 5),
    "model confidence set, first step, 10 equals": lambda r: float(
        model_confidence_set(market_like(r, 500, 10), n_draws=399).p_values.min()
    ),
    "timing by block permutation": timing_of,
}
CONSERVATIVE: dict[str, Null] = {
    "reality check, 10 of 20 much worse": lambda r: superiority(many(r, 10), n_draws=399).reality_check,
    "superior ability, upper, 10 of 20 much worse": lambda r: superiority(many(r, 10), n_draws=399).upper,
    "superior ability, consistent, 10 of 20 much worse": lambda r: superiority(many(r, 10), n_draws=399).consistent,
    "deflated Sharpe, best of 100 normal": lambda r: 1 - best_of(normal(r, FIVE_YEARS, 100)),
}
BROKEN: dict[str, Null] = {
    "plain probabilistic Sharpe, autocorrelation 0.3": lambda r: plain_psr(market_like(r, FIVE_YEARS, 1, 0.3)[:, 0]),
}


def best_of(returns: Float64, n_effective: float | None = None) -> float:
    """Give the deflated Sharpe ratio of the best of many trials."""
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    n = effective_trials(returns, n_draws=500) if n_effective is None else n_effective
    best = returns[:, sharpes.argmax()]
    luck = significance(best, returns.shape[1], n, bars_per_year=YEAR, n_independent=independent_bars(best))
    return luck.deflated_sharpe


def dice(table: int, n: int) -> Iterator[np.random.Generator]:
    """Give the worlds of a table."""
    return (np.random.default_rng([table, world]) for world in range(n))


def p_values(n_worlds: int) -> None:
    """Show that p-values are uniform where a test is exact, and too large where it is conservative."""
    print(f"\n1. p-values under the null, {n_worlds} worlds (KS: Kolmogorov-Smirnov p-value against uniform)")
    print(f"   {'test':52s}{'KS':>8s}{'p<.01':>8s}{'p<.05':>8s}{'p<.10':>8s}{'seconds':>9s}")
    kinds = (("exact", EXACT), ("conservative", CONSERVATIVE), ("known to fail, hence the robust one", BROKEN))
    table = 100
    for kind, tests in kinds:
        print(f"   {kind}:")
        for name, test in tests.items():
            table, began = table + 1, time.perf_counter()
            found = np.array([test(random) for random in dice(table, n_worlds)])
            rates = "".join(f"{(found <= level).mean():8.3f}" for level in (0.01, 0.05, 0.10))
            print(
                f"   {name:52s}{stats.kstest(found, 'uniform').pvalue:8.3f}{rates}{time.perf_counter() - began:9.1f}",
                flush=True,
            )


def coverage(n_worlds: int) -> None:
    """Show how often each 95 % interval holds the true Sharpe ratio, which is 1 a year."""
    print(f"\n2. coverage of 95 % intervals of an annual Sharpe ratio of 1, {n_worlds} worlds; mean width in brackets")
    worlds: dict[str, tuple[int, Callable[[np.random.Generator, int], Float64]]] = {
        "normal, 5 years": (FIVE_YEARS, lambda r, n: normal(r, n, 1)),
        "normal, 1 year": (YEAR, lambda r, n: normal(r, n, 1)),
        "market-like, 5 years": (FIVE_YEARS, lambda r, n: market_like(r, n, 1)),
        "autocorrelation 0.3, 5 years": (FIVE_YEARS, lambda r, n: market_like(r, n, 1, 0.3)),
        "autocorrelation 0.3, 1 year": (YEAR, lambda r, n: market_like(r, n, 1, 0.3)),
    }
    methods: tuple[Method, ...] = ("studentised", "percentile", "normal")
    print(f"   {'world':32s}" + "".join(f"{method:>18s}" for method in methods))
    for table, (name, (n_bars, draw)) in enumerate(worlds.items(), start=200):
        deviation = draw(np.random.default_rng(table), 400_000).std()
        held: dict[Method, list[bool]] = {method: [] for method in methods}
        width: dict[Method, list[float]] = {method: [] for method in methods}
        for world, random in enumerate(dice(table, n_worlds)):
            returns = draw(random, n_bars)[:, 0] + deviation / PER_YEAR
            for method in methods:
                interval = sharpe_interval(returns, bars_per_year=YEAR, method=method, n_draws=499, seed=world)
                held[method].append(interval.low <= 1.0 <= interval.high)
                width[method].append(interval.high - interval.low)
        print(f"   {name:32s}" + "".join(f"{np.mean(held[m]):11.3f} ({np.mean(width[m]):4.2f})" for m in methods), flush=True)


def power(n_worlds: int) -> None:
    """Show how often a planted Sharpe ratio is found in five years, against theory."""
    print(f"\n3. power at 5 % over five years of normal returns, {n_worlds} worlds")
    print(
        f"   {'':8s}{'one strategy: probabilistic':>30s}{'theory':>8s}"
        f"{'best of 100: SPA':>20s}{'theory':>8s}{'deflated':>10s}{'theory':>8s}"
    )
    alone, among = stats.norm.ppf(0.95), stats.norm.ppf(0.95 ** (1 / 100))
    for table, planted in enumerate((0.0, 1.0, 2.0, 3.0), start=300):
        found = []
        for random in dice(table, n_worlds):
            returns = normal(random, FIVE_YEARS, 100)
            returns[:, 0] += 0.01 * planted / PER_YEAR
            tested = superiority(returns, mean_block=1.0, n_draws=399)
            found.append((plain_psr(returns[:, 0]) < 0.05, tested.consistent < 0.05, best_of(returns, 100) >= 0.95))
        mean, away = np.mean(found, axis=0), planted * math.sqrt(5)
        missed = [stats.norm.cdf(bar - away) for bar in (alone, among, expected_maximum(100) + alone)]
        theory = 1.0 - np.array(missed) * np.array([1.0, 0.95**0.99, 1.0])
        print(
            f"   SR {planted:4.1f} {mean[0]:30.3f}{theory[0]:8.3f}{mean[1]:20.3f}{theory[1]:8.3f}"
            f"{mean[2]:10.3f}{theory[2]:8.3f}",
            flush=True,
        )


def overfitting(n_worlds: int) -> None:
    """Show the probability of overfitting of noise, and with one true strategy among it."""
    print(f"\n4. 100 strategies, 1000 bars, 10 blocks, {n_worlds} worlds: probability of backtest overfitting")
    for planted in (0.0, 2.0):
        rows = []
        for world, random in enumerate(dice(400, n_worlds)):
            returns = normal(random, 1000, 100)
            returns[:, 0] += 0.01 * planted / PER_YEAR
            one = backtest_overfitting(returns, bars_per_year=YEAR, n_draws=50, seed=world)
            inside = one.noise[0] <= one.probability <= one.noise[1]
            rows.append((one.probability, *one.spread, *one.noise, one.in_sample, one.out_of_sample, one.degradation, inside))
        mean, pbo = np.mean(rows, axis=0), np.array(rows)[:, 0]
        low, high = np.quantile(pbo, [0.05, 0.95])
        print(
            f"   one true SR of {planted:.0f}: PBO mean {mean[0]:.2f}, over worlds {low:.2f} to {high:.2f} (5-95 %), "
            f"{pbo.min():.2f} to {pbo.max():.2f} (all)"
        )
        print(
            f"      printed beside it, mean: spread {mean[1]:.2f} to {mean[2]:.2f}, "
            f"noise {mean[3]:.2f} to {mean[4]:.2f}; PBO inside noise: {mean[8]:.2f}"
        )
        print(f"      in sample {mean[5]:.2f}, out of sample {mean[6]:.2f}, degradation slope {mean[7]:.2f}", flush=True)
    best = [PER_YEAR * (x := normal(random, 1000, 100)).mean(axis=0).max() / x.std() for random in dice(401, 5 * n_worlds)]
    print(
        f"   best of 100 of noise over 1000 bars: {np.mean(best):.2f} on average, "
        f"{np.quantile(best, 0.95):.2f} at the 95th percentile"
    )


def effective(n_worlds: int) -> None:
    """Show which of three counts of effective trials gives the best of noise its true expectation."""
    print(f"\n5. effective number of 100 trials over 1000 bars, mean of {n_worlds} worlds")
    print("   'best' is the true expected largest of 100 such normals; a count is right where its expected maximum equals it")
    print(
        f"   {'trials':34s}{'best':>6s}{'effective_trials':>18s}{'its max':>8s}"
        f"{'participation':>15s}{'its max':>8s}{'clusters':>10s}{'its max':>8s}"
    )
    groups = np.repeat(np.eye(10), 10, axis=1)
    mixes = {
        "independent": np.eye(100), "copies of one": np.ones((1, 100)), "ten groups of ten copies": groups,
        "ten groups, correlation 0.7": np.vstack([math.sqrt(0.7) * groups, math.sqrt(0.3) * np.eye(100)]),
        "all with correlation 0.5": np.vstack([math.sqrt(0.5) * np.ones((1, 100)), math.sqrt(0.5) * np.eye(100)]),
    }  # fmt: skip
    for table, (name, mix) in enumerate(mixes.items(), start=500):
        true = (np.random.default_rng(table).standard_normal((20_000, len(mix))) @ mix).max(axis=1).mean()
        rows = []
        for random in dice(table, n_worlds):
            returns = random.standard_normal((1000, len(mix))) @ mix
            rows.append((effective_trials(returns), participation_ratio(returns), len(np.unique(cluster_trials(returns)))))
        counts = np.mean(rows, axis=0)
        print(
            f"   {name:34s}{true:6.2f}"
            + "".join(f"{n:{w}.1f}{expected_maximum(n):8.2f}" for n, w in zip(counts, (18, 15, 10), strict=True))
        )


def search(n_searches: int) -> None:
    """Show that a search of 1,000 trials on noise ends in no evidence."""
    print(
        f"\n6. the best of 1,000 trials over five years, {n_searches} searches: "
        "how often it is called no evidence (deflated Sharpe < 0.95)"
    )
    print(f"   {'trials':46s}{'best SR':>8s}{'effective':>10s}{'deflated: none':>16s}{'undeflated: none':>18s}")
    cases = (
        ("market-like noise", 0.0, 0.0),
        ("market-like noise, half of it shared", 0.5, 0.0),
        ("one true Sharpe of 2 among market-like noise", 0.0, 2.0),
        ("one true Sharpe of 3 among market-like noise", 0.0, 3.0),
        ("market-like noise, 0.9 of it shared", 0.9, 0.0),
    )
    for table, (name, shared, planted) in enumerate(cases, start=600):
        rows = []
        for random in dice(table, n_searches):
            returns = market_like(random, FIVE_YEARS, 1000, shared=shared)
            returns[:, 0] += returns[:, 0].std() * planted / PER_YEAR
            sharpes = returns.mean(axis=0) / returns.std(axis=0)
            n = effective_trials(returns, n_draws=250)
            naive = probabilistic_sharpe(float(sharpes.max()), FIVE_YEARS)
            rows.append((sharpes.max() * PER_YEAR, n, best_of(returns, n) < 0.95, naive < 0.95))
        best, n, none, undeflated = np.mean(rows, axis=0)
        print(f"   {name:46s}{best:8.2f}{n:10.0f}{none:16.3f}{undeflated:18.3f}", flush=True)


def discoveries(n_worlds: int) -> None:
    """Show that the false discovery rate is no more than was asked for."""
    print(f"\n7. false discovery rate asked for 0.10, 100 tests of which 20 true (z shifted by 3), {n_worlds} worlds")
    for shared in (0.0, 0.5):
        rows = []
        for random in dice(700, n_worlds):
            z = math.sqrt(1 - shared) * random.standard_normal(100) + math.sqrt(shared) * random.standard_normal()
            z[:20] += 3
            for method in METHODS:
                found = adjusted_p_values(stats.norm.sf(z), method) <= 0.10
                rows.append((found[20:].sum() / max(found.sum(), 1), found[:20].mean()))
        table = np.array(rows).reshape(n_worlds, 2, 2).mean(axis=0)
        print(
            f"   correlation {shared}: Benjamini-Hochberg {table[0, 0]:.3f} (finds {table[0, 1]:.2f}), "
            f"Benjamini-Yekutieli {table[1, 0]:.3f} (finds {table[1, 1]:.2f})"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--only", type=int, nargs="*", default=range(1, 8), help="numbers of tables")
    chosen = parser.parse_args()
    began = time.perf_counter()
    tables: dict[int, tuple[Callable[[int], None], int]] = {
        1: (p_values, chosen.worlds),
        2: (coverage, chosen.worlds),
        3: (power, chosen.worlds),
        4: (overfitting, chosen.worlds // 2),
        5: (effective, 10),
        6: (search, chosen.searches),
        7: (discoveries, chosen.worlds),
    }
    for number in chosen.only:
        show, n = tables[number]
        show(n)
    print(f"\n{time.perf_counter() - began:.0f} seconds")


if __name__ == "__main__":
    main()
