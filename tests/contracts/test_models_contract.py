"""What every model in the folder owes, whoever wrote it."""

import dataclasses
import pickle
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError
from quantdesk.domain.ports import Forecaster, Model
from quantdesk.models.average import Average
from quantdesk.models.catalog import discover
from quantdesk.models.conformal import Conformal
from quantdesk.models.deep import Deep
from quantdesk.models.distilled import Distilled
from quantdesk.models.grinold import Grinold
from quantdesk.models.lightgbm import LightGBM
from quantdesk.models.maml import MetaLearned
from quantdesk.models.networks.mlp import MLP
from quantdesk.models.persistence import Persistence
from quantdesk.models.ridge import Ridge
from quantdesk.models.seeds import Seeds
from quantdesk.models.training import Training
from quantdesk.models.tuned import Tuned
from quantdesk.models.xgboost import XGBoost

EXAMPLES: dict[str, Model] = {
    "average": Average((Ridge(), Persistence())),
    "conformal": Conformal(Ridge(), window=20),
    "deep": Deep(MLP(lookback=3, width=8), training=Training(epochs=2, batch=256)),
    "distilled": Distilled(Ridge(), MLP(lookback=3, width=8), training=Training(epochs=2, batch=256)),
    "grinold": Grinold("b"),
    "lightgbm": LightGBM(n_trees=10, min_leaf=20),
    "maml": MetaLearned(MLP(lookback=3, width=8), training=Training(epochs=2, batch=256)),
    "seeds": Seeds(LightGBM(n_trees=3, min_leaf=20), n=2),
    "tuned": Tuned(Deep(MLP(lookback=3, width=8), training=Training(epochs=2, batch=256))),
    "xgboost": XGBoost(n_trees=10, min_leaf=20),
}
"""Models that need arguments, or would be slow with their defaults; the others are made without."""

N_TRAINING = 160
LAST = 230


def example(name: str) -> Model:
    return EXAMPLES[name] if name in EXAMPLES else cast(Model, discover()[name]())


@cache
def world() -> Dataset:
    """Twelve instruments, three features, two horizons; gaps everywhere."""
    random = np.random.default_rng(7)
    n_times, n_instruments, horizons = 240, 12, (1, 5)
    features = random.standard_normal((n_times, n_instruments, 3)).astype(np.float32)
    features[random.random(features.shape) < 0.02] = np.nan
    labels = 0.01 * random.standard_normal((n_times, n_instruments, 2)) + 0.004 * np.nan_to_num(features[:, :, 1:2])
    for place, horizon in enumerate(horizons):
        labels[n_times - 1 - horizon :, :, place] = np.nan
    labels[random.random(labels.shape) < 0.02] = np.nan
    begins = np.arange(100, 100 + n_times)
    return Dataset(
        times=np.datetime64("2001-01-01", "ns") + np.arange(n_times) * np.timedelta64(1, "D"),
        features=features,
        labels=labels,
        begins=begins,
        ends=begins[:, None] + np.array(horizons),
        scale=0.01 * np.exp(0.3 * random.standard_normal((n_times, n_instruments))),
        is_valid=random.random((n_times, n_instruments)) > 0.05,
        feature_names=("a", "b", "c"),
        needs_scaling=np.array([True, True, False]),
        horizons=horizons,
        symbols=tuple(f"S{place}" for place in range(n_instruments)),
    )


@cache
def fitted(name: str) -> Forecaster:
    return example(name).fit(world().rows(0, N_TRAINING), 3)


def quantiles(name: str, dataset: Dataset) -> Float64:
    return fitted(name).forecast(dataset).quantiles


every_model = pytest.mark.parametrize("name", list(discover()))


@every_model
def test_a_model_is_immutable(name: str) -> None:
    model = example(name)
    assert isinstance(model, Model)
    assert model == pickle.loads(pickle.dumps(model)), "hyperparameters are compared by value"
    for field in dataclasses.fields(cast(Any, model)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(model, field.name, None)


@every_model
def test_a_forecaster_is_immutable_and_says_how_far_back_it_looks(name: str) -> None:
    forecaster = fitted(name)
    assert isinstance(forecaster, Forecaster)
    assert forecaster.lookback >= 1
    for field in dataclasses.fields(cast(Any, forecaster)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(forecaster, field.name, None)


@every_model
def test_forecasting_twice_gives_the_same_and_changes_no_input(name: str) -> None:
    dataset = pickle.loads(pickle.dumps(world()))
    first, second = quantiles(name, dataset), quantiles(name, dataset)
    np.testing.assert_array_equal(first, second)
    for field in ("features", "labels", "begins", "ends", "scale", "is_valid"):
        np.testing.assert_array_equal(getattr(dataset, field), getattr(world(), field))


@every_model
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    again = example(name).fit(world().rows(0, N_TRAINING), 3)
    np.testing.assert_array_equal(again.forecast(world()).quantiles, quantiles(name, world()))


@every_model
def test_a_forecaster_survives_pickling(name: str) -> None:
    before = quantiles(name, world())
    copy: Forecaster = pickle.loads(pickle.dumps(fitted(name)))
    np.testing.assert_array_equal(copy.forecast(world()).quantiles, before)
    np.testing.assert_array_equal(copy.importance(), fitted(name).importance())


@every_model
def test_quantiles_are_sorted_and_missing_exactly_where_no_forecast_may_be_made(name: str) -> None:
    values = quantiles(name, world())
    assert (np.diff(values[world().is_valid], axis=-1) >= 0).all()
    np.testing.assert_array_equal(np.isfinite(values), np.broadcast_to(world().is_valid[:, :, None, None], values.shape))


@every_model
def test_fitting_on_nothing_is_refused_in_three_parts(name: str) -> None:
    for dataset in (world().rows(0, 0), world().rows(0, 1)):
        with pytest.raises(DataError, match="samples") as caught:
            example(name).fit(dataset, 0)
        assert caught.value.what
        assert caught.value.expected
        assert caught.value.action


@every_model
def test_one_row_and_no_row_can_be_forecast(name: str) -> None:
    assert quantiles(name, world().rows(50, 51)).shape == (1, 12, 2, 7)
    assert quantiles(name, world().rows(50, 50)).shape == (0, 12, 2, 7)
    assert fitted(name).contributions(world().rows(50, 50)).shape == (0, 12, 2, 4)


@every_model
def test_contributions_sum_to_the_mean_forecast(name: str) -> None:
    dataset = world().rows(N_TRAINING, LAST)
    contributions, mean = fitted(name).contributions(dataset), fitted(name).forecast(dataset).mean
    assert contributions.shape == (*mean.shape, 4)
    np.testing.assert_allclose(contributions.sum(axis=-1), mean, rtol=0, atol=1e-12)


@every_model
def test_importance_sums_to_one_or_is_nothing(name: str) -> None:
    importance = fitted(name).importance()
    assert importance.shape == (3,)
    assert (importance >= 0).all()
    assert importance.sum() == pytest.approx(1.0) or not importance.any()


@every_model
def test_one_row_at_a_time_gives_what_the_batch_gives(name: str) -> None:
    forecaster, batch = fitted(name), quantiles(name, world())
    for row in range(N_TRAINING, LAST, 7):
        seen = world().rows(max(0, row + 1 - forecaster.lookback), row + 1)
        np.testing.assert_array_equal(forecaster.forecast(seen).quantiles[-1], batch[row])


@every_model
def test_poisoning_the_future_leaves_the_past_unchanged(name: str) -> None:
    now, clean = 200, world()
    position = clean.begins[now] - 1
    later = np.arange(len(clean)) > now
    poisoned = replace(
        clean,
        features=np.where(later[:, None, None], np.float32(1e6), clean.features),
        labels=np.where((clean.ends > position)[:, None, :], 1e3, clean.labels),
        scale=np.where(later[:, None], 7.0, clean.scale),
        is_valid=clean.is_valid | later[:, None],
    )
    assert (poisoned.labels != clean.labels)[: now + 1].any(), "labels of the recent past are poisoned too"
    np.testing.assert_array_equal(quantiles(name, poisoned)[: now + 1], quantiles(name, clean)[: now + 1])


def test_every_example_belongs_to_a_file() -> None:
    assert set(EXAMPLES) <= set(discover())


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_another_seed_draws_other_trees(name: str) -> None:
    other = example(name).fit(world().rows(0, N_TRAINING), 4)
    assert (other.forecast(world()).quantiles[world().is_valid] != quantiles(name, world())[world().is_valid]).any()
