"""A large market must fit: what is as large as the table or the forecasts lies in memory once."""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import LEVELS, Forecasts, mean_of
from quantdesk.evaluation import baselines as simple
from quantdesk.evaluation.backtest import Setting, at_no_cost, track_of
from quantdesk.evaluation.baselines import UNLIMITED, Means
from quantdesk.evaluation.rivals import Expects, compare
from quantdesk.evaluation.robustness.world import World
from quantdesk.evaluation.scores import calibration, forecast_scores
from quantdesk.evaluation.splits import Split, WalkForward
from quantdesk.evaluation.walk_forward import walk_forward
from quantdesk.execution.costs import Costs
from quantdesk.models.average import Average
from quantdesk.models.conformal import Conformal
from quantdesk.models.fitting import spread_around
from quantdesk.models.ridge import Ridge
from quantdesk.strategy import load, shipped_folder
from small_worlds import days, random_targets, random_world

N_TIMES, N_NAMES, N_FEATURES, HORIZONS = 600, 60, 20, (1, 5)
QUANTILES = N_NAMES * len(HORIZONS) * len(LEVELS) * 8
"""Bytes that the forecasts of one time take."""


def market(n_times: int = N_TIMES) -> Dataset:
    random = np.random.default_rng(5)
    shape = (n_times, N_NAMES)
    begins: Ints = np.arange(n_times, dtype=np.int64) + 1
    return Dataset(
        times=days(n_times),
        features=random.standard_normal((*shape, N_FEATURES)).astype(np.float32),
        labels=0.02 * random.standard_normal((*shape, len(HORIZONS))),
        begins=begins,
        ends=begins[:, None] + np.array(HORIZONS),
        scale=np.full(shape, 0.02),
        is_valid=random.random(shape) > 0.05,
        feature_names=tuple(f"f{i}" for i in range(N_FEATURES)),
        needs_scaling=np.ones(N_FEATURES, dtype=np.bool_),
        horizons=HORIZONS,
        symbols=tuple(f"S{i}" for i in range(N_NAMES)),
    )


@dataclass(frozen=True, eq=False)
class Flat:
    """Forecast the same of everything, and note what it was given to learn from."""

    given: list[Dataset] = field(default_factory=list)
    lookback: int = 1

    def fit(self, dataset: Dataset, seed: int) -> "Flat":
        self.given.append(dataset)
        return self

    def forecast(self, dataset: Dataset) -> Forecasts:
        quantiles = np.empty((*dataset.labels.shape, len(LEVELS)))
        quantiles[:] = np.linspace(-1.0, 1.0, len(LEVELS))
        quantiles += dataset.begins[:, None, None, None]
        return Forecasts(dataset.times, dataset.symbols, dataset.horizons, quantiles)

    def contributions(self, dataset: Dataset) -> Float64:
        raise NotImplementedError

    def importance(self) -> Float64:
        return np.zeros(N_FEATURES)


def peak_of(work: Callable[[], object]) -> int:
    """Count the bytes that some work holds at most beyond what was held before."""
    work()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def splits_of(dataset: Dataset) -> list[Split]:
    return WalkForward(200, 50).splits(dataset)


def test_each_fold_learns_from_the_rows_where_they_lie() -> None:
    dataset, model = market(), Flat()
    walk_forward(model, dataset, splits_of(dataset), 0)
    assert len(model.given) == 8
    assert all(np.shares_memory(given.features, dataset.features) for given in model.given)


def test_training_rows_with_a_gap_are_taken_one_by_one() -> None:
    dataset, model = market(), Flat()
    rows: Ints = np.concatenate([np.arange(50), np.arange(80, 200)])
    walk_forward(model, dataset, [Split(rows, np.arange(200, 250))], 0)
    np.testing.assert_array_equal(model.given[0].begins, dataset.begins[rows])


def test_the_forecasts_of_all_folds_are_joined_in_order() -> None:
    dataset = market()
    learned = walk_forward(Flat(), dataset, splits_of(dataset), 0)
    np.testing.assert_array_equal(learned.forecasts.quantiles[:, 0, 0, 3], learned.rows + 1)
    np.testing.assert_array_equal(learned.forecasts.times, dataset.times[learned.rows])


@pytest.mark.parametrize("lookback", [1, 100])
def test_a_walk_forward_holds_its_forecasts_twice_whatever_history_they_read(lookback: int) -> None:
    # Untouched pages of the joined array count as held here; of a process they take nothing.
    dataset = market()
    splits = splits_of(dataset)
    peak = peak_of(lambda: walk_forward(Flat(lookback=lookback), dataset, splits, 0))
    assert peak < (2.1 * 400 + lookback) * QUANTILES


@pytest.mark.parametrize(("model", "most"), [(Conformal(Ridge()), 2.7), (Average((Ridge(), Ridge(1.0), Ridge(2.0))), 3.6)])
def test_a_forecast_takes_few_arrays_of_its_own_size(model: Conformal | Average, most: float) -> None:
    dataset = market()
    forecaster = model.fit(dataset.rows(0, 300), 0)
    assert peak_of(lambda: forecaster.forecast(dataset)) < most * N_TIMES * QUANTILES


def test_scoring_forecasts_takes_less_than_the_forecasts() -> None:
    dataset = market()
    made = spread_around(dataset, 0.1 * dataset.labels, np.tile(np.linspace(-2.0, 2.0, len(LEVELS)), (2, 1)))
    assert peak_of(lambda: forecast_scores(made, dataset.labels, dataset.scale)) < 0.8 * made.quantiles.nbytes
    assert peak_of(lambda: calibration(made, dataset.labels)) < 0.2 * made.quantiles.nbytes


def test_a_market_is_read_once_whatever_the_costs_and_the_limits() -> None:
    setting = Setting(random_world(3, 80), 10, Costs(), UNLIMITED, 1e6)
    assert at_no_cost(setting).market is setting.market
    assert setting.under(limits=UNLIMITED).market is setting.market
    assert World.of(setting).market is setting.market


def test_another_value_assumed_a_day_is_another_market() -> None:
    setting = Setting(random_world(3, 80, has_volume=False), 10, Costs(), UNLIMITED, 1e6)
    changed = setting.under(costs=Costs(assumed_daily_value=1e3))
    assert changed.market is not setting.market
    fresh = replace(setting, costs=changed.costs)
    targets = random_targets(3, (70, 5))
    np.testing.assert_array_equal(track_of(targets, changed).equity, track_of(targets, fresh).equity)


def test_what_is_kept_of_a_baseline_compares_as_its_forecasts_do() -> None:
    dataset = market()
    spread = np.tile(np.linspace(-2.0, 2.0, len(LEVELS)), (2, 1))
    made = {name: spread_around(dataset, share * dataset.labels, spread) for name, share in (("own", 0.2), ("linear", 0.1))}
    whole = compare(made, dataset.labels, dataset.scale, 5)
    kept: dict[str, Expects] = {"own": made["own"], "linear": Means((5,), mean_of(made["linear"].quantiles)[:, :, 1:])}
    found = compare(kept, dataset.labels, dataset.scale, 5)
    assert whole is not None
    assert found is not None
    np.testing.assert_array_equal(found.losses, whole.losses)
    assert found.p_value == whole.p_value


def test_baselines_keep_means_at_the_horizon_traded_alone() -> None:
    panel = random_world(7, 700, 8)
    strategy = load(str(shipped_folder() / "linear.py"), shipped_folder())
    dataset = strategy.dataset(panel)
    splits = WalkForward.fitting(len(dataset)).splits(dataset)
    setting = Setting(panel, int(splits[0].test[0]), Costs(), strategy.limits, 1e6)
    kept = simple.baselines(strategy, dataset, splits, setting, 0).forecasts["linear"]
    made = walk_forward(Ridge(), dataset, splits, 0).forecasts
    assert kept.horizons == (strategy.horizon,)
    np.testing.assert_array_equal(kept.mean[:, :, 0], made.mean[:, :, made.horizons.index(strategy.horizon)])
