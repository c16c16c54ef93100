"""Datasets with a known truth, built from numpy alone."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset


def dataset_of(returns: Float64, features: Float64, scale: Float64, horizons: tuple[int, ...] = (1,)) -> Dataset:
    """Cut a dataset from one-bar log returns; the label of row t sums the returns of t+2 to t+1+h."""
    n_times, n_instruments = returns.shape
    total = np.vstack([np.zeros(n_instruments), np.cumsum(returns, axis=0)])
    labels = np.full((n_times, n_instruments, len(horizons)), np.nan)
    for place, horizon in enumerate(horizons):
        labels[: n_times - 1 - horizon, :, place] = total[2 + horizon :] - total[2 : n_times - horizon + 1]
    begins = np.arange(n_times) + 1
    return Dataset(
        times=np.datetime64("2001-01-01", "ns") + np.arange(n_times) * np.timedelta64(1, "D"),
        features=features.astype(np.float32),
        labels=labels,
        begins=begins,
        ends=begins[:, None] + np.array(horizons),
        scale=scale,
        is_valid=np.ones(returns.shape, dtype=bool),
        feature_names=tuple(f"feature_{place}" for place in range(features.shape[2])),
        needs_scaling=np.ones(features.shape[2], dtype=bool),
        horizons=horizons,
        symbols=tuple(f"S{place}" for place in range(n_instruments)),
    )


def planted(ic: float, n_times: int = 700, n_instruments: int = 40, seed: int = 0, horizons: tuple[int, ...] = (1,)) -> Dataset:
    """Plant a linear signal: feature 0 has correlation ``ic`` with the next bar's standardised return."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((n_times, n_instruments, 5))
    noise = random.standard_normal((n_times, n_instruments))
    scale = np.exp(random.normal(-4.0, 0.4, n_instruments)) * np.ones((n_times, 1))
    market = 0.5 * random.standard_normal((n_times, 1))
    returns = market + noise
    returns[2:] += ic * features[:-2, :, 0]
    return dataset_of(returns * scale, 3.0 + 2.0 * features, scale, horizons)


def garch(n_times: int, n_instruments: int, seed: int, break_at: int | None = None) -> tuple[Float64, Float64]:
    """Simulate GARCH(.05, .10, .85) returns in percent and their EWMA volatility; volatility may triple at a row."""
    random = np.random.default_rng(seed)
    returns = np.empty((n_times, n_instruments))
    variance, ewma = np.ones(n_instruments), np.ones(n_instruments)
    scale = np.empty_like(returns)
    for time in range(n_times):
        factor = 3.0 if break_at is not None and time >= break_at else 1.0
        shock = np.sqrt(variance) * random.standard_normal(n_instruments)
        returns[time] = factor * shock
        variance = 0.05 + 0.10 * shock**2 + 0.85 * variance
        ewma = 0.94 * ewma + 0.06 * returns[time] ** 2
        scale[time] = np.sqrt(ewma)
    return returns, scale
