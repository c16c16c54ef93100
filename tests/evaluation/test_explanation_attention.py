"""What networks looked at: weights that are those of the network, laid on bars and features, averaged over instruments."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from explained_worlds import World, dataset

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from torch import Tensor, nn  # noqa: E402

from quantdesk.domain.attention import Attends  # noqa: E402
from quantdesk.domain.dataset import Dataset  # noqa: E402
from quantdesk.evaluation.explanation.study import Taught, explain  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.learning.forecaster import DeepForecaster  # noqa: E402
from quantdesk.models.learning.loop import on_threads  # noqa: E402
from quantdesk.models.learning.network import Network  # noqa: E402
from quantdesk.models.networks.lstm import LSTM  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.patchtst import PatchTST  # noqa: E402
from quantdesk.models.networks.tft import TFT, weights  # noqa: E402
from quantdesk.models.networks.transformer import Transformer  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

LOOKBACK = 10
NETWORKS: dict[str, Network] = {
    "LSTM": LSTM(LOOKBACK, 8, 1),
    "PatchTST": PatchTST(LOOKBACK, 4, 2, 8, 2, 2, 8),
    "TFT": TFT(LOOKBACK, 8, 2, static=("feature 3",)),
    "Transformer": Transformer(LOOKBACK, 8, 2, 2),
}
every = pytest.mark.parametrize("name", list(NETWORKS))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with on_threads(1):
        yield


@cache
def world() -> Dataset:
    drawn: Dataset = dataset(World(n_times=140, n_instruments=6, n_features=4), 0)
    return drawn


@cache
def learned(name: str) -> DeepForecaster:
    training = Training(epochs=1, batch=64, learning_rate=1e-2)
    found = Deep({**NETWORKS, "MLP": MLP(LOOKBACK, 8)}[name], training=training).fit(world().rows(0, 90), 0)
    assert isinstance(found, DeepForecaster)
    return found


def scaled(forecaster: DeepForecaster, row: int, instrument: int) -> Tensor:
    window = torch.from_numpy(world().features[row - LOOKBACK + 1 : row + 1, instrument]).double()[None]
    return forecaster.module.scale(window)


@every
def test_the_weights_of_every_time_sum_to_one_and_none_is_negative(name: str) -> None:
    found = learned(name).attention(world().rows(100, 120))
    assert found is not None
    for part in (found.lags, found.features):
        if part is not None:
            assert part.sum(axis=1) == pytest.approx(1.0)
            assert (part >= 0).all()
    assert found.lags is not None
    assert found.lags.shape == (20, LOOKBACK)
    assert (found.features is not None) == (name == "TFT")


@every
def test_a_time_without_a_forecast_has_no_weights_and_the_others_average_over_its_instruments(name: str) -> None:
    chosen = world().rows(100, 112)
    is_valid = np.zeros_like(chosen.is_valid)
    is_valid[10, [1, 4]] = True
    alone = []
    for instrument in (1, 4):
        one = np.zeros_like(is_valid)
        one[10, instrument] = True
        found = learned(name).attention(replace(chosen, is_valid=one))
        assert found is not None
        assert found.lags is not None
        alone.append(found.lags[10])
    both = learned(name).attention(replace(chosen, is_valid=is_valid))
    assert both is not None
    assert both.lags is not None
    assert np.isnan(both.lags[:10]).all()
    assert both.lags[10] == pytest.approx(np.mean(alone, axis=0))


def test_the_weights_of_an_lstm_are_those_that_pool_its_states() -> None:
    forecaster = learned("LSTM")
    window = scaled(forecaster, 110, 2)
    inner = forecaster.module.inner
    assert isinstance(inner, nn.Sequential)
    encoder: Any = inner[0]
    pooled: Any = inner[1]
    with torch.no_grad():
        states = encoder(window)
        lags, features = NETWORKS["LSTM"].attention(forecaster.module.inner, window)  # type: ignore[attr-defined]
        said = pooled.head(torch.cat([(lags[..., None] * states).sum(dim=1), states[:, -1]], dim=-1))
        assert said.numpy() == pytest.approx(forecaster.module.inner(window).numpy())
    assert features is None


def test_the_weights_of_a_tft_are_those_of_its_decoder_and_its_selection() -> None:
    forecaster = learned("TFT")
    window = torch.from_numpy(world().features[101:111, 2])[None]
    told = weights(forecaster.module, window)
    with torch.no_grad():
        lags, features = forecaster.network.attention(forecaster.module.inner, scaled(forecaster, 110, 2))  # type: ignore[attr-defined]
    assert lags[0].numpy() == pytest.approx(told.attention[0, -1].numpy())
    past = told.selection[0, :, :3].mean(dim=0).numpy()
    assert features[0, :3].numpy() == pytest.approx(past / 2.0)
    assert features[0, 3].item() == pytest.approx(0.5)  # the only static input, present only


def test_a_transformer_without_layers_looks_at_the_present_and_one_layer_at_half_of_its_attention_beside() -> None:
    forecaster = learned("Transformer")
    window = scaled(forecaster, 110, 2)
    inner = forecaster.module.inner
    assert isinstance(inner, nn.Sequential)
    encoder: Any = inner[0]
    with torch.no_grad():
        rolled = encoder.rolled_out(window)[0]
        state = encoder.embed(window) + encoder.places
        factors = []
        for layer in encoder.encoder.layers:
            read = layer.norm1(state)
            factors.append(layer.self_attn(read, read, read, attn_mask=encoder.mask)[1][0])
            state = layer(state, src_mask=encoder.mask)
    one = torch.eye(LOOKBACK, dtype=torch.float64)
    expected = (factors[1] + one) @ (factors[0] + one) / 4
    assert rolled.numpy() == pytest.approx(expected.numpy())
    assert (rolled.triu(1) == 0).all()


def test_the_weight_of_a_patch_is_spread_over_its_bars_and_its_repeated_end_counts_as_the_last() -> None:
    network = NETWORKS["PatchTST"]
    assert isinstance(network, PatchTST)
    bars = network._bars()
    assert bars.shape == (5, LOOKBACK)
    assert bars[0].tolist() == [0.25] * 4 + [0.0] * 6
    assert bars[-1].tolist() == [0.0] * 8 + [0.25, 0.75]


def test_a_network_that_does_not_attend_says_nothing() -> None:
    forecaster = learned("MLP")
    assert isinstance(forecaster, Attends)
    assert forecaster.attention(world().rows(100, 110)) is None


def test_an_explanation_holds_what_the_network_looked_at_at_the_times_of_its_contributions() -> None:
    found = explain([Taught(learned("TFT"), np.arange(100, 140))], world(), 0, 0)
    assert found is not None
    assert found.attention is not None
    assert found.attention.lags is not None
    assert found.attention.features is not None
    assert found.attention.lags.shape == (len(found.flow.times), LOOKBACK)
    assert np.isfinite(found.attention.features).all()
