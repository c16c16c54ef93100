"""Compare many strategies or models with one benchmark or with one another, and pay for having looked at many."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.errors import DataError
from quantdesk.evaluation.resampling import require_complete, share_as_large, stationary_means, typical_block_length

Discovery = Literal["Benjamini-Hochberg", "Benjamini-Yekutieli"]
"""Which dependence is allowed among p-values: positive only, or any."""


@dataclass(frozen=True)
class Superiority:
    """Say how easily luck makes the best of many look better than the benchmark.

    Attributes
    ----------
    best : int
        The column with the largest studentised excess.
    statistic : float
        That excess over its standard error; 0 where none is above the benchmark.
    reality_check : float
        White's p-value: every column is taken to be as good as the benchmark, sizes as they are.
    lower, consistent, upper : float
        Hansen's p-values, studentised. Quote ``consistent``: columns clearly worse than the
        benchmark do not count. The true p-value lies between the other two.
    mean_block : float
        Of the bootstrap, in bars.
    """

    best: int
    statistic: float
    reality_check: float
    lower: float
    consistent: float
    upper: float
    mean_block: float


def superiority(excess: Float64, *, mean_block: float | None = None, n_draws: int = 1000, seed: int = 0) -> Superiority:
    """Test whether any strategy beats the benchmark once all that were tried are counted.

    White's reality check (2000) and Hansen's test of superior predictive ability (2005), both by
    the stationary bootstrap. Where each column is exactly as good as the benchmark the p-values
    are uniform (below the share of cases in which one column leads); where some are worse they are
    too large, White's most.

    Parameters
    ----------
    excess : Float64
        Returns less the benchmark's, or the benchmark's loss less the model's
        (n_bars, n_strategies): larger is better.
    mean_block : float, optional
        In bars; by default the median automatic length, and at least ``n_bars ** (1/4)``: the
        automatic choice overlooks weak autocorrelation, at the price of too many discoveries.

    Raises
    ------
    DataError
        If a value is missing, there are fewer than 30 bars, or no column varies.
    """
    require_complete(excess, "excess returns")
    varies = np.flatnonzero(excess.std(axis=0) > 1e-15)
    if not len(varies):
        raise DataError("excess returns that do not vary", "a spread above zero", "leave out strategies that never trade")
    kept = np.ascontiguousarray(excess[:, varies])
    block = mean_block or _careful_block(kept)
    scale, mean = math.sqrt(len(kept)), kept.mean(axis=0)
    drawn = scale * (stationary_means(kept, n_draws, block, np.random.default_rng(seed)) - mean)
    error = _stationary_deviation(kept, block)
    studentised = _as_normal(scale * mean / error, len(kept), block)
    statistic = max(0.0, float(studentised.max()))
    poor = studentised < -math.sqrt(2.0 * math.log(math.log(len(kept))))
    shifts = {"lower": np.minimum(studentised, 0.0), "consistent": np.where(poor, studentised, 0.0), "upper": 0.0 * mean}
    chances = {
        name: share_as_large(np.maximum((drawn / error + shift).max(axis=1), 0.0), statistic) for name, shift in shifts.items()
    }
    check = share_as_large(drawn.max(axis=1), float(scale * mean.max()))
    return Superiority(int(varies[studentised.argmax()]), statistic, check, mean_block=block, **chances)


def adjusted_p_values(p_values: Float64, method: Discovery = "Benjamini-Yekutieli") -> Float64:
    """Give, for each p-value, the smallest false discovery rate at which it is a discovery.

    Benjamini & Hochberg (1995) holds for independent or positively dependent tests; Benjamini &
    Yekutieli (2001) for any dependence, at the price of a factor ``1 + 1/2 + ... + 1/n``.

    Parameters
    ----------
    p_values : Float64
        One a test (n_tests,).

    Returns
    -------
    Float64
        In the same order (n_tests,), at most 1.

    Raises
    ------
    DataError
        If one is not in [0, 1].

    Examples
    --------
    >>> adjusted_p_values(np.array([0.01, 0.04, 0.03, 0.5]), "Benjamini-Hochberg").round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    if not ((p_values >= 0) & (p_values <= 1)).all():
        raise DataError(f"p-values from {p_values.min()} to {p_values.max()}", "all in [0, 1]", "drop tests that gave none")
    n = len(p_values)
    factor = (1.0 / np.arange(1, n + 1)).sum() if method == "Benjamini-Yekutieli" else 1.0
    order = np.argsort(p_values)[::-1]
    adjusted = np.empty(n)
    adjusted[order] = np.minimum.accumulate(p_values[order] * n * factor / np.arange(n, 0, -1))
    return np.minimum(adjusted, 1.0)


def diebold_mariano(first: Float64, second: Float64, horizon_bars: int = 1) -> tuple[float, float]:
    """Test whether two forecasts are equally good (Diebold & Mariano 1995), small samples allowed for.

    The variance takes in autocovariances up to ``horizon_bars - 1``; statistic and Student t
    distribution as corrected by Harvey, Leybourne & Newbold (1997). Where those autocovariances
    add up to no positive variance Bartlett weights are used. At one bar it is the paired t test.

    Parameters
    ----------
    first, second : Float64
        Losses a bar (n_bars,), smaller is better.
    horizon_bars : int
        How far ahead the forecasts looked: overlapping errors are dependent over so many bars.

    Returns
    -------
    tuple of float
        The statistic, negative where ``first`` is the better, and the two-sided p-value. NaN and
        NaN where the losses do not differ.

    Raises
    ------
    DataError
        If a loss is missing, or there are not 10 bars, and more than twice the horizon.
    """
    from scipy.stats import t as student

    gain = first - second
    require_complete(gain, "loss differences", max(10, 2 * horizon_bars + 1))
    n, deviation = len(gain), gain - gain.mean()
    covariance = np.array([deviation[lag:] @ deviation[: n - lag] for lag in range(horizon_bars)]) / n
    if not covariance[0] > 1e-30:
        return math.nan, math.nan
    variance = covariance[0] + 2.0 * covariance[1:].sum()
    if not variance > 0.05 * covariance[0]:
        variance = covariance[0] + 2.0 * ((1.0 - np.arange(1, horizon_bars) / horizon_bars) * covariance[1:]).sum()
    shrink = (n + 1 - 2 * horizon_bars + horizon_bars * (horizon_bars - 1) / n) / n
    statistic = float(gain.mean()) / math.sqrt(variance / n) * math.sqrt(shrink)
    return statistic, float(2.0 * student.sf(abs(statistic), n - 1))


@dataclass(frozen=True, eq=False)
class ConfidenceSet:
    """Hold which models may be the best.

    Attributes
    ----------
    p_values : Float64
        A model's (n_models,): the set at level a holds those with p-values of a or more.
    is_in : Bools
        Whether it may be the best at the level asked for (n_models,).
    """

    p_values: Float64
    is_in: Bools


def model_confidence_set(
    losses: Float64, *, level: float = 0.10, mean_block: float | None = None, n_draws: int = 1000, seed: int = 0
) -> ConfidenceSet:
    """Leave out models while they are distinguishably worse than those that remain.

    Hansen, Lunde & Nason (2011), the ``T_max`` rule, by the stationary bootstrap: the set holds
    the best model with probability ``1 - level`` or more. A large set says that the data cannot tell.

    Parameters
    ----------
    losses : Float64
        Losses a bar (n_bars, n_models), smaller is better.
    mean_block : float, optional
        In bars; by default the median automatic length, and at least ``n_bars ** (1/4)``: the
        automatic choice overlooks weak autocorrelation, at the price of too many discoveries.

    Raises
    ------
    DataError
        If a loss is missing, or there are fewer than 30 bars.
    """
    require_complete(losses, "losses")
    n_models = losses.shape[1]
    mean = losses.mean(axis=0)
    block = mean_block or _careful_block(losses - losses.mean(axis=1, keepdims=True))
    drawn = stationary_means(losses, n_draws, block, np.random.default_rng(seed)) - mean
    left, p_values, largest = list(range(n_models)), np.ones(n_models), 0.0
    while len(left) > 1:
        worst, chance = _worst(mean[left], drawn[:, left], len(losses), block)
        largest = max(largest, chance)
        p_values[left.pop(worst)] = largest
    return ConfidenceSet(p_values, p_values >= level)


def _worst(mean: Float64, drawn: Float64, n_bars: int, mean_block: float) -> tuple[int, float]:
    """Find the model furthest above the average loss of those left, and how easily chance puts one there."""
    away, noise = mean - mean.mean(), drawn - drawn.mean(axis=1, keepdims=True)
    error = np.maximum(np.sqrt((noise**2).mean(axis=0)), 1e-15)
    studentised = _as_normal(away / error, n_bars, mean_block)
    return int(studentised.argmax()), share_as_large((noise / error).max(axis=1), float(studentised.max()))


def _careful_block(values: Float64) -> float:
    return max(typical_block_length(values), math.sqrt(math.sqrt(len(values))))


def _as_normal(studentised: Float64, n_bars: int, mean_block: float) -> Float64:
    """Bring means over their bootstrap errors to the scale of the draws, which know those errors exactly.

    A block error is too small by ``1 - (2 b - 1) / n`` in its square, and as noisy as one of
    ``2 n / (b + 1)`` degrees of freedom or so; without this, long blocks discover too much.
    """
    from scipy.special import ndtri, stdtr

    bias = max(1.0 - (2.0 * mean_block - 1.0) / n_bars, 0.1)
    freedom = max(2.0 * n_bars / (mean_block + 1.0), 3.0)
    shrunk = -np.abs(studentised) * math.sqrt(bias)
    equal: Float64 = -np.sign(studentised) * ndtri(np.maximum(stdtr(freedom, shrunk), 1e-300))
    return equal


def _stationary_deviation(values: Float64, mean_block: float) -> Float64:
    """Give the root of the stationary bootstrap's own variance of sqrt(n) times each mean (Hansen 2005, section 3.1)."""
    n, stay = len(values), 1.0 - 1.0 / max(mean_block, 1.0)
    deviation = values - values.mean(axis=0)
    variance = (deviation**2).mean(axis=0)
    for lag in range(1, n):
        weight = (n - lag) / n * stay**lag + lag / n * stay ** (n - lag)
        if weight < 1e-6:
            break
        variance += 2.0 * weight * (deviation[lag:] * deviation[: n - lag]).sum(axis=0) / n
    deviations: Float64 = np.sqrt(np.maximum(variance, 1e-30))
    return deviations
