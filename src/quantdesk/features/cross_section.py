"""Compare the instruments of each bar with one another."""

from collections.abc import Callable, Mapping

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled
from quantdesk.features.windows import row_ranks

MIN_INSTRUMENTS = 3
"""Instruments with a value, below which a straight line through them says nothing."""


def rank(values: Float64) -> Float64:
    """Rank evenly from -0.5 to 0.5 (n_times, n_instruments); see ``row_ranks``."""
    return row_ranks(values)


def score(values: Float64) -> Float64:
    """Express values in standard deviations from each bar's mean (n_times, n_instruments), cut at 3."""
    return _score(_plain(values))


def average(values: Float64) -> Float64:
    """Give every instrument the mean of each bar's values (n_times, n_instruments)."""
    return np.broadcast_to(_average(_plain(values))[:, None], values.shape)


def within_group(values: Float64, groups: Float64) -> Float64:
    """Subtract the mean of the instruments of the same group (n_times, n_instruments).

    NaN for an instrument whose group is not known (NaN), or that stands alone in it.
    """
    return _within_group(_plain(values), _plain(groups))


def residual(values: Float64, exposure: Float64) -> Float64:
    """Subtract each bar's least-squares line of values on an exposure (n_times, n_instruments).

    NaN where fewer than three instruments have both.
    """
    return _residual(_plain(values), _plain(exposure))


KINDS: Mapping[str, Callable[..., Float64]] = {
    "rank": rank,
    "score": score,
    "average": average,
    "within_group": within_group,
    "residual": residual,
}


def _plain(values: Float64) -> Float64:
    return np.require(values, np.float64, ["C", "W"])


@compiled
def _average(values: Float64) -> Float64:
    out = np.full(len(values), np.nan)
    for t in range(len(values)):
        total, count = 0.0, 0
        for value in values[t]:
            if value == value:
                total += value
                count += 1
        if count > 0:
            out[t] = total / count
    return out


@compiled
def _score(values: Float64) -> Float64:
    out = np.full(values.shape, np.nan)
    means = _average(values)
    for t in range(len(values)):
        squares, count = 0.0, 0
        for value in values[t]:
            if value == value:
                squares += (value - means[t]) ** 2
                count += 1
        if count < MIN_INSTRUMENTS:
            continue
        spread = np.sqrt(squares / count)
        for i in range(values.shape[1]):
            if values[t, i] == values[t, i]:
                z = np.divide(values[t, i] - means[t], spread) if spread > 1e-12 * abs(means[t]) + 1e-300 else 0.0
                out[t, i] = min(max(z, -3.0), 3.0)
    return out


@compiled
def _within_group(values: Float64, groups: Float64) -> Float64:
    n_times, n = values.shape
    out = np.full((n_times, n), np.nan)
    n_groups = 1
    for t in range(n_times):
        for i in range(n):
            if groups[t, i] >= n_groups:
                n_groups = int(groups[t, i]) + 1
    total, count = np.zeros(n_groups), np.zeros(n_groups)
    for t in range(n_times):
        total[:] = 0.0
        count[:] = 0.0
        for i in range(n):
            if groups[t, i] >= 0.0 and values[t, i] == values[t, i]:
                total[int(groups[t, i])] += values[t, i]
                count[int(groups[t, i])] += 1.0
        for i in range(n):
            if groups[t, i] >= 0.0 and count[int(groups[t, i])] > 1.0:
                out[t, i] = values[t, i] - total[int(groups[t, i])] / count[int(groups[t, i])]
    return out


@compiled
def _residual(values: Float64, exposure: Float64) -> Float64:
    n_times, n = values.shape
    out = np.full((n_times, n), np.nan)
    for t in range(n_times):
        count, mean_x, mean_y = 0, 0.0, 0.0
        for i in range(n):
            if values[t, i] * exposure[t, i] == values[t, i] * exposure[t, i]:
                count += 1
                mean_x += exposure[t, i]
                mean_y += values[t, i]
        if count < MIN_INSTRUMENTS:
            continue
        mean_x /= count
        mean_y /= count
        xx, xy = 0.0, 0.0
        for i in range(n):
            if values[t, i] * exposure[t, i] == values[t, i] * exposure[t, i]:
                xx += (exposure[t, i] - mean_x) ** 2
                xy += (exposure[t, i] - mean_x) * (values[t, i] - mean_y)
        slope = xy / xx if xx > 1e-12 else 0.0
        for i in range(n):
            out[t, i] = values[t, i] - mean_y - slope * (exposure[t, i] - mean_x)
    return out
