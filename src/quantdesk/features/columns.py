"""The columns that features of facts and the factors share, as whole arrays, and how such a feature is declared.

A bar without a trade repeats the last close, with no range and no volume, for up to ``BRIDGE``
bars; after that there is no price. So one halted day or stray holiday does not empty every
window it lies in, and yet each row of these columns depends on the last ``BRIDGE + 1`` bars only.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Concatenate, ParamSpec
from weakref import WeakKeyDictionary

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.bars import Bars, log_changes
from quantdesk.domain.feature import Feature, Scaling

BRIDGE = 5
"""Bars without a trade over which the last close still counts as the price."""

Parameters = ParamSpec("Parameters")


def shared(
    function: Callable[Concatenate[Bars, Parameters], Float64],
) -> Callable[Concatenate[Bars, Parameters], Float64]:
    """Compute a column once for each ``Bars`` and set of arguments; it is forgotten with the bars.

    The result is handed to several readers: none may write to it.
    """
    known: WeakKeyDictionary[Bars, dict[tuple[object, ...], Float64]] = WeakKeyDictionary()

    @wraps(function)
    def remembered(bars: Bars, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Float64:
        columns = known.setdefault(bars, {})
        key = (*args, *kwargs.values())
        if key not in columns:
            columns[key] = function(bars, *args, **kwargs)
        return columns[key]

    return remembered


def declare(
    name: str,
    compute: Callable[[Bars], Float64],
    bars_read: int,
    source: str,
    needs: tuple[str, ...] = ("close",),
    scaling: Scaling = "standard",
) -> Feature:
    """Declare a feature over this module's columns.

    Parameters
    ----------
    name : str
        Unique name.
    compute : callable
        Maps ``Bars`` to values (n_times, n_instruments).
    bars_read : int
        Rows of the columns read, the present one included; the bridge comes on top.
    source, needs, scaling
        As in ``Feature``.
    """
    return Feature(name, partial(_where_traded, compute), bars_read + BRIDGE, source, needs, scaling)


def _where_traded(compute: Callable[[Bars], Float64], bars: Bars) -> Float64:
    values = compute(bars)
    return np.where(bars.is_traded & np.isfinite(values), values, np.nan)


@shared
def close(bars: Bars) -> Float64:
    """Return the last close (n_times, n_instruments) while it is at most ``BRIDGE`` bars old."""
    row: Ints = np.arange(len(bars.times), dtype=np.int64)[:, None]
    last: Ints = np.maximum.accumulate(np.where(bars.is_traded, row, -1), axis=0)
    is_recent: Bools = (last >= 0) & (row - last <= BRIDGE)
    return np.where(is_recent, bars.close, np.nan)


@shared
def returns(bars: Bars) -> Float64:
    """Compute log returns (n_times, n_instruments) between consecutive closes; 0 on a bridged bar."""
    return log_changes(close(bars))


@shared
def volume(bars: Bars) -> Float64:
    """Return volume in split-adjusted units (n_times, n_instruments); 0 where bridged."""
    return np.where(bars.is_traded, bars.volume, 0.0 * close(bars))


def lagged(values: Float64, bars: int) -> Float64:
    """Return each row as it was ``bars`` rows before; the first ``bars`` rows are NaN."""
    earlier = np.full(values.shape, np.nan)
    earlier[bars:] = values[: max(0, len(values) - bars)]
    return earlier


def logarithm(values: Float64) -> Float64:
    """Take natural logarithms; NaN where a value is not positive."""
    return np.log(np.where(values > 0, values, np.nan))
