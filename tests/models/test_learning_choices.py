"""Wrong choices are told in three parts when they are written down, not after an hour."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from quantdesk.domain.dataset import Dataset  # noqa: E402
from quantdesk.domain.errors import StrategyError  # noqa: E402
from quantdesk.domain.ports import Model  # noqa: E402
from quantdesk.models.adaptation import Adaptation, Tuning  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.distilled import Distilled  # noqa: E402
from quantdesk.models.maml import MetaLearned  # noqa: E402
from quantdesk.models.networks.combined import Concatenated, Stacked  # noqa: E402
from quantdesk.models.networks.gru import GRU  # noqa: E402
from quantdesk.models.networks.lstm import LSTM  # noqa: E402
from quantdesk.models.networks.market import Market  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.patchtst import PatchTST  # noqa: E402
from quantdesk.models.networks.tft import TFT  # noqa: E402
from quantdesk.models.networks.transformer import Transformer  # noqa: E402
from quantdesk.models.ridge import Ridge  # noqa: E402
from quantdesk.models.seeds import Seeds  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402


def given(value: object) -> Any:
    """Give what a type checker would refuse, all the same."""
    return value


WRONG: dict[str, Callable[[], object]] = {
    "LSTM.lookback is 0": lambda: Deep(LSTM(lookback=0)),
    "LSTM.lookback is -3": lambda: Deep(LSTM(lookback=-3)),
    "LSTM.lookback is 2.0": lambda: Deep(LSTM(lookback=given(2.0))),
    "LSTM.hidden is 0": lambda: Deep(LSTM(hidden=0)),
    "LSTM.layers is True": lambda: Deep(LSTM(layers=True)),
    "LSTM.dropout is 1.5": lambda: Deep(LSTM(dropout=1.5)),
    "LSTM.dropout is '0.1'": lambda: Deep(LSTM(dropout=given("0.1"))),
    "MLP.head is 'relu'": lambda: Deep(MLP(head=given("relu"))),
    "GRU.frames is": lambda: Deep(GRU(lookback=6, frames=(1, 12))),
    "PatchTST.patch is 24 with a lookback of 12": lambda: Deep(PatchTST(lookback=12, patch=24)),
    "PatchTST.width is 15 with 4 heads": lambda: Deep(PatchTST(width=15, heads=4)),
    "Transformer.width is 50 with 4 heads": lambda: Deep(Transformer(width=50)),
    "TFT.heads is 0": lambda: TFT(heads=0),
    "Deep was given 'LSTM' as a network": lambda: Deep(given("LSTM")),
    "Deep was given <class .*LSTM'> as a network": lambda: Deep(given(LSTM)),
    "MLP.depth is 0": lambda: MetaLearned(MLP(depth=0)),
    "MLP.width is 0": lambda: Distilled(Ridge(), MLP(width=0)),
    "MLP.width is -1": lambda: Deep(Market(MLP(width=-1))),
    "Concatenated was given 'MLP' as a network": lambda: Concatenated((MLP(), given("MLP"))),
    "Stacked.parts is MLP": lambda: Stacked(given(MLP())),
    "Training.epochs is 1.5": lambda: Training(epochs=given(1.5)),
    "Training.epochs is '5'": lambda: Training(epochs=given("5")),
    "Training.patience is -1": lambda: Training(patience=-1),
    "Training.learning_rate is '1e-3'": lambda: Training(learning_rate=given("1e-3")),
    "Training.learning_rate is nan": lambda: Training(learning_rate=float("nan")),
    "Training.weight_decay is -1": lambda: Training(weight_decay=-1),
    "Training.device is 'gpu'": lambda: Training(device="gpu"),
    "Deep.max_samples is 0": lambda: Deep(MLP(), max_samples=0),
    "Seeds.n is 2.5": lambda: Seeds(Ridge(), n=given(2.5)),
    "Tuning.batch is '8'": lambda: Tuning(batch=given("8")),
    "Adaptation.steps is 1.5": lambda: Adaptation(steps=given(1.5)),
}


def world(n_times: int = 120, n: int = 4) -> Dataset:
    random, begins = np.random.default_rng(0), np.arange(n_times) + 1
    return Dataset(
        times=np.datetime64("2020-01-01", "ns") + np.arange(n_times) * np.timedelta64(1, "D"),
        features=random.standard_normal((n_times, n, 2)).astype(np.float32),
        labels=0.01 * random.standard_normal((n_times, n, 1)),
        begins=begins,
        ends=begins[:, None] + 1,
        scale=np.full((n_times, n), 0.01),
        is_valid=np.ones((n_times, n), dtype=bool),
        feature_names=("a", "b"),
        needs_scaling=np.ones(2, dtype=bool),
        horizons=(1,),
        symbols=tuple("ABCD"),
    )


@pytest.mark.parametrize("said", list(WRONG))
def test_a_wrong_choice_is_refused_when_it_is_written_down(said: str) -> None:
    with pytest.raises(StrategyError, match=said) as caught:
        WRONG[said]()
    assert caught.value.expected
    assert caught.value.action


def test_counts_of_numpy_and_unusual_but_possible_choices_are_taken() -> None:
    Deep(LSTM(lookback=given(np.int64(5)), dropout=0))
    Deep(PatchTST(lookback=12, patch=12, stride=12))
    Training(clip=float("inf"), patience=0, device="cuda:1", weight_decay=0)


QUICK = Training(epochs=1)


@pytest.mark.parametrize(
    "model",
    [Deep(LSTM(121), training=QUICK), Distilled(Ridge(), LSTM(121), training=QUICK), MetaLearned(LSTM(121), training=QUICK)],
    ids=lambda model: type(model).__name__,
)
def test_a_window_longer_than_the_history_is_refused_at_once(model: Model) -> None:
    with pytest.raises(StrategyError, match="looks back 121 bars, and there are 120 to learn from"):
        model.fit(world(), 0)


def test_a_window_as_long_as_the_history_will_do() -> None:
    assert Deep(MLP(120, 4), training=QUICK).fit(world(), 0).lookback == 120


@pytest.mark.parametrize("device", ["cuda:99", "mps"])
def test_a_device_that_this_machine_has_not_is_refused_before_training(device: str) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(StrategyError, match=f"learn on {device}, which this machine does not have"):
        Deep(MLP(), training=Training(device=device)).fit(world(), 0)


def test_a_gpu_is_refused_where_there_is_none() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(StrategyError, match="learn on cuda, which this machine does not have"):
        Deep(MLP(), training=Training(device="cuda")).fit(world(), 0)


def test_choices_of_training_are_written_down_without_torch() -> None:
    code = "import sys, quantdesk.models.deep, quantdesk.models.learning.choices; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
