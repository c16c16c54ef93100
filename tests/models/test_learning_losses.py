import math
from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402

from quantdesk.domain.forecast import LEVELS, mean_of  # noqa: E402
from quantdesk.models.learning.calibration import corrections  # noqa: E402
from quantdesk.models.learning.losses import (  # noqa: E402
    Direction,
    GaussianNLL,
    Huber,
    Loss,
    MultiTask,
    Quantiles,
    RankIC,
    SignErrorRatio,
    SignPenalised,
    SquaredError,
)

SKEWED = torch.tensor([0.0, 0.0, 0.0, 10.0], dtype=torch.float64)[:, None]
LOSSES: tuple[Loss, ...] = (
    Huber(),
    SquaredError(),
    SignPenalised(),
    SignPenalised(delta=1.0),
    SignErrorRatio(),
    GaussianNLL(),
    Quantiles(),
    Direction(),
    RankIC(),
    MultiTask(),
)
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: repr(loss).partition(", _sign")[0])


def minimiser(loss: Loss, targets: Tensor) -> Tensor:
    """Find the outputs, the same for every sample, that make a loss smallest (width,)."""
    outputs = loss.start(targets)[0].clone().requires_grad_()
    times = torch.zeros(len(targets), dtype=torch.int64)
    optimiser = torch.optim.LBFGS([outputs], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(outputs.expand(len(targets), 1, -1), targets, times)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)
    return outputs.detach()


def drawn(n: int = 40, n_horizons: int = 2) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.randn(n, n_horizons, generator=random), torch.arange(n) // 10


def test_the_squared_error_asks_for_the_mean() -> None:
    assert float(minimiser(SquaredError(), SKEWED)) == pytest.approx(2.5)


def test_huber_asks_for_something_between_the_median_and_the_mean() -> None:
    # 3 f = 1: three targets pull with their distance, the fourth with a force of 1.
    assert float(minimiser(Huber(delta=1.0), SKEWED)) == pytest.approx(1 / 3, abs=1e-6)
    assert float(minimiser(Huber(delta=100.0), SKEWED)) == pytest.approx(2.5)


def test_a_penalty_on_the_wrong_sign_draws_the_forecast_to_the_other_side() -> None:
    targets = torch.tensor([-1.0, 4.0, 4.0, 4.0])[:, None]
    grid = torch.arange(-3.0, 5.0, 0.01)
    best = []
    for penalty in (0.0, 2.0):
        losses = [float(SignPenalised(penalty)(f.expand(4, 1, 1), targets, torch.zeros(4))) for f in grid]
        best.append(float(grid[int(np.argmin(losses))]))
    # Above 0 the negative target weighs 1 + penalty: 11 / 4, and (12 - 3) / 6.
    assert best == pytest.approx([2.75, 1.5], abs=0.011)


def test_a_forecast_of_nothing_has_no_wrong_sign() -> None:
    # Above 0 the best is (6 - 3) / 5, which does not make up for the penalty.
    targets = torch.tensor([-1.0, 3.0, 3.0])[:, None]
    at = [float(SignPenalised(2.0)(torch.full((3, 1, 1), f), targets, torch.zeros(3))) for f in (0.0, 0.6)]
    assert at == pytest.approx([19 / 3, 6.4])


def test_a_penalised_huber_loss_takes_large_errors_as_they_are() -> None:
    said, happened = torch.tensor([[[1.0]]]), torch.tensor([[-4.0]])
    assert float(SignPenalised(1.0, 1.0)(said, happened, torch.zeros(1))) == pytest.approx(2 * 4.5)
    assert float(SignPenalised(1.0)(said, happened, torch.zeros(1))) == pytest.approx(2 * 25)
    assert float(SignPenalised(1.0)(-said, happened, torch.zeros(1))) == pytest.approx(9)


def test_the_likelihood_asks_for_mean_and_variance() -> None:
    mean, raw = minimiser(GaussianNLL(), SKEWED)
    assert float(mean) == pytest.approx(2.5, abs=1e-4)
    assert float(functional.softplus(raw)) + 1e-4 == pytest.approx(float(SKEWED.var(correction=0)), rel=1e-4)


@pytest.mark.parametrize("place", range(len(LEVELS)))
def test_the_pinball_loss_asks_for_each_quantile(place: int) -> None:
    # Of the targets 0 to 100, the quantile is unique at each level.
    targets, times = torch.arange(101.0)[:, None], torch.zeros(101)
    grid = torch.arange(0.0, 100.5, 0.5)
    found = []
    for value in grid:
        outputs = torch.zeros(101, 1, len(LEVELS))
        outputs[..., place] = value
        found.append(float(Quantiles()(outputs, targets, times)))
    assert float(grid[int(np.argmin(found))]) == pytest.approx(round(100 * LEVELS[place]))


def test_the_cross_entropy_asks_for_the_probability_of_a_rise() -> None:
    targets = torch.tensor([1.0, 2.0, -1.0, 0.5, -3.0], dtype=torch.float64)[:, None]
    odds = minimiser(Direction(), targets)
    assert float(torch.sigmoid(odds)) == pytest.approx(0.6, abs=1e-6)
    assert float(Direction(scale=0.5).mean(odds)) == pytest.approx(0.5 * 0.2, abs=1e-6)


def test_the_sign_error_ratio_weighs_missed_signs_by_their_size() -> None:
    targets, times = torch.tensor([[1.0], [-3.0]]), torch.zeros(2)
    right = torch.tensor([[[50.0]], [[-50.0]]])
    half = torch.tensor([[[50.0]], [[50.0]]])
    assert [float(SignErrorRatio()(outputs, targets, times)) for outputs in (right, half, -right)] == pytest.approx(
        [0, 0.75, 1]
    )
    assert float(SignErrorRatio()(0 * right, targets, times)) == pytest.approx(0.5)


def test_the_rank_loss_is_one_less_the_mean_correlation_of_the_times() -> None:
    targets, times = drawn(30, 1)
    said = torch.randn(30, 1, generator=torch.Generator().manual_seed(1))
    expected = np.mean([np.corrcoef(said[times == t, 0], targets[times == t, 0])[0, 1] for t in range(3)])
    assert float(RankIC()(said[..., None], targets, times)) == pytest.approx(1 - expected, abs=1e-5)
    for factor, loss in ((7.0, 0.0), (-0.1, 2.0)):
        shifted = factor * targets + times[:, None]
        assert float(RankIC()(shifted[..., None], targets, times)) == pytest.approx(loss, abs=1e-5)


def test_a_time_of_two_instruments_has_no_correlation_and_costs_nothing() -> None:
    targets, outputs = torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1, 1, requires_grad=True)
    value = RankIC()(outputs, targets, torch.zeros(2, dtype=torch.int64))
    assert float(value.detach()) == 0.0


def test_several_tasks_weigh_as_they_say_and_each_asks_for_its_own() -> None:
    targets = torch.tensor([0.5, -0.25, 0.75, 0.5], dtype=torch.float64)[:, None]
    odds, size, raw = minimiser(MultiTask(), targets)
    assert float(torch.sigmoid(odds)) == pytest.approx(0.75, abs=1e-5)
    assert float(size) == pytest.approx(0.375, abs=1e-5)
    assert float(functional.softplus(raw)) == pytest.approx(0.5, abs=1e-5)
    zeros = torch.zeros(4, 1, 3, dtype=torch.float64)
    huber, gap = float((targets**2).mean()) / 2, float(((math.log(2) - targets.abs()) ** 2).mean())
    assert float(MultiTask()(zeros, targets, torch.zeros(4))) == pytest.approx(0.4 * math.log(2) + 0.3 * huber + 0.3 * gap)


@every_loss
def test_a_missing_target_costs_nothing_and_gives_no_gradient(loss: Loss) -> None:
    targets, times = drawn()
    gone = targets.clone()
    gone[::4, 0] = torch.nan
    outputs = torch.randn(*targets.shape, loss.width, generator=torch.Generator().manual_seed(2)).requires_grad_()
    value = loss(outputs, gone, times)
    value.backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    assert torch.all(outputs.grad[::4, 0] == 0)
    assert torch.isfinite(outputs.grad).all()
    assert (outputs.grad[1] != 0).any()
    wild = outputs.detach().clone()
    wild[::4, 0] += 100.0
    torch.testing.assert_close(loss(wild, gone, times), value.detach())


@every_loss
def test_nothing_known_costs_nothing(loss: Loss) -> None:
    targets, times = drawn()
    outputs = torch.zeros(*targets.shape, loss.width, requires_grad=True)
    value = loss(outputs, torch.full_like(targets, torch.nan), times)
    value.backward()  # type: ignore[no-untyped-call]
    assert float(value.detach()) == 0.0
    assert outputs.grad is not None
    assert not outputs.grad.any()


@every_loss
@pytest.mark.parametrize("size", [0.0, 1e-20, 30.0, 1e4])
def test_gradients_are_finite_at_nothing_and_at_much(loss: Loss, size: float) -> None:
    targets, times = drawn()
    for happened in (targets, torch.zeros_like(targets)):
        outputs = torch.full((*targets.shape, loss.width), size, requires_grad=True)
        loss(outputs, happened, times).backward()  # type: ignore[no-untyped-call]
        assert outputs.grad is not None
        assert torch.isfinite(outputs.grad).all()


@every_loss
def test_training_begins_no_worse_than_at_nothing_and_reads_the_mean_of_its_quantiles(loss: Loss) -> None:
    targets, times = 0.3 + 2.0 * drawn(400)[0], torch.arange(400) // 20
    targets[::7, 1] = torch.nan
    start = loss.start(targets)
    assert start.shape == (2, loss.width)
    at_start, at_nothing = (loss(outputs.expand(400, 2, -1), targets, times) for outputs in (start, torch.zeros_like(start)))
    assert float(at_start) <= float(at_nothing) + 1e-6
    outputs = start + torch.randn(400, 2, loss.width, generator=torch.Generator().manual_seed(1))
    quantiles = loss.quantiles(outputs)
    assert quantiles.shape == (400, 2, len(LEVELS))
    assert (quantiles.diff(dim=-1) >= 0).all()
    np.testing.assert_allclose(mean_of(quantiles.double().numpy()), loss.mean(outputs).numpy(), atol=1e-5)


@pytest.mark.parametrize(("loss", "room"), [(Quantiles(), 0.005), (GaussianNLL(), 0.02), (MultiTask(), 0.02)])
def test_heads_of_a_distribution_begin_with_that_of_all_targets(loss: Loss, room: float) -> None:
    targets = 1.5 * torch.randn(20_000, 1, generator=torch.Generator().manual_seed(3))
    quantiles = loss.quantiles(loss.start(targets))[0]
    covered = [(targets[:, 0] <= level).double().mean().item() for level in quantiles]
    np.testing.assert_allclose(covered, LEVELS, atol=room)


@pytest.mark.parametrize("draw", [np.random.Generator.standard_normal, lambda r, n: r.exponential(size=n) - 0.3])
def test_corrected_quantiles_hold_what_they_promise_and_leave_the_mean(
    draw: Callable[[np.random.Generator, int], np.ndarray[tuple[int], np.dtype[np.float64]]],
) -> None:
    random = np.random.default_rng(0)
    outcomes = 2.0 * draw(random, 5000)[:, None]
    outcomes[::9] = np.nan
    said = np.sort(random.normal(0.4, 0.5, (5000, 1, len(LEVELS))), axis=-1)
    added = corrections(said, outcomes)
    assert mean_of(added) == pytest.approx([0.0], abs=1e-12)
    now, known = (said + added)[:, 0], np.isfinite(outcomes[:, 0])
    for low, promised in ((0, 0.9), (1, 0.8), (2, 0.5)):
        within = (outcomes[:, 0] >= now[:, low]) & (outcomes[:, 0] <= now[:, -1 - low])
        assert within[known].mean() == pytest.approx(promised, abs=1e-3)
