"""Persistence, Grinold's rule, the average and the catalogue."""

import numpy as np
import pytest
from planted import planted

from quantdesk.domain.errors import StrategyError
from quantdesk.models.average import Average
from quantdesk.models.catalog import discover, hyperparameters, summary
from quantdesk.models.grinold import Grinold
from quantdesk.models.persistence import Persistence
from quantdesk.models.ridge import Ridge


def test_persistence_repeats_the_label_that_has_just_ended() -> None:
    dataset = planted(0.0, n_times=80, n_instruments=4, horizons=(1, 5))
    mean = Persistence().fit(dataset, 0).forecast(dataset).mean
    for place, horizon in enumerate(dataset.horizons):
        np.testing.assert_allclose(mean[1 + horizon :, :, place], dataset.labels[: -1 - horizon, :, place], atol=1e-14)
        np.testing.assert_allclose(mean[: 1 + horizon, :, place], 0.0, atol=1e-14)


def test_persistence_goes_by_positions_not_by_rows() -> None:
    dataset = planted(0.0, n_times=80, n_instruments=4)
    forecaster = Persistence().fit(dataset, 0)
    gappy = dataset.take(np.array([0, 1, 2, 5, 6, 7]))
    mean = forecaster.forecast(gappy).mean[:, :, 0]
    np.testing.assert_allclose(mean[[0, 1, 3, 4]], 0.0, atol=1e-14)
    np.testing.assert_allclose(mean[[2, 5]], gappy.labels[[0, 3], :, 0], atol=1e-14)


def test_persistence_says_nothing_where_the_last_label_is_missing() -> None:
    dataset = planted(0.0, n_times=80, n_instruments=4)
    dataset.labels[10, 2, 0] = np.nan
    assert Persistence().fit(dataset, 0).forecast(dataset).mean[12, 2, 0] == pytest.approx(0.0, abs=1e-14)


def test_the_spread_of_persistence_is_that_of_a_difference() -> None:
    dataset = planted(0.0, n_times=400, n_instruments=10)
    forecasts = Persistence().fit(dataset, 0).forecast(dataset)
    width = (forecasts.at(0).volatility[:, 0] / dataset.scale[0]).mean()
    assert width == pytest.approx(np.sqrt(2 * 1.25), rel=0.1)


def test_grinold_is_volatility_times_ic_times_score() -> None:
    dataset = planted(0.0, n_times=60, n_instruments=9, horizons=(4,))
    mean = Grinold("feature_2", ic=0.05).fit(dataset, 0).forecast(dataset).mean[:, :, 0]
    values = dataset.features[:, :, 2].astype(np.float64)
    score = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    np.testing.assert_allclose(mean, 0.05 * score * dataset.scale * 2.0, atol=1e-12)


def test_grinold_cuts_the_score_at_three_and_ignores_what_is_missing() -> None:
    dataset = planted(0.0, n_times=60, n_instruments=40)
    dataset.features[0, 0, 0], dataset.features[0, 1, 0] = 1e6, np.nan
    mean = Grinold("feature_0", ic=0.1).fit(dataset, 0).forecast(dataset).mean[0, :, 0] / dataset.scale[0]
    assert mean[0] == pytest.approx(0.3)
    assert mean[1] == pytest.approx(0.0, abs=1e-14)


def test_equal_features_have_no_score() -> None:
    dataset = planted(0.0, n_times=60, n_instruments=7)
    dataset.features[:, :, 0] = np.random.default_rng(0).standard_normal((60, 1))
    mean = Grinold("feature_0").fit(dataset, 0).forecast(dataset).mean
    np.testing.assert_allclose(mean, 0.0, atol=1e-14)


def test_a_feature_that_is_not_there_is_named() -> None:
    with pytest.raises(StrategyError, match="'momentum_20'"):
        Grinold("momentum_20").fit(planted(0.0, n_times=60), 0)
    with pytest.raises(StrategyError, match=r"Grinold\.sign is 0"):
        Grinold("a", sign=0)


def test_the_average_lies_between_its_members() -> None:
    dataset = planted(0.1, n_times=200, n_instruments=6)
    members = (Ridge(), Persistence())
    average = Average(members).fit(dataset, 5)
    first, second = (model.fit(dataset, 5).forecast(dataset).quantiles for model in members)
    np.testing.assert_allclose(average.forecast(dataset).quantiles, (first + second) / 2, atol=1e-15)
    assert average.lookback == 3
    np.testing.assert_allclose(average.importance(), Ridge().fit(dataset, 5).importance())


def test_an_average_of_nothing_is_refused() -> None:
    with pytest.raises(StrategyError, match="no models"):
        Average(())


def test_the_catalogue_names_every_file_with_a_model() -> None:
    expected = {"average", "conformal", "elastic_net", "grinold", "lightgbm", "persistence", "ridge", "xgboost"}
    assert expected <= set(discover())
    assert not {"fitting", "linear", "trees", "catalog"} & set(discover())
    for kind in discover().values():
        assert summary(kind).endswith((".", '."'))
    assert hyperparameters(Grinold) == {"feature": "required", "ic": "0.02", "sign": "1"}
