"""Window functions, built by doubling: a window is two neighbouring shorter ones, merged.

A sum of 60 bars is one of 32 and one of 28, each made the same way, and every part is shared with
the other windows that need it. Nothing is subtracted, so nothing drifts, a missing value spoils
just the windows that hold it, and a value depends on its own window and on nothing before.
"""

from functools import cache

from quantdesk.features import operations as op
from quantdesk.features.algebra import Column, at_most, clipped, filled, missing, node, plain, present, size, sqrt, where


def _halves(window: int) -> tuple[int, int]:
    # The newer part doubles from one bar, or from five where the window is a multiple of five:
    # so 5, 10, 20, 30 and 60 bars share their parts.
    near = 5 if window % 5 == 0 and window > 5 else 1
    while 2 * near < window:
        near *= 2
    return near, window - near


def total(column: Column, window: int) -> Column:
    """Sum the last ``window`` bars; NaN where one is missing."""
    return decayed(column, window, 1.0)


@cache
def decayed(column: Column, window: int, keep: float) -> Column:
    """Sum the last ``window`` bars with weights keep ** age."""
    if window == 1:
        return column
    near, far = _halves(window)
    older = decayed(column, far, keep).lag(near)
    return node(op.ADD, decayed(column, near, keep), older, constants=(keep**near,))


def mean(column: Column, window: int) -> Column:
    """Average the last ``window`` bars; NaN where one is missing."""
    return total(column, window) / float(window)


@cache
def squares(column: Column, window: int) -> Column:
    """Sum squared distances from the window's own mean, merged pairwise: Chan, Golub & LeVeque 1979."""
    if window == 1:
        return column * 0.0
    near, far = _halves(window)
    constants = (1.0 / near, 1.0 / far, near * far / window)
    sums = total(column, near), total(column, far).lag(near)
    return node(op.SPREAD, *sums, squares(column, near), squares(column, far).lag(near), constants=constants)


@cache
def products(one: Column, other: Column, window: int) -> Column:
    """Sum products of two columns' distances from their means, merged as ``squares`` are."""
    if window == 1:
        return (one - other) * 0.0
    near, far = _halves(window)
    sums = [part for column in (one, other) for part in (total(column, near), total(column, far).lag(near))]
    parts = products(one, other, near), products(one, other, far).lag(near)
    return node(op.PRODUCT, *sums, *parts, constants=(1.0 / near, 1.0 / far, near * far / window))


@cache
def _drift(column: Column, window: int) -> Column:
    # Sum of products with time (in bars, forward), both from their means.
    if window == 1:
        return column * 0.0
    near, far = _halves(window)
    sums = total(column, near), total(column, far).lag(near)
    weight = near * far / window * (near + far) / 2.0
    parts = _drift(column, near), _drift(column, far).lag(near)
    return node(op.DRIFT, *sums, *parts, constants=(1.0 / near, 1.0 / far, weight))


def deviation(column: Column, window: int) -> Column:
    """Compute the sample standard deviation of the last ``window`` bars."""
    return sqrt(squares(column, window) / (window - 1.0))


def slope(column: Column, window: int) -> Column:
    """Fit a straight line by least squares; return its rise a bar."""
    return _drift(column, window) / (window * (window**2 - 1) / 12.0)


def fit(column: Column, window: int) -> Column:
    """Compute the share of variance that the straight line explains, 0 where nothing varies."""
    squared = _drift(column, window) * _drift(column, window)
    whole = squares(column, window) * (window * (window**2 - 1) / 12.0)
    is_still = _is_still(column, window)
    return clipped(where(is_still, column * 0.0, squared / whole), 0.0, 1.0)


def _is_still(column: Column, window: int) -> Column:
    # Whether the spread is no more than the rounding of the level.
    level = mean(column, window) * 1e-12
    return at_most(squares(column, window), level * level)


def correlation(one: Column, other: Column, window: int) -> Column:
    """Correlate two columns over the last ``window`` bars; 0 where one of them stands still."""
    spread = sqrt(squares(one, window) * squares(other, window))
    is_still = node(op.MAXIMUM, _is_still(one, window), _is_still(other, window))
    return clipped(where(is_still, (one - other) * 0.0, products(one, other, window) / spread), -1.0, 1.0)


def highest(column: Column, window: int) -> Column:
    """Find the highest of the last ``window`` bars; NaN where one is missing."""
    return _extreme(op.MAXIMUM, column, window)


def lowest(column: Column, window: int) -> Column:
    """Find the lowest of the last ``window`` bars; NaN where one is missing."""
    return _extreme(op.MINIMUM, column, window)


@cache
def _extreme(operation: int, column: Column, window: int) -> Column:
    # Parts may overlap here, so all windows share the same powers of two.
    if window == 1:
        return column
    near, far = _halves(window)
    part = _extreme(operation, column, near)
    return node(operation, part, part.lag(far))


@cache
def since_highest(column: Column, window: int) -> Column:
    """Count the bars since the highest of the last ``window``, the newest of equal ones; 0 is now."""
    if window == 1:
        return column * 0.0
    near, far = _halves(window)
    tops = highest(column, near), highest(column, far).lag(near)
    ages = since_highest(column, near), since_highest(column, far).lag(near)
    return node(op.NEWEST, *tops, *ages, constants=(float(near),))


def exponential(column: Column, window: int, alpha: float, min_count: int) -> Column:
    """Average the last ``window`` bars with weights (1 - alpha) ** age, over the values present.

    As pandas' ``ewm(adjust=True)``, but nothing older than the window counts. NaN with fewer than
    ``min_count`` values.
    """
    values, is_there = filled(column), present(column)
    average = decayed(values, window, 1.0 - alpha) / decayed(is_there, window, 1.0 - alpha)
    has_enough = node(op.AFFINE, total(is_there, window), constants=(1.0, 0.5 - min_count))
    return where(has_enough, average, missing(column))


def ordered(column: Column, window: int, level: float) -> tuple[Column, Column, Column]:
    """Give quantiles of the last ``window`` bars and the newest value's own place.

    Returns
    -------
    tuple of Column
        The quantile at ``level``, that at 1 - ``level`` (both interpolated linearly), and the place
        of the newest value: -1 below all others, 1 above all (equal ones count half).
    """
    kept = node(op.SORTED, plain(column), constants=(level,), reach=(window,))
    upper, lower, place = (node(op.PART, kept, constants=(float(part),)) for part in range(3))
    return upper, lower, place


def share_below(level: Column, weight: Column, window: int, factor: float) -> Column:
    """Compute the share of weight, over the last bars, at levels up to ``factor`` times the newest."""
    below = node(op.SHARE, plain(level), plain(weight), constants=(factor,), reach=(window - 1, window - 1))
    return below / total(weight, window)


def back(column: Column, bars: Column, furthest: int) -> Column:
    """Read a column as many bars back as another says; NaN where that is not known or beyond ``furthest``."""
    return node(op.LOOK_BACK, plain(column), bars, reach=(furthest,))


def gains(column: Column) -> Column:
    """Keep what is above zero, else 0; NaN where missing."""
    return (column + size(column)) / 2.0
