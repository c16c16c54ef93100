import numpy as np
import pytest

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError
from quantdesk.models.target import TargetLoss, target_loss


def world(n_times: int = 400, n: int = 20) -> Dataset:
    random = np.random.default_rng(0)
    scale = np.full((n_times, n), 0.02)
    begins = np.arange(1, n_times + 1)
    return Dataset(
        times=np.datetime64("2020-01-01", "ns") + np.arange(n_times) * np.timedelta64(1, "D"),
        features=random.standard_normal((n_times, n, 1)).astype(np.float32),
        labels=0.01 + 0.02 * random.standard_normal((n_times, n, 1)),
        begins=begins,
        ends=begins[:, None] + 1,
        scale=scale,
        is_valid=np.ones((n_times, n), dtype=bool),
        feature_names=("a",),
        needs_scaling=np.ones(1, dtype=bool),
        horizons=(1,),
        symbols=tuple(f"S{i}" for i in range(n)),
    )


def named(rows: tuple[TargetLoss, ...]) -> dict[str, TargetLoss]:
    return {row.forecast: row for row in rows}


def test_each_skill_takes_its_share_of_the_squared_target_away() -> None:
    rows = named(target_loss(world(), demean=False))
    nothing = rows["zero"]
    assert nothing.mse == pytest.approx(1.25, abs=0.05)
    assert nothing.mse_return == pytest.approx(nothing.mse * 0.02**2)
    assert rows["R2 of 0 %"].mse == rows["IC of 0"].mse == nothing.mse
    assert rows["R2 of 5 %"].mse == pytest.approx(0.95 * nothing.mse)
    assert rows["IC of 0.05"].mse == pytest.approx((1 - 0.0025) * nothing.mse)


def test_useless_models_score_what_they_do_on_the_later_half() -> None:
    rows = named(target_loss(world(), demean=False))
    # Mean 0.5 and deviation 1: the mean explains a fifth; yesterday's draw doubles the variance.
    assert rows["training mean"].r2 == pytest.approx(0.2, abs=0.03)
    assert rows["persistence"].mse == pytest.approx(2.0, abs=0.1)
    relative = named(target_loss(world()))
    assert relative["training mean"].r2 == pytest.approx(0.0, abs=1e-3)
    assert relative["zero"].mse == pytest.approx(0.95, abs=0.04)


def test_what_is_known_as_a_forecast_has_its_loss_under_huber_as_networks_are_trained_by() -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra `deep`")
    from quantdesk.models.learning.fit import Lesson
    from quantdesk.models.learning.losses import Huber

    rows, targets = (
        named(target_loss(world())),
        torch.from_numpy(Lesson.of(world(), True, 0.5).targets[200:, :, 0]).reshape(-1, 1),
    )
    wanted = float(Huber()(torch.zeros(len(targets), 1, 1, dtype=torch.float64), targets, torch.zeros(len(targets))))
    assert rows["zero"].huber == pytest.approx(wanted, rel=1e-9)
    assert wanted < rows["zero"].mse / 2
    assert rows["IC of 0.05"].huber is None


def test_the_training_mean_knows_nothing_of_the_later_half() -> None:
    dataset = world()
    before = named(target_loss(dataset, demean=False))["training mean"]
    dataset.labels[198:200] = 1e3
    assert named(target_loss(dataset, demean=False))["training mean"] != before
    dataset = world()
    dataset.labels[199] = 1e3
    assert named(target_loss(dataset, demean=False))["training mean"] == before


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(DataError, match="samples with a known label"):
        target_loss(world(4, 5))
