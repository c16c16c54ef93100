"""Asking again without a column: what is exchanged, what stays, and what is scored."""

from dataclasses import replace

import numpy as np
import pytest
from explained_worlds import Told, World, dataset

from quantdesk.domain.arrays import Float32, Float64
from quantdesk.domain.forecast import LEVELS
from quantdesk.evaluation.explanation.losing import lose
from quantdesk.evaluation.explanation.questions import Questions, questions
from quantdesk.evaluation.explanation.scoring import score

SMALL = World(n_times=120, n_instruments=8, n_features=4)
ROWS = np.arange(60, 120)


def ask(forecaster: Told, of: World = SMALL, n_most: int = 10_000) -> Questions:
    found = questions(forecaster, dataset(of, 1), ROWS, 0, n_most, np.random.default_rng(0))
    assert found is not None
    forecaster.seen.clear()
    return found


def seen_features(forecaster: Told, asked: Questions) -> list[Float32]:
    return [each.features.reshape(asked.features.shape) for each in forecaster.seen]


def test_outcomes_asked_about_do_not_overlap_and_lie_in_the_rows_given() -> None:
    asked = ask(Told())
    days = (asked.times - dataset(SMALL, 1).times[0]) // np.timedelta64(1, "D")
    assert (np.diff(days) >= SMALL.horizon).all()
    assert days[0] == 60
    assert len(days) == 11  # the last outcomes are not known yet


def test_each_window_is_one_that_the_market_showed() -> None:
    asked, whole = ask(Told(lookback=3)), dataset(SMALL, 1)
    assert (asked.times == ask(Told()).times).all()
    for window, time in zip(asked.features, asked.times, strict=True):
        row = int(np.flatnonzero(whole.times == time)[0])
        assert (window == whole.features[row - 2 : row + 1]).all()


def test_answers_are_those_of_the_whole_history() -> None:
    forecaster, whole = Told(lookback=3), dataset(SMALL, 1)
    asked = ask(forecaster)
    rows = np.flatnonzero(np.isin(whole.times, asked.times))
    expected = forecaster.forecast(whole).quantiles[rows, :, 0]
    assert asked.answers(asked.features) == pytest.approx(expected)


def test_instruments_are_drawn_before_times_are_given_up() -> None:
    asked = ask(Told(), SMALL._replace(n_instruments=60), n_most=400)
    assert asked.features.shape[:3] == (11, 1, 36)


def test_all_instruments_are_kept_where_a_forecast_depends_on_its_neighbours() -> None:
    def beside_others(window: Float64) -> Float64:
        return np.asarray(window[-1, :, 0] - window[-1, :, 0].mean())

    asked = ask(Told(beside_others), SMALL._replace(n_instruments=60), n_most=400)
    assert not asked.is_alone
    assert asked.features.shape[:3] == (6, 1, 60)


def test_rows_without_a_known_outcome_cannot_be_asked_about() -> None:
    assert questions(Told(), dataset(SMALL, 1), np.arange(116, 120), 0, 100, np.random.default_rng(0)) is None


def test_a_shuffled_column_goes_to_another_instrument_of_the_same_time_with_its_whole_history() -> None:
    forecaster = Told(lookback=3)
    asked = ask(forecaster)
    lose(asked, [[1]], True, np.random.default_rng(0), 2)
    (whole, ablated, *shuffled) = seen_features(forecaster, asked)
    assert np.isnan(ablated[..., 1]).all()
    for mixed in shuffled:
        assert (mixed[..., [0, 2, 3]] == whole[..., [0, 2, 3]]).all()
        assert (mixed[..., 1] != whole[..., 1]).any()
        for before, after in zip(whole[..., 1], mixed[..., 1], strict=True):
            assert {tuple(column) for column in after.T} == {tuple(column) for column in before.T}


def test_columns_of_a_family_move_together() -> None:
    forecaster = Told()
    asked = ask(forecaster)
    lose(asked, [[0, 2]], True, np.random.default_rng(0), 1)
    whole, _, mixed = seen_features(forecaster, asked)
    for before, after in zip(whole[:, 0], mixed[:, 0], strict=True):
        assert {tuple(row) for row in after[:, [0, 2]]} == {tuple(row) for row in before[:, [0, 2]]}


def test_a_column_that_all_instruments_share_comes_from_another_time() -> None:
    forecaster = Told()
    asked = ask(forecaster)
    lose(asked, [[3]], True, np.random.default_rng(0), 1)
    whole, _, mixed = seen_features(forecaster, asked)
    assert (mixed[..., 3] != whole[..., 3]).any()
    assert sorted(mixed[:, 0, 0, 3].tolist()) == sorted(whole[:, 0, 0, 3].tolist())


def test_a_column_that_is_not_read_costs_nothing_and_the_one_that_is_costs_all_skill() -> None:
    asked = ask(Told(lambda window: np.nan_to_num(window[-1, :, 0])))
    lost = lose(asked, [[0], [1]], True, np.random.default_rng(0), 3)
    assert (lost.shuffled_skill[..., 1] == 0).all()
    assert (lost.ablated_loss[:, 1] == 0).all()
    assert lost.ablated_skill[:, 0] == pytest.approx(lost.whole.skill)


def test_skill_is_the_rank_correlation_and_loss_the_pinball_loss() -> None:
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    mean, labels = random.normal(size=(2, 3, 9))
    labels[1, 4] = np.nan
    quantiles = mean[..., None] + np.array([-2.0, -1.5, -0.5, 0.0, 0.5, 1.5, 2.0])
    found = score(quantiles, labels, np.full((3, 9), 2.0), True)
    assert found.skill[0] == pytest.approx(spearmanr(mean[0], labels[0]).statistic)
    known = np.arange(9) != 4
    assert found.skill[1] == pytest.approx(spearmanr(mean[1, known], labels[1, known]).statistic)
    by_hand = [
        2 * (level if labels[0, i] > quantiles[0, i, k] else level - 1) * (labels[0, i] - quantiles[0, i, k])
        for i in range(9)
        for k, level in enumerate(LEVELS)
    ]
    assert found.loss[0] == pytest.approx(np.mean(by_hand) / 2.0)


def test_returns_are_ranked_and_not_returns_in_units_of_volatility() -> None:
    from scipy.stats import spearmanr

    random = np.random.default_rng(4)
    mean, labels = random.normal(size=(2, 3, 9))
    unit = random.uniform(0.1, 5.0, size=(3, 9))
    quantiles = np.repeat(mean[..., None], 7, axis=-1)
    found = score(quantiles, labels, unit, True)
    assert found.skill == pytest.approx([spearmanr(*pair).statistic for pair in zip(mean, labels, strict=True)])
    in_units = score(quantiles / unit[..., None], labels / unit, np.ones((3, 9)), True)
    assert found.loss == pytest.approx(in_units.loss)
    assert found.skill != pytest.approx(in_units.skill)


def test_with_few_instruments_skill_is_the_rank_correlation_of_all_samples() -> None:
    from scipy.stats import spearmanr

    mean, labels = np.random.default_rng(1).normal(size=(2, 40, 2))
    found = score(np.repeat(mean[..., None], 7, axis=-1), labels, np.ones((40, 2)), False)
    assert found.skill.mean() == pytest.approx(spearmanr(mean.ravel(), labels.ravel()).statistic)


def test_forecasts_that_tell_no_instruments_apart_have_no_skill() -> None:
    labels = np.random.default_rng(2).normal(size=(4, 9))
    assert (score(np.zeros((4, 9, 7)), labels, np.ones((4, 9)), True).skill == 0).all()


def test_where_nothing_was_asked_nothing_is_scored() -> None:
    asked = ask(Told())
    of = asked.dataset
    is_valid = of.is_valid.copy()
    is_valid[:, :3] = False
    assert np.isnan(replace(asked, dataset=replace(of, is_valid=is_valid)).labels[:, :3]).all()
