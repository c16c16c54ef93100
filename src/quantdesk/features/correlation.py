"""Correlate features with labels, beside what the best of as many features of noise would show.

A table of many correlations always has a largest one. It means something only where it lies
outside the band that the largest reaches when the labels have been shuffled: whole blocks of time
change places, all instruments together, so that neither the likeness of instruments nor the
overlap of labels is lost. A shuffle does lose one thing beside the link that is tested: that
features and labels grow wild together. So a row's band is never narrower than its own standard
error allows, which counts wild times as they were.
"""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float32, Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError
from quantdesk.features.shuffled import pearson, shuffled_pearson, standard_error

CONFIDENCE = 0.95
"""Share of tables of pure noise in which no correlation lies outside its band."""

MIN_BLOCKS = 6
_CHUNK = 8  # features at a time: what is in memory at once


@dataclass(frozen=True)
class Correlation:
    """Say how one feature went with one label, over all times and instruments together.

    Parameters
    ----------
    feature : str
        The feature's name.
    horizon : int
        Bars that the label looks over.
    pearson : float
        Correlation of the values; NaN where one of the two does not vary.
    spearman : float
        Correlation of their ranks: not swayed by a few extreme bars.
    t : float
        Pearson correlation over its standard error, which allows for instruments that move
        together and labels that overlap (Newey & West 1987, over twice the horizon).
    expected_best : float
        Absolute correlation that the best of the table is expected to reach on noise, in units of this row.
    band : float
        Absolute correlation below which 95 of 100 such bests lie: the noise band.
    n_samples : int
        Pairs of feature and label.
    """

    feature: str
    horizon: int
    pearson: float
    spearman: float
    t: float
    expected_best: float
    band: float
    n_samples: int

    @property
    def is_beyond_noise(self) -> bool:
        """Tell whether the Pearson correlation lies outside the noise band of the whole table."""
        return abs(self.pearson) > self.band


def correlations(
    dataset: Dataset, n_shuffles: int = 1000, seed: int = 0, block_bars: int | None = None
) -> tuple[Correlation, ...]:
    """Correlate every feature with every label, with the band of noise around each.

    The band is one for the whole table: a shuffle's largest |correlation|, each in standard
    deviations of its own row, is noted; the 95th percentile of those, times the row's standard
    deviation, is the row's band (Westfall & Young 1993, single-step maxT). The standard deviation
    is that of the shuffles, or the standard error behind ``t`` where that is larger.

    Parameters
    ----------
    dataset : Dataset
        Features, labels and where they are valid.
    n_shuffles : int
        Shuffles of the labels, 100 or more.
    seed : int
        The same seed gives the same bits.
    block_bars : int, optional
        Bars that stay together. By default a quarter (63), or three times the longest horizon, or
        a hundredth of the history, whichever is longest.

    Returns
    -------
    tuple of Correlation
        By horizon, and within it from the highest Pearson correlation to the lowest.

    Raises
    ------
    DataError
        If the history holds fewer than six blocks, or a number makes no sense.
    """
    length = block_bars or max(63, 3 * max(dataset.horizons), len(dataset) // 100)
    n_blocks = len(dataset) // length
    if n_blocks < MIN_BLOCKS or n_shuffles < 100:
        raise DataError(
            f"{n_blocks} blocks of {length} bars and {n_shuffles} shuffles",
            f"{MIN_BLOCKS} blocks and 100 shuffles or more",
            "take a longer history, shorter horizons or more shuffles",
        )
    orders = _orders(n_blocks, n_shuffles, seed)
    labels = _columns(dataset.labels, dataset.is_valid)
    label_ranks = _ranks(labels)
    found, nulls = [], []
    for first in range(0, len(dataset.feature_names), _CHUNK):
        features = _columns(dataset.features[:, :, first : first + _CHUNK], dataset.is_valid)
        found.append(_measures(features, labels, label_ranks, dataset.horizons))
        nulls.append(shuffled_pearson(features, labels, orders, length))
    measures = np.concatenate(found, axis=1)
    return _rows(dataset, measures, *_bands(np.concatenate(nulls, axis=1), measures))


def _orders(n_blocks: int, n_shuffles: int, seed: int) -> Ints:
    draw = np.random.default_rng([seed, 7])
    return draw.permuted(np.tile(np.arange(n_blocks), (n_shuffles, 1)), axis=1)


def _columns(values: Float64 | Float32, is_valid: Bools) -> Float64:
    # (n_columns, n_times, n_instruments), each column in one piece of memory.
    columns = np.array(np.moveaxis(values, 2, 0), dtype=np.float64, order="C")
    return np.where(is_valid & np.isfinite(columns), columns, np.nan)


def _measures(features: Float64, labels: Float64, label_ranks: Float64, horizons: tuple[int, ...]) -> Float64:
    # Pearson, Spearman, t, count and standard error: (5, n_features, n_horizons).
    ranks = _ranks(features)
    out = np.empty((5, len(features), len(labels)))
    for i, j in np.ndindex(out.shape[1:]):
        x, y = features[i], labels[j]
        out[0, i, j] = pearson(x, y)
        out[1, i, j] = pearson(ranks[i], label_ranks[j])
        out[3, i, j] = np.isfinite(x * y).sum()
        out[4, i, j] = standard_error(x, y, 2 * horizons[j])
    out[2] = out[0] / out[4]
    return out


def _ranks(columns: Float64) -> Float64:
    from scipy.stats import rankdata

    ranks = np.full(columns.shape, np.nan)
    for values, ranked in zip(columns, ranks, strict=True):
        known = np.isfinite(values)
        ranked[known] = rankdata(values[known])
    return ranks


def _bands(shuffled: Float64, measures: Float64) -> tuple[Float64, Float64]:
    # shuffled: (n_shuffles, n_features, n_horizons); each row of the table in its own deviations.
    deviation = np.sqrt(np.mean(shuffled**2, axis=0))
    best = np.nanmax(np.abs(shuffled) / np.where(deviation > 0, deviation, np.nan), axis=(1, 2))
    scale = np.fmax(deviation, measures[4])
    return scale * best.mean(), scale * np.quantile(best, CONFIDENCE)


def _rows(dataset: Dataset, measures: Float64, expected: Float64, band: Float64) -> tuple[Correlation, ...]:
    rows = []
    for j, horizon in enumerate(dataset.horizons):
        order = np.argsort(-np.where(np.isfinite(measures[0, :, j]), measures[0, :, j], -np.inf), kind="stable")
        for i in order.tolist():
            value, rank, t, count, _ = measures[:, i, j].tolist()
            name, best, edge = dataset.feature_names[i], float(expected[i, j]), float(band[i, j])
            rows.append(Correlation(name, horizon, value, rank, t, best, edge, int(count)))
    return tuple(rows)
