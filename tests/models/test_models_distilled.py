import math
import pickle
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from planted import planted

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from quantdesk.domain.arrays import Float64  # noqa: E402
from quantdesk.domain.dataset import Dataset  # noqa: E402
from quantdesk.domain.errors import DataError, StrategyError  # noqa: E402
from quantdesk.domain.forecast import LEVELS, Forecasts  # noqa: E402
from quantdesk.models.distilled import Distilled  # noqa: E402
from quantdesk.models.fitting import horizon_volatility  # noqa: E402
from quantdesk.models.grinold import Grinold  # noqa: E402
from quantdesk.models.learning.distillation import (  # noqa: E402
    DistilledForecaster,
    Imitation,
    ic,
    log_odds,
    pinball,
    unseen_forecasts,
)
from quantdesk.models.learning.losses import Quantiles  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.ridge import Ridge  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

STUDENT = MLP(width=32, depth=2, dropout=0.0)
TRAINING = Training(epochs=10, batch=256, learning_rate=3e-3, patience=0)
WORLD = planted(ic=0.15, n_times=500, n_instruments=20)
LATER = planted(ic=0.15, n_times=700, n_instruments=20, seed=8)


@dataclass(frozen=True)
class Memory:
    """Remember the labels that were learned from, and know nothing else."""

    def fit(self, dataset: Dataset, seed: int) -> "Remembered":
        return Remembered(dataset)


@dataclass(frozen=True, eq=False)
class Remembered:
    learned: Dataset
    lookback: int = 1

    def forecast(self, dataset: Dataset) -> Forecasts:
        known = np.isin(dataset.times, self.learned.times)
        said = np.zeros((*dataset.labels.shape, len(LEVELS)))
        said[known] = self.learned.labels[np.isin(self.learned.times, dataset.times)][..., None]
        return Forecasts(dataset.times, dataset.symbols, dataset.horizons, np.nan_to_num(said))

    def contributions(self, dataset: Dataset) -> Float64:
        raise NotImplementedError

    def importance(self) -> Float64:
        raise NotImplementedError


@cache
def student(alpha: float) -> DistilledForecaster:
    return Distilled(Ridge(), STUDENT, alpha=alpha, training=TRAINING).fit(WORLD, 0)


def later_ic(forecaster: DistilledForecaster) -> float:
    said = forecaster.forecast(LATER).quantiles / horizon_volatility(LATER)[..., None]
    return ic(said, LATER.labels / horizon_volatility(LATER))


def test_the_student_never_hears_what_the_teacher_remembers() -> None:
    said = unseen_forecasts(Memory(), WORLD, first_judged=400, blocks=4, seed=0)
    assert np.isnan(said[:100]).all(), "nothing was learned before the first block"
    np.testing.assert_array_equal(said[100:], 0.0)


def test_each_teacher_learns_from_labels_that_had_ended() -> None:
    spans = []

    @dataclass(frozen=True)
    class Watched:
        def fit(self, dataset: Dataset, seed: int) -> Remembered:
            spans.append(int(dataset.ends.max()))
            return Remembered(dataset)

    unseen_forecasts(Watched(), planted(0.0, 120, 3, horizons=(1, 5)), first_judged=100, blocks=4, seed=0)
    assert spans == [25, 50, 75, 100], "a label that ends at the close of a decision is known, a later one is not"


def test_a_student_keeps_most_of_what_its_teacher_knows_and_says_how_much() -> None:
    quality = student(1.0).quality
    assert quality.teacher_ic > 0.1
    assert quality.loss_of_ic == pytest.approx(quality.teacher_ic - quality.student_ic)
    assert quality.loss_of_ic < 0.3 * quality.teacher_ic
    assert 0.0 < quality.student_pinball < 1.03 * quality.teacher_pinball


def test_where_labels_are_few_and_noisy_a_teacher_that_knows_what_matters_helps() -> None:
    few = planted(ic=0.06, n_times=240, n_instruments=10)
    taught, alone = (
        Distilled(Grinold("feature_0"), STUDENT, alpha=alpha, training=TRAINING).fit(few, 0) for alpha in (1.0, 0.0)
    )
    assert later_ic(taught) > 0.1
    assert later_ic(taught) > later_ic(alone) + 0.02


def test_the_quality_is_that_of_the_forecasts_on_the_validation_span() -> None:
    first = 425
    said = student(1.0).forecast(WORLD).quantiles[first:] / horizon_volatility(WORLD)[first:, ..., None]
    outcomes = WORLD.labels[first:] / horizon_volatility(WORLD)[first:]
    assert student(1.0).quality.student_ic == pytest.approx(ic(said, outcomes), rel=1e-9)
    assert student(1.0).quality.student_pinball == pytest.approx(pinball(said, outcomes), rel=1e-9)


def test_intervals_of_the_student_cover_what_they_promise() -> None:
    quantiles, known = student(0.7).forecast(LATER).quantiles, np.isfinite(LATER.labels)
    inside = (LATER.labels >= quantiles[..., 0]) & (LATER.labels <= quantiles[..., -1])
    assert 0.85 < inside[known].mean() < 0.95


def test_the_same_seed_gives_the_same_bits_and_pickling_keeps_them() -> None:
    again = Distilled(Ridge(), STUDENT, alpha=1.0, training=TRAINING).fit(WORLD, 0)
    copy: DistilledForecaster = pickle.loads(pickle.dumps(again))
    np.testing.assert_array_equal(copy.forecast(LATER).quantiles, student(1.0).forecast(LATER).quantiles)
    assert copy.quality == student(1.0).quality


NORMAL = torch.tensor([-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645])


def test_log_odds_are_those_of_a_logistic_distribution() -> None:
    place, scale = 0.3, 0.7
    quantiles = torch.tensor([place + scale * math.log(level / (1 - level)) for level in LEVELS], dtype=torch.float64)
    assert float(log_odds(quantiles)) == pytest.approx(place / scale, rel=1e-12)


def test_a_perfect_imitation_costs_nothing_but_its_labels() -> None:
    taught = (NORMAL + 0.2).reshape(1, 1, 7)
    targets = torch.cat([torch.tensor([[0.5]]), taught.reshape(1, 7)], dim=1)
    times = torch.zeros(1)
    assert float(Imitation(2.0, 1.0)(taught, targets, times)) == pytest.approx(0.0, abs=1e-7)
    assert float(Imitation(2.0, 0.0)(taught, targets, times)) == pytest.approx(
        float(Quantiles()(taught, targets[:, :1], times))
    )


def test_imitation_adds_the_distance_of_quantiles_and_the_softened_divergence() -> None:
    said, taught, heat = (NORMAL + 0.5).reshape(1, 1, 7), NORMAL.reshape(1, 1, 7), 2.0
    targets = torch.cat([torch.tensor([[0.1]]), taught.reshape(1, 7)], dim=1)
    odds = 2 * math.log(19) * 0.5 / 3.29 / heat
    up = 1 / (1 + math.exp(-odds))
    divergence = 0.5 * math.log(0.5 / up) + 0.5 * math.log(0.5 / (1 - up))
    expected = 0.5**2 + heat**2 * divergence
    assert float(Imitation(heat, 1.0)(said, targets, torch.zeros(1))) == pytest.approx(expected, rel=1e-5)


def test_without_a_teacher_only_labels_teach_and_nothing_breaks() -> None:
    said = NORMAL.reshape(1, 1, 7).clone().requires_grad_()
    targets = torch.cat([torch.tensor([[0.4]]), torch.full((1, 7), torch.nan)], dim=1)
    (slope,) = torch.autograd.grad(Imitation(2.0, 0.7)(said, targets, torch.zeros(1)), said)
    (expected,) = torch.autograd.grad(0.3 * Quantiles()(said, targets[:, :1], torch.zeros(1)), said)
    torch.testing.assert_close(slope, expected)


def test_correlations_are_taken_over_instruments_and_over_times_where_there_are_too_few() -> None:
    random = np.random.default_rng(0)
    outcomes = random.standard_normal((50, 6, 1))
    same = np.repeat(outcomes[..., None], 7, axis=-1)
    assert ic(same, outcomes) == pytest.approx(1.0)
    assert ic(same + 10.0 * random.standard_normal((50, 1, 1, 1)), outcomes) == pytest.approx(1.0)
    assert ic(-same[:, :1], outcomes[:, :1]) == pytest.approx(-1.0)
    assert math.isnan(ic(np.zeros_like(same), outcomes))


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0.0}, {"alpha": 1.1}, {"blocks": 1}, {"training": Training(validation_share=0)}]
)
def test_a_choice_outside_its_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(StrategyError, match="Distilled"):
        Distilled(Ridge(), STUDENT, **wrong)  # type: ignore[arg-type]


def test_too_little_to_teach_with_is_refused() -> None:
    with pytest.raises(DataError, match="samples"):
        Distilled(Ridge(), STUDENT).fit(WORLD.rows(0, 2), 0)
