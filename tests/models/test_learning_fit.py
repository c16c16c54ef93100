import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from quantdesk.domain.arrays import Float64  # noqa: E402
from quantdesk.domain.dataset import Dataset  # noqa: E402
from quantdesk.domain.errors import DataError, StrategyError  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.fitting import CLIP, Scaler, demeaned, standardised_labels  # noqa: E402
from quantdesk.models.learning.fit import Lesson  # noqa: E402
from quantdesk.models.learning.losses import GaussianNLL, Huber, Loss, MultiTask, Quantiles  # noqa: E402
from quantdesk.models.learning.scaled import Scaled  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

QUICK = Training(epochs=2, batch=256, patience=0, validation_share=0.3)
NET = MLP(lookback=2, width=8, depth=1)


def world(n_times: int = 300, n: int = 10, seed: int = 0) -> Dataset:
    """Draw a market in which half of each return is that of all, one feature tells a little, and some is missing."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((n_times, n, 3)).astype(np.float32)
    scale = random.uniform(0.01, 0.03, (n_times, n))
    horizons = (1, 5)
    market = random.standard_normal((n_times, 1, 2))
    labels = 0.3 * features[..., :1] + market + random.standard_t(4, (n_times, n, 2))
    labels *= scale[..., None] * np.sqrt(horizons)
    features[random.random((n_times, n, 3)) < 0.05] = np.nan
    labels[random.random((n_times, n, 2)) < 0.05] = np.nan
    begins = np.arange(1, n_times + 1)
    return Dataset(
        times=np.datetime64("2020-01-01", "ns") + np.arange(n_times) * np.timedelta64(1, "D"),
        features=features,
        labels=labels,
        begins=begins,
        ends=begins[:, None] + np.array(horizons),
        scale=scale,
        is_valid=random.random((n_times, n)) > 0.05,
        feature_names=("a", "b", "c"),
        needs_scaling=np.ones(3, dtype=bool),
        horizons=horizons,
        symbols=tuple(f"S{i}" for i in range(n)),
    )


def coverage(dataset: Dataset, quantiles: Float64, first: int) -> Float64:
    labels, said = dataset.labels[first:], quantiles[first:]
    within = (labels >= said[..., 0]) & (labels <= said[..., -1])
    known = np.isfinite(labels) & np.isfinite(said[..., 0])
    return np.array([within[..., h][known[..., h]].mean() for h in range(labels.shape[-1])])


@pytest.mark.parametrize("demean", [True, False])
@pytest.mark.parametrize("loss", [Huber(), GaussianNLL(), Quantiles(), MultiTask()], ids=lambda loss: type(loss).__name__)
def test_the_validation_span_holds_as_many_outcomes_as_promised(loss: Loss, demean: bool) -> None:
    dataset = world()
    forecaster = Deep(NET, loss, QUICK, demean).fit(dataset, seed=0)
    covered = coverage(dataset, forecaster.forecast(dataset).quantiles, first=210)
    np.testing.assert_allclose(covered, 0.9, atol=0.01)


@pytest.mark.parametrize("loss", [Quantiles(), GaussianNLL()], ids=lambda loss: type(loss).__name__)
def test_intervals_hold_on_times_never_seen(loss: Loss) -> None:
    dataset = world(700)
    forecaster = Deep(NET, loss, QUICK).fit(dataset.rows(0, 340), seed=0)
    covered = coverage(dataset, forecaster.forecast(dataset).quantiles, first=350)
    assert np.all(np.abs(covered - 0.9) < 0.04)


def test_targets_are_relative_and_cut_and_outcomes_are_neither() -> None:
    dataset = world(80)
    lesson = Lesson.of(dataset, demean=True, validation_share=0.25)
    times, instruments = lesson.samples(0, 60, most=10_000)
    targets, outcomes = lesson.at(times, instruments)
    for h in range(2):
        whole = standardised_labels(dataset, h)
        np.testing.assert_array_equal(outcomes[:, h], whole[times, instruments])
        np.testing.assert_array_equal(targets[:, h], np.clip(demeaned(whole), -CLIP, CLIP)[times, instruments])
        np.testing.assert_array_equal(lesson.targets[..., h], np.clip(demeaned(whole), -CLIP, CLIP))
        np.testing.assert_array_equal(lesson.outcomes[..., h], whole)
    assert np.isfinite(targets).any(axis=1).all()
    assert len(times) == np.isfinite(lesson.targets[:60]).any(axis=-1).sum()


def test_samples_are_thinned_by_whole_times() -> None:
    lesson = Lesson.of(world(), demean=True, validation_share=0.0)
    times, _ = lesson.samples(0, 300, most=500)
    assert 300 < len(times) <= 520
    all_times, counts = np.unique(lesson.samples(0, 300, 100_000)[0], return_counts=True)
    kept, kept_counts = np.unique(times, return_counts=True)
    np.testing.assert_array_equal(kept_counts, counts[np.isin(all_times, kept)])


def test_labels_that_reach_into_the_validation_span_do_not_teach() -> None:
    lesson = Lesson.of(world(), demean=True, validation_share=0.3)
    assert lesson.first_judged == 210
    assert world().ends[lesson.n_taught - 1].max() <= world().begins[210] - 1 < world().ends[lesson.n_taught].max()


def test_a_horizon_without_enough_labels_is_refused() -> None:
    dataset = world()
    dataset.labels[2:, :, 1] = np.nan
    with pytest.raises(DataError, match="horizon of 5 bars"):
        Deep(NET, training=QUICK).fit(dataset.rows(0, 250), seed=0)


def test_a_horizon_not_known_on_the_validation_span_is_corrected_on_the_training_span() -> None:
    dataset = world()
    dataset.labels[205:, :, 1] = np.nan
    forecaster = Deep(NET, training=QUICK).fit(dataset, seed=0)
    covered = coverage(dataset.rows(0, 205), forecaster.forecast(dataset.rows(0, 205)).quantiles, first=0)
    np.testing.assert_allclose(covered, 0.9, atol=0.02)


def test_a_network_reads_the_same_weights_after_it_was_pickled() -> None:
    dataset = world()
    forecaster = Deep(NET, Quantiles(), QUICK).fit(dataset, seed=0)
    again = pickle.loads(pickle.dumps(forecaster))
    assert float(forecaster.module.start.abs().sum()) > 1
    np.testing.assert_array_equal(again.forecast(dataset).quantiles, forecaster.forecast(dataset).quantiles)


def test_contributions_sum_to_the_mean() -> None:
    dataset = world(120)
    forecaster = Deep(NET, Quantiles(), QUICK).fit(dataset, seed=0)
    parts, mean = forecaster.contributions(dataset), forecaster.forecast(dataset).mean
    np.testing.assert_allclose(parts.sum(axis=-1), mean, atol=1e-12)
    assert np.abs(parts[..., 0][np.isfinite(mean)]).mean() > np.abs(parts[..., 1][np.isfinite(mean)]).mean()


def test_the_effort_has_a_price(tmp_path: Path) -> None:
    priced = replace(QUICK, price_per_hour=3.6, checkpoint=tmp_path / "kept.pt")
    effort = Deep(NET, training=priced).fit(world(), seed=0).effort
    assert effort.cost == pytest.approx(effort.seconds / 1000)
    assert effort.gpu_hours == 0.0
    assert replace(effort, device="cuda").gpu_hours == pytest.approx(effort.seconds / 3600)
    with pytest.raises(StrategyError, match="price_per_hour"):
        Training(price_per_hour=-1.0)


def test_scaling_leaves_raw_windows_alone_and_puts_the_mean_where_nothing_is_known() -> None:
    scaler = Scaler(np.array([10.0, 0.0]), np.array([2.0, 1.0]), np.array([5.0, np.inf]))
    raw = torch.tensor([[[11.0, 70.0], [np.nan, np.inf]], [[1e6, -np.inf], [-1e6, np.nan]]])
    kept = raw.clone()
    scaled = Scaled(NET, scaler, 1, 1).scale(raw)
    torch.testing.assert_close(scaled, torch.tensor([[[0.5, 70.0], [0.0, 0.0]], [[5.0, 0.0], [-5.0, 0.0]]]))
    torch.testing.assert_close(raw, kept, equal_nan=True)
