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
        adjusted = (close * unit_growth(panel))[rows, columns]
        is_first = np.ones(len(rows), dtype=np.bool_)
        is_first[1:] = columns[1:] != columns[:-1]
        return cls(rows, columns, adjusted, is_first)

    def log_change(self, bars: int) -> Float64:
        """Compute log(close / close ``bars`` earlier); NaN where that is another instrument's."""
        change = np.full(len(self.close), np.nan)
        is_same = self.columns[bars:] == self.columns[:-bars]
        change[bars:] = np.where(is_same, np.log(self.close[bars:] / self.close[:-bars]), np.nan)
        return change

    def gather(self, field: Float64) -> Float64:
        """Pick a field (n_times, n_instruments) at every bar of the sequence."""
        return field[self.rows, self.columns]


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
