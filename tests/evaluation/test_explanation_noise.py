"""The noise band: how often useless columns leave it, and that a useful one does."""

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.explanation.noise import N_BLOCKS, blocks, noise


def useless(random: np.random.Generator, n_times: int, n_columns: int = 12) -> Float64:
    """Differences of columns that resemble one another, heavy-tailed, in calm and stormy times."""
    storm = np.exp(0.5 * np.cumsum(random.normal(size=(n_times, 1)), axis=0) / np.sqrt(n_times))
    return np.asarray(storm * (random.standard_t(4, (n_times, n_columns)) + random.standard_t(4, (n_times, 1))))


@pytest.mark.parametrize("n_times", [12, 50, 200])
def test_useless_columns_leave_their_band_in_about_one_world_of_twenty(n_times: int) -> None:
    random = np.random.default_rng(5)
    outside = [(noise(useless(random, n_times), random, 199).p_values <= 0.05).any() for _ in range(300)]
    assert 0.015 < np.mean(outside) < 0.085


def test_the_p_value_of_the_furthest_useless_column_is_even_between_nought_and_one() -> None:
    from scipy.stats import kstest

    random = np.random.default_rng(6)
    furthest = [noise(useless(random, 60), random, 199).p_values.min() for _ in range(300)]
    assert kstest(furthest, "uniform").pvalue > 0.01


def test_what_lingers_from_one_time_to_the_next_does_not_pass_for_more_than_noise() -> None:
    random, outside = np.random.default_rng(7), []
    for _ in range(200):
        alone = random.normal(size=(242, 5))
        outside.append((noise((alone[:-2] + alone[1:-1] + alone[2:]) / 3.0, random, 199).p_values <= 0.05).any())
    assert np.mean(outside) < 0.12


def test_a_column_whose_loss_costs_something_leaves_its_band_and_no_other_does() -> None:
    random = np.random.default_rng(1)
    differences = random.normal(size=(60, 30))
    differences[:, 7] += 1.0
    found = noise(differences, random)
    assert np.flatnonzero(found.p_values <= 0.05).tolist() == [7]
    assert found.mean[7] > found.reach[7] > 0


def test_a_column_that_did_harm_leaves_its_band_downward() -> None:
    random = np.random.default_rng(2)
    differences = random.normal(size=(60, 4))
    differences[:, 2] -= 1.0
    found = noise(differences, random)
    assert found.mean[2] < -found.reach[2]
    assert found.p_values[2] <= 0.05


def test_the_band_and_the_p_values_say_the_same() -> None:
    random = np.random.default_rng(3)
    for _ in range(40):
        found = noise(random.normal(0.25, 1.0, (40, 6)), random, 99)
        assert ((np.abs(found.mean) > found.reach) == (found.p_values <= 0.05)).all()


def test_a_column_that_changes_nothing_is_noise_whatever_the_others_do() -> None:
    found = noise(np.stack([np.zeros(40), np.linspace(0.5, 1.5, 40)], axis=1), np.random.default_rng(0))
    assert found.p_values[0] == 1.0
    assert found.reach[0] == 0.0
    assert found.p_values[1] <= 0.05


def test_five_times_can_tell_nothing_from_noise() -> None:
    assert (noise(np.full((5, 3), 1.0) + 1e-3 * np.eye(5, 3), np.random.default_rng(0)).p_values > 0.05).all()


def test_blocks_add_up_to_the_mean_and_hold_times_beside_one_another() -> None:
    differences = np.arange(100.0)[:, None] ** 2
    parts, shares = blocks(differences)
    assert len(parts) == N_BLOCKS
    assert parts.sum() == pytest.approx(differences.mean())
    assert shares.sum() == pytest.approx(1.0)
    assert parts[0, 0] == pytest.approx((0 + 1 + 4 + 9) / 100)


def test_the_error_is_the_usual_one_where_every_time_is_a_block() -> None:
    differences = np.random.default_rng(4).normal(size=(20, 3))
    found = noise(differences, np.random.default_rng(0))
    assert found.error == pytest.approx(differences.std(axis=0, ddof=1) / np.sqrt(20))
