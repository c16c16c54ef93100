"""What a useless column would show: a band for the furthest of many, from blocks of times that change sign together."""

from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.explanation.findings import RARE

N_FLIPS = 999
"""Worlds drawn."""

N_BLOCKS = 30
"""Blocks at most: enough to vary, and long enough that what lingers from one time to the next stays inside."""


class Noise(NamedTuple):
    """Beside each mean (n_columns,): its standard error, the half-width of its band, and its p-value."""

    mean: Float64
    error: Float64
    reach: Float64
    p_values: Float64


def noise(differences: Float64, random: np.random.Generator, n_flips: int = N_FLIPS) -> Noise:
    """Set means beside those of useless columns.

    Under the null a column's differences centre on zero, so that a block of times is as likely with either sign.
    Whole blocks change sign together, in all columns at once: the wild bootstrap of clustered data, with the null
    imposed (Liu 1988; Cameron, Gelbach & Miller 2008). Each world keeps its furthest studentised mean, in either
    direction, so that the band holds for all columns together (Westfall & Young 1993).

    Parameters
    ----------
    differences : Float64
        What each column's loss cost at each time (n_times, n_columns).
    random : numpy.random.Generator
        Draws the signs.
    n_flips : int
        Worlds drawn.
    """
    parts, shares = blocks(differences)
    signs = random.choice(np.array([-1.0, 1.0]), (n_flips, len(parts)))
    (mean,), (error,) = _means_and_errors(np.ones((1, len(parts))), parts, shares)
    furthest = np.abs(_over(*_means_and_errors(signs, parts, shares))).max(axis=1, initial=0.0)
    own = np.abs(_over(mean, error))
    p_values = (1 + (furthest[:, None] >= own * (1.0 - 1e-9)).sum(axis=0)) / (1 + n_flips)
    # Beyond the k-th furthest of the worlds a p-value is at most RARE.
    limit = np.sort(furthest)[-max(int(RARE * (1 + n_flips)), 1)]
    return Noise(mean, error, limit * error, np.where(own > 0, p_values, 1.0))


def blocks(differences: Float64) -> tuple[Float64, Float64]:
    """Cut times into blocks: what each adds to the means (n_blocks, n_columns), and its share of the times (n_blocks,)."""
    n_times = len(differences)
    cuts = np.array_split(np.arange(n_times), min(n_times, N_BLOCKS))
    sums = np.stack([differences[cut].sum(axis=0) for cut in cuts])
    return sums / n_times, np.array([len(cut) for cut in cuts]) / n_times


def _means_and_errors(signs: Float64, parts: Float64, shares: Float64) -> tuple[Float64, Float64]:
    # Of each world (n_worlds, n_columns): the sum over blocks, and its error, from how far each block is off its share of it.
    means = signs @ parts
    squares = (parts**2).sum(axis=0) - 2.0 * means * (signs @ (shares[:, None] * parts)) + means**2 * (shares**2).sum()
    is_flat = squares <= 1e-12 * (parts**2).sum(axis=0)
    return means, np.sqrt(np.where(is_flat, 0.0, squares) * len(parts) / max(len(parts) - 1, 1))


def _over(means: Float64, errors: Float64) -> Float64:
    return np.where(errors > 0, means / np.where(errors > 0, errors, 1.0), 0.0)
