"""The boosted trees."""

import numpy as np
import pytest
from planted import planted

from quantdesk.models.lightgbm import LightGBM
from quantdesk.models.xgboost import XGBoost

both = pytest.mark.parametrize("model", [LightGBM(n_trees=30), XGBoost(n_threads=1, n_trees=30)], ids=["LightGBM", "XGBoost"])


@both
def test_trees_find_a_curve_that_no_line_can(model: LightGBM | XGBoost) -> None:
    dataset = planted(0.0)
    bent = np.abs(dataset.features[:, :, 1] - 3.0) > 1.3
    dataset.labels[:, :, 0] += np.where(bent, 0.3, -0.3) * dataset.scale
    predicted = model.fit(dataset.rows(0, 500), 0).forecast(dataset.rows(500, 700)).mean[:, :, 0] / dataset.scale[500:]
    assert predicted[bent[500:]].mean() - predicted[~bent[500:]].mean() > 0.3


@both
def test_importance_and_contributions_go_to_the_planted_feature(model: LightGBM | XGBoost) -> None:
    dataset = planted(0.3)
    forecaster = model.fit(dataset, 0)
    assert forecaster.importance().argmax() == 0
    parts = np.abs(forecaster.contributions(dataset.rows(0, 50))[:, :, 0]).mean(axis=(0, 1))
    assert parts[0] > 3 * parts[1:5].max()
    assert parts[0] > 3 * parts[5], "the attribution is read, not left to the last column"


@both
def test_infinite_features_are_read_as_missing(model: LightGBM | XGBoost) -> None:
    dataset = planted(0.3, n_times=300)
    dataset.features[::7, ::3, 0], dataset.features[::5, ::2, 1] = np.inf, -np.inf
    forecaster = model.fit(dataset, 0)
    infinite = forecaster.forecast(dataset).quantiles
    dataset.features[np.isinf(dataset.features)] = np.nan
    np.testing.assert_array_equal(forecaster.forecast(dataset).quantiles, infinite)


@both
def test_too_few_samples_for_a_leaf_give_no_opinion(model: LightGBM | XGBoost) -> None:
    dataset = planted(0.3, n_times=60, n_instruments=3)
    forecaster = model.fit(dataset, 0)
    np.testing.assert_allclose(forecaster.forecast(dataset).mean, 0.0, atol=1e-6)
    np.testing.assert_array_equal(forecaster.importance(), np.zeros(5))
