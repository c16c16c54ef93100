"""Datasets whose instruments answer to the same features each in its own way."""

from dataclasses import replace

import numpy as np
from planted import dataset_of

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.ports import Forecaster


def differing(n_times: int, n_instruments: int, seed: int, shared: float, strength: float = 0.4) -> Dataset:
    """Let a return follow a mixture of three features: partly the one of all instruments, partly its own."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((n_times, n_instruments, 3))
    own = random.standard_normal((n_instruments, 3))
    mixture = shared * np.ones(3) / np.sqrt(3) + (1 - shared) * own / np.linalg.norm(own, axis=1, keepdims=True)
    mixture /= np.linalg.norm(mixture, axis=1, keepdims=True)
    return _traded(features, (features * mixture).sum(axis=-1), strength, random)


def signed(n_times: int, n_instruments: int, seed: int, strength: float = 0.7, prefix: str = "S") -> Dataset:
    """Let two of eight features drive every instrument, half of them up and half of them down."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((n_times, n_instruments, 8))
    signs = np.where(np.arange(n_instruments) % 2 == 0, 1.0, -1.0)
    drive = 1.2 * signs * np.sin(features[..., 0] + features[..., 1])
    dataset = _traded(features, drive, strength, random)
    return replace(dataset, symbols=tuple(f"{prefix}{place}" for place in range(n_instruments)))


def correlation(forecaster: Forecaster, dataset: Dataset, start: int) -> float:
    """Correlate forecast means with outcomes from a time on, all instruments together."""
    said, happened = forecaster.forecast(dataset).mean[start:, :, 0], dataset.labels[start:, :, 0]
    known = np.isfinite(happened)
    return float(np.corrcoef(said[known], happened[known])[0, 1])


def _traded(features: Float64, drive: Float64, strength: float, random: np.random.Generator) -> Dataset:
    returns = np.sqrt(1 - strength**2) * random.standard_normal(drive.shape)
    returns[2:] += strength * drive[:-2]
    return dataset_of(0.01 * returns, features, np.full(drive.shape, 0.01))
