"""Conformal intervals keep their promise on GARCH, in every volatility tercile and after a break."""

from dataclasses import replace

import numpy as np
import pytest
from planted import dataset_of, garch, planted

from quantdesk.domain.arrays import Bools
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError, StrategyError
from quantdesk.domain.forecast import LEVELS, MEDIAN
from quantdesk.models.conformal import Conformal, ConformalForecaster, adapted
from quantdesk.models.grinold import Grinold
from quantdesk.models.lightgbm import LightGBM
from quantdesk.models.ridge import Ridge

N_TRAINING, N_TIMES = 900, 1_900


def garch_world(seed: int, horizon: int, n_instruments: int, break_at: int | None = None) -> Dataset:
    returns, scale = garch(N_TIMES, n_instruments, seed, break_at)
    features = np.random.default_rng(seed + 100).standard_normal((*returns.shape, 2))
    return dataset_of(returns, features, scale, (horizon,))


def hits(dataset: Dataset, model: Conformal, pair: int = 0) -> tuple[Bools, Dataset]:
    forecaster = model.fit(dataset.rows(0, N_TRAINING - dataset.horizons[0] - 1), 0)
    stop = N_TIMES - dataset.horizons[0] - 1
    quantiles = forecaster.forecast(dataset.rows(N_TRAINING - forecaster.lookback, stop)).quantiles
    tested = dataset.rows(N_TRAINING, stop)
    inside = quantiles[forecaster.lookback :, :, 0]
    labels = tested.labels[:, :, 0]
    return (inside[..., pair] <= labels) & (labels <= inside[..., -1 - pair]), tested


@pytest.mark.parametrize("horizon", [1, 5])
def test_coverage_is_as_promised_overall_and_by_volatility(horizon: int) -> None:
    hit, tested = hits(garch_world(0, horizon, 30), Conformal(Ridge()))
    assert 0.88 < hit.mean() < 0.92
    tercile = np.digitize(tested.scale, np.quantile(tested.scale, [1 / 3, 2 / 3]))
    for each in range(3):
        assert 0.85 < hit[tercile == each].mean() < 0.95


@pytest.mark.parametrize("pair", range(MEDIAN))
def test_the_inner_intervals_cover_as_promised_too(pair: int) -> None:
    hit, _ = hits(garch_world(1, 1, 30), Conformal(Ridge()), pair)
    assert hit.mean() == pytest.approx(1 - 2 * LEVELS[pair], abs=0.02)


def test_coverage_recovers_within_sixty_steps_of_a_threefold_break() -> None:
    broken = garch_world(2, 1, 30, break_at=N_TRAINING + 500)
    adapting, _ = hits(broken, Conformal(Ridge()))
    fixed, _ = hits(broken, Conformal(Ridge(), gamma=0.0))
    after = slice(498, 558)
    assert adapting[after].mean() > 0.82
    assert adapting[after].mean() > fixed[after].mean()


def test_adaptation_mends_a_wrong_calibration() -> None:
    dataset = planted(0.0, n_times=N_TIMES, n_instruments=20)
    doubled = replace(dataset, labels=np.where(np.arange(N_TIMES)[:, None, None] > N_TRAINING, 1.5, 1.0) * dataset.labels)
    assert hits(doubled, Conformal(Ridge(), gamma=0.0))[0][300:].mean() < 0.8
    assert 0.86 < hits(doubled, Conformal(Ridge(), gamma=0.01))[0][300:].mean() < 0.92


def test_a_spread_taken_from_overfitted_residuals_is_corrected() -> None:
    dataset = planted(0.0, n_times=N_TIMES, n_instruments=4)
    model = Conformal(LightGBM(n_trees=80, learning_rate=0.1, min_leaf=2, n_leaves=63), gamma=0.0)
    forecaster = model.fit(dataset.rows(0, N_TRAINING), 0)
    tested = dataset.rows(N_TRAINING, N_TIMES - 2)
    inner = forecaster.inner.forecast(tested).quantiles[..., 0, :]
    labels = tested.labels[..., 0]
    assert ((inner[..., 0] <= labels) & (labels <= inner[..., -1])).mean() < 0.82
    assert 0.86 < hits(dataset, model)[0].mean() < 0.93


def test_location_stays_that_of_the_inner_model() -> None:
    dataset = planted(0.3, n_times=500, n_instruments=10)
    forecaster = Conformal(Ridge()).fit(dataset.rows(0, 400), 0)
    ours, inner = forecaster.forecast(dataset), forecaster.inner.forecast(dataset)
    np.testing.assert_allclose(ours.mean, inner.mean, atol=1e-14)
    np.testing.assert_allclose(ours.quantiles[..., MEDIAN], inner.quantiles[..., MEDIAN], atol=1e-14)
    np.testing.assert_array_equal(forecaster.importance(), forecaster.inner.importance())


def test_the_model_does_not_learn_from_labels_that_reach_into_the_calibration() -> None:
    clean = planted(0.3, n_times=400, n_instruments=10, horizons=(5,))
    first = 320
    reaching = clean.ends[:, 0] > clean.begins[first] - 1
    changed = replace(clean, labels=np.where(reaching[:, None, None], -clean.labels, clean.labels))
    before, after = (Conformal(Ridge()).fit(dataset, 0) for dataset in (clean, changed))
    np.testing.assert_array_equal(before.inner.forecast(clean).quantiles, after.inner.forecast(clean).quantiles)
    assert reaching.sum() == 400 - first + 5, "the five rows before the calibration reach into it"
    assert (before.tables[0] != after.tables[0]).any()


def test_too_short_a_span_is_refused() -> None:
    with pytest.raises(DataError, match="samples"):
        Conformal(Ridge()).fit(planted(0.0, n_times=100, n_instruments=1), 0)


def test_settings_outside_their_range_are_refused() -> None:
    for wrong in ({"calibration_share": 1.0}, {"window": -1}, {"gamma": -0.1}):
        with pytest.raises(StrategyError, match="Conformal"):
            Conformal(Ridge(), **wrong)


def test_the_miss_rate_moves_by_the_rule_of_gibbs_and_candes() -> None:
    tails = np.array([[0.05, 0.5], [0.3, 0.4], [0.01, np.inf]])
    rates = adapted(tails, np.array([2, 2, 1]), np.array([0, 1, 2, 3]), 250, 0.1, 0.01)
    first = 0.1 + 0.01 * (0.1 - 0.5)
    second = first + 0.01 * 0.1
    np.testing.assert_allclose(rates, [0.1, first, second, second + 0.01 * (0.1 - 1.0)])


def test_the_miss_rate_forgets_what_left_the_window() -> None:
    tails, known = np.full((10, 1), 0.0), np.ones(10, dtype=np.int64)
    rates = adapted(tails, known, np.arange(10), 3, 0.1, 0.01)
    np.testing.assert_allclose(rates[3:], 0.1 - 3 * 0.009)


def test_the_miss_rate_stays_between_none_and_all() -> None:
    tails, known = np.full((400, 1), 1e-9), np.ones(400, dtype=np.int64)
    rates = adapted(tails, known, np.arange(400), 400, 0.1, 0.1)
    assert rates.min() >= 0.0
    assert rates[-1] < 0.1


def test_the_lookback_is_enough_for_an_inner_model_that_looks_back() -> None:
    dataset = planted(0.1, n_times=300, n_instruments=5, horizons=(1, 3))
    nested: ConformalForecaster = Conformal(Conformal(Grinold("feature_0"), window=10), window=15).fit(dataset, 0)
    assert nested.lookback == 15 + 3 + (10 + 3 + 1)
    batch = nested.forecast(dataset).quantiles[250]
    alone = nested.forecast(dataset.rows(251 - nested.lookback, 251)).quantiles[-1]
    np.testing.assert_array_equal(alone, batch)


def test_drift_in_the_calibration_does_not_tilt_what_counts_as_a_miss() -> None:
    dataset = planted(0.0, n_times=N_TIMES, n_instruments=10)
    drifting = replace(dataset, labels=dataset.labels + 0.4 * dataset.scale[:, :, None])
    plain, tilted = (Conformal(Grinold("feature_0", ic=0.0)).fit(world, 0) for world in (dataset, drifting))
    np.testing.assert_allclose(plain.tables[0], tilted.tables[0], atol=1e-9)
    assert hits(drifting, Conformal(Grinold("feature_0", ic=0.0)))[0].mean() == pytest.approx(0.9, abs=0.02)
