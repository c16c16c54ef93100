import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from differing import correlation, differing

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from quantdesk.domain.dataset import Dataset  # noqa: E402
from quantdesk.domain.errors import DataError, StrategyError  # noqa: E402
from quantdesk.models.adaptation import Tuning  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.fitting import Scaler  # noqa: E402
from quantdesk.models.learning.individual import Adapted, IndividualForecaster  # noqa: E402
from quantdesk.models.learning.losses import RankIC  # noqa: E402
from quantdesk.models.learning.network import Network  # noqa: E402
from quantdesk.models.learning.scaled import Scaled  # noqa: E402
from quantdesk.models.learning.tuning import last_layer  # noqa: E402
from quantdesk.models.networks.dlinear import DLinear  # noqa: E402
from quantdesk.models.networks.gru import GRU  # noqa: E402
from quantdesk.models.networks.lstm import LSTM  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.patchtst import PatchTST  # noqa: E402
from quantdesk.models.networks.tcn import TCN  # noqa: E402
from quantdesk.models.networks.transformer import Transformer  # noqa: E402
from quantdesk.models.networks.tsmixer import TSMixer  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402
from quantdesk.models.tuned import Tuned, transfer  # noqa: E402

N_TRAINING = 398
TRAINING = Training(epochs=8, batch=256, learning_rate=1e-2, patience=0)
MODEL = Deep(MLP(width=16, depth=1, dropout=0.0), training=TRAINING, demean=False)


@cache
def market(shared: float) -> Dataset:
    return differing(500, 12, seed=0, shared=shared)


@cache
def tuned(shared: float) -> IndividualForecaster:
    return Tuned(MODEL).fit(market(shared).rows(0, N_TRAINING), 0)


def test_where_instruments_differ_tuning_beats_the_universal_network() -> None:
    forecaster = tuned(0.3)
    universal = correlation(forecaster.shared, market(0.3), 400)
    assert forecaster.weight >= 0.75
    assert correlation(forecaster, market(0.3), 400) > universal + 0.1


def test_where_all_answer_alike_little_or_nothing_is_tuned() -> None:
    forecaster = tuned(1.0)
    assert forecaster.weight <= 0.25
    assert correlation(forecaster, market(1.0), 400) > correlation(forecaster.shared, market(1.0), 400) - 0.02


def test_half_way_the_forecast_is_the_average_of_both() -> None:
    forecaster, dataset = tuned(0.3), market(0.3).rows(400, 420)
    layers = forecaster.values / forecaster.weight
    start = torch.cat([dict(forecaster.shared.module.named_parameters())[name].flatten() for name in forecaster.names])
    own = start.detach().numpy() * (1 - 1 / forecaster.weight) + layers
    ends = [replace(forecaster, values=values.astype(np.float32)) for values in (np.tile(start.detach(), (12, 1)), own)]
    middle = replace(forecaster, values=((start.detach().numpy() + own) / 2).astype(np.float32))
    both = [one.forecast(dataset).quantiles for one in ends]
    assert np.abs(both[0] - both[1]).max() > 1e-4
    np.testing.assert_allclose(middle.forecast(dataset).quantiles, (both[0] + both[1]) / 2, rtol=0, atol=1e-8)


def test_an_instrument_with_few_samples_or_none_keeps_the_universal_layer() -> None:
    dataset = market(0.3).rows(0, N_TRAINING)
    young = dataset.is_valid & ~((np.arange(12) == 3) & (np.arange(N_TRAINING)[:, None] < 320))
    forecaster = Tuned(MODEL, Tuning(steps=5)).fit(replace(dataset, is_valid=young), 0)
    assert "S3" not in forecaster.symbols
    assert forecaster.of("S3") is forecaster.of("never seen") is forecaster.shared
    assert isinstance(forecaster.of("S4"), Adapted)


def test_an_instrument_is_forecast_alike_in_any_company() -> None:
    dataset = market(0.3).rows(400, 410)
    whole = tuned(0.3).forecast(dataset).quantiles
    chosen = np.array([7, 2])
    part = replace(
        dataset,
        features=dataset.features[:, chosen],
        labels=dataset.labels[:, chosen],
        scale=dataset.scale[:, chosen],
        is_valid=dataset.is_valid[:, chosen],
        symbols=("S7", "S2"),
    )
    np.testing.assert_array_equal(tuned(0.3).forecast(part).quantiles, whole[:, chosen])


def test_the_same_seed_gives_the_same_bits_and_pickling_keeps_them() -> None:
    dataset = market(0.3)
    again = Tuned(MODEL).fit(dataset.rows(0, N_TRAINING), 0)
    np.testing.assert_array_equal(again.values, tuned(0.3).values)
    copy: IndividualForecaster = pickle.loads(pickle.dumps(again))
    np.testing.assert_array_equal(copy.forecast(dataset).quantiles, tuned(0.3).forecast(dataset).quantiles)


@pytest.mark.parametrize(
    "network",
    [
        MLP(4),
        DLinear(4, kernel=3),
        GRU(4, frames=(1, 2)),
        LSTM(4),
        TCN(4),
        TSMixer(4),
        Transformer(4),
        PatchTST(4, patch=2, stride=2),
    ],
    ids=lambda network: type(network).__name__,
)
def test_the_layer_declared_last_is_the_one_that_gives_the_outputs(network: Network) -> None:
    module = Scaled(network, Scaler(np.zeros(3), np.ones(3), np.ones(3)), 2, 7)
    names = last_layer(module)
    assert {name.rpartition(".")[2] for name in names} == {"weight", "bias"}
    assert all(len(dict(module.named_parameters())[name]) == 14 for name in names)


def test_a_network_carried_to_another_universe_needs_little_of_it() -> None:
    other = differing(160, 8, seed=9, shared=1.0)
    little = Training(epochs=2, batch=128, learning_rate=3e-4)
    moved = transfer(tuned(1.0), other.rows(0, 58), 0, little, demean=False)
    fresh = Deep(MODEL.network, training=little, demean=False).fit(other.rows(0, 58), 0)
    assert correlation(moved, other, 60) > correlation(fresh, other, 60) + 0.1
    assert moved.network == MODEL.network
    assert (moved.scaler.centre != tuned(1.0).shared.scaler.centre).any(), "the other universe is standardised by its own span"


def test_a_network_is_not_carried_to_other_features() -> None:
    other = market(1.0)
    wrong = replace(other, features=other.features[:, :, :2], feature_names=("a", "b"), needs_scaling=np.array([True, True]))
    with pytest.raises(DataError, match="2 features"):
        transfer(tuned(1.0), wrong, 0)


def test_what_cannot_be_tuned_is_refused() -> None:
    with pytest.raises(StrategyError, match="RankIC"):
        Tuned(replace(MODEL, loss=RankIC())).fit(market(1.0), 0)
    with pytest.raises(StrategyError, match="validation span"):
        Tuned(replace(MODEL, training=Training(validation_share=0)))
    with pytest.raises(StrategyError, match="steps is 0"):
        Tuning(steps=0)
