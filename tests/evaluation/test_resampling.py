"""Resampling: blocks as long as asked, lengths as theory has them, intervals that hold what they say."""

import math

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.evaluation.resampling import (
    Method,
    block_length,
    block_permutations,
    independent_bars,
    robust_probabilistic_sharpe,
    robust_sharpe_error,
    sharpe_influence,
    sharpe_interval,
    stationary_indices,
    stationary_means,
    timing_p_value,
)
from quantdesk.evaluation.significance import deflated_sharpe, probabilistic_sharpe, sharpe_standard_error, significance


def autoregressive(coefficient: float, n_bars: int, seed: int) -> Float64:
    shocks = np.random.default_rng(seed).standard_normal(n_bars + 100)
    for bar in range(1, len(shocks)):
        shocks[bar] += coefficient * shocks[bar - 1]
    return shocks[100:]


def test_blocks_have_the_mean_length_asked_for() -> None:
    rows = stationary_indices(1000, 200, 8.0, np.random.default_rng(0))
    breaks = (np.diff(rows, axis=1) != 1) & (np.diff(rows, axis=1) != -999)
    assert 1.0 / breaks.mean() == pytest.approx(8.0, rel=0.03)


def test_every_bar_is_drawn_as_often_as_every_other() -> None:
    rows = stationary_indices(50, 4000, 5.0, np.random.default_rng(0))
    assert np.bincount(rows.ravel(), minlength=50) / rows.size == pytest.approx(np.full(50, 0.02), rel=0.1)


def test_a_mean_block_of_one_draws_bars_independently() -> None:
    rows = stationary_indices(500, 200, 1.0, np.random.default_rng(0))
    assert (np.diff(rows, axis=1) == 1).mean() == pytest.approx(1 / 500, abs=0.001)


def test_the_means_of_draws_are_those_of_the_rows_drawn() -> None:
    values = np.random.default_rng(1).standard_normal((40, 3))
    rows = stationary_indices(40, 7, 4.0, np.random.default_rng(2))
    assert stationary_means(values, 7, 4.0, np.random.default_rng(2)) == pytest.approx(values[rows].mean(axis=1))


def test_a_permutation_of_blocks_holds_every_bar_once_and_keeps_neighbours_together() -> None:
    orders = block_permutations(100, 50, 10, np.random.default_rng(0))
    assert (np.sort(orders, axis=1) == np.arange(100)).all()
    assert (np.diff(orders, axis=1) % 100 == 1).mean() > 0.9


@pytest.mark.parametrize("coefficient", [0.5, 0.8])
def test_the_automatic_block_is_near_its_theoretical_length(coefficient: float) -> None:
    lengths = [block_length(autoregressive(coefficient, 1000, seed)) for seed in range(40)]
    theory = (2 * coefficient / (1 - coefficient**2)) ** (2 / 3) * 10
    assert np.median(lengths) == pytest.approx(theory, rel=0.25)


def test_independent_bars_and_bars_that_never_vary_need_no_blocks() -> None:
    lengths = [block_length(np.random.default_rng(seed).standard_normal(1000)) for seed in range(20)]
    assert np.median(lengths) < 2
    assert block_length(np.full(100, 0.1)) == 1.0


def test_the_influence_of_the_bars_averages_to_zero_and_predicts_leaving_one_out() -> None:
    returns = np.random.default_rng(0).standard_normal(2000) + 0.1
    pull = sharpe_influence(returns)
    without = np.delete(returns, 7)
    change = returns.mean() / returns.std() - without.mean() / without.std()
    assert pull.mean() == pytest.approx(0.0, abs=1e-12)
    assert change * 1999 == pytest.approx(pull[7], rel=0.01, abs=1e-3)


def test_without_lags_the_robust_error_is_the_moment_formula() -> None:
    returns = np.random.default_rng(3).standard_gamma(2.0, 5000) - 1.9
    scaled = (returns - returns.mean()) / returns.std()
    moments = float((scaled**3).mean()), float((scaled**4).mean())
    expected = sharpe_standard_error(float(returns.mean() / returns.std()), 5000, *moments)
    assert robust_sharpe_error(returns, 0) == pytest.approx(expected, rel=1e-9)


def test_positive_autocorrelation_widens_the_error_as_theory_says() -> None:
    errors = [robust_sharpe_error(autoregressive(0.3, 2000, seed)) for seed in range(20)]
    assert np.mean(errors) * math.sqrt(2000) == pytest.approx(math.sqrt(1.3 / 0.7), rel=0.07)


def test_autocorrelated_bars_amount_to_fewer_independent_ones_and_never_to_more() -> None:
    counted = [independent_bars(autoregressive(0.3, 2000, seed)) for seed in range(20)]
    assert np.mean(counted) == pytest.approx(2000 * 0.7 / 1.3, rel=0.12)
    assert independent_bars(autoregressive(-0.3, 2000, 0)) == 2000
    assert independent_bars(np.zeros(100)) == 100


def test_a_record_of_half_as_many_independent_bars_needs_twice_the_years() -> None:
    returns = 0.01 * np.random.default_rng(9).standard_normal(1000) + 0.001
    whole = significance(returns, 10, 10, bars_per_year=252)
    half = significance(returns, 10, 10, bars_per_year=252, n_independent=500)
    assert half.min_track_record_years == pytest.approx(2 * whole.min_track_record_years)
    assert half.expected_best_from_noise == pytest.approx(math.sqrt(2) * whole.expected_best_from_noise)
    bar, moments = whole.sharpe / math.sqrt(252), {"skew": whole.skew, "kurtosis": whole.kurtosis}
    assert half.deflated_sharpe == pytest.approx(deflated_sharpe(bar, 500, 10, 1 / 500, **moments)[1])  # type: ignore[arg-type]
    assert half.probabilistic_sharpe < whole.probabilistic_sharpe
    assert half.sharpe == whole.sharpe


def test_on_independent_bars_the_robust_confidence_is_the_plain_one() -> None:
    returns = np.random.default_rng(4).standard_normal(5000) + 0.02
    plain = probabilistic_sharpe(float(returns.mean() / returns.std()), 5000)
    assert robust_probabilistic_sharpe(returns) == pytest.approx(plain, abs=0.03)


@pytest.mark.parametrize("method", ["studentised", "normal", "percentile"])
def test_an_interval_holds_the_true_sharpe_about_as_often_as_it_says(method: Method) -> None:
    held = 0
    for seed in range(150):
        returns = 0.01 * (np.random.default_rng(seed).standard_normal(504) + 1 / math.sqrt(252))
        interval = sharpe_interval(returns, bars_per_year=252, confidence=0.8, method=method, n_draws=199, seed=seed)
        held += interval.low <= 1.0 <= interval.high
    assert 0.70 < held / 150 < 0.90


def test_the_studentised_interval_holds_up_under_autocorrelation() -> None:
    held = 0
    for seed in range(150):
        returns = autoregressive(0.3, 504, seed)
        interval = sharpe_interval(returns, bars_per_year=252, confidence=0.8, n_draws=199, seed=seed)
        held += interval.low <= 0.0 <= interval.high
    assert 0.70 < held / 150 < 0.90


def test_an_interval_is_centred_on_its_estimate_and_repeats() -> None:
    returns = 0.01 * np.random.default_rng(5).standard_normal(504) + 0.0005
    first, second = (sharpe_interval(returns, bars_per_year=252, seed=3) for _ in range(2))
    assert first == second
    assert first.low + first.high == pytest.approx(2 * first.estimate)
    assert first.estimate == pytest.approx(returns.mean() / returns.std() * math.sqrt(252))


def test_positions_that_know_the_returns_are_told_from_blind_ones() -> None:
    random = np.random.default_rng(6)
    returns = random.standard_normal(500)
    knowing = returns + 4.0 * random.standard_normal(500)
    assert timing_p_value(knowing, returns, n_draws=199) == 1 / 200
    assert timing_p_value(-knowing, returns, n_draws=199) == 1.0


def test_holding_more_of_what_rises_is_no_timing() -> None:
    returns = np.random.default_rng(7).standard_normal(500) + 1.0
    held = np.full(500, 3.0) + 0.01 * np.random.default_rng(8).standard_normal(500)
    assert timing_p_value(held, returns, n_draws=199) > 0.05


def test_a_missing_return_is_refused_with_its_bar() -> None:
    returns = np.random.default_rng(0).standard_normal(100)
    returns[41] = math.nan
    with pytest.raises(DataError, match="bar 41"):
        sharpe_interval(returns, bars_per_year=252)


def test_a_short_or_constant_history_is_refused() -> None:
    with pytest.raises(DataError, match="29 bars"):
        sharpe_interval(np.arange(29.0), bars_per_year=252)
    with pytest.raises(DataError, match="do not vary"):
        sharpe_interval(np.zeros(100), bars_per_year=252)
