"""Overfitting: the published experiments on noise, and counts of trials that agree with what their best shows."""

import math

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.evaluation.overfitting import (
    Overfitting,
    backtest_overfitting,
    cluster_trials,
    effective_trials,
    participation_ratio,
)
from quantdesk.evaluation.significance import expected_maximum


def strategies(seed: int, planted: float = 0.0, n_bars: int = 1000, n: int = 100) -> Float64:
    returns = 0.01 * np.random.default_rng(seed).standard_normal((n_bars, n))
    returns[:, 0] += 0.01 * planted / math.sqrt(252)
    return returns


def judged(planted: float, n_worlds: int = 40) -> list[Overfitting]:
    return [backtest_overfitting(strategies(s, planted), bars_per_year=252, n_draws=0) for s in range(n_worlds)]


def test_of_noise_the_best_half_the_time_ends_in_the_lower_half_and_varies_widely() -> None:
    found = [one.probability for one in judged(0.0, 150)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)
    assert min(found) < 0.3
    assert max(found) > 0.65


def test_of_noise_nothing_is_left_out_of_sample_and_better_was_worse() -> None:
    found = judged(0.0)
    assert 1.5 < np.mean([one.in_sample for one in found]) < 2.0
    assert np.mean([one.out_of_sample for one in found]) == pytest.approx(0.0, abs=0.2)
    assert np.mean([one.degradation for one in found]) < -0.1


def test_one_true_strategy_among_noise_is_mostly_kept_at_about_half_of_what_it_showed() -> None:
    found = judged(2.0)
    assert 0.08 < np.mean([one.probability for one in found]) < 0.30
    assert 2.0 < np.mean([one.in_sample for one in found]) < 2.5
    assert 0.9 < np.mean([one.out_of_sample for one in found]) < 1.6
    assert np.mean([one.probability_of_loss for one in found]) < 0.3


def test_a_strategy_that_always_wins_is_never_overfitted() -> None:
    found = backtest_overfitting(strategies(0, planted=20.0), bars_per_year=252, n_draws=20)
    assert found.probability == 0.0
    assert found.spread == (0.0, 0.0)
    assert found.noise[0] > 0.05
    assert found.probability_of_loss == 0.0


def test_a_strategy_that_wins_in_one_half_and_loses_in_the_other_is_always_overfitted() -> None:
    returns = strategies(1, n_bars=400, n=4)
    turn = np.repeat([1.0, 1.0, -1.0, -1.0], 100)
    returns[:, 0], returns[:, 1] = 0.05 * turn + returns[:, 0], -0.05 * turn + returns[:, 1]
    found = backtest_overfitting(returns, bars_per_year=252, n_blocks=4, n_draws=0)
    pure = [found.logits[0], found.logits[-1]]
    assert pure == pytest.approx([math.log(0.2 / 0.8)] * 2)
    assert found.degradation < 0


def test_the_combinations_number_as_the_binomial_coefficient() -> None:
    assert len(backtest_overfitting(strategies(0, n=5), bars_per_year=252, n_draws=0).logits) == 252


def test_the_range_of_noise_is_that_of_many_worlds_of_noise() -> None:
    worlds = np.quantile([one.probability for one in judged(0.0, 80)], [0.05, 0.95])
    printed = np.mean(
        [backtest_overfitting(strategies(s), bars_per_year=252, n_draws=60, seed=s).noise for s in range(10)], axis=0
    )
    assert printed == pytest.approx(worlds, abs=0.12)


def test_the_spread_surrounds_the_estimate_and_repeats() -> None:
    first, second = (backtest_overfitting(strategies(3), bars_per_year=252, n_draws=60, seed=1) for _ in range(2))
    assert first.spread == second.spread
    assert first.spread[0] <= first.probability <= first.spread[1]


def test_the_best_of_a_hundred_of_noise_over_four_years_shows_what_is_expected() -> None:
    best = []
    for seed in range(200):
        returns = strategies(1000 + seed)
        best.append(math.sqrt(252) * (returns.mean(axis=0) / returns.std(axis=0)).max())
    assert np.mean(best) == pytest.approx(1.27, abs=0.06)
    assert np.quantile(best, 0.95) == pytest.approx(1.69, abs=0.15)
    assert np.mean(best) == pytest.approx(expected_maximum(100, exact=True) * math.sqrt(252 / 1000), abs=0.06)


@pytest.mark.parametrize("n_blocks", [2, 7, 18])
def test_an_odd_or_extreme_number_of_blocks_is_refused(n_blocks: int) -> None:
    with pytest.raises(DataError, match=f"{n_blocks} blocks"):
        backtest_overfitting(strategies(0), bars_per_year=252, n_blocks=n_blocks)


def test_a_single_strategy_has_nothing_to_be_chosen_from() -> None:
    with pytest.raises(DataError, match="1 strategies"):
        backtest_overfitting(strategies(0, n=1), bars_per_year=252)


COUNTS = (effective_trials, participation_ratio)


@pytest.mark.parametrize("count", COUNTS)
def test_copies_count_once_and_independent_trials_each(count: object) -> None:
    assert callable(count)
    copies = np.repeat(strategies(0, n=1), 50, axis=1) * np.linspace(0.5, 2.0, 50)
    assert count(copies) == pytest.approx(1.0, abs=0.05)
    assert count(strategies(0, n=50)) == pytest.approx(50, rel=0.1)


@pytest.mark.parametrize("count", COUNTS)
def test_ten_groups_of_copies_count_ten(count: object) -> None:
    assert callable(count)
    assert count(np.repeat(strategies(0, n=10), 10, axis=1)) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("correlation", [0.2, 0.5, 0.8])
def test_the_effective_number_foretells_the_best_of_trials_that_share_a_market(correlation: float) -> None:
    random = np.random.default_rng(1)
    returns = math.sqrt(correlation) * random.standard_normal((1000, 1))
    returns = returns + math.sqrt(1 - correlation) * random.standard_normal((1000, 100))
    true = math.sqrt(1 - correlation) * expected_maximum(100, exact=True)
    assert expected_maximum(effective_trials(returns), exact=True) == pytest.approx(true, rel=0.05)


def test_the_participation_ratio_promises_too_little_luck_to_trials_that_share_a_market() -> None:
    random = np.random.default_rng(1)
    returns = random.standard_normal((1000, 1)) + random.standard_normal((1000, 100))
    assert expected_maximum(participation_ratio(returns)) < 0.7 * math.sqrt(0.5) * expected_maximum(100)


def test_trials_that_never_trade_do_not_count() -> None:
    returns = np.column_stack([strategies(0, n=3), np.zeros((1000, 5))])
    assert effective_trials(returns) == pytest.approx(3, rel=0.15)
    assert effective_trials(np.zeros((100, 4))) == 1.0


def test_more_trials_than_bars_are_counted_too() -> None:
    assert 320 < effective_trials(strategies(0, n_bars=250, n=400)) <= 400
    assert 300 < participation_ratio(strategies(0, n_bars=250, n=400)) <= 400


def test_groups_of_trials_that_move_together_are_found() -> None:
    random = np.random.default_rng(2)
    groups = np.repeat(np.arange(6), [3, 4, 5, 6, 7, 8])
    returns = random.standard_normal((1000, 6))[:, groups] + 0.7 * random.standard_normal((1000, len(groups)))
    labels = cluster_trials(returns)
    assert len(np.unique(labels)) == 6
    assert all(len(np.unique(labels[groups == group])) == 1 for group in range(6))


def test_copies_are_one_family_and_a_trial_that_never_trades_is_refused() -> None:
    assert cluster_trials(np.repeat(strategies(0, n=1), 20, axis=1)).tolist() == [0] * 20
    with pytest.raises(DataError, match="1 trials that do not vary"):
        cluster_trials(np.column_stack([strategies(0, n=3), np.zeros(1000)]))
