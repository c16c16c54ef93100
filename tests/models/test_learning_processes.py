"""Several processes learn what one would; they are started from one server, so the first test waits for its imports."""

import importlib.util
import math
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

import torch.distributed as dist  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from quantdesk.domain.effort import counting  # noqa: E402
from quantdesk.domain.errors import ComputeError, DataError, StrategyError  # noqa: E402
from quantdesk.domain.progress import telling  # noqa: E402
from quantdesk.models.fitting import Scaler  # noqa: E402
from quantdesk.models.learning.losses import Huber, Loss, RankIC  # noqa: E402
from quantdesk.models.learning.network import Network  # noqa: E402
from quantdesk.models.learning.scaled import Scaled  # noqa: E402
from quantdesk.models.learning.train import train  # noqa: E402
from quantdesk.models.learning.windows import Windows  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.patchtst import PatchTST  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="this torch was built without torch.distributed")

N_TIMES, N_NAMES, LOOKBACK = 60, 7, 8
PLAIN = MLP(LOOKBACK, 16, dropout=0.0)
NORMED = PatchTST(LOOKBACK, 4, 2, 8, 2, 1, 8, 0.0)
ONE = Training(epochs=2, batch=32, patience=0, device="cpu")
TWO = replace(ONE, n_processes=2)


def world(start: int = LOOKBACK, stop: int = 50) -> Windows:
    random = np.random.default_rng(1)
    table = torch.from_numpy(random.standard_normal((N_TIMES * N_NAMES, 3)).astype(np.float32))
    rows = torch.arange(start * N_NAMES, stop * N_NAMES)
    targets = table[rows, :2] - table[rows - N_NAMES, :2]
    targets[torch.from_numpy(random.random(targets.shape) < 0.3)] = math.nan
    return Windows(table, N_NAMES, LOOKBACK, targets, rows)


def module(network: Network = PLAIN) -> Scaled:
    torch.manual_seed(0)
    return Scaled(network, Scaler(np.zeros(3), np.ones(3), np.full(3, 5.0)), 2, 1)


def weights(of: nn.Module) -> Tensor:
    flat: Tensor = torch.cat([value.detach().double().flatten() for value in of.state_dict().values()])
    return flat


def learned(
    knobs: Training, network: Network = PLAIN, loss: Loss | None = None
) -> tuple[Tensor, tuple[tuple[float, float], ...]]:
    learner = module(network)
    effort = train(learner, world(), world(50, N_TIMES), loss or Huber(), knobs, seed=3)
    assert not learner.training
    return weights(learner), effort.curve


# 294 samples in batches of 32 or 293: the last batch has 6, or 1, which cannot be shared.
@pytest.mark.parametrize("knobs", [{}, {"batch": 293}, {"accumulate": 3, "schedule": "plateau", "epochs": 4}])
def test_two_processes_learn_what_one_does(knobs: dict[str, object]) -> None:
    alone, curve = learned(replace(ONE, **knobs))  # type: ignore[arg-type]
    shared, same_curve = learned(replace(TWO, **knobs))  # type: ignore[arg-type]
    torch.testing.assert_close(shared, alone, rtol=0, atol=1e-5)
    np.testing.assert_allclose(same_curve, curve, rtol=1e-6)


def test_a_loss_over_whole_times_is_that_of_the_whole_batch() -> None:
    _, curve = learned(ONE, loss=RankIC())
    np.testing.assert_allclose(learned(TWO, loss=RankIC())[1], curve, rtol=1e-6)


def test_batch_normalisation_sees_the_whole_batch() -> None:
    _, curve = learned(ONE, NORMED)
    np.testing.assert_allclose(learned(TWO, NORMED)[1], curve, rtol=2e-4)


def test_the_same_seed_gives_the_same_bits_with_dropout_too() -> None:
    loose = MLP(LOOKBACK, 16, dropout=0.3)
    first, again = learned(TWO, loose)[0], learned(TWO, loose)[0]
    assert torch.equal(first, again)
    assert not torch.allclose(first, learned(ONE, loose)[0], atol=1e-4)


@dataclass(frozen=True)
class Twins(Huber):
    """Refuses what the two processes say of the same windows where it is the same."""

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Compare the halves."""
        if torch.is_grad_enabled() and torch.equal(*outputs.detach().chunk(2)):
            raise ValueError("the processes left the same units out")
        return super().__call__(outputs, targets, times)


def test_each_process_leaves_out_units_of_its_own() -> None:
    samples = replace(world(), table=torch.ones_like(world().table))
    with counting() as efforts:
        train(module(MLP(LOOKBACK, 16, dropout=0.5)), samples, None, Twins(), replace(TWO, batch=294), seed=0)
    assert efforts[0].n_epochs == 2


OWN = """
from quantdesk.models.networks.mlp import MLP
from torch import nn

class Wrapped(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, windows):
        return 2 * self.inner(windows)
"""


def test_a_network_of_a_strategys_file_is_taken_along(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    spec = importlib.util.spec_from_file_location("a_strategy_of_a_file", tmp_path / "own.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
    learners = module(), module()
    for learner, knobs in zip(learners, (ONE, TWO), strict=True):
        learner.inner = sys.modules[spec.name].Wrapped(learner.inner)
        train(learner, world(), None, Huber(), knobs, seed=3)
    torch.testing.assert_close(weights(learners[1]), weights(learners[0]), rtol=0, atol=1e-5)


class KilledError(Exception):
    """Stands for a power cut."""


def test_a_killed_training_resumes_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    loose, kept = MLP(LOOKBACK, 16, dropout=0.3), replace(TWO, checkpoint=tmp_path / "kept.pt", checkpoint_seconds=0.0)

    def kill(_what: str, done: int, _total: int) -> None:
        if done >= 13:
            raise KilledError

    with pytest.raises(KilledError), telling(kill):
        learned(replace(kept, epochs=12), loose)
    assert kept.checkpoint is not None
    assert kept.checkpoint.exists()
    resumed, whole = learned(replace(kept, epochs=12), loose), learned(replace(TWO, epochs=12), loose)
    assert torch.equal(resumed[0], whole[0])
    assert resumed[1] == whole[1]
    assert not kept.checkpoint.exists()


@dataclass(frozen=True)
class Deadly(Huber):
    """Ends a process, as the kernel does where memory is short."""

    rank: int = 1

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Do not return."""
        if dist.get_rank() == self.rank:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(outputs, targets, times)


@dataclass(frozen=True)
class Faulty(Huber):
    """Has a mistake in it."""

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Raise."""
        raise ZeroDivisionError("a mistake of the loss")


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_ends_the_training_with_an_error_that_names_it(rank: int) -> None:
    with pytest.raises(ComputeError, match=f"process {rank + 1} of 2 that learned a network died by signal 9") as caught:
        learned(TWO, loss=Deadly(rank=rank))
    assert "n_processes=1" in caught.value.action


def test_a_mistake_in_the_code_arrives_with_its_traceback() -> None:
    with pytest.raises(ComputeError, match="ZeroDivisionError: a mistake of the loss") as caught:
        learned(TWO, loss=Faulty())
    assert "in __call__" in caught.value.__notes__[0]


def test_a_breakdown_names_its_input_wherever_it_happened() -> None:
    broken = world()
    broken.table[200, 1] = 3e38
    raw = Scaled(PLAIN, Scaler(np.zeros(3), np.ones(3), np.full(3, np.inf)), 2, 1)
    with pytest.raises(DataError, match=r"training broke down.*the tick among (3[0-9]|[1-9]) rows"):
        train(raw, broken, None, Huber(1e9), TWO, 0, blame=lambda rows, inputs: f"the tick among {len(inputs)} rows")


def test_the_table_is_laid_out_once_for_all_processes_and_left_as_it_was() -> None:
    samples, heard = world(), list[str]()
    with telling(lambda what, done, total: heard.append(what)), counting() as efforts:
        train(module(), samples, None, Huber(), TWO, seed=3)
    assert samples.table.is_shared()  # type: ignore[no-untyped-call]
    assert torch.equal(samples.table, world().table)
    assert heard[0] == "epoch 1 of 2"
    assert "epoch 2 of 2, loss" in heard[-1]
    assert [(effort.n_devices, effort.n_epochs) for effort in efforts] == [(2, 2)]


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(StrategyError, match="batches of whole times"):
        train(module(), replace(world(), is_by_time=True), None, Huber(), TWO, seed=0)
    with pytest.raises(StrategyError, match="n_processes is 0"):
        replace(ONE, n_processes=0)
    n = torch.cuda.device_count() + 1
    with pytest.raises(StrategyError, match=f"{max(n, 2)} processes were asked to learn on {n - 1} GPUs"):
        train(module(), world(), None, Huber(), replace(TWO, device="cuda", n_processes=max(n, 2)), seed=0)
