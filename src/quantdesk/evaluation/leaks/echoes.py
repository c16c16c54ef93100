"""Find what is the answer itself: a column so correlated with what follows that no honest one could be."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.bars import carry_forward, log_changes
from quantdesk.domain.dataset import Dataset

ECHO = 0.4
"""Correlation with its label above which a thing is taken for the answer itself: the best features
known to the literature reach a quarter of it."""

BOUNCE = 0.6
"""The same against the next bar's return: prices that bounce between bid and ask reach -0.5 (Roll 1984)."""

MIN_SAMPLES = 200

N_SAMPLES = 12_000
"""Looked at of each feature inside an evaluation: enough to tell 0.4 from 0.1, and soon ranked."""

MOST_SUSPECTS = 3


@dataclass(frozen=True)
class Echo:
    """Name a thing that knows what follows.

    Parameters
    ----------
    thing : str
        The feature or forecast.
    correlation : float
        Rank correlation over all samples at once.
    answer : str
        With what: its label, or the next bar's return.
    """

    thing: str
    correlation: float
    answer: str


def echo_of(thing: str, values: Float64, labels: Float64, horizon: int, close: Float64) -> Echo | None:
    """Correlate values with their label, then with the next bar's return.

    Parameters
    ----------
    thing : str
        What the values are.
    values : Float64
        Shape (n_times, n_instruments), NaN where missing.
    labels : Float64
        What they should not know (n_times, n_instruments).
    horizon : int
        Bars that a label looks over.
    close : Float64
        Prices of the same bars (n_times, n_instruments).

    Returns
    -------
    Echo or None
        The first correlation that no honest thing reaches; None where there is none, or too little to tell.
    """
    following = np.full(close.shape, np.nan)
    following[:-1] = log_changes(carry_forward(close))[1:]
    answers = (("its label", labels, ECHO, horizon), ("the next bar's return", following, BOUNCE, 1))
    for answer, outcomes, bound, overlap in answers:
        known = np.isfinite(values) & np.isfinite(outcomes)
        n_days = known.any(axis=1).sum() / overlap
        if known.sum() < MIN_SAMPLES or n_days < 2:
            continue
        value = _correlation(values[known], outcomes[known])
        if abs(value) > max(bound, 6.0 / np.sqrt(n_days)):
            return Echo(thing, value, answer)
    return None


def echoes(dataset: Dataset, close: Float64) -> tuple[Echo, ...]:
    """List the features that are the answer itself, the most telling first, from instruments spread evenly."""
    n_times, n_instruments, _ = dataset.features.shape
    n_kept = min(n_instruments, max(1, N_SAMPLES // n_times))
    columns: Ints = np.linspace(0, n_instruments - 1, n_kept).round().astype(np.int64)
    shortest = int(np.argmin(dataset.horizons))
    labels, prices, horizon = dataset.labels[:, columns, shortest], close[:, columns], dataset.horizons[shortest]
    features = np.moveaxis(dataset.features[:, columns], -1, 0).astype(np.float64)
    named = zip(dataset.feature_names, features, strict=True)
    found = [echo_of(f"feature {name}", values, labels, horizon, prices) for name, values in named]
    ordered = sorted((one for one in found if one), key=lambda one: -abs(one.correlation))
    return tuple(ordered)[:MOST_SUSPECTS]


def _correlation(values: Float64, outcomes: Float64) -> float:
    return float(np.mean(_normal(values) * _normal(outcomes)))


def _normal(values: Float64) -> Float64:
    # Ranks: one wild value must neither make nor hide a correlation.
    ranks = np.argsort(np.argsort(values)).astype(np.float64)
    return (ranks - ranks.mean()) / ranks.std() if np.ptp(values) > 0 else np.zeros(len(values))
