"""The predictor of earnings surprises: it finds what is there, and says nothing where there is nothing."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64, Ints, Times
from quantdesk.domain.errors import DataError
from quantdesk.models.catalog import discover
from quantdesk.models.multiclass import BoostedTrees, Logistic, bounded, log_loss, softmax
from quantdesk.models.surprise import (
    MISSING,
    TOO_FEW,
    UNSURE,
    Moves,
    Surprise,
    SurprisePredictor,
    best_temperature,
    cooled,
    least_probability,
    parts,
    walk_forward,
)

SMALL = Surprise(trees=BoostedTrees(n_trees=25, n_leaves=7, learning_rate=0.15, min_leaf=40))


@dataclass(frozen=True, eq=False)
class World:
    """Announcements whose truth is known."""

    feature_names: tuple[str, ...]
    features: Float64
    n_past: Ints
    outcomes: Ints
    moves: Float64
    volatility: Float64
    decided_at: Times
    settled_at: Times
    truth: Float64

    def rows(self, start: int, stop: int) -> "World":
        columns = {name: getattr(self, name)[start:stop] for name in self.__dataclass_fields__ if name != "feature_names"}
        return replace(self, **columns)


@cache
def world(strength: float = 2.0, n: int = 6_000) -> World:
    """Outcomes that lean on the first two of four features; moves that lean on the outcome."""
    random = np.random.default_rng(11)
    features = random.standard_normal((n, 4))
    scores = np.column_stack([-strength * features[:, 0], strength * features[:, 1], strength * features[:, 0] + 0.5])
    truth = softmax(scores)
    outcomes = (random.random(n)[:, None] > np.cumsum(truth, axis=1)).sum(axis=1).clip(0, 2)
    volatility = 0.02 * np.exp(0.3 * random.standard_normal(n))
    moves = volatility * (2.0 * random.standard_normal(n) + 3.0 * (truth[:, 2] - truth[:, 0]))
    decided_at = np.datetime64("2012-01-03T21:00", "ns") + np.arange(n) * np.timedelta64(6, "h")
    settled_at = decided_at + np.timedelta64(24, "h")
    return World(("a", "b", "c", "d"), features, np.full(n, 8), outcomes, moves, volatility, decided_at, settled_at, truth)


@cache
def learned() -> SurprisePredictor:
    return SMALL.learn(world().rows(0, 4_000), 3)


@cache
def learned_on_noise() -> tuple[World, SurprisePredictor]:
    dealt = replace(world(), outcomes=np.random.default_rng(1).permutation(world().outcomes))
    return dealt, SMALL.learn(dealt.rows(0, 4_000), 3)


def losses(tested: World, given: Float64) -> tuple[float, float]:
    base = np.bincount(world().outcomes[:4_000], minlength=3) / 4_000
    return log_loss(given, tested.outcomes), log_loss(np.tile(base, (len(given), 1)), tested.outcomes)


def test_planted_surprises_are_found_and_nearly_all_of_what_can_be_known() -> None:
    tested = world().rows(4_000, 6_000)
    ours, base = losses(tested, learned().predict(tested).probabilities)
    best = log_loss(tested.truth, tested.outcomes)
    assert best <= ours < best + 0.1 * (base - best)


def test_dealt_out_outcomes_are_predicted_no_better_than_the_base_rate_and_it_says_so() -> None:
    dealt, predictor = learned_on_noise()
    tested = dealt.rows(4_000, 6_000)
    found = predictor.predict(tested)
    ours, base = losses(tested, found.probabilities)
    assert base - 0.004 < ours < base + 0.02
    spoken = (~found.abstains).mean()
    assert spoken < 0.1
    assert (~learned().predict(world().rows(4_000, 6_000)).abstains).mean() > 0.4


def test_when_it_speaks_it_is_right_more_often_than_when_it_does_not() -> None:
    tested = world().rows(4_000, 6_000)
    found = learned().predict(tested)
    spoke = ~found.abstains
    right = found.predicted[spoke] == tested.outcomes[spoke]
    silent = found.probabilities[~spoke].argmax(axis=1) == tested.outcomes[~spoke]
    assert right.mean() > silent.mean() + 0.15


@pytest.mark.parametrize("coverage", [0.7, 0.8, 0.9])
def test_the_sets_hold_as_often_as_they_promise(coverage: float) -> None:
    tested = world().rows(4_000, 6_000)
    predictor = replace(SMALL, coverage=coverage, learner="logistic").learn(world().rows(0, 4_000), 0)
    held = predictor.predict(tested).sets[np.arange(2_000), tested.outcomes]
    assert abs(held.mean() - coverage) < 0.035  # 600 rows calibrate: a standard error of 0.02


def test_the_better_learner_of_the_walk_forward_is_taken() -> None:
    contest = dict(learned().contest)
    assert set(contest) == {"lightgbm", "logistic"}
    assert contest["logistic"] < contest["lightgbm"], "the world is linear"
    assert type(learned().classes).__name__ == "LogisticClasses"
    bent = replace(world(), features=np.column_stack([np.abs(world().features[:, :1]), world().features[:, 1:]]))
    corner = np.where(bent.features[:, 0] * bent.features[:, 2] > 0.3, 2, np.where(bent.features[:, 3] ** 2 > 1, 0, 1))
    taken = SMALL.learn(replace(bent, outcomes=corner).rows(0, 4_000), 0)
    assert type(taken.classes).__name__ == "TreeClasses"


@pytest.mark.parametrize("learner", ["lightgbm", "logistic"])
def test_the_same_seed_gives_the_same_bits(learner: Literal["lightgbm", "logistic"]) -> None:
    model = replace(SMALL, learner=learner)
    first, again = (model.learn(world().rows(0, 1_500), 7).predict(world().rows(1_500, 2_000)) for _ in range(2))
    for name in ("probabilities", "sets", "reasons", "moves", "sizes"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_a_row_is_predicted_from_itself_alone() -> None:
    batch = learned().predict(world().rows(4_000, 4_050))
    for row in (0, 17, 49):
        alone = learned().predict(world().rows(4_000 + row, 4_001 + row))
        np.testing.assert_allclose(alone.probabilities[0], batch.probabilities[row], rtol=1e-12)
        np.testing.assert_array_equal(alone.moves[0], batch.moves[row])


def test_too_little_history_and_missing_features_are_reasons_to_say_nothing() -> None:
    rows = world().rows(4_000, 4_200)
    features, n_past = rows.features.copy(), rows.n_past.copy()
    n_past[:50], features[50:90, 1] = 3, np.nan
    found = learned().predict(replace(rows, features=features, n_past=n_past))
    assert (found.reasons[:50] == TOO_FEW).all()
    assert (found.reasons[50:90] == MISSING).all()
    assert set(found.reasons[90:].tolist()) == {"", UNSURE}
    assert np.isnan(found.probabilities[:90]).all()
    assert np.isnan(found.moves[:90]).all()
    assert np.isfinite(found.probabilities[90:]).all()
    assert (found.predicted[:90] == -1).all()
    assert found.sets[:90].all(), "where nothing is known, nothing is ruled out"
    is_single = found.sets[90:].sum(axis=1) == 1
    np.testing.assert_array_equal(found.reasons[90:] == "", is_single)


def test_moves_hold_as_often_as_they_say_and_grow_with_the_volatility() -> None:
    tested = world().rows(4_000, 6_000)
    found = learned().predict(tested)
    held = (tested.moves >= found.moves[:, 1]) & (tested.moves <= found.moves[:, -2])
    assert abs(held.mean() - 0.8) < 0.03
    assert abs((np.abs(tested.moves) <= found.sizes[:, -2]).mean() - 0.9) < 0.03
    twice = learned().predict(replace(tested, volatility=2 * tested.volatility))
    np.testing.assert_allclose(twice.moves, 2 * found.moves)
    lean = found.probabilities[:, 2] - found.probabilities[:, 0]
    assert found.moves[lean > 0.5, 3].mean() > 0.03 > -0.03 > found.moves[lean < -0.5, 3].mean(), "the planted lean"


def test_without_prices_there_are_probabilities_and_no_moves() -> None:
    bare = replace(world(), moves=np.full(6_000, np.nan), volatility=np.full(6_000, np.nan))
    found = replace(SMALL, learner="logistic").learn(bare.rows(0, 1_000), 0).predict(bare.rows(1_000, 1_100))
    assert np.isfinite(found.probabilities).all()
    assert np.isnan(found.moves).all()
    assert Moves.of(np.full((20, 3), 1 / 3), np.ones(20), np.ones(20)).table.shape == (0, 7)


def test_nothing_to_predict_is_predicted() -> None:
    found = learned().predict(world().rows(10, 10))
    assert found.probabilities.shape == (0, 3)
    assert found.moves.shape == (0, 7)
    assert found.predicted.shape == (0,)


@pytest.mark.parametrize("n", [0, 1, 199])
def test_learning_from_too_few_is_refused_in_three_parts(n: int) -> None:
    with pytest.raises(DataError, match=f"^{n} announcements") as caught:
        SMALL.learn(world().rows(0, n), 0)
    assert caught.value.expected
    assert caught.value.action


def test_announcements_of_one_moment_cannot_teach_one_another() -> None:
    rows = world().rows(0, 500)
    together = replace(rows, decided_at=np.full(500, rows.decided_at[0]), settled_at=np.full(500, rows.settled_at[-1]))
    with pytest.raises(DataError, match="all predicted between"):
        SMALL.learn(together, 0)


def test_a_feature_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="carry no momentum_5"):
        replace(SMALL, feature_names=("a", "momentum_5")).learn(world().rows(0, 1_000), 0)


def test_unreported_rows_teach_nothing() -> None:
    rows = world().rows(0, 1_200)
    hidden = np.arange(1_200) % 3 == 0
    masked = replace(rows, outcomes=np.where(hidden, -1, rows.outcomes), moves=np.where(hidden, 9.9, rows.moves))
    kept = np.flatnonzero(~hidden)
    chosen = replace(rows, **{name: getattr(rows, name)[kept] for name in rows.__dataclass_fields__ if name != "feature_names"})
    first, second = (SMALL.learn(one, 0).predict(world().rows(4_000, 4_100)) for one in (masked, chosen))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(first.moves, second.moves)


def test_each_part_knows_nothing_that_settles_after_the_next_begins() -> None:
    decided_at, settled_at = world().decided_at[:100], world().settled_at[:100]
    first, second, third = parts(decided_at, settled_at, (0.7, 0.85))
    assert (settled_at[first] <= decided_at[70]).all()
    assert (settled_at[second] <= decided_at[85]).all()
    assert len(first) == 67, "the last three were not settled a day on"
    assert (second[0], third[0], third[-1]) == (70, 85, 99)


class Listening:
    """A classifier that keeps the latest row it was taught, told by the first feature."""

    def __init__(self) -> None:
        self.latest: list[int] = []

    def learn(self, features: Float64, outcomes: Ints, n_classes: int, seed: int) -> "Listening":
        self.latest.append(int(features[:, 0].max()))
        return self

    def probabilities(self, features: Float64) -> Float64:
        return np.full((len(features), 3), 1 / 3)


def test_each_fold_of_the_walk_forward_learns_only_what_was_settled_before_it() -> None:
    rows, listening = world().rows(0, 100), Listening()
    numbered = np.arange(100.0)[:, None]
    given = walk_forward(listening, numbered, rows.outcomes, rows.decided_at, rows.settled_at, 0)
    assert listening.latest == [21, 46, 71], "four rows a day: 25, 50 and 75, less what was not settled a day on"
    assert np.isnan(given[:25]).all()
    assert np.isfinite(given[25:]).all()


def test_a_temperature_undoes_overconfidence() -> None:
    truth = bounded(world().truth)
    assert best_temperature(cooled(truth, 0.5), world().outcomes) == pytest.approx(2.0, rel=0.06)
    np.testing.assert_allclose(cooled(truth, 1.0), truth, atol=1e-12)
    np.testing.assert_allclose(cooled(np.array([[0.64, 0.32, 0.04]]), 2.0)[0], np.array([0.8, 0.5657, 0.2]) / 1.5657, atol=1e-4)


def test_the_threshold_is_the_conformal_quantile_and_lets_everything_in_where_there_are_too_few() -> None:
    probabilities = np.column_stack([np.arange(1, 10) / 10, 1 - np.arange(1, 10) / 10, np.zeros(9)])
    outcomes = np.zeros(9, dtype=np.int64)
    assert least_probability(probabilities, outcomes, 0.8) == pytest.approx(0.2)  # the 8th largest of 9
    assert least_probability(probabilities[:3], outcomes[:3], 0.8) == 0.0
    assert least_probability(probabilities[:0], outcomes[:0], 0.8) == 0.0


def test_logistic_regression_finds_the_coefficients_that_made_the_outcomes() -> None:
    found = Logistic(ridge=1e-6).learn(world().features, world().outcomes, 3, 0)
    gap = found.weights[:-1, 2] - found.weights[:-1, 0]
    np.testing.assert_allclose(gap / found.width, [4.0, 0.0, 0.0, 0.0], atol=0.3)
    np.testing.assert_allclose(found.probabilities(world().features), world().truth, atol=0.15)


def test_the_penalty_of_the_regression_spares_the_base_rates() -> None:
    found = Logistic(ridge=1e9).learn(world().features, world().outcomes, 3, 0)
    base = np.bincount(world().outcomes, minlength=3) / len(world().outcomes)
    np.testing.assert_allclose(found.probabilities(world().features[:5]), np.tile(base, (5, 1)), atol=1e-3)


def test_a_missing_feature_counts_as_its_mean_in_the_regression() -> None:
    found = Logistic().learn(world().features, world().outcomes, 3, 0)
    gone = np.full((1, 4), np.nan)
    np.testing.assert_allclose(found.probabilities(gone), found.probabilities(found.centre[None, :]))


def test_the_catalogue_of_models_does_not_take_it_for_one() -> None:
    assert not {"surprise", "multiclass"} & set(discover())
