"""Say how much of a chosen strategy is the choosing: probability of overfitting, and what many trials amount to."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.errors import DataError
from quantdesk.evaluation.resampling import require_complete, stationary_indices, typical_block_length
from quantdesk.evaluation.significance import expected_maximum

_NO_DEVIATION = 1e-15


@dataclass(frozen=True, eq=False)
class Overfitting:
    """Hold what becomes of the strategy that was best on one half of history, on the other half.

    Attributes
    ----------
    probability : float
        PBO: how often the best of one half ranks in the lower half of the other.
    spread : tuple of float
        5th and 95th percentile of PBO when each block of history is drawn anew from itself. One
        history of 100 noise strategies gives 0.25 to 0.77 nine times in ten, around a mean of
        one half, so PBO is never quoted without it.
    noise : tuple of float
        5th and 95th percentile of PBO of the same strategies with every true mean at zero: a PBO
        inside is what noise gives.
    in_sample, out_of_sample : float
        Mean annual Sharpe ratio of the chosen strategy, where chosen and on the other half.
    degradation : float
        Slope of the second on the first over the combinations; negative where luck chose.
    probability_of_loss : float
        How often the chosen strategy's Sharpe ratio on the other half is below zero.
    logits : Float64
        Log odds of the rank on the other half, one a combination (n_combinations,).
    """

    probability: float
    spread: tuple[float, float]
    noise: tuple[float, float]
    in_sample: float
    out_of_sample: float
    degradation: float
    probability_of_loss: float
    logits: Float64


def backtest_overfitting(
    returns: Float64, *, bars_per_year: float, n_blocks: int = 10, n_draws: int = 200, seed: int = 0
) -> Overfitting:
    """Estimate the probability of backtest overfitting by combinatorially symmetric cross-validation.

    Bailey, Borwein, López de Prado & Zhu (2015): each half of the blocks chooses the strategy with
    the best Sharpe ratio, the other half judges it.

    Parameters
    ----------
    returns : Float64
        Simple returns a bar of every strategy tried, not only the good ones (n_bars, n_strategies).
    n_blocks : int
        Even; 10 give 252 combinations.
    n_draws : int
        Histories drawn for each of ``spread`` and ``noise``; 0 leaves both NaN.

    Raises
    ------
    DataError
        If a return is missing, there are fewer than two strategies that differ from a constant,
        the blocks are odd in number or hold fewer than 5 bars.
    """
    if n_blocks < 4 or n_blocks % 2 or n_blocks > 16:
        raise DataError(f"{n_blocks} blocks", "an even number from 4 to 16", "choose 10")
    require_complete(returns, "returns", 5 * n_blocks)
    if np.count_nonzero(returns.std(axis=0) > _NO_DEVIATION) < 2:
        raise DataError(f"{returns.shape[1]} strategies", "two or more that trade", "hand over every strategy that was tried")
    blocks = np.array_split(returns, n_blocks)
    lengths = np.array([len(block) for block in blocks], dtype=float)
    sums, squares = np.stack([block.sum(axis=0) for block in blocks]), np.stack([(block**2).sum(axis=0) for block in blocks])
    halves = _halves(n_blocks)
    chosen, judged, ranks = _judge(sums, squares, lengths, halves)
    annual, spread, noise = math.sqrt(bars_per_year), (math.nan, math.nan), (math.nan, math.nan)
    if n_draws:
        spread = _spread(blocks, lengths, halves, n_draws, seed)
        noise = _spread([block - block.mean(axis=0) for block in blocks], lengths, halves, n_draws, seed)
    return Overfitting(
        probability=float((ranks <= 0.5).mean()),
        spread=spread,
        noise=noise,
        in_sample=float(chosen.mean()) * annual,
        out_of_sample=float(judged.mean()) * annual,
        degradation=_slope(chosen, judged),
        probability_of_loss=float((judged < 0).mean()),
        logits=np.log(ranks / (1.0 - ranks)),
    )


def effective_trials(returns: Float64, *, n_draws: int = 2000, seed: int = 0) -> float:
    """Give the number of independent trials whose best would look as good by luck as the best of these.

    The best of correlated noise is drawn by Gaussian multipliers on the standardised returns
    (Chernozhukov, Chetverikov & Kato 2013), and matched with the ``expected_maximum`` of so many
    independent trials, which is what the deflated Sharpe ratio asks of the number. Copies count
    once, K groups of copies K times. Clusters (``cluster_trials``) and the participation ratio
    count trials that share a market as one or a few, though the best of them still profits from
    luck: 100 with a correlation of 0.5 are worth 17 here and 4 there. Correlation at the same bar counts only.

    Parameters
    ----------
    returns : Float64
        Simple returns a bar of every trial (n_bars, n_trials); those that never vary are left out.
    n_draws : int
        Draws of the maximum; 2000 give the number to about 4 %.

    Returns
    -------
    float
        From 1 to the number of trials that vary (1 where none does).

    Raises
    ------
    DataError
        If a return is missing, or there are fewer than 30 bars.
    """
    scaled = _standardised(returns)
    n_bars, n_trials = scaled.shape
    if n_trials < 2:
        return 1.0
    random, best = np.random.default_rng(seed), np.empty(n_draws)
    for first in range(0, n_draws, 250):
        part = best[first : first + 250]
        draws = random.standard_normal((len(part), n_bars)) @ scaled / math.sqrt(n_bars)
        # Each multiplier's negative is as likely; and the mean over the columns, whose expectation
        # is zero, takes most of the noise of a shared market away.
        part[:] = (draws.max(axis=1) - draws.min(axis=1)) / 2.0
    return _number_of(float(best.mean()), n_trials)


def participation_ratio(returns: Float64) -> float:
    """Give the participation ratio of the correlation's eigenvalues, ``(Σ v)**2 / Σ v**2``, freed of sampling noise.

    The sample's squared correlations are ``1 / (n_bars - 1)`` too large on average. It answers how
    many directions the trials span, not how lucky the best of them gets: see ``effective_trials``.

    Raises
    ------
    DataError
        If a return is missing, or there are fewer than 30 bars.
    """
    scaled = _standardised(returns)
    n_bars, n = scaled.shape
    if n < 2:
        return 1.0
    small = scaled @ scaled.T if n > n_bars else scaled.T @ scaled
    off = ((small / n_bars) ** 2).sum() - n
    honest = (off - n * (n - 1) / (n_bars - 1)) / (1.0 - 1.0 / (n_bars - 1))
    return float(np.clip(n**2 / (n + max(honest, 0.0)), 1.0, n))


def cluster_trials(returns: Float64, most: int = 50) -> Ints:
    """Group trials whose returns move together, to name the families a search has tried.

    Average linkage on ``sqrt((1 - correlation) / 2)``, cut where the mean silhouette over its
    standard deviation is largest (after López de Prado & Lewis 2019).

    Parameters
    ----------
    returns : Float64
        Simple returns a bar (n_bars, n_trials), each varying.
    most : int
        Groups considered at most.

    Returns
    -------
    Ints
        The group of each trial, from 0 (n_trials,); all 0 where they are one family (every
        correlation above 0.95) or there are fewer than three.

    Raises
    ------
    DataError
        If a return is missing, a trial does not vary, or there are fewer than 30 bars.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    scaled = _standardised(returns)
    n = returns.shape[1]
    if scaled.shape[1] < n:
        raise DataError(
            f"{n - scaled.shape[1]} trials that do not vary", "returns that vary", "leave out trials that never trade"
        )
    correlation = scaled.T @ scaled / len(scaled)
    if n < 3 or correlation.min() > 0.95:
        return np.zeros(n, dtype=np.int64)
    distance = np.sqrt(np.maximum(0.0, (1.0 - correlation) / 2.0))
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average")
    cuts = [fcluster(tree, k, "maxclust").astype(np.int64) - 1 for k in range(2, min(most, n - 1) + 1)]
    return max(cuts, key=lambda labels: _quality(distance, labels))


def _standardised(returns: Float64) -> Float64:
    require_complete(returns, "returns")
    kept = returns[:, returns.std(axis=0) > _NO_DEVIATION]
    scaled: Float64 = (kept - kept.mean(axis=0)) / kept.std(axis=0)
    return scaled


def _number_of(maximum: float, most: float) -> float:
    if maximum <= 1e-6:
        return 1.0
    low, high = 0.0, math.log(most)
    for _ in range(30):
        middle = (low + high) / 2.0
        low, high = (middle, high) if expected_maximum(math.exp(middle), exact=True) < maximum else (low, middle)
    return math.exp((low + high) / 2.0)


def _halves(n_blocks: int) -> Float64:
    picked = list(combinations(range(n_blocks), n_blocks // 2))
    halves = np.zeros((len(picked), n_blocks))
    for row, blocks in enumerate(picked):
        halves[row, list(blocks)] = 1.0
    return halves


def _judge(sums: Float64, squares: Float64, lengths: Float64, halves: Float64) -> tuple[Float64, Float64, Float64]:
    """Choose on each half: the chosen one's Sharpe ratio there, on the other half, and its relative rank there in (0, 1)."""
    inside, outside = _sharpes(sums, squares, lengths, halves), _sharpes(sums, squares, lengths, 1.0 - halves)
    rows, best = np.arange(len(halves)), inside.argmax(axis=1)
    judged = outside[rows, best]
    below = (outside < judged[:, None]).sum(axis=1)
    level = (outside == judged[:, None]).sum(axis=1) - 1
    return inside[rows, best], judged, (1.0 + below + level / 2.0) / (outside.shape[1] + 1.0)


def _sharpes(sums: Float64, squares: Float64, lengths: Float64, halves: Float64) -> Float64:
    count = (halves @ lengths)[:, None]
    mean = halves @ sums / count
    variance = halves @ squares / count - mean**2
    return np.where(variance > _NO_DEVIATION**2, mean / np.sqrt(np.maximum(variance, _NO_DEVIATION**2)), 0.0)


def _spread(blocks: list[Float64], lengths: Float64, halves: Float64, n_draws: int, seed: int) -> tuple[float, float]:
    """Draw each block anew from itself, so that no bar stands on both sides, and take PBO's range."""
    random = np.random.default_rng(seed)
    mean_block = typical_block_length(np.concatenate(blocks))
    sums, squares = np.empty((2, n_draws, len(blocks), blocks[0].shape[1]))
    for j, block in enumerate(blocks):
        rows = stationary_indices(len(block), n_draws, mean_block, random)
        counts = np.stack([np.bincount(row, minlength=len(block)) for row in rows]).astype(float)
        sums[:, j], squares[:, j] = counts @ block, counts @ block**2
    found = [float((_judge(sums[i], squares[i], lengths, halves)[2] <= 0.5).mean()) for i in range(n_draws)]
    return float(np.quantile(found, 0.05)), float(np.quantile(found, 0.95))


def _slope(x: Float64, y: Float64) -> float:
    centred = x - x.mean()
    spread = float(centred @ centred)
    return float(centred @ y) / spread if spread > _NO_DEVIATION else math.nan


def _quality(distance: Float64, labels: Ints) -> float:
    """Give the mean silhouette over its standard deviation; a group of one scores 0 (Rousseeuw 1987)."""
    member = labels[:, None] == np.unique(labels)[None, :]
    sizes = member.sum(axis=0)
    totals = distance @ member
    own = member.argmax(axis=1)
    rows = np.arange(len(labels))
    inner = totals[rows, own] / np.maximum(sizes[own] - 1, 1)
    means = totals / sizes
    means[rows, own] = np.inf
    outer = means.min(axis=1)
    silhouettes = np.where(sizes[own] > 1, (outer - inner) / np.maximum(np.maximum(inner, outer), 1e-12), 0.0)
    return float(silhouettes.mean() / max(float(silhouettes.std()), 1e-6))
