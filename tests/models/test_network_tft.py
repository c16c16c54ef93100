from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted import dataset_of

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from quantdesk.domain.arrays import Float64  # noqa: E402
from quantdesk.domain.dataset import Dataset  # noqa: E402
from quantdesk.domain.errors import DataError, StrategyError  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.learning.columns import placed  # noqa: E402
from quantdesk.models.learning.forecaster import DeepForecaster  # noqa: E402
from quantdesk.models.learning.loop import on_threads  # noqa: E402
from quantdesk.models.learning.losses import Quantiles  # noqa: E402
from quantdesk.models.learning.selection import Gate, GatedResidual, Selection  # noqa: E402
from quantdesk.models.learning.windows import gather, resident  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.tft import TFT, weights  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

NAMES = ("past_0", "past_1", "sector", "day", "day_in_1", "day_in_2", "event", "event_in_1", "event_in_2")
NETWORK = TFT(
    lookback=3,
    width=8,
    heads=2,
    dropout=0.0,
    static=("sector",),
    known=(("day", "day_in_1", "day_in_2"), ("event", "event_in_1", "event_in_2")),
    categories=(("sector", 3), ("day", 5)),
)
TRAINING = Training(epochs=10, batch=128, learning_rate=2e-2, patience=0)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    # Threads that wait for one another are many times slower on a busy machine.
    with on_threads(1):
        yield


@cache
def world() -> Dataset:
    """An announced event moves the sectors 1 and 3 up and the sector 2 down, one step after it was said to come."""
    random = np.random.default_rng(3)
    n_times, n_instruments = 150, 12
    event = random.standard_normal(n_times + 2)
    sector = np.arange(n_instruments) % 3 + 1.0
    days = np.arange(n_times + 2) % 5 + 1.0
    features = np.empty((n_times, n_instruments, len(NAMES)))
    features[..., :2] = random.standard_normal((n_times, n_instruments, 2))
    features[..., 2] = sector
    for step in range(3):
        features[..., 3 + step] = days[step : step + n_times, None]
        features[..., 6 + step] = event[step : step + n_times, None]
    returns = 0.3 * random.standard_normal((n_times, n_instruments))
    returns[2:] += np.where(sector == 2.0, -1.0, 1.0) * event[1 : n_times - 1, None]
    features[5, 3, 0] = np.nan
    dataset = dataset_of(0.01 * returns, features, np.full(returns.shape, 0.01))
    return replace(dataset, feature_names=NAMES, needs_scaling=np.array([name[:3] not in ("sec", "day") for name in NAMES]))


def fit(training: Training, seed: int) -> DeepForecaster:
    return Deep(placed(NETWORK, world()), Quantiles(), training, demean=False).fit(world().rows(0, 120), seed)


@cache
def fitted() -> DeepForecaster:
    return fit(TRAINING, 1)


def some_windows(lookback: int = 3, n: int = 40) -> Tensor:
    table = resident(world().features, torch.device("cpu"))
    rows = torch.linspace(0, len(table) - 1, n).long()
    return gather(table, rows, len(world().symbols), lookback)


def mean(dataset: Dataset) -> Float64:
    return fitted().forecast(dataset).mean


def test_static_and_announced_inputs_are_used_together() -> None:
    said, happened = mean(world().rows(118, 150))[2:, :, 0], world().labels[120:, :, 0]
    known = np.isfinite(happened)
    assert np.corrcoef(said[known], happened[known])[0, 1] > 0.8


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    short = replace(TRAINING, epochs=1)
    assert fit(short, 1).weights == fit(short, 1).weights
    assert fit(short, 1).weights != fit(short, 2).weights


def test_quantiles_do_not_cross() -> None:
    quantiles = fitted().forecast(world().rows(100, 130)).quantiles
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert (quantiles[..., -1] > quantiles[..., 0]).all()


def test_one_row_and_a_history_shorter_than_the_window_are_answered() -> None:
    one, two = mean(world().rows(0, 1)), mean(world().rows(0, 2))
    assert np.array_equal(one, two[:1])
    assert np.isfinite(two).all()


def test_a_row_after_the_present_changes_nothing() -> None:
    features = world().features.copy()
    features[10:] = 1e6
    poisoned = replace(world(), features=features)
    assert np.array_equal(mean(poisoned.rows(0, 12))[:10], mean(world().rows(0, 12))[:10])


def test_weights_lie_where_each_input_is_read_and_sum_to_one() -> None:
    found = weights(fitted().module, some_windows())
    ones = torch.ones(40, dtype=torch.float64)
    assert found.selection.shape == (40, 3, len(NAMES))
    for columns, row in (((0, 1, 3, 6), 0), ((0, 1, 3, 6), 2), ((2,), 2), ((4, 7), 2), ((5, 8), 2)):
        torch.testing.assert_close(found.selection[:, row, list(columns)].sum(dim=-1), ones)
    assert not found.selection[:, :-1, [2, 4, 5, 7, 8]].any()


def test_attention_goes_to_no_later_step_and_sums_to_one() -> None:
    attention = weights(fitted().module, some_windows()).attention
    assert attention.shape == (40, 5, 5)
    assert not attention.triu(1).any()
    torch.testing.assert_close(attention.sum(dim=-1), torch.ones(40, 5, dtype=torch.float64))


def test_the_weights_of_another_network_are_not_made_up() -> None:
    other = Deep(MLP(lookback=3), training=TRAINING).fit(world().rows(0, 60), 0)
    with pytest.raises(StrategyError, match="no selection weights"):
        weights(other.module, some_windows())


def test_heads_differ_in_their_weights_alone() -> None:
    module: Any = TFT(lookback=4, width=8, heads=2, dropout=0.0).build(3, 1).attention
    state = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    hidden = ~torch.ones(4, 4, dtype=torch.bool).tril()
    value, heads = module.value(state), []
    for part in (slice(0, 4), slice(4, 8)):
        scores = module.query(state)[..., part] @ module.key(state)[..., part].transpose(1, 2) / 4**0.5
        heads.append(torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=-1) @ value)
    torch.testing.assert_close(module(state, 4)[0], module.write((heads[0] + heads[1]) / 2))
    torch.testing.assert_close(module(state, 1)[0], module(state, 4)[0][:, -1:])


def test_a_gated_residual_is_the_paper_s_equation() -> None:
    torch.manual_seed(0)
    block: Any = GatedResidual(5, 3, 4, dropout=0.0, context=2)
    state, context = torch.randn(7, 5), torch.randn(7, 2)
    inner = functional.elu(block.first(state) + context @ block.context.weight.T)
    gate = block.gate.linear(block.second(inner))
    gated = gate[:, :3] * torch.sigmoid(gate[:, 3:])
    torch.testing.assert_close(block(state, context), functional.layer_norm(block.skip(state) + gated, (3,)))


def test_a_closed_gate_leaves_the_state() -> None:
    gate: Any = Gate(3, 4, dropout=0.0)
    nn.init.constant_(gate.linear.bias[4:], -1e4)
    state = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(gate(torch.ones(6, 3), state), functional.layer_norm(state, (4,)))


def test_networks_side_by_side_are_the_same_as_single_ones() -> None:
    torch.manual_seed(0)
    many: Any = GatedResidual(4, 4, 4, dropout=0.0, copies=3)
    state = torch.randn(6, 2, 3, 4)
    for copy in range(3):
        single: Any = GatedResidual(4, 4, 4, dropout=0.0)
        pairs = ((single.first, many.first), (single.second, many.second), (single.gate.linear, many.gate.linear))
        for one, all_of_them in pairs:
            one.weight.data, one.bias.data = all_of_them.weight.data[copy].T, all_of_them.bias.data[copy]
        torch.testing.assert_close(many(state)[..., copy, :], single(state[..., copy, :]))


def test_selection_starts_even() -> None:
    selection = Selection((0, 0, 4), width=8, dropout=0.0, has_context=False)
    _, found = selection(torch.tensor([[[3.0, -1.0, 2.0]]]))
    torch.testing.assert_close(found, torch.full((1, 1, 3), 1 / 3))


def test_an_unheard_of_category_is_as_good_as_a_missing_one() -> None:
    few = world().rows(0, 4)
    columns = {name: few.features.copy() for name in ("missing", "zero", "new", "other")}
    for values, sector in zip(columns.values(), (np.nan, 0.0, 9.0, 2.0), strict=True):
        values[..., 2] = sector
    said = {name: mean(replace(few, features=values)) for name, values in columns.items()}
    assert np.array_equal(said["missing"], said["zero"])
    assert np.array_equal(said["missing"], said["new"])
    assert not np.allclose(said["missing"], said["other"])


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(StrategyError, match="'sectr'"):
        replace(NETWORK, static=("sectr",)).placed(world())
    with pytest.raises(StrategyError, match="placed"):
        NETWORK.build(len(NAMES), 1)
    assert placed(MLP(), world()) == MLP()


def test_categories_that_cannot_be_read_are_refused_with_their_place() -> None:
    with pytest.raises(StrategyError, match="'day_in_1' holds categories and is scaled"):
        NETWORK.placed(replace(world(), needs_scaling=np.array([name == "day_in_1" for name in NAMES])))
    features = world().features.copy()
    features[7, 4, 2] = 2.5
    with pytest.raises(DataError, match=r"'sector' of S4 at 2001-01-08.* is 2.5"):
        NETWORK.placed(replace(world(), features=features))


@pytest.mark.parametrize(
    "wrong",
    [{"width": 9}, {"known": (("a",),)}, {"known": (("a", "b"), ("c", "d", "e"))}, {"static": ("a",), "known": (("a", "b"),)}],
)
def test_choices_that_contradict_one_another_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(StrategyError, match="TFT"):
        TFT(**{"heads": 2, **wrong})


def test_a_network_without_past_inputs_is_refused() -> None:
    with pytest.raises(StrategyError, match="past input"):
        TFT(static=(0, 1)).build(2, 1)


@pytest.mark.parametrize("seed", [200, 201])
def test_the_informative_inputs_are_selected_first(seed: int) -> None:
    random = np.random.default_rng(seed)
    features = random.standard_normal((100, 30, 12))
    returns = random.standard_normal((100, 30))
    returns[2:] += 0.4 * (features[:-2, :, 1] - features[:-2, :, 4] + np.abs(features[:-2, :, 6]))
    dataset = dataset_of(0.01 * returns, features, np.full(returns.shape, 0.01))
    network = TFT(lookback=2, width=16, heads=2)
    training = Training(epochs=6, batch=128, learning_rate=1e-2, patience=0)
    forecaster = Deep(network, Quantiles(), training, demean=False).fit(dataset, seed)
    rows = torch.arange(30, 3000, 5)
    windows = gather(resident(dataset.features, torch.device("cpu")), rows, 30, 2)
    found = weights(forecaster.module, windows).selection.mean(dim=(0, 1))
    assert set(found.argsort(descending=True)[:3].tolist()) == {1, 4, 6}


@pytest.mark.filterwarnings("ignore")
def test_the_exported_network_says_the_same_at_batch_1_and_500(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="export needs the extra `deep`")
    torch.manual_seed(0)
    module = placed(replace(NETWORK, width=4), world()).build(len(NAMES), 7).eval()
    path, shapes = tmp_path / "tft.onnx", ({0: torch.export.Dim("n", min=1, max=4096)},)
    torch.onnx.export(module, (some_windows(n=2).nan_to_num(),), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    asked = onnxruntime.InferenceSession(path)
    for n in (1, 500):
        windows = some_windows(n=n).nan_to_num()
        (said,) = asked.run(None, {asked.get_inputs()[0].name: windows.numpy()})
        with torch.inference_mode():
            assert np.abs(said - module(windows).numpy()).max() <= 1e-5
