"""Sums and exponential means over the last bars, computed afresh for each bar, and ranks.

Each value is a direct sum over its own window, in the same order wherever the window lies. A
running sum would be faster, but its rounding depends on the bars before the window, and then a
panel cut to a feature's lookback could not give the same bits as the whole history.
"""

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.compiled import compiled


def window_sum(values: Float64, window: int) -> Float64:
    """Sum the last ``window`` rows; NaN where one is missing.

    Parameters
    ----------
    values : Float64
        Shape (n_times, n_instruments), any unit.
    window : int
        Rows, the present one included.

    Returns
    -------
    Float64
        Shape (n_times, n_instruments), in the unit of the values.
    """
    return _sum(_plain(values), window)


def window_mean(values: Float64, window: int) -> Float64:
    """Average the last ``window`` rows (n_times, n_instruments); NaN where one is missing."""
    return window_sum(values, window) / window


def window_ema(values: Float64, window: int, alpha: float, min_count: int) -> Float64:
    """Average the last ``window`` rows with weights (1 - alpha) ** age, over the values present.

    The window is cut exactly: nothing older counts. Weights are renormalised over the rows that
    hold a value, as pandas' ``ewm(adjust=True)`` does. ``alpha`` of 0 gives the plain mean of
    the values present.

    Parameters
    ----------
    values : Float64
        Shape (n_times, n_instruments); NaN rows are skipped.
    window : int
        Rows, the present one included.
    alpha : float
        Weight of the present row before renormalising, in [0, 1).
    min_count : int
        Values needed; with fewer the result is NaN.

    Returns
    -------
    Float64
        Shape (n_times, n_instruments), in the unit of the values.
    """
    weights: Float64 = (1.0 - alpha) ** np.arange(window, dtype=np.float64)
    return _ema(_plain(values), weights, min_count)


def rows_for(alpha: float, remainder: float = 1e-9) -> int:
    """Count the rows after which the weight left out of an exponential mean is under ``remainder``."""
    return int(np.ceil(np.log(remainder) / np.log1p(-alpha)))


def row_ranks(values: Float64) -> Float64:
    """Rank each row's finite values evenly from -0.5 to 0.5, ties averaged; a lone value gets 0.

    Parameters
    ----------
    values : Float64
        Shape (n_times, n_instruments); NaN is not ranked.

    Returns
    -------
    Float64
        Shape (n_times, n_instruments), in [-0.5, 0.5]; NaN where the value is.
    """
    values = _plain(values)
    return _ranks(values, np.sort(_with_places(values), axis=1).view(np.int64))


def _plain(values: Float64) -> Float64:
    # One memory layout, so that each kernel is compiled once.
    return np.require(values, np.float64, ["C", "W"])


@compiled
def _sum(values: Float64, window: int) -> Float64:
    n_times, n_instruments = values.shape
    out = np.full((n_times, n_instruments), np.nan)
    for t in range(window - 1, n_times):
        total = out[t]
        total[:] = 0.0
        for s in range(t - window + 1, t + 1):
            row = values[s]
            for i in range(n_instruments):
                total[i] += row[i]
    return out


@compiled
def _ema(values: Float64, weights: Float64, min_count: int) -> Float64:
    n_times, n_instruments = values.shape
    out = np.full((n_times, n_instruments), np.nan)
    total = np.empty(n_instruments)
    mass = np.empty(n_instruments)
    count = np.empty(n_instruments)
    for t in range(n_times):
        total[:] = 0.0
        mass[:] = 0.0
        count[:] = 0.0
        for s in range(max(0, t - len(weights) + 1), t + 1):
            row = values[s]
            weight = weights[t - s]
            for i in range(n_instruments):
                is_present = row[i] == row[i]
                total[i] += weight * row[i] if is_present else 0.0
                mass[i] += weight if is_present else 0.0
                count[i] += 1.0 if is_present else 0.0
        for i in range(n_instruments):
            out[t, i] = total[i] / mass[i] if count[i] >= min_count else np.nan
    return out


@compiled
def _with_places(values: Float64) -> Float64:
    # Each value's last bits give way to its place in the row: then what sorts the values also
    # tells where they stood, several times faster than sorting places by values.
    n_times, n_instruments = values.shape
    out = values.copy()
    bits = out.view(np.int64)
    low = _low_bits(n_instruments)
    for t in range(n_times):
        for i in range(n_instruments):
            bits[t, i] = (bits[t, i] & ~low) | i if values[t, i] == values[t, i] else bits[t, i]
    return out


@compiled
def _low_bits(n: int) -> int:
    low = 1
    while low < n:
        low *= 2
    return low - 1


@compiled
def _ranks(values: Float64, ordered: Ints) -> Float64:
    n_times, n_instruments = values.shape
    out = np.full((n_times, n_instruments), np.nan)
    places = np.empty(n_instruments, np.int64)
    for t in range(n_times):
        row, n_ranked = values[t], 0
        for i in range(n_instruments):
            n_ranked += row[i] == row[i]
        _places(places[:n_ranked], ordered[t], row)
        first = 0
        while first < n_ranked:
            last = first
            while last + 1 < n_ranked and row[places[last + 1]] == row[places[first]]:
                last += 1
            for k in range(first, last + 1):
                out[t, places[k]] = 0.5 * (first + last) / (n_ranked - 1) - 0.5 if n_ranked > 1 else 0.0
            first = last + 1
    return out


@compiled
def _places(places: Ints, ordered: Ints, row: Float64) -> None:
    # Values that differ in their last bits alone may still have to change places.
    low = _low_bits(len(row))
    for k in range(len(places)):
        place, at = ordered[k] & low, k
        while at > 0 and row[places[at - 1]] > row[place]:
            places[at] = places[at - 1]
            at -= 1
        places[at] = place
