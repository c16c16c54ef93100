"""What models share."""

from dataclasses import replace

import numpy as np
import pytest
from planted import dataset_of, planted

from quantdesk.domain.errors import DataError
from quantdesk.domain.forecast import mean_of
from quantdesk.models.fitting import (
    Scaler,
    completed,
    horizon_volatility,
    residual_quantiles,
    shares,
    spread_around,
    standardised_labels,
    thinned_rows,
    training_samples,
)


def test_targets_are_relative_to_the_instruments_of_their_time() -> None:
    dataset = planted(0.0, n_times=100, n_instruments=6)
    samples = training_samples(dataset, 0, 10**6, demean=True)
    by_time = samples.targets.reshape(-1, 6)
    assert np.abs(samples.targets).max() < 5.0, "otherwise the cut would spoil the mean"
    np.testing.assert_allclose(by_time.mean(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(samples.outcomes, standardised_labels(dataset, 0)[:98].ravel())


def test_without_demeaning_the_market_stays_in_the_target() -> None:
    samples = training_samples(planted(0.0, n_times=100, n_instruments=6), 0, 10**6, demean=False)
    np.testing.assert_allclose(samples.targets, np.clip(samples.outcomes, -5, 5))


def test_a_single_instrument_is_not_demeaned_to_nothing() -> None:
    samples = training_samples(planted(0.0, n_times=100, n_instruments=1), 0, 10**6, demean=True)
    assert samples.targets.std() > 0.5


def test_a_time_with_one_valid_instrument_teaches_nothing_relative() -> None:
    dataset = planted(0.0, n_times=100, n_instruments=3)
    dataset.is_valid[10, 1:] = False
    assert len(training_samples(dataset, 0, 10**6, demean=True).targets) == 97 * 3
    assert len(training_samples(dataset, 0, 10**6, demean=False).targets) == 97 * 3 + 1


def test_targets_are_cut_at_five_deviations_and_outcomes_are_not() -> None:
    dataset = planted(0.0, n_times=100, n_instruments=6)
    dataset.labels[20, 3, 0] = 50 * dataset.scale[20, 3]
    samples = training_samples(dataset, 0, 10**6, demean=True)
    assert samples.targets.max() == 5.0
    assert samples.outcomes.max() == pytest.approx(50.0)


def test_rows_of_overlapping_labels_lie_half_a_horizon_apart() -> None:
    dataset = planted(0.0, n_times=100, n_instruments=2, horizons=(10,))
    np.testing.assert_array_equal(thinned_rows(dataset, 0, dataset.is_valid, 10**6), np.arange(0, 100, 5))


def test_too_many_samples_are_thinned_evenly_over_the_whole_span() -> None:
    dataset = planted(0.0, n_times=1_000, n_instruments=4)
    rows = thinned_rows(dataset, 0, dataset.is_valid, 400)
    assert len(rows) == 100
    assert rows[0] == 0
    assert rows[-1] == 999
    assert set(np.diff(rows)) <= {10, 11}


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(DataError, match="only 29 samples"):
        training_samples(planted(0.0, n_times=31, n_instruments=1), 0, 10**6, demean=False)
    assert len(training_samples(planted(0.0, n_times=32, n_instruments=1), 0, 10**6, demean=False).targets) == 30


def test_samples_need_a_volatility_above_nought() -> None:
    dataset = planted(0.0, n_times=100, n_instruments=4)
    dataset.scale[5, 2], dataset.scale[6, 2] = 0.0, np.nan
    np.testing.assert_array_equal(np.argwhere(np.isnan(standardised_labels(dataset, 0)[:98])), [[5, 2], [6, 2]])


def test_the_scaler_standardises_what_needs_it_and_leaves_the_rest() -> None:
    dataset = replace(planted(0.0), needs_scaling=np.array([True, False, True, True, True]))
    scaled = Scaler.of(dataset, 10**6).apply(dataset.features.reshape(-1, 5))
    np.testing.assert_allclose(scaled[:, [0, 2]].mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(scaled[:, [0, 2]].std(axis=0), 1.0, atol=1e-3)
    np.testing.assert_array_equal(scaled[:, 1], dataset.features.reshape(-1, 5)[:, 1])


def test_the_scaler_reads_missing_infinite_and_extreme_values() -> None:
    dataset = planted(0.0, n_times=100, n_instruments=4)
    dataset.features[3, 1, :] = [np.nan, np.inf, -np.inf, 1e30, -1e30]
    scaler = Scaler.of(planted(0.0, n_times=100, n_instruments=4), 10**6)
    np.testing.assert_array_equal(scaler.apply(dataset.features[3, 1:2])[0], [0.0, 0.0, 0.0, 5.0, -5.0])
    dataset.features[3, 1, 3:] = np.nan
    np.testing.assert_allclose(Scaler.of(dataset, 10**6).centre, scaler.centre, atol=0.03)
    np.testing.assert_allclose(Scaler.of(dataset, 10**6).width, scaler.width, rtol=0.01)


def test_a_constant_feature_and_one_never_known_scale_to_nought() -> None:
    dataset = planted(0.0, n_times=100, n_instruments=4)
    dataset.features[:, :, 1], dataset.features[:, :, 2] = 8.0, np.nan
    scaled = Scaler.of(dataset, 10**6).apply(dataset.features.reshape(-1, 5))
    np.testing.assert_array_equal(scaled[:, 1:3], 0.0)


def test_the_scaler_does_not_read_samples_that_are_not_valid() -> None:
    dataset = planted(0.0, n_times=100, n_instruments=4)
    dataset.is_valid[:, 2] = False
    before = Scaler.of(dataset, 10**6)
    dataset.features[:, 2] = 1e6
    np.testing.assert_array_equal(Scaler.of(dataset, 10**6).centre, before.centre)


def test_the_mean_of_a_forecast_is_the_prediction() -> None:
    dataset = planted(0.0, n_times=50, horizons=(1, 5))
    random = np.random.default_rng(4)
    residuals = np.stack([residual_quantiles(random.gamma(2.0, size=500)) for _ in range(2)])
    mean = 0.01 * random.standard_normal(dataset.labels.shape)
    np.testing.assert_allclose(spread_around(dataset, mean, residuals).mean, mean, atol=1e-15)


def test_the_spread_grows_with_volatility_and_the_root_of_the_horizon() -> None:
    dataset = planted(0.0, n_times=50, horizons=(1, 4))
    residuals = np.tile(residual_quantiles(np.random.default_rng(4).standard_normal(5_000)), (2, 1))
    width = np.ptp(spread_around(dataset, np.zeros(dataset.labels.shape), residuals).quantiles, axis=-1)
    np.testing.assert_allclose(width[:, :, 1], 2 * width[:, :, 0])
    np.testing.assert_allclose(width[:, :, 0] / dataset.scale, 3.29, rtol=0.05)
    np.testing.assert_allclose(horizon_volatility(dataset)[:, :, 1], 2 * dataset.scale)


def test_residual_quantiles_have_mean_nought() -> None:
    assert mean_of(residual_quantiles(np.random.default_rng(0).gamma(2.0, size=999))) == pytest.approx(0.0, abs=1e-15)


def test_contributions_are_completed_to_the_mean() -> None:
    parts, mean = np.array([[[[1.0, 2.0]]], [[[1.0, 2.0]]]]), np.array([[[7.0]], [[np.nan]]])
    np.testing.assert_array_equal(completed(parts, mean).reshape(2, 3), [[1.0, 2.0, 4.0], [np.nan] * 3])


def test_shares_weigh_horizons_alike_and_skip_those_that_learned_nothing() -> None:
    np.testing.assert_allclose(shares(np.array([[2.0, 2.0], [30.0, 10.0], [0.0, 0.0]])), [0.625, 0.375])
    np.testing.assert_array_equal(shares(np.zeros((2, 3))), np.zeros(3))


def test_the_planted_label_is_what_the_noun_says() -> None:
    returns = np.arange(10.0)[:, None]
    dataset = dataset_of(returns, np.zeros((10, 1, 1)), np.ones((10, 1)), (1, 2))
    np.testing.assert_array_equal(dataset.labels[0, 0], [2.0, 2.0 + 3.0])
    assert np.isfinite(dataset.labels[:, 0, 1]).sum() == 7
