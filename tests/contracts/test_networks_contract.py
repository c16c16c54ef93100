"""What every network in the folder owes, whoever wrote it."""

import dataclasses
import pickle
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from quantdesk.domain.dataset import Dataset  # noqa: E402
from quantdesk.models import networks  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.export import export, reading  # noqa: E402
from quantdesk.models.fitting import horizon_volatility  # noqa: E402
from quantdesk.models.learning.forecaster import DeepForecaster  # noqa: E402
from quantdesk.models.learning.losses import Huber, Quantiles  # noqa: E402
from quantdesk.models.learning.network import Network  # noqa: E402
from quantdesk.models.networks.combined import Concatenated, Stacked  # noqa: E402
from quantdesk.models.networks.dlinear import DLinear  # noqa: E402
from quantdesk.models.networks.gru import GRU  # noqa: E402
from quantdesk.models.networks.lstm import LSTM  # noqa: E402
from quantdesk.models.networks.market import Market  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.patchtst import PatchTST  # noqa: E402
from quantdesk.models.networks.tcn import TCN  # noqa: E402
from quantdesk.models.networks.tft import TFT  # noqa: E402
from quantdesk.models.networks.transformer import Transformer  # noqa: E402
from quantdesk.models.networks.tsmixer import TSMixer  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

LOOKBACK, N_FEATURES, N_TRAINING = 12, 3, 80
QUICK = Training(epochs=1, batch=128, learning_rate=1e-2)

EXAMPLES: dict[str, Network] = {
    "Concatenated": Concatenated((TCN(LOOKBACK, 8, layers=2), MLP(3, 8)), 8),
    "DLinear": DLinear(LOOKBACK, 5),
    "GRU": GRU(LOOKBACK, (1, 3), 8),
    "LSTM": LSTM(LOOKBACK, 8),
    "MLP": MLP(LOOKBACK, 8),
    "Market": Market(TCN(LOOKBACK, 8, layers=2), 8, 2),
    "PatchTST": PatchTST(LOOKBACK, 4, 2, 8, 2, 1, 8),
    "Stacked": Stacked((TCN(LOOKBACK, 8, layers=2), LSTM(LOOKBACK, 8, 1))),
    "TCN": TCN(LOOKBACK, 8, layers=2),
    "TFT": TFT(LOOKBACK, 8, 2),
    "TSMixer": TSMixer(LOOKBACK, 1, 8),
    "Transformer": Transformer(LOOKBACK, 8, 2, 1),
}
"""One small network of each kind."""

every_network = pytest.mark.parametrize("name", list(EXAMPLES))


@cache
def world() -> Dataset:
    """Six instruments, three features, two horizons; gaps everywhere."""
    random = np.random.default_rng(3)
    n_times, n_instruments, horizons = 120, 6, (1, 3)
    features = random.standard_normal((n_times, n_instruments, N_FEATURES)).astype(np.float32)
    features[random.random(features.shape) < 0.03] = np.nan
    labels = 0.01 * random.standard_normal((n_times, n_instruments, 2)) + 0.004 * np.nan_to_num(features[:, :, 1:2])
    begins = np.arange(n_times) + 1
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


def fit(name: str) -> DeepForecaster:
    return Deep(EXAMPLES[name], Quantiles(), QUICK).fit(world().rows(0, N_TRAINING), 3)


fitted = cache(fit)


def test_every_network_in_the_folder_has_an_example() -> None:
    found = set()
    for path in Path(networks.__path__[0]).glob("[!_]*.py"):
        module = import_module(f"{networks.__name__}.{path.stem}")
        kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]
        found |= {kind.__name__ for kind in kinds if dataclasses.is_dataclass(kind) and hasattr(kind, "build")}
    assert found == set(EXAMPLES)


@every_network
def test_a_network_is_immutable_and_compared_by_value(name: str) -> None:
    network: Any = EXAMPLES[name]
    assert network == pickle.loads(pickle.dumps(network))
    assert hash(network) == hash(pickle.loads(pickle.dumps(network)))
    for field in dataclasses.fields(network):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(network, field.name, None)


@every_network
def test_the_same_seed_gives_the_same_bits_and_pickling_keeps_them(name: str) -> None:
    first = fitted(name).forecast(world()).quantiles
    np.testing.assert_array_equal(fit(name).forecast(world()).quantiles, first)
    copy: DeepForecaster = pickle.loads(pickle.dumps(fitted(name)))
    np.testing.assert_array_equal(copy.forecast(world()).quantiles, first)


@every_network
def test_quantiles_are_sorted_and_stand_exactly_where_a_forecast_may_be_made(name: str) -> None:
    quantiles = fitted(name).forecast(world()).quantiles
    assert (np.diff(quantiles[world().is_valid], axis=-1) >= 0).all()
    np.testing.assert_array_equal(np.isfinite(quantiles[..., 0, 0]), world().is_valid)


@every_network
def test_a_history_shorter_than_the_window_will_do(name: str) -> None:
    for stop in (1, 3):
        quantiles = fitted(name).forecast(world().rows(0, stop)).quantiles
        np.testing.assert_array_equal(quantiles, fitted(name).forecast(world()).quantiles[:stop])
    assert fitted(name).forecast(world().rows(0, 0)).quantiles.shape == (0, 6, 2, 7)


@every_network
def test_one_row_at_a_time_gives_what_the_batch_gives_to_the_bit(name: str) -> None:
    forecaster = fitted(name)
    batch = forecaster.forecast(world()).quantiles
    for row in range(LOOKBACK, len(world()), 9):
        seen = world().rows(row + 1 - forecaster.lookback, row + 1)
        np.testing.assert_array_equal(forecaster.forecast(seen).quantiles[-1], batch[row])


@every_network
def test_a_poisoned_future_leaves_the_past_unchanged(name: str) -> None:
    now, clean = 90, world()
    later = np.arange(len(clean)) > now
    poisoned = replace(
        clean,
        features=np.where(later[:, None, None], np.float32(1e6), clean.features),
        labels=np.where((clean.ends > now)[:, None, :], 1e3, clean.labels),
        scale=np.where(later[:, None], 7.0, clean.scale),
        is_valid=clean.is_valid | later[:, None],
    )
    before, after = (fitted(name).forecast(dataset).quantiles[: now + 1] for dataset in (clean, poisoned))
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("name", ["Concatenated", "Market"])
def test_a_network_made_of_others_finds_the_columns_they_name(name: str) -> None:
    part = TFT(LOOKBACK, 8, 2, static=("b",))
    whole = Concatenated((part, part)) if name == "Concatenated" else Market(part, 8, 2)
    found = whole.placed(world())
    for named in found.parts if isinstance(found, Concatenated) else (found.reader,):
        assert named == TFT(LOOKBACK, 8, 2, static=(1,))


@every_network
def test_a_network_reads_its_window(name: str) -> None:
    shifted = replace(world(), features=world().features + np.float32(0.5))
    known = world().is_valid
    before, after = (fitted(name).forecast(dataset).quantiles[known] for dataset in (world(), shifted))
    assert not np.allclose(before, after)


@every_network
@pytest.mark.filterwarnings("ignore")
def test_onnx_says_what_torch_says_of_one_window_and_of_many(name: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra `deep`")
    export(fitted(name), tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    module = reading(fitted(name))
    for n in (1, 500):
        windows = torch.randn(n, fitted(name).lookback, N_FEATURES, generator=torch.Generator().manual_seed(n))
        windows[torch.rand(windows.shape, generator=torch.Generator().manual_seed(n)) < 0.05] = torch.nan
        (found,) = session.run(None, {"windows": windows.numpy()})
        with torch.inference_mode():
            expected = module(windows.double()).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("loss", [Quantiles(), Huber()])
def test_what_is_exported_is_the_forecast_in_units_of_volatility(loss: Quantiles | Huber) -> None:
    forecaster = Deep(EXAMPLES["MLP"], loss, QUICK).fit(world().rows(0, N_TRAINING), 3)
    row = 60
    windows = torch.from_numpy(world().features[row + 1 - LOOKBACK : row + 1].swapaxes(0, 1).copy())
    with torch.inference_mode():
        said = reading(forecaster)(windows.double()).numpy() * horizon_volatility(world())[row][..., None]
    expected = forecaster.forecast(world()).quantiles[row]
    known = world().is_valid[row]
    np.testing.assert_allclose(said[known], expected[known], rtol=0, atol=1e-7)
