import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from differing import correlation, signed

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from torch import Tensor  # noqa: E402

from quantdesk.domain.dataset import Dataset  # noqa: E402
from quantdesk.domain.errors import DataError, StrategyError  # noqa: E402
from quantdesk.models.adaptation import Adaptation  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.learning.individual import only  # noqa: E402
from quantdesk.models.learning.losses import Quantiles, RankIC  # noqa: E402
from quantdesk.models.learning.maml import Tasks, Weights, adapted  # noqa: E402
from quantdesk.models.learning.meta_forecaster import MetaForecaster  # noqa: E402
from quantdesk.models.learning.network import Network  # noqa: E402
from quantdesk.models.learning.windows import Windows  # noqa: E402
from quantdesk.models.maml import MetaLearned  # noqa: E402
from quantdesk.models.networks.gru import GRU  # noqa: E402
from quantdesk.models.networks.lstm import LSTM  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.patchtst import PatchTST  # noqa: E402
from quantdesk.models.networks.tcn import TCN  # noqa: E402
from quantdesk.models.networks.transformer import Transformer  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

NETWORK = MLP(width=24, depth=1, dropout=0.0)
TRAINING = Training(epochs=5, batch=200, learning_rate=1e-2, patience=0)
FEW = Adaptation(shots=12, steps=2, rate=0.3)
TINY = Training(epochs=1, batch=256)


@cache
def source() -> Dataset:
    return signed(150, 20, seed=2)


@cache
def newcomers() -> Dataset:
    return signed(60, 10, seed=3, prefix="N")


@cache
def three() -> Dataset:
    return only(newcomers().rows(0, 32), np.array([0, 1, 2]))


@cache
def learned() -> MetaForecaster:
    return MetaLearned(NETWORK, training=TRAINING, adaptation=FEW, demean=False).fit(source(), 0)


def quadratic(weights: Weights, goal: float) -> Tensor:
    return 0.5 * ((weights["w"] - goal) ** 2).sum()


@pytest.mark.parametrize("n_steps", [1, 3])
def test_adapting_to_a_quadratic_shrinks_the_distance_by_the_same_factor_at_every_step(n_steps: int) -> None:
    start = {"w": torch.tensor([3.0, -1.0], dtype=torch.float64, requires_grad=True)}
    moved = adapted(lambda own: quadratic(own, 1.0), start, Adaptation(steps=n_steps, rate=0.25), is_learning=False)
    expected = 1.0 + 0.75**n_steps * torch.tensor([2.0, -2.0], dtype=torch.float64)
    torch.testing.assert_close(moved["w"].detach(), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("is_second_order", "factor"), [(True, 0.75**3), (False, 1.0)])
def test_only_the_second_order_looks_through_the_steps(is_second_order: bool, factor: float) -> None:
    start = {"w": torch.tensor([3.0], dtype=torch.float64, requires_grad=True)}
    inner = Adaptation(steps=3, rate=0.25, is_second_order=is_second_order)
    moved = adapted(lambda own: quadratic(own, 1.0), start, inner, is_learning=True)
    (slope,) = torch.autograd.grad(quadratic(moved, 5.0), start["w"])
    assert float(slope) == pytest.approx(factor * (1.0 + 0.75**3 * 2.0 - 5.0), rel=1e-12)


def test_a_task_is_judged_only_by_samples_decided_after_its_labels_were_known() -> None:
    n_times, n_names, horizon = 30, 3, 4
    rows = torch.arange(n_times * n_names)[torch.rand(n_times * n_names, generator=torch.Generator().manual_seed(0)) > 0.3]
    samples = Windows(torch.zeros(n_times * n_names, 1), n_names, 1, torch.zeros(len(rows), 1), rows)
    decided, known = np.arange(n_times), np.arange(n_times) + 1 + horizon
    tasks = Tasks.of(samples, decided, known, shots=5)
    assert len(tasks) > 30
    for support, query in zip(tasks.support, tasks.query, strict=True):
        taught, judged = (rows.numpy()[tasks.order[slice(*places)]] for places in (support, query))
        assert len({*(taught % n_names), *(judged % n_names)}) == 1
        assert 1 <= len(taught) <= 5
        assert 1 <= len(judged) <= 5
        assert known[taught // n_names].max() <= decided[judged // n_names].min()


@cache
def said_of_newcomers() -> tuple[float, float]:
    """Correlate from the day on which 12 labels are known, and from the 36th."""
    new, means = newcomers(), learned().forecast(newcomers()).mean[:-2, :, 0]
    early, late = (np.corrcoef(means[start:].ravel(), new.labels[start:-2, :, 0].ravel())[0, 1] for start in (14, 36))
    return float(early), float(late)


def test_a_dozen_labels_of_a_new_instrument_tell_more_than_training_from_scratch_on_three_dozen() -> None:
    scratch, new = [], newcomers()
    for place in range(len(new.symbols)):
        alone = only(new, np.array([place]))
        plain = Training(epochs=40, batch=34, learning_rate=1e-2, patience=0, validation_share=0)
        scratch.append(Deep(NETWORK, training=plain, demean=False).fit(alone.rows(0, 34), 0).forecast(alone).mean[36:-2, 0, 0])
    outcomes = new.labels[36:-2, :, 0].T
    _, adapted_ic = said_of_newcomers()
    assert adapted_ic > 0.2
    assert adapted_ic > float(np.corrcoef(np.ravel(scratch), np.ravel(outcomes))[0, 1]) + 0.05


def test_without_adapting_nothing_is_known_where_instruments_answer_with_opposite_signs() -> None:
    assert abs(correlation(learned().own.shared, newcomers(), 14)) < 0.15
    assert said_of_newcomers()[0] > 0.2


def test_a_known_instrument_has_weights_adapted_on_its_last_labels() -> None:
    values = learned().own.values
    assert values.shape[0] == len(source().symbols)
    after = learned().at(source(), len(source()) - 1, 4)
    windows = newcomers().rows(20, 30)
    known = learned().forecast(replace(windows, symbols=source().symbols[:10])).quantiles[:, 4]
    np.testing.assert_allclose(after.forecast(windows).quantiles[:, 4], known, rtol=1e-5)
    assert np.abs(known - learned().own.shared.forecast(windows).quantiles[:, 4]).max() > 1e-4


def test_a_new_instrument_is_forecast_one_row_at_a_time_as_in_a_batch() -> None:
    new, forecaster = three(), learned()
    batch = forecaster.forecast(new).quantiles
    for row in (0, 7, 20, 31):
        seen = new.rows(max(0, row + 1 - forecaster.lookback), row + 1)
        np.testing.assert_array_equal(forecaster.forecast(seen).quantiles[-1], batch[row])


def test_labels_that_had_not_ended_change_nothing_and_one_that_had_does() -> None:
    now, clean, forecaster = 24, three(), learned()
    before = forecaster.forecast(clean).quantiles
    ended = clean.ends[:, 0] <= clean.begins[now] - 1
    poisoned = replace(clean, labels=np.where(ended[:, None, None], clean.labels, 0.5))
    np.testing.assert_array_equal(forecaster.forecast(poisoned).quantiles[: now + 1], before[: now + 1])
    last = np.arange(len(clean)) == np.flatnonzero(ended)[-1]
    changed = replace(clean, labels=np.where(last[:, None, None], 0.02, clean.labels))
    assert (forecaster.forecast(changed).quantiles[now] != before[now]).any()
    np.testing.assert_array_equal(forecaster.forecast(changed).quantiles[now - 1], before[now - 1])


def test_an_instrument_without_a_label_is_forecast_with_the_shared_weights() -> None:
    new = newcomers().rows(0, 2)
    np.testing.assert_array_equal(learned().forecast(new).quantiles, learned().own.shared.forecast(new).quantiles)


def test_contributions_of_a_new_instrument_sum_to_its_mean() -> None:
    new = three().rows(0, 28)
    whole, mean = learned().contributions(new), learned().forecast(new).mean
    np.testing.assert_allclose(whole.sum(axis=-1), mean, rtol=0, atol=1e-12)
    assert np.abs(whole[20:, ..., :2]).mean() > 2 * np.abs(whole[20:, ..., 2:-1]).mean(), "the driving features stand out"


def test_a_forecaster_survives_pickling_and_forecasts_new_instruments_alike() -> None:
    again = pickle.loads(pickle.dumps(learned()))
    np.testing.assert_array_equal(again.forecast(three()).quantiles, learned().forecast(three()).quantiles)


@pytest.mark.parametrize(
    "network",
    [
        GRU(lookback=4, frames=(1, 2), hidden=4),
        LSTM(lookback=4, hidden=4, layers=1),
        TCN(lookback=4, channels=4, layers=2),
        Transformer(lookback=4, width=8, heads=2, layers=1),
        PatchTST(lookback=4, patch=2, stride=2, width=8, heads=2, layers=1, inner=8),
    ],
    ids=lambda network: type(network).__name__,
)
def test_every_kind_of_network_can_be_learned_through_its_own_steps(network: Network) -> None:
    forecaster = MetaLearned(network, Quantiles(), TINY, Adaptation(shots=8, steps=1)).fit(signed(40, 3, seed=1), 0)
    values = forecaster.forecast(signed(12, 2, seed=4, prefix="N")).quantiles
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=-1) >= 0).all()


def test_what_cannot_be_adapted_is_refused() -> None:
    with pytest.raises(StrategyError, match="RankIC"):
        MetaLearned(NETWORK, RankIC(), TINY).fit(source(), 0)
    with pytest.raises(StrategyError, match="validation span"):
        MetaLearned(NETWORK, training=Training(validation_share=0))
    with pytest.raises(StrategyError, match="2 processes"):
        MetaLearned(MLP(2), training=Training(n_processes=2))
    with pytest.raises(StrategyError, match="shots is 0"):
        Adaptation(shots=0)
    with pytest.raises(DataError, match="samples"):
        MetaLearned(NETWORK, training=TINY).fit(source().rows(0, 3), 0)
