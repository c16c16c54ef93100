"""One instrument's bars after another's, gaps closed: what comes before and after each bar."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.bars import unit_growth
from quantdesk.domain.panel import Panel


@dataclass(frozen=True, eq=False)
class Sequence:
    """Hold every traded bar, instrument by instrument; all arrays have shape (n_bars,).

    Parameters
    ----------
    rows, columns : Ints
        Where in the panel the bar is.
    close : Float64
        Close adjusted for splits, so that two of one instrument compare.
    is_first : Bools
        Whether the bar is its instrument's first.
    """

    rows: Ints
    columns: Ints
    close: Float64
    is_first: Bools

    @classmethod
    def of(cls, panel: Panel) -> "Sequence":
        """Line the traded bars of a panel up; a close that is no price is left out."""
        close = panel.fields["close"]
        columns, rows = np.nonzero((np.isfinite(close) & (close > 0)).T)
        adjusted = (close * unit_growth(panel) if "split" in panel.fields else close)[rows, columns]
        is_first = np.ones(len(rows), dtype=np.bool_)
        is_first[1:] = columns[1:] != columns[:-1]
        return cls(rows, columns, adjusted, is_first)

    def __len__(self) -> int:
        return len(self.rows)

    def log_change(self, bars: int) -> Float64:
        """Compute log(close / close ``bars`` earlier); NaN where that is another instrument's."""
        change = np.full(len(self.close), np.nan)
        is_same = self.columns[bars:] == self.columns[:-bars]
        change[bars:] = np.where(is_same, np.log(self.close[bars:] / self.close[:-bars]), np.nan)
        return change

    def gather(self, field: Float64) -> Float64:
        """Pick a field (n_times, n_instruments) at every bar of the sequence."""
        return field[self.rows, self.columns]

    def bounds(self) -> tuple[Ints, Ints]:
        """Give the first position of each instrument's bars, and the one after its last."""
        firsts = np.flatnonzero(self.is_first)
        return firsts, np.append(firsts, len(self.rows))[1:]

    def around(self, values: Float64, at: Ints, start: int, stop: int) -> Float64:
        """Pick the values from ``start`` to ``stop`` bars beside some bars.

        Parameters
        ----------
        values : Float64
            One for each bar of the sequence (n_bars,).
        at : Ints
            Positions in the sequence (n_found,).
        start, stop : int
            Relative to each position, ``stop`` not included; negative is before it.

        Returns
        -------
        Float64
            Shape (n_found, stop - start); NaN where the bar is another instrument's or none.
        """
        wanted = at[:, None] + np.arange(start, stop)
        is_there = (wanted >= 0) & (wanted < len(values))
        near = np.where(is_there, wanted, 0)
        is_there &= self.columns[near] == self.columns[at][:, None] if len(at) else is_there
        return np.where(is_there, values[near] if len(values) else np.nan, np.nan)


def runs(is_member: Bools, breaks: Bools) -> tuple[Ints, Ints]:
    """Find unbroken runs of members.

    Parameters
    ----------
    is_member : Bools
        Shape (n,).
    breaks : Bools
        Where a new run begins even between members (n,).

    Returns
    -------
    tuple of Ints and Ints
        First position and length of each run.
    """
    starts = is_member & (breaks | ~np.concatenate([[False], is_member[:-1]]))
    number = np.cumsum(starts)[is_member]
    lengths = np.bincount(number, minlength=int(starts.sum()) + 1)[1:]
    return np.flatnonzero(starts).astype(np.int64), lengths.astype(np.int64)


def median(values: Float64, axis: int = -1) -> Float64:
    """Compute the median of what is finite along an axis; NaN where nothing is.

    Unlike ``numpy.nanmedian`` it is silent about empty slices and quick on many short ones.
    """
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=axis)
    n_finite = np.isfinite(ordered).sum(axis=axis, keepdims=True)
    low, high = np.maximum(n_finite - 1, 0) // 2, n_finite // 2
    if not ordered.shape[axis]:
        return np.full(np.sum(values, axis=axis).shape, np.nan)
    high = np.minimum(high, ordered.shape[axis] - 1)
    middle = (np.take_along_axis(ordered, low, axis) + np.take_along_axis(ordered, high, axis)) / 2
    return np.asarray(np.squeeze(np.where(n_finite > 0, middle, np.nan), axis=axis))
