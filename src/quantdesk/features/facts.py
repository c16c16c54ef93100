"""Facts beyond prices, as known at each bar, and their change since the quarter before."""

from collections.abc import Callable
from functools import partial
from math import inf

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.feature import Feature, Scaling
from quantdesk.features.columns import declare, lagged

QUARTER = 63
"""Bars in a quarter of daily bars."""


def fact(bars: Bars, name: str) -> Float64:
    """Return a fact (n_times, n_instruments), NaN where it is not known or the data has none."""
    values = bars.facts.get(name)
    return np.full(bars.close.shape, np.nan) if values is None else np.where(np.isfinite(values), values, np.nan)


def over(numerator: Float64, denominator: Float64) -> Float64:
    """Divide where the denominator is above zero; NaN elsewhere."""
    return numerator / np.where(denominator > 0, denominator, np.nan)


def change(bars: Bars, compute: Callable[[Bars], Float64], window: int) -> Float64:
    """Subtract what a column was ``window`` bars before (n_times, n_instruments); NaN where either is missing."""
    values = compute(bars)
    return values - lagged(values, window)


def with_change(
    name: str,
    compute: Callable[[Bars], Float64],
    source: str,
    needs: tuple[str, ...],
    bars_read: int = 1,
    scaling: Scaling = "standard",
) -> tuple[Feature, Feature]:
    """Declare a feature, and its change since the quarter before as ``<name>_change_63``."""
    return declare(name, compute, bars_read, source, needs, scaling), changing(name, compute, QUARTER, source, needs, bars_read)


def changing(
    name: str,
    compute: Callable[[Bars], Float64],
    window: int,
    source: str,
    needs: tuple[str, ...],
    bars_read: int = 1,
) -> Feature:
    """Declare the change of a column over ``window`` bars as ``<name>_change_<window>``."""
    return declare(
        f"{name}_change_{window}",
        partial(change, compute=compute, window=window),
        bars_read + window,
        f"change over {window} bars of: {source}",
        needs,
    )


def bounded(values: Float64, low: float = -inf, high: float = inf) -> Float64:
    """Hold values within bounds; NaN stays NaN."""
    return np.clip(values, low, high)
