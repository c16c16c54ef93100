"""Correlations of features with labels, and the band that noise fills."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError
from quantdesk.features.correlation import Correlation, correlations
from quantdesk.features.shuffled import pearson, shuffled_pearson, standard_error


def _smooth(shocks: Float64, memory: float) -> Float64:
    values = shocks.copy()
    for t in range(1, len(values)):
        values[t] += memory * values[t - 1]
    return values


def _noise(seed: int, n_times: int = 700, n_instruments: int = 8, n_features: int = 12) -> Dataset:
    """Draw features with no link to the labels; both grow wild together, and share a market.

    A quarter of the features is quick, a quarter slow, a quarter slow and common to all instruments, and a quarter
    the volatility itself.
    """
    draw = np.random.default_rng([seed, 3])
    horizons = (1, 10)
    log_volatility = _smooth(draw.normal(0, 0.12, (n_times + 12, 1)), 0.97)
    shocks = np.exp(log_volatility) * (
        draw.standard_normal((n_times + 12, 1)) + draw.standard_normal((n_times + 12, n_instruments))
    )
    total = np.cumsum(0.01 * shocks, axis=0)
    labels = np.stack([total[1 + h : n_times + 1 + h] - total[1 : n_times + 1] for h in horizons], axis=-1)
    kinds = (
        lambda: draw.standard_normal((n_times, n_instruments)),
        lambda: _smooth(draw.standard_normal((n_times, n_instruments)), 0.98),
        lambda: np.repeat(_smooth(draw.standard_normal((n_times, 1)), 0.98), n_instruments, axis=1),
        lambda: log_volatility[:n_times] + 0.3 * draw.standard_normal((n_times, n_instruments)),
    )
    features = np.stack([kinds[i % 4]() for i in range(n_features)], axis=-1)
    return _dataset(features, labels, horizons)


def _dataset(features: Float64, labels: Float64, horizons: tuple[int, ...]) -> Dataset:
    n_times, n_instruments, n_features = features.shape
    begins = np.arange(n_times, dtype=np.int64) + 1
    return Dataset(
        times=np.datetime64("2015-01-01T21:00", "ns") + np.arange(n_times) * np.timedelta64(1, "D"),
        features=features.astype(np.float32),
        labels=labels,
        begins=begins,
        ends=begins[:, None] + np.array(horizons, dtype=np.int64),
        scale=np.full((n_times, n_instruments), 0.01),
        is_valid=np.ones((n_times, n_instruments), dtype=np.bool_),
        feature_names=tuple(f"f{i}" for i in range(n_features)),
        needs_scaling=np.ones(n_features, dtype=np.bool_),
        horizons=horizons,
        symbols=tuple(f"S{i}" for i in range(n_instruments)),
    )


def _row(rows: tuple[Correlation, ...], feature: str, horizon: int) -> Correlation:
    return next(row for row in rows if (row.feature, row.horizon) == (feature, horizon))


def test_on_noise_few_tables_show_anything_beyond_the_band() -> None:
    # 40 tables at a rate of 5 %: more than 6 in 1.4 % of test runs, were the seeds not fixed.
    found = sum(any(row.is_beyond_noise for row in correlations(_noise(seed), 200)) for seed in range(40))
    assert found <= 6


def test_a_planted_link_lies_beyond_the_band_and_has_its_sign() -> None:
    noise = _noise(1)
    features = noise.features.astype(np.float64)
    features[:, :, 4] -= 30.0 * noise.labels[:, :, 1]
    rows = correlations(_dataset(features, noise.labels, noise.horizons), 200)
    planted = _row(rows, "f4", 10)
    assert planted.is_beyond_noise
    assert planted.pearson < -0.5
    assert planted.t < -5
    assert {row.feature for row in rows if row.is_beyond_noise} == {"f4"}


def test_a_weak_link_in_a_small_table_is_within_what_noise_shows() -> None:
    # Eleven instruments, 50 features, quarterly labels of six years: a best of 0.13 is nothing.
    draw = np.random.default_rng(2)
    market = np.cumsum(draw.normal(0, 0.01, (1576, 1)) + draw.normal(0, 0.015, (1576, 11)), axis=0)
    labels = (market[64:] - market[1:-63])[:, :, None]
    features = np.stack([_smooth(draw.standard_normal((1512, 11)), 0.99) for _ in range(50)], axis=-1)
    rows = correlations(_dataset(features, labels, (63,)), 200)
    assert max(abs(row.pearson) for row in rows) > 0.1
    assert not any(row.is_beyond_noise for row in rows)
    assert np.mean([row.expected_best for row in rows]) > 0.13


def test_values_that_grow_wild_together_widen_the_band() -> None:
    rows = correlations(_noise(5), 200)
    quick, wild = (_row(rows, name, 1).band for name in ("f0", "f3"))
    assert wild > 1.5 * quick


def test_figures_are_those_of_the_textbook_over_valid_samples() -> None:
    noise = _noise(3)
    noise.features[10:50, 2, 1] = np.nan
    noise.labels[-5:, :, 0] = np.nan
    noise.is_valid[100:120] = False
    row = _row(correlations(noise, 100), "f1", 1)
    keep = noise.is_valid & np.isfinite(noise.features[:, :, 1]) & np.isfinite(noise.labels[:, :, 0])
    x, y = noise.features[:, :, 1][keep].astype(np.float64), noise.labels[:, :, 0][keep]
    assert row.n_samples == keep.sum()
    assert row.pearson == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)
    assert row.spearman == pytest.approx(spearmanr(x, y).statistic, abs=1e-3)


def test_the_table_goes_by_horizon_and_then_from_high_to_low() -> None:
    rows = correlations(_noise(4), 100)
    assert [row.horizon for row in rows] == [1] * 12 + [10] * 12
    values = [row.pearson for row in rows[:12]]
    assert values == sorted(values, reverse=True)
    assert all(0 < row.expected_best < row.band < 1 for row in rows)


def test_a_feature_that_does_not_vary_has_no_correlation_and_stands_last() -> None:
    noise = _noise(6)
    noise.features[:, :, 0] = 2.0
    noise.features[:, :, 1] = np.nan
    rows = correlations(noise, 100)
    assert {row.feature for row in rows[10:12]} == {"f0", "f1"}
    assert np.isnan([row.pearson for row in rows[10:12]]).all()
    assert not any(row.is_beyond_noise for row in rows[10:12])


def test_the_same_seed_gives_the_same_table_and_the_band_does_not_depend_on_units() -> None:
    noise = _noise(7)
    once, again = correlations(noise, 100), correlations(noise, 100)
    assert once == again
    other = correlations(_dataset(noise.features.astype(np.float64) * 1000.0 + 5000.0, noise.labels, noise.horizons), 100)
    assert _row(other, "f2", 10).band == pytest.approx(_row(once, "f2", 10).band, rel=1e-3)


def test_shuffled_correlations_are_those_of_blocks_that_changed_places() -> None:
    draw = np.random.default_rng(8)
    x, y = draw.normal(3, 2, (2, 46, 3)), draw.normal(-1, 1, (1, 46, 3))
    x[0, 4:9, 1], y[0, 20:30, 2] = np.nan, np.nan
    orders = np.array([[0, 1, 2, 3], [2, 0, 3, 1]])
    found = shuffled_pearson(x, y, orders, 11)
    moved = y[:, :44].reshape(1, 4, 11, 3)[:, orders[1]].reshape(1, 44, 3)
    assert found.shape == (2, 2, 1)
    for feature in range(2):
        assert found[0, feature, 0] == pytest.approx(pearson(x[feature, :44], y[0, :44]))
        assert found[1, feature, 0] == pytest.approx(pearson(x[feature, :44], moved[0]))


def test_the_standard_error_is_the_spread_of_correlations_under_overlap_and_likeness() -> None:
    draw = np.random.default_rng(9)
    errors, seen = [], []
    for _ in range(300):
        x = _smooth(draw.standard_normal((400, 1)), 0.9) + draw.standard_normal((400, 3))
        steps = np.cumsum(draw.standard_normal((406, 1)) + draw.standard_normal((406, 3)), axis=0)
        y = steps[5:-1] - steps[:-6]
        errors.append(standard_error(x, y, 10))
        seen.append(pearson(x, y))
    assert np.mean(errors) == pytest.approx(np.std(seen), rel=0.15)


def test_a_history_of_few_blocks_is_refused_with_their_number() -> None:
    with pytest.raises(DataError, match="5 blocks of 63 bars"):
        correlations(_noise(1, n_times=370), 100)
    with pytest.raises(DataError, match="50 shuffles"):
        correlations(_noise(1), 50)
