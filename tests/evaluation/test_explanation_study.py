"""Explaining forecasts: nothing is found where there is nothing, what was planted is, and contributions are the true ones."""

from dataclasses import replace

import numpy as np
import pytest
from explained_worlds import World, dataset, explained

from quantdesk.domain.ports import Model
from quantdesk.evaluation.explanation.findings import Explanation
from quantdesk.evaluation.explanation.flow import flow
from quantdesk.evaluation.explanation.questions import only, questions
from quantdesk.evaluation.explanation.study import Taught, explain
from quantdesk.evaluation.explanation.summary import arrays, summary
from quantdesk.models.conformal import Conformal
from quantdesk.models.lightgbm import LightGBM
from quantdesk.models.ridge import Ridge

QUIET = World(n_times=420, n_instruments=12, n_features=6)
LOUD = World(planted=0.15, n_features=6)


def explained_by(model: Model, of: World, seed: int = 0, rows: int = 150) -> Explanation:
    drawn = dataset(of, seed)
    forecaster = model.fit(drawn.rows(0, len(drawn) - rows - 10), 0)
    found = explain([Taught(forecaster, np.arange(len(drawn) - rows, len(drawn)))], drawn, 0, 0)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def loud() -> Explanation:
    found: Explanation = explained(LOUD, 3, Ridge())
    return found


def test_on_noise_few_worlds_show_any_feature_outside_of_its_band() -> None:
    worlds = [explained(QUIET, seed, Ridge()).shuffled_skill for seed in range(14)]
    assert sum((fall.p_values[:-1] <= 0.05).any() for fall in worlds) <= 3


def test_a_planted_feature_leaves_its_band_and_the_useless_ones_do_not(loud: Explanation) -> None:
    assert np.flatnonzero(loud.shuffled_skill.is_more[:6]).tolist() == [0]
    assert loud.shuffled_skill.is_more[-1]
    assert loud.shuffled_loss.is_more[0]
    assert loud.ablated_skill.mean[0] > 0.5 * loud.skill


def test_columns_that_resemble_one_another_are_lost_together_too(loud: Explanation) -> None:
    (family,) = loud.families
    assert family.members == (1, 2)
    assert loud.names[6:] == (family.name, "all features")


def test_all_that_is_said_is_the_same_again_and_follows_the_seed(loud: Explanation) -> None:
    again, other = explained(LOUD, 3, Ridge()), explained_by(Ridge(), LOUD)
    assert summary(again) == summary(loud)
    assert all((values == arrays(loud)[name]).all() for name, values in arrays(again).items())
    assert summary(other) != summary(loud)


def test_several_forecasters_are_explained_on_their_own_rows(loud: Explanation) -> None:
    assert (np.diff(loud.times) > np.timedelta64(0)).all()
    assert len(loud.times) > len(explained_by(Ridge(), LOUD).times)


def test_what_calibrates_intervals_is_explained_by_what_it_calibrates() -> None:
    found = explained_by(Conformal(Ridge()), LOUD)
    assert found.shuffled_skill.is_more[0]
    assert len(found.times) == len(explained_by(Ridge(), LOUD).times)


def test_one_instrument_is_explained_over_time() -> None:
    drawn = only(dataset(LOUD._replace(n_times=1500, n_instruments=2, horizon=1, planted=0.6), 1), np.array([0]))
    found = explain([Taught(Ridge().fit(drawn.rows(0, 700), 0), np.arange(710, 1500))], drawn, 0, 0)
    assert found is not None
    assert not found.is_across
    assert found.shuffled_skill.is_more[0]
    assert np.argmax(found.shuffled_skill.mean[:6]) == 0


def test_the_contributions_of_a_linear_model_are_its_coefficients_times_its_values() -> None:
    drawn = dataset(QUIET, 0)
    forecaster = Ridge().fit(drawn.rows(0, 250), 0)
    asked = questions(forecaster, drawn, np.arange(260, 420), 0, 10_000, np.random.default_rng(0))
    assert asked is not None
    values = forecaster.scaler.apply(asked.features.reshape(-1, 6)).reshape(asked.features[:, 0].shape)
    expected = np.abs(values * forecaster.coefficients[0] * asked.unit[..., None]).mean(axis=1)
    assert flow([asked]).sizes == pytest.approx(expected)


def test_the_direction_of_a_linear_model_is_the_sign_of_its_coefficients() -> None:
    drawn = dataset(QUIET, 0)
    forecaster = Ridge().fit(drawn.rows(0, 250), 0)
    asked = questions(forecaster, drawn, np.arange(260, 420), 0, 10_000, np.random.default_rng(0))
    assert asked is not None
    found = flow([asked]).directions
    assert (np.sign(found) == np.sign(forecaster.coefficients[0])).all()
    assert (np.abs(found) > 0.95).all()


def test_the_contributions_of_trees_sum_to_what_they_predict() -> None:
    import lightgbm

    drawn = dataset(LOUD, 0)
    (trees,) = LightGBM(n_trees=20, min_leaf=50).fit(drawn.rows(0, 500), 0).ensembles
    values = drawn.features[600]
    booster = lightgbm.Booster(model_str=trees.text)  # type: ignore[attr-defined]
    constant = np.asarray(booster.predict(values, pred_contrib=True))[:, -1]
    assert trees.attribute(values).sum(axis=1) + constant == pytest.approx(trees.predict(values))


def test_trees_are_explained_and_the_planted_feature_raises_their_forecast() -> None:
    found = explained_by(LightGBM(n_trees=20, min_leaf=50), LOUD, rows=250)
    assert found.flow.mean.argmax() == 0
    assert found.flow.directions[0] > 0.8


def test_without_features_or_known_outcomes_there_is_no_explanation() -> None:
    drawn = dataset(QUIET, 0)
    forecaster = Ridge().fit(drawn.rows(0, 250), 0)
    assert explain([Taught(forecaster, np.arange(417, 420))], drawn, 0, 0) is None
    bare = replace(drawn, features=drawn.features[..., :0], feature_names=(), needs_scaling=np.zeros(0, dtype=np.bool_))
    assert explain([Taught(forecaster, np.arange(300, 420))], bare, 0, 0) is None


def test_a_linear_model_attends_to_nothing(loud: Explanation) -> None:
    assert loud.attention is None
    assert set(arrays(loud)) == {"contributions"}
