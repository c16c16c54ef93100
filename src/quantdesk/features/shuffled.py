"""A pooled correlation, its standard error, and what it is when blocks of the labels have changed places."""

import numpy as np

from quantdesk.domain.arrays import Float64, Ints


def pearson(x: Float64, y: Float64) -> float:
    """Correlate two arrays of one shape over what both have; NaN where one does not vary."""
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 3:
        return np.nan
    x, y = x[both] - x[both].mean(), y[both] - y[both].mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread > 0 else np.nan


def standard_error(x: Float64, y: Float64, n_lags: int) -> float:
    """Estimate the standard error of a pooled Pearson correlation; NaN where there is none.

    The delta method: what each bar adds to the correlation is summed over its instruments, so
    that those may move together, and the sums' variance allows for autocorrelation with Bartlett
    weights (Newey & West 1987).

    Parameters
    ----------
    x, y : Float64
        Shape (n_times, n_instruments); NaN where missing.
    n_lags : int
        Bars over which the sums may be correlated.
    """
    both = np.isfinite(x) & np.isfinite(y)
    r = pearson(x, y)
    if not np.isfinite(r):
        return np.nan
    unit_x, unit_y = (np.where(both, (v - v[both].mean()) / v[both].std(), 0.0) for v in (x, y))
    score = (unit_x * unit_y - r * (unit_x**2 + unit_y**2) / 2.0).sum(axis=1)
    variance = float(score @ score)
    for lag in range(1, min(n_lags, len(score) - 1) + 1):
        variance += 2.0 * (1.0 - lag / (n_lags + 1.0)) * float(score[lag:] @ score[:-lag])
    return float(np.sqrt(variance)) / float(both.sum()) if variance > 0 else np.nan


def shuffled_pearson(features: Float64, labels: Float64, orders: Ints, length: int) -> Float64:
    """Correlate features with labels under every order of the blocks.

    A shuffle's sums are sums over pairs of blocks, the feature's and the label's that came to lie
    on it. So all pairs are multiplied once, and a shuffle only adds up some of the products.

    Parameters
    ----------
    features, labels : Float64
        Shapes (n_features, n_times, n_instruments) and (n_horizons, n_times, n_instruments); NaN
        where missing. Bars after the last full block are left out.
    orders : Ints
        Which block of labels lies on each block of features (n_shuffles, n_blocks).
    length : int
        Bars in a block.

    Returns
    -------
    Float64
        Pearson correlations (n_shuffles, n_features, n_horizons), over the pairs that both have.
    """
    n_blocks = orders.shape[1]
    x, has_x = _blocks(features, n_blocks, length)
    y, has_y = _blocks(labels, n_blocks, length)
    pairs = ((has_x, has_y), (x, has_y), (has_x, y), (x, y), (x * x, has_y), (has_x, y * y))
    n, sum_x, sum_y, sum_xy, sum_xx, sum_yy = (_added(_products(a, b), orders) for a, b in pairs)
    count = np.maximum(n, 1.0)
    spread = (sum_xx - sum_x**2 / count) * (sum_yy - sum_y**2 / count)
    is_spread = spread > 1e-9 * count**2
    return np.where(is_spread, (sum_xy - sum_x * sum_y / count) / np.sqrt(np.where(is_spread, spread, 1.0)), np.nan)


def _blocks(columns: Float64, n_blocks: int, length: int) -> tuple[Float64, Float64]:
    # (columns, blocks, bars of a block times instruments), standardised so that sums keep their digits.
    shape = (len(columns), n_blocks, length * columns.shape[2])
    folded = columns[:, : n_blocks * length].reshape(shape)
    is_known = np.isfinite(folded)
    count = np.maximum(is_known.sum(axis=(1, 2), keepdims=True), 1)
    mean = np.where(is_known, folded, 0.0).sum(axis=(1, 2), keepdims=True) / count
    centred = np.where(is_known, folded - mean, 0.0)
    spread = np.sqrt((centred**2).sum(axis=(1, 2), keepdims=True) / count)
    return centred / np.where(spread > 0, spread, 1.0), is_known.astype(np.float64)


def _products(x: Float64, y: Float64) -> Float64:
    # (n_features, n_horizons, feature's block, label's block)
    n_features, n_blocks, width = x.shape
    product = x.reshape(-1, width) @ y.reshape(-1, width).T
    return np.moveaxis(product.reshape(n_features, n_blocks, y.shape[0], n_blocks), 2, 1)


def _added(products: Float64, orders: Ints) -> Float64:
    total = np.zeros((*products.shape[:2], len(orders)))
    for block in range(orders.shape[1]):
        total += products[:, :, block, orders[:, block]]
    return np.moveaxis(total, 2, 0)
