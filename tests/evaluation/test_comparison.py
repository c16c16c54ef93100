"""Comparison: agreement with what is known in closed form, and edges found only where they are."""

import math

import numpy as np
import pytest
from scipy import stats

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.evaluation.comparison import (
    adjusted_p_values,
    diebold_mariano,
    model_confidence_set,
    superiority,
)


def excess(seed: int, n_bars: int = 500, n: int = 20) -> Float64:
    return 0.01 * np.random.default_rng(seed).standard_normal((n_bars, n))


def test_a_strategy_better_than_the_benchmark_is_found_and_named() -> None:
    returns = excess(0)
    returns[:, 13] += 0.003
    found = superiority(returns)
    assert found.best == 13
    assert max(found.consistent, found.reality_check, found.upper) < 0.01


def test_strategies_all_worse_than_the_benchmark_are_no_evidence() -> None:
    found = superiority(excess(1) - 0.003)
    assert found.statistic == 0.0
    assert found.consistent == found.upper == 1.0


def test_with_one_strategy_the_p_value_is_that_of_a_t_test() -> None:
    for seed in range(5):
        returns = excess(seed, n=1) + 0.0008
        expected = stats.ttest_1samp(returns[:, 0], 0.0, alternative="greater").pvalue
        found = superiority(returns, mean_block=1.0, n_draws=5_000)
        assert found.consistent == pytest.approx(expected, abs=0.025)
        assert found.reality_check == pytest.approx(expected, abs=0.025)


def test_hopeless_strategies_dull_the_upper_p_value_and_not_the_consistent_one() -> None:
    returns = excess(2)
    returns[:, 0] += 0.0011
    returns[:, 1:] -= 0.004
    found = superiority(returns)
    assert found.lower <= found.consistent <= found.upper
    assert found.consistent < 0.5 * found.upper


def test_a_wild_strategy_hides_a_good_one_from_the_reality_check_only() -> None:
    returns = excess(3, n=5)
    returns[:, 0] += 0.0015
    returns[:, 1] *= 30.0
    found = superiority(returns)
    assert found.consistent < 0.05 < found.reality_check


def test_a_strategy_that_never_trades_is_passed_over() -> None:
    returns = excess(4)
    returns[:, 7] += 0.003
    returns[:, 2] = 0.0
    assert superiority(returns).best == 7
    with pytest.raises(DataError, match="do not vary"):
        superiority(np.zeros((100, 3)))


def test_a_missing_excess_return_is_refused_with_its_bar() -> None:
    returns = excess(5)
    returns[17, 3] = math.nan
    with pytest.raises(DataError, match="bar 17"):
        superiority(returns)


def test_adjusted_p_values_are_those_of_scipy() -> None:
    p_values = np.random.default_rng(0).random(50) ** 2
    hochberg, yekutieli = (
        stats.false_discovery_control(p_values, method="bh"),
        stats.false_discovery_control(p_values, method="by"),
    )
    assert adjusted_p_values(p_values, "Benjamini-Hochberg") == pytest.approx(hochberg)
    assert adjusted_p_values(p_values) == pytest.approx(yekutieli)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="p-values"):
        adjusted_p_values(np.array([0.5, value]))


def test_one_bar_ahead_the_comparison_of_forecasts_is_the_paired_t_test() -> None:
    random = np.random.default_rng(0)
    first, second = random.standard_normal(60) ** 2, random.standard_normal(60) ** 2 + 0.3
    expected = stats.ttest_rel(first, second)
    statistic, p_value = diebold_mariano(first, second)
    assert statistic == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue)


def test_the_small_sample_correction_is_the_published_factor() -> None:
    gain = np.random.default_rng(1).standard_normal(40) + 0.2
    centred = gain - gain.mean()
    covariance = [centred[lag:] @ centred[: 40 - lag] / 40 for lag in range(3)]
    plain = gain.mean() / math.sqrt((covariance[0] + 2 * covariance[1] + 2 * covariance[2]) / 40)
    factor = math.sqrt((40 + 1 - 2 * 3 + 3 * 2 / 40) / 40)
    assert diebold_mariano(gain, np.zeros(40), 3)[0] == pytest.approx(plain * factor)


def test_the_better_forecast_wins_and_equal_ones_give_no_number() -> None:
    random = np.random.default_rng(2)
    losses = random.random(100)
    assert diebold_mariano(losses, losses + 0.5 + 0.1 * random.random(100))[0] < -10
    assert all(math.isnan(value) for value in diebold_mariano(losses, losses))


def test_alternating_losses_over_a_long_horizon_still_give_a_number() -> None:
    gain = np.tile([1.0, -0.9], 50) + 0.01 * np.random.default_rng(3).standard_normal(100)
    statistic, p_value = diebold_mariano(gain, np.zeros(100), 2)
    assert math.isfinite(statistic)
    assert 0 <= p_value <= 1


def losses(seed: int, worse: tuple[float, ...]) -> Float64:
    random = np.random.default_rng(seed)
    shared = random.standard_normal((400, 1))
    table: Float64 = shared + random.standard_normal((400, len(worse))) + np.array(worse)
    return table


def test_models_clearly_worse_are_left_out_and_those_that_tie_are_kept() -> None:
    found = [model_confidence_set(losses(seed, (0.0, 0.0, 0.5, 1.0)), n_draws=99) for seed in range(60)]
    assert not any(one.is_in[2:].any() for one in found)
    assert np.mean([one.is_in[:2].all() for one in found]) >= 0.8
    assert all(one.p_values.max() == 1.0 for one in found)


def test_a_model_left_out_later_is_never_the_less_likely_best() -> None:
    def first_is_last(seed: int) -> bool:
        table = losses(seed, (0.0,) * 8)
        found = model_confidence_set(table, n_draws=199, mean_block=1.0).p_values
        return bool(found[table.mean(axis=0).argmax()] == found.min())

    assert np.mean([first_is_last(seed) for seed in range(40)]) > 0.95


def test_a_wider_confidence_keeps_more_models() -> None:
    table = losses(1, (0.0, 0.1, 0.15, 0.2, 0.3))
    sizes = [int(model_confidence_set(table, level=level).is_in.sum()) for level in (0.5, 0.1, 0.01)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_the_best_model_stays_in_the_set_as_often_as_promised() -> None:
    kept = [
        model_confidence_set(losses(seed, (0.0, 0.05, 0.1, 0.2)), n_draws=199, mean_block=1.0).is_in[0] for seed in range(200)
    ]
    assert np.mean(kept) > 0.9


def test_a_single_model_is_the_set() -> None:
    assert model_confidence_set(losses(2, (0.0,))).is_in.tolist() == [True]
