"""What networks looked at passes through whatever is made of them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from differing import signed

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from quantdesk.domain.arrays import Float64  # noqa: E402
from quantdesk.domain.attention import Attends, Attention  # noqa: E402
from quantdesk.domain.dataset import Dataset  # noqa: E402
from quantdesk.domain.ports import Forecaster, Model  # noqa: E402
from quantdesk.models.adaptation import Adaptation, Tuning  # noqa: E402
from quantdesk.models.attending import averaged  # noqa: E402
from quantdesk.models.average import Average, AverageForecaster  # noqa: E402
from quantdesk.models.conformal import Conformal, ConformalForecaster  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.distilled import Distilled  # noqa: E402
from quantdesk.models.learning.distillation import DistilledForecaster  # noqa: E402
from quantdesk.models.learning.individual import IndividualForecaster, only  # noqa: E402
from quantdesk.models.learning.loop import on_threads  # noqa: E402
from quantdesk.models.learning.meta_forecaster import MetaForecaster  # noqa: E402
from quantdesk.models.maml import MetaLearned  # noqa: E402
from quantdesk.models.networks.lstm import LSTM  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.tft import TFT  # noqa: E402
from quantdesk.models.ridge import Ridge  # noqa: E402
from quantdesk.models.seeds import Seeds  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402
from quantdesk.models.tuned import Tuned  # noqa: E402

LOOKBACK = 6
QUICK = Training(epochs=1, batch=128, learning_rate=2e-2)
NETWORK = LSTM(LOOKBACK, 6, 1)
DEEP = Deep(NETWORK, training=QUICK)
MODELS: dict[str, Model] = {
    "Average": Average((DEEP, Ridge(), Deep(LSTM(3, 6, 1), training=QUICK))),
    "Conformal": Conformal(DEEP),
    "Distilled": Distilled(Ridge(), NETWORK, training=QUICK),
    "MetaLearned": MetaLearned(NETWORK, training=QUICK, adaptation=Adaptation(shots=8, steps=2, rate=0.5)),
    "Seeds": Seeds(DEEP, n=3),
    "Tuned": Tuned(DEEP, Tuning(steps=5, min_samples=20)),
}
every_model = pytest.mark.parametrize("name", list(MODELS))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with on_threads(1):
        yield


@cache
def world() -> Dataset:
    drawn = signed(160, 5, seed=1)
    is_valid = drawn.is_valid.copy()
    is_valid[140] = False
    is_valid[145:, 3] = False
    return replace(drawn, is_valid=is_valid)


@cache
def learned(name: str) -> Forecaster:
    return MODELS[name].fit(world().rows(0, 130), 0)


def lags(forecaster: Forecaster, dataset: Dataset) -> Float64:
    assert isinstance(forecaster, Attends)
    said = forecaster.attention(dataset)
    assert said is not None
    assert said.features is None
    assert said.lags is not None
    return said.lags


@every_model
def test_the_weights_arrive_and_sum_to_one_where_there_is_a_forecast(name: str) -> None:
    later = world().rows(130, 160)
    found = lags(learned(name), later)
    assert found.shape == (30, LOOKBACK)
    is_forecast = later.is_valid.any(axis=1)
    assert found[is_forecast].sum(axis=1) == pytest.approx(1.0)
    assert (found[is_forecast] >= 0).all()
    assert np.isnan(found[~is_forecast]).all()
    assert not is_forecast.all()


def test_an_average_looked_where_its_members_did_on_average() -> None:
    seeds, later = learned("Seeds"), world().rows(130, 160)
    assert isinstance(seeds, AverageForecaster)
    members = [lags(member, later) for member in seeds.forecasters]
    assert np.nanmax(np.abs(members[0] - members[1])) > 1e-4
    np.testing.assert_allclose(lags(seeds, later), np.mean(members, axis=0), rtol=0, atol=1e-15)


def test_a_shorter_window_ends_at_the_same_bar_and_members_that_cannot_say_do_not_count() -> None:
    average, later = learned("Average"), world().rows(130, 140)
    assert isinstance(average, AverageForecaster)
    long, short = (lags(average.forecasters[place], later) for place in (0, 2))
    found = lags(average, later)
    np.testing.assert_allclose(found[:, 3:], (long[:, 3:] + short) / 2, rtol=0, atol=1e-15)
    np.testing.assert_allclose(found[:, :3], long[:, :3] / 2, rtol=0, atol=1e-15)


def test_features_are_averaged_over_the_members_that_select_them() -> None:
    selects = Deep(TFT(LOOKBACK, 4, 2), training=QUICK).fit(world().rows(0, 130), 0)
    later = world().rows(130, 140)
    said, alone = AverageForecaster((selects, learned("Seeds"))).attention(later), selects.attention(later)
    assert said is not None
    assert alone is not None
    assert said.features is not None
    np.testing.assert_array_equal(said.features, alone.features)


@pytest.mark.parametrize("model", [Average((Ridge(), Deep(MLP(3, 4), training=QUICK))), Conformal(Ridge())])
def test_where_no_part_attends_nothing_is_said(model: Model) -> None:
    forecaster = model.fit(world().rows(0, 130), 0)
    assert isinstance(forecaster, Attends)
    assert forecaster.attention(world().rows(130, 140)) is None


def test_a_student_and_what_lies_within_calibrated_spreads_speak_for_themselves() -> None:
    student, calibrated, later = learned("Distilled"), learned("Conformal"), world().rows(130, 140)
    assert isinstance(student, DistilledForecaster)
    assert isinstance(calibrated, ConformalForecaster)
    np.testing.assert_array_equal(lags(student, later), lags(student.student, later))
    np.testing.assert_array_equal(lags(calibrated, later), lags(calibrated.inner, later))


def over_instruments(parts: list[Float64]) -> Float64:
    return np.asarray(np.nanmean(parts, axis=0))


def test_each_instrument_looks_through_its_own_network_and_counts_where_it_has_a_forecast() -> None:
    adapted = learned("MetaLearned")
    assert isinstance(adapted, MetaForecaster)
    individual = replace(adapted.own, symbols=adapted.own.symbols[:4], values=adapted.own.values[:4])
    assert isinstance(individual, IndividualForecaster)
    later = world().rows(141, 160)
    alone = [lags(individual.of(symbol), only(later, np.array([place]))) for place, symbol in enumerate(later.symbols)]
    np.testing.assert_allclose(lags(individual, later), over_instruments(alone), rtol=0, atol=1e-12)
    assert np.abs(alone[0] - lags(individual.shared, only(later, np.array([0])))).max() > 1e-5


def test_one_that_came_later_looks_through_the_network_it_was_adapted_to_at_that_time() -> None:
    adapted = learned("MetaLearned")
    assert isinstance(adapted, MetaForecaster)
    later = replace(world(), symbols=("S0", "S1", "S2", "S3", "N4")).rows(100, 139)
    alone = [lags(adapted.own.of(symbol), only(later, np.array([place])))[-1] for place, symbol in enumerate(later.symbols)]
    at_last = adapted.at(later, 38, 4)
    alone[4] = lags(at_last, only(later, np.array([4])))[-1]
    assert np.abs(alone[4] - lags(adapted.own.shared, only(later, np.array([4])))[-1]).max() > 1e-5
    np.testing.assert_allclose(lags(adapted, later)[-1], over_instruments(alone), rtol=0, atol=1e-12)


def test_nothing_is_averaged_to_nothing_and_a_part_without_forecasts_takes_no_share() -> None:
    assert averaged([None, None]) is None
    known, unknown = Attention(np.array([[0.25, 0.75]]), None), Attention(np.full((1, 2), np.nan), None)
    found = averaged([known, unknown, None])
    assert found is not None
    assert found.lags is not None
    assert found.lags.tolist() == [[0.25, 0.75]]
