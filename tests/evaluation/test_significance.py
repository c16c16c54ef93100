"""Significance: the published numbers to their digits, uniform p-values, and power as in theory."""

import math

import numpy as np
import pytest
from scipy import stats

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.significance import (
    Convention,
    alpha,
    deflated_sharpe,
    expected_maximum,
    min_backtest_length,
    min_track_record_length,
    newey_west_t,
    probabilistic_sharpe,
    sharpe_standard_error,
    significance,
)

FUND_SKEW, FUND_KURTOSIS = -2.448, 10.164
FUND_2025 = 0.036 / 0.079


def worlds(n_worlds: int, n_bars: int, annual_sharpe: float, seed: int) -> Float64:
    random = np.random.default_rng(seed)
    return 0.01 * (random.standard_normal((n_worlds, n_bars)) + annual_sharpe / math.sqrt(252))


def test_the_expected_maximum_of_a_hundred_normals_is_the_published_one() -> None:
    assert expected_maximum(100) == pytest.approx(2.530603, abs=5e-7)


def test_the_exact_expected_maximum_agrees_with_the_known_values_for_few_normals() -> None:
    assert expected_maximum(2, exact=True) == pytest.approx(1 / math.sqrt(math.pi), abs=1e-9)
    assert expected_maximum(3, exact=True) == pytest.approx(1.5 / math.sqrt(math.pi), abs=1e-9)


def test_the_published_approximation_is_within_three_per_cent_of_the_exact_maximum() -> None:
    for n in (10, 45, 100, 1000):
        assert expected_maximum(n) == pytest.approx(expected_maximum(n, exact=True), rel=0.03)


@pytest.mark.parametrize("n", [0, 0.5, 1])
def test_one_trial_expects_nothing_from_luck(n: float) -> None:
    assert expected_maximum(n) == 0.0


def test_the_deflated_sharpe_of_the_worked_example_is_the_published_one() -> None:
    daily = math.sqrt(250)
    null, confidence = deflated_sharpe(2.5 / daily, 1250, 100, 0.5 / 250, skew=-3, kurtosis=10, convention="observed, T-1")
    assert null * daily == pytest.approx(1.7894, abs=5e-5)
    assert confidence == pytest.approx(0.900397, abs=5e-7)


def test_the_probabilistic_sharpe_of_the_2012_fund_is_the_published_one() -> None:
    found = probabilistic_sharpe(1.585 / math.sqrt(12), 24, skew=FUND_SKEW, kurtosis=FUND_KURTOSIS, convention="observed, T-1")
    assert found == pytest.approx(0.913234, abs=5e-7)


@pytest.mark.parametrize(("null", "published"), [(0.0, 0.987), (0.1, 0.939)])
def test_the_probabilistic_sharpe_of_the_2025_fund_is_the_published_one(null: float, published: float) -> None:
    found = probabilistic_sharpe(FUND_2025, 24, null=null, skew=FUND_SKEW, kurtosis=FUND_KURTOSIS, convention="null, T")
    assert found == pytest.approx(published, abs=5e-4)


def test_the_standard_errors_of_the_2025_fund_are_the_published_ones() -> None:
    assert sharpe_standard_error(FUND_2025, 24, FUND_SKEW, FUND_KURTOSIS) == pytest.approx(0.329, abs=5e-4)
    assert sharpe_standard_error(FUND_2025, 24) == pytest.approx(0.214, abs=5e-4)


def test_the_minimum_track_record_of_the_2025_fund_is_the_published_one() -> None:
    months = min_track_record_length(FUND_2025, skew=FUND_SKEW, kurtosis=FUND_KURTOSIS, convention="null, T")
    assert months == pytest.approx(13.029, abs=5e-4)


def test_the_minimum_track_record_of_a_sharpe_of_two_against_one_is_the_published_one() -> None:
    daily = math.sqrt(250)
    days = min_track_record_length(2 / daily, null=1 / daily, convention="observed, T-1")
    assert days / 250 == pytest.approx(2.7312, abs=5e-5)


def test_the_minimum_backtest_of_forty_five_trials_is_the_published_one() -> None:
    assert min_backtest_length(45) == pytest.approx(4.9981, abs=5e-5)


def test_a_ratio_not_above_the_null_never_becomes_evidence() -> None:
    assert min_track_record_length(0.05, null=0.05) == math.inf


def test_p_values_are_uniform_when_there_is_no_edge() -> None:
    confidence = [significance(row, 1, 1, bars_per_year=252).probabilistic_sharpe for row in worlds(500, 1260, 0.0, 1)]
    assert stats.kstest(1.0 - np.array(confidence), "uniform").pvalue > 0.01


def test_p_values_are_uniform_when_returns_are_skewed_and_fat_tailed() -> None:
    random = np.random.default_rng(5)
    returns = 0.01 * (1.0 - random.exponential(size=(500, 1260)))
    confidence = [significance(row, 1, 1, bars_per_year=252).probabilistic_sharpe for row in returns]
    assert stats.kstest(1.0 - np.array(confidence), "uniform").pvalue > 0.01


@pytest.mark.parametrize("convention", ["null, T", "observed, T-1"])
@pytest.mark.parametrize("annual_sharpe", [1.0, 2.0])
def test_power_over_five_years_is_what_theory_says(annual_sharpe: float, convention: Convention) -> None:
    # The estimate is normal about SR with variance (1 + SR**2 / 2) / T a bar; it is found when it exceeds z / sqrt(T):
    # power = Phi((SR * sqrt(T) - z) / sqrt(1 + SR**2 / 2)), 0.72 for an annual 1 and 0.998 for 2.
    n_bars, z, daily = 1260, 1.6449, annual_sharpe / math.sqrt(252)
    theory = stats.norm.cdf((daily * math.sqrt(n_bars) - z) / math.sqrt(1 + daily**2 / 2))
    found = [
        significance(row, 1, 1, bars_per_year=252, convention=convention).probabilistic_sharpe > 0.95
        for row in worlds(2000, n_bars, annual_sharpe, 2)
    ]
    error = math.sqrt(theory * (1 - theory) / 2000)
    assert np.mean(found) == pytest.approx(theory, abs=4 * error + 0.002)


def test_the_best_of_twenty_noise_strategies_seldom_passes_the_deflated_sharpe() -> None:
    returns = worlds(20 * 200, 504, 0.0, 3).reshape(200, 20, 504)
    best = returns[np.arange(200), (returns.mean(-1) / returns.std(-1)).argmax(1)]
    naive = [significance(row, 1, 1, bars_per_year=252).probabilistic_sharpe > 0.95 for row in best]
    deflated = [significance(row, 20, 20, bars_per_year=252).deflated_sharpe > 0.95 for row in best]
    assert np.mean(naive) > 0.5
    assert np.mean(deflated) < 0.05


def test_unknown_trial_variance_defaults_to_that_of_noise_over_the_same_bars() -> None:
    returns = worlds(1, 504, 1.0, 4)[0]
    default = significance(returns, 10, 10, bars_per_year=252)
    explicit = significance(returns, 10, 10, 252 / 504, bars_per_year=252)
    assert default == explicit
    assert default.expected_best_from_noise == pytest.approx(expected_maximum(10) * math.sqrt(252 / 504))


def test_significance_is_annual_and_names_its_convention() -> None:
    returns = worlds(1, 504, 1.0, 4)[0]
    found = significance(returns, 3, 2.5, bars_per_year=252, convention="observed, T-1")
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(252))
    assert (found.n_trials, found.n_effective_trials, found.convention) == (3, 2.5, "observed, T-1")
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False))
    assert found.skew == pytest.approx(stats.skew(returns))


@pytest.mark.parametrize("returns", [np.zeros(100), np.full(100, 0.001), np.zeros(0), np.array([0.01])])
def test_returns_that_do_not_vary_have_no_significance(returns: Float64) -> None:
    found = significance(returns, 1, 1, bars_per_year=252)
    assert math.isnan(found.sharpe)
    assert math.isnan(found.deflated_sharpe)
    assert math.isnan(found.min_track_record_years)


def test_alpha_takes_the_beta_out_and_keeps_the_intercept() -> None:
    random = np.random.default_rng(0)
    market = 0.01 * random.standard_normal(500)
    noise = 0.002 * random.standard_normal(500)
    beta, rest = alpha(0.0003 + 0.7 * market + noise, market)
    assert beta == pytest.approx(0.7, abs=0.03)
    assert np.corrcoef(rest, market)[0, 1] == pytest.approx(0.0, abs=1e-12)
    assert rest.mean() == pytest.approx(0.0003 + noise.mean(), abs=1e-4)


def test_a_baseline_that_does_not_move_leaves_the_returns_as_they_are() -> None:
    returns = worlds(1, 50, 1.0, 6)[0]
    beta, rest = alpha(returns, np.zeros(50))
    assert beta == 0.0
    assert (rest == returns).all()


def test_newey_west_without_lags_is_the_plain_t_statistic() -> None:
    values = np.array([0.3, -0.1, 0.4, 0.2, np.nan, 0.1])
    kept = values[np.isfinite(values)]
    assert newey_west_t(values, 0) == pytest.approx(kept.mean() / (kept.std() / math.sqrt(5)))


def test_newey_west_matches_its_formula_written_out() -> None:
    values = np.random.default_rng(1).standard_normal(60).cumsum() * 0.1 + 0.5
    deviation = values - values.mean()
    gamma = [float((deviation[lag:] * deviation[: 60 - lag]).sum()) / 60 for lag in range(4)]
    variance = gamma[0] + 2 * (0.75 * gamma[1] + 0.5 * gamma[2] + 0.25 * gamma[3])
    assert newey_west_t(values, 3) == pytest.approx(values.mean() / math.sqrt(variance / 60))


def test_newey_west_tempers_the_t_of_overlapping_labels() -> None:
    random = np.random.default_rng(2)
    sums = np.array([np.convolve(random.standard_normal(519), np.ones(20), "valid") for _ in range(300)])
    plain = np.mean([abs(newey_west_t(row, 0)) > 1.96 for row in sums])
    tempered = np.mean([abs(newey_west_t(row, 20)) > 1.96 for row in sums])
    assert plain > 0.5
    assert tempered < 0.25


@pytest.mark.parametrize("values", [np.full(20, 0.1), np.full(5, np.nan), np.array([0.2])])
def test_a_mean_without_spread_has_no_t_statistic(values: Float64) -> None:
    assert math.isnan(newey_west_t(values, 3))
