"""The whole pipeline in placebo worlds: an edge stands out, none is found, and failure is loud."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError, DeskError
from quantdesk.domain.forecast import LEVELS, Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Forecaster
from quantdesk.evaluation.placebo.placebo import KINDS, Earned, placebos, worlds
from quantdesk.evaluation.plan import Plan
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.sizing import Equal
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

STRATEGY = Strategy(
    name="small",
    description="For placebos.",
    features=("momentum_20", "return_5"),
    model=Ridge(),
    signal=Rank(horizon=1, long=0.3, short=0.3),
    sizing=Equal(),
    horizon=1,
    horizons=(1, 5),
)


def market() -> Panel:
    return Synthetic(n_instruments=12, n_days=400, ic=0.1, seed=2).fetch()


def test_worlds_take_turns_and_have_seeds_of_their_own() -> None:
    chosen = worlds(7, seed=3)
    assert [world.kind for world in chosen] == [*KINDS, *KINDS, KINDS[0]]
    assert len({world.seed for world in chosen}) == 7
    assert worlds(7, seed=4)[0].seed != chosen[0].seed
    assert worlds(3, seed=3) == chosen[:3]
    assert worlds(0, seed=3) == []


def test_placebos_run_each_world_and_repeat_to_the_bit(tmp_path: Path) -> None:
    plan, heard = Plan(tmp_path, n_placebos=3), []
    found = placebos(STRATEGY, market(), plan, Earned(9.0, 8.0, 0.1), lambda what, done, total: heard.append((what, total)))
    again = placebos(STRATEGY, market(), plan, Earned(9.0, 8.0, 0.1))
    assert found.worlds == KINDS
    assert ("running twin 1 of 3", 3) in heard
    for name in ("sharpes", "alpha_sharpes", "rank_ics"):
        assert np.array_equal(getattr(found, name), getattr(again, name))
        assert np.isfinite(getattr(found, name)).all()
    assert len(set(found.sharpes)) == 3
    assert (found.rank, found.real_sharpe, found.real_alpha_sharpe, found.real_rank_ic) == (1, 9.0, 8.0, 0.1)
    assert found.seconds > 0


def test_no_placebos_are_none(tmp_path: Path) -> None:
    found = placebos(STRATEGY, market(), Plan(tmp_path), Earned(0.0, 0.0, 0.0))
    assert found.worlds == ()
    assert found.rank == 1


@dataclass(frozen=True)
class Echo:
    """Forecast the very labels of the data that it is shown."""

    lookback: int = 1

    def fit(self, dataset: Dataset, seed: int) -> Forecaster:
        return self

    def forecast(self, dataset: Dataset) -> Forecasts:
        quantiles = np.nan_to_num(dataset.labels)[..., None] + 1e-3 * np.arange(len(LEVELS))
        return Forecasts(dataset.times, dataset.symbols, dataset.horizons, quantiles)

    def contributions(self, dataset: Dataset) -> Float64:
        return np.zeros((*dataset.labels.shape, 1))

    def importance(self) -> Float64:
        return np.zeros(2)


def test_permuted_labels_teach_and_the_real_ones_judge_and_pay(tmp_path: Path) -> None:
    found = placebos(replace(STRATEGY, model=Echo()), market(), Plan(tmp_path, n_placebos=2), Earned(0.0, 0.0, 0.0))
    assert found.rank_ics[0] > 0.9
    assert abs(found.rank_ics[1]) < 0.15
    assert found.sharpes[0] > 5
    assert abs(found.sharpes[1]) < 5


@dataclass(frozen=True)
class Failing:
    def fit(self, dataset: Dataset, seed: int) -> Forecaster:
        raise DataError("nothing to learn from", "something", "bring more")


def test_a_world_that_fails_is_named(tmp_path: Path) -> None:
    plan = Plan(tmp_path, n_placebos=1)
    with pytest.raises(DeskError, match=r"in the placebo world 'resampled prices' \(seed \d+\): nothing to learn from"):
        placebos(replace(STRATEGY, model=Failing()), market(), plan, Earned(0.0, 0.0, 0.0))
