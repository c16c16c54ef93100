"""Features that are the answer itself are found inside an evaluation, and honest ones are left alone."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explained_worlds import World, dataset

from quantdesk.data import store
from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.evaluate import evaluate, scores_at
from quantdesk.evaluation.leaks.echoes import MOST_SUSPECTS, echoes
from quantdesk.evaluation.plan import Plan
from quantdesk.strategy import load

WORLD = World(n_times=600, n_instruments=12, n_features=6)


def prices(of: Dataset) -> Float64:
    moves = np.random.default_rng(5).normal(scale=0.01, size=of.labels.shape[:2])
    return np.asarray(100.0 * np.exp(moves.cumsum(axis=0)))


def planted(drawn: Dataset, column: int, answer: Float64, noise: float) -> None:
    known = np.nan_to_num(answer) / np.nanstd(answer)
    drawn.features[:, :, column] = known + noise * np.random.default_rng(1).normal(size=known.shape)


def test_honest_features_echo_nothing() -> None:
    for seed in range(5):
        drawn = dataset(WORLD._replace(planted=0.1), seed)
        assert echoes(drawn, prices(drawn)) == ()


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_a_label_among_the_features_is_named_with_its_correlation(noise: float) -> None:
    drawn = dataset(WORLD, 0)
    planted(drawn, 4, drawn.labels[:, :, 0], noise)
    (found,) = echoes(drawn, prices(drawn))
    assert (found.thing, found.answer) == ("feature feature 4", "its label")
    assert found.correlation == pytest.approx(1.0 / np.hypot(1.0, noise), abs=0.06)


def test_the_next_bars_return_among_the_features_is_named() -> None:
    drawn = dataset(WORLD, 0)
    close = prices(drawn)
    planted(drawn, 2, np.diff(np.log(close), axis=0, append=np.nan), 0.1)
    assert [(one.thing, one.answer) for one in echoes(drawn, close)] == [("feature feature 2", "the next bar's return")]


def test_of_many_only_the_most_telling_are_named() -> None:
    drawn = dataset(WORLD, 0)
    for column in range(6):
        planted(drawn, column, drawn.labels[:, :, 0], 0.1 + 0.1 * column)
    found = echoes(drawn, prices(drawn))
    assert len(found) == MOST_SUSPECTS
    assert found[0].thing == "feature feature 0"


def test_a_large_market_is_looked_at_in_a_moment() -> None:
    drawn = dataset(World(n_times=1500, n_instruments=200, n_features=12), 0)
    planted(drawn, 4, drawn.labels[:, :, 0], 1.0)
    begun = time.perf_counter()
    assert [one.thing for one in echoes(drawn, prices(drawn))] == ["feature feature 4"]
    assert time.perf_counter() - begun < 3.0


def with_tomorrow_as_volume(panel: Panel) -> Panel:
    opened, volume = panel.fields["open"], np.full(panel.shape, 1e6)
    volume[:-2] *= np.exp(20.0 * np.nan_to_num(np.log(opened[2:] / opened[1:-1])))
    return replace(panel, fields={**panel.fields, "volume": volume})


def test_a_run_on_data_that_holds_tomorrow_finds_no_evidence_and_names_the_feature(tmp_path: Path) -> None:
    market = store.load("synthetic:n_days=500,n_instruments=6,seed=1", tmp_path)
    found, _ = evaluate(load("linear", tmp_path), with_tomorrow_as_volume(market), Plan(tmp_path))
    assert found.performance.sharpe > 2.0
    assert found.verdict.grade == "none"
    assert "volume" in found.verdict.reasons[0]
    assert "with its label: it knows what follows (desk leakcheck)" in found.verdict.reasons[0]
    explained, traded = found.evidence.explanation, scores_at(found.horizon, found.forecast_scores)
    assert explained is not None
    assert explained.record == (traded.rank_ic_mean, traded.rank_ic_t)
