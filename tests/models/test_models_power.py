"""Models find what was planted, and nothing where nothing was."""

import numpy as np
import pytest
from planted import planted

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.ports import Model
from quantdesk.models.average import Average
from quantdesk.models.conformal import Conformal
from quantdesk.models.elastic_net import ElasticNet
from quantdesk.models.grinold import Grinold
from quantdesk.models.lightgbm import LightGBM
from quantdesk.models.ridge import Ridge
from quantdesk.models.xgboost import XGBoost

N_TRAINING = 450

LEARNERS: list[Model] = [
    Ridge(),
    ElasticNet(),
    LightGBM(n_trees=60),
    XGBoost(n_trees=60),
    Grinold("feature_0"),
    Average((Ridge(), LightGBM(n_trees=60))),
    Conformal(Ridge()),
]


def out_of_sample_ic(model: Model, dataset: Dataset) -> tuple[float, float]:
    forecaster = model.fit(dataset.rows(0, N_TRAINING - 2), 0)
    start = N_TRAINING - forecaster.lookback
    tested = dataset.rows(max(0, start), len(dataset) - 2)
    first = N_TRAINING - max(0, start)
    scores = (forecaster.forecast(tested).mean[:, :, 0] / tested.scale)[first:]
    outcomes = (tested.labels[:, :, 0] / tested.scale)[first:]
    each = [np.corrcoef(score, outcome)[0, 1] for score, outcome in zip(scores, outcomes, strict=True)]
    return float(np.mean(each)), 1 / np.sqrt(scores.size)


@pytest.mark.parametrize("model", LEARNERS, ids=lambda model: type(model).__name__)
def test_a_planted_linear_signal_is_found(model: Model) -> None:
    ic, error = out_of_sample_ic(model, planted(ic=0.15))
    assert 0.15 - 3.5 * error - 0.02 < ic < 0.15 + 3.5 * error


@pytest.mark.parametrize("model", LEARNERS, ids=lambda model: type(model).__name__)
def test_nothing_is_found_in_noise(model: Model) -> None:
    ics, errors = zip(*(out_of_sample_ic(model, planted(ic=0.0, seed=seed)) for seed in (1, 2)), strict=True)
    assert abs(np.mean(ics)) < 3.5 * np.mean(errors) / np.sqrt(len(ics))


def test_a_signal_planted_with_the_other_sign_is_followed_the_other_way() -> None:
    ic, _ = out_of_sample_ic(Grinold("feature_0", sign=-1), planted(ic=-0.15))
    assert ic > 0.1
