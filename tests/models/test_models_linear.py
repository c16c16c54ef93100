"""Ridge and the elastic net against closed forms and scikit-learn."""

import numpy as np
import pytest
from planted import planted

from quantdesk.domain.dataset import Dataset
from quantdesk.models.elastic_net import ElasticNet, coordinate_descent
from quantdesk.models.fitting import training_samples
from quantdesk.models.linear import LinearForecaster
from quantdesk.models.ridge import Ridge


def learned_from(dataset: Dataset, forecaster: LinearForecaster) -> tuple[np.ndarray, np.ndarray]:
    samples = training_samples(dataset, 0, 10**6, demean=True)
    return forecaster.scaler.apply(samples.features), samples.targets


def test_ridge_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import Ridge as Reference

    dataset = planted(0.2, n_times=200, n_instruments=8)
    ours = Ridge(penalty=0.3).fit(dataset, 0)
    values, targets = learned_from(dataset, ours)
    reference = Reference(alpha=0.3 * len(values)).fit(values, targets)
    np.testing.assert_allclose(ours.coefficients[0], reference.coef_, rtol=1e-9)
    assert ours.intercepts[0] == pytest.approx(float(reference.intercept_), abs=1e-12)


def test_the_elastic_net_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import ElasticNet as Reference

    dataset = planted(0.2, n_times=200, n_instruments=8)
    ours = ElasticNet(penalty=0.05, l1_share=0.6).fit(dataset, 0)
    values, targets = learned_from(dataset, ours)
    reference = Reference(alpha=0.05, l1_ratio=0.6, tol=1e-12, max_iter=10_000).fit(values, targets)
    np.testing.assert_allclose(ours.coefficients[0], reference.coef_, atol=1e-8)
    assert (reference.coef_ == 0).any(), "the test is about dropping features"


def test_coordinate_descent_solves_correlated_features() -> None:
    gram = np.array([[1.0, 0.9], [0.9, 1.0]])
    solution = coordinate_descent(gram, np.array([1.0, 0.8]), 0.0, 0.1)
    np.testing.assert_allclose(solution, np.linalg.solve(gram + 0.1 * np.eye(2), [1.0, 0.8]), atol=1e-8)


def test_a_feature_without_variance_gets_no_weight() -> None:
    dataset = planted(0.2, n_times=200, n_instruments=8)
    dataset.features[:, :, 3] = 1.0
    for model in (Ridge(penalty=0.0), ElasticNet()):
        assert model.fit(dataset, 0).coefficients[0, 3] == 0.0


def test_importance_goes_to_the_planted_feature() -> None:
    for model in (Ridge(), ElasticNet()):
        importance = model.fit(planted(0.2), 0).importance()
        assert importance.argmax() == 0
        assert importance[0] > 0.7


def test_contributions_go_to_the_planted_feature() -> None:
    dataset = planted(0.2)
    parts = np.abs(Ridge().fit(dataset, 0).contributions(dataset)[:, :, 0]).mean(axis=(0, 1))
    assert parts[0] > 3 * parts[1:].max()


def test_an_outlier_cannot_blow_up_the_forecast() -> None:
    dataset = planted(0.2, n_times=200, n_instruments=8)
    forecaster = Ridge().fit(dataset, 0)
    dataset.features[0, 0, 0] = 1e9
    assert abs(forecaster.forecast(dataset).mean[0, 0, 0]) < 1.5 * dataset.scale[0, 0]


def test_without_demeaning_the_drift_is_learned() -> None:
    dataset = planted(0.0, n_times=300, n_instruments=1)
    dataset.labels[:] += 0.5 * dataset.scale[:, :, None]
    mean = Ridge(demean=False).fit(dataset, 0).forecast(dataset).mean[:, :, 0]
    assert np.mean(mean / dataset.scale) == pytest.approx(0.5, abs=0.2)
