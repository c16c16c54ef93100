import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from torch import Tensor, nn  # noqa: E402

from quantdesk.domain.errors import DataError, StrategyError  # noqa: E402
from quantdesk.domain.progress import telling  # noqa: E402
from quantdesk.models.learning.loop import batches_of, falling  # noqa: E402
from quantdesk.models.learning.losses import Huber, RankIC, SquaredError  # noqa: E402
from quantdesk.models.learning.train import train  # noqa: E402
from quantdesk.models.learning.windows import Windows  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

N_TIMES, N_NAMES, N_FEATURES = 60, 5, 3
QUICK = Training(epochs=4, batch=32, patience=0, learning_rate=1e-2)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(2 * N_FEATURES, 8), nn.Dropout(0.3), nn.Linear(8, 1))

    def forward(self, windows: Tensor) -> Tensor:
        out: Tensor = self.inner(torch.nan_to_num(windows))
        return out[..., None]


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def world(start: int = 0, stop: int = N_TIMES) -> Windows:
    table = torch.from_numpy(np.random.default_rng(1).standard_normal((N_TIMES * N_NAMES, N_FEATURES)).astype(np.float32))
    rows = torch.arange(max(start, 1) * N_NAMES, stop * N_NAMES)
    return Windows(table, N_NAMES, 2, (table[rows, :1] - table[rows - N_NAMES, 1:2]), rows)


def weights(module: nn.Module) -> list[Tensor]:
    return [value.detach().clone() for value in module.state_dict().values()]


def same(left: nn.Module, right: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(left), weights(right), strict=True))


def test_what_can_be_learned_is_learned() -> None:
    module = net()
    effort = train(module, world(0, 45), world(45), SquaredError(), replace(QUICK, epochs=30), seed=0)
    assert effort.curve[-1][1] < 0.25 * effort.curve[0][1]
    assert effort.samples_per_second > 0


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    first, again, other = net(), net(), net()
    for module, seed in ((first, 1), (again, 1), (other, 2)):
        train(module, world(), None, Huber(), QUICK, seed)
    assert same(first, again)
    assert not same(first, other)


def test_training_leaves_the_random_numbers_of_others_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    module = net()
    torch.manual_seed(5)
    train(module, world(), None, Huber(), QUICK, seed=9)
    assert torch.equal(torch.rand(3), expected)


class KilledError(Exception):
    """Stands for a power cut."""


def killed_after(n_steps: int) -> Callable[[str, int, int], None]:
    def tell(_what: str, done: int, _total: int) -> None:
        if done >= n_steps:
            raise KilledError

    return tell


@pytest.mark.parametrize("schedule", ["constant", "cosine", "restarts", "exponential", "plateau"])
@pytest.mark.parametrize("kill_at", [1, 10, 20, 31])
def test_a_killed_training_resumes_and_ends_with_the_same_bits(tmp_path: Path, schedule: str, kill_at: int) -> None:
    kept = replace(QUICK, batch=8, schedule=schedule, checkpoint=tmp_path / "kept.pt", checkpoint_seconds=0.0)  # type: ignore[arg-type]
    whole, broken = net(), net()
    train(whole, world(0, 45), world(45), Huber(), replace(kept, checkpoint=None), seed=3)
    with pytest.raises(KilledError), telling(killed_after(kill_at)):
        train(broken, world(0, 45), world(45), Huber(), kept, seed=3)
    assert kept.checkpoint is not None
    assert kill_at < 20 or kept.checkpoint.exists()
    resumed = net()
    effort = train(resumed, world(0, 45), world(45), Huber(), kept, seed=3)
    assert same(whole, resumed)
    assert effort.n_epochs == 4
    assert not kept.checkpoint.exists()


def test_a_checkpoint_of_another_training_is_not_continued(tmp_path: Path) -> None:
    kept = replace(QUICK, batch=8, checkpoint=tmp_path / "kept.pt", checkpoint_seconds=0.0)
    with pytest.raises(KilledError), telling(killed_after(40)):
        train(net(), world(), None, Huber(), kept, seed=3)
    fresh, other = net(), net()
    train(fresh, world(), None, Huber(), replace(kept, checkpoint=None), seed=4)
    train(other, world(), None, Huber(), kept, seed=4)
    assert same(fresh, other)


def test_training_stops_when_nothing_improves_and_keeps_the_best_epoch() -> None:
    module = net()
    noisy = world(45)
    noise = torch.randn(noisy.targets.shape, generator=torch.Generator().manual_seed(0))
    random = replace(noisy, targets=noise)
    effort = train(module, world(0, 45), random, SquaredError(), replace(QUICK, epochs=60, patience=2), seed=0)
    judged = [validation for _, validation in effort.curve]
    assert effort.n_epochs < 60
    assert effort.best_epoch == int(np.argmin(judged)) == effort.n_epochs - 3


def test_accumulated_batches_make_the_step_of_one_large_batch() -> None:
    steady = replace(QUICK, epochs=1, batch=40, schedule="constant", clip=1e9)
    large, small = net().eval(), net().eval()
    for module, knobs in ((large, steady), (small, replace(steady, batch=20, accumulate=2))):
        module.inner[2] = nn.Identity()
        train(module, world(0, 9), None, SquaredError(), knobs, seed=1)
    for a, b in zip(weights(large), weights(small), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_breakdown_names_its_input() -> None:
    broken = world()
    broken.table[200, 1] = 3e38
    with pytest.raises(DataError, match=r"training broke down.*the tick"):
        train(net(), broken, None, SquaredError(), QUICK, seed=0, blame=lambda rows, inputs: "the tick")


def test_a_loss_over_times_gets_whole_times() -> None:
    found = batches_of(world(), 12, by_times=True, order=torch.Generator().manual_seed(0))
    for rows in found:
        times = (world().rows[rows] // N_NAMES).tolist()
        assert all(times.count(time) == N_NAMES for time in times)
    assert sorted(torch.cat(found).tolist()) == list(range(len(world())))


def test_a_ranking_loss_learns_to_rank() -> None:
    module = net()
    effort = train(module, world(0, 45), world(45), RankIC(), replace(QUICK, epochs=30), seed=0)
    assert effort.curve[-1][1] < 0.3


def test_the_learning_rate_falls_as_it_is_told() -> None:
    assert [falling("constant", s) for s in (0.0, 0.9)] == [1.0, 1.0]
    assert falling("cosine", 0.0) == 1.0
    assert falling("cosine", 0.5) == pytest.approx(0.5)
    assert falling("restarts", 1 / 7) == pytest.approx(1.0)
    assert falling("restarts", 3 / 7) == pytest.approx(1.0)
    assert falling("restarts", 1 / 7 - 1e-6) < 0.01
    assert math.isclose(falling("restarts", 5 / 7), 0.5)
    assert falling("exponential", 0.5) == pytest.approx(0.1)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"learning_rate": 0.0}, {"validation_share": 1.0}, {"schedule": "warm"}])
def test_a_knob_outside_its_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(StrategyError, match=next(iter(wrong))):
        Training(**wrong)  # type: ignore[arg-type]
