"""Mark bars at fault: where, how grave, and in which words."""

from collections.abc import Sequence as Items
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from quantdesk.data.sequence import Sequence
from quantdesk.domain.arrays import Bools, Float64, Ints

Severity = Literal["refuse", "doubt", "note"]
"""Impossible; not to be relied on; worth knowing, and no fault by itself."""

EVERY_SYMBOL = -1
"""Column of a mark that concerns the whole panel."""


@dataclass(frozen=True, eq=False)
class Marks:
    """Hold bars, or stretches of bars, with one kind of fault.

    Parameters
    ----------
    kind : str
        What is wrong, in a word or two.
    severity : {"refuse", "doubt", "note"}
        What follows from it.
    rows, columns : Ints
        Where each fault begins (n_found,); column -1 is the whole panel.
    values : Float64
        The value at fault (n_found,), in the unit that the words give.
    words : str
        Sentence with ``{value}``, and ``{also}`` where there are further words.
    ends : Ints or None
        Last row of each stretch (n_found,); None where each is one bar.
    also : sequence of str
        Further words for each (n_found,), such as the name of another symbol; empty for none.
    """

    kind: str
    severity: Severity
    rows: Ints
    columns: Ints
    values: Float64
    words: str
    ends: Ints | None = None
    also: Items[str] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, keep: Bools) -> "Marks":
        """Keep some of the marks (n_found,)."""
        also = [words for words, is_kept in zip(self.also, keep.tolist(), strict=True) if is_kept] if self.also else ()
        ends = None if self.ends is None else self.ends[keep]
        return replace(self, rows=self.rows[keep], columns=self.columns[keep], values=self.values[keep], ends=ends, also=also)

    def say(self, at: int) -> str:
        """Write the words of one mark."""
        return self.words.format(value=float(self.values[at]), also=self.also[at] if self.also else "")

    def last(self) -> Ints:
        """Give the last row of each mark (n_found,)."""
        return self.rows if self.ends is None else self.ends

    def bars(self) -> tuple[Ints, Ints]:
        """Give row and column of every bar under a mark; none for what concerns the whole panel."""
        is_own = self.columns != EVERY_SYMBOL
        rows, columns, last = self.rows[is_own], self.columns[is_own], self.last()[is_own]
        lengths = last - rows + 1
        steps = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.repeat(rows, lengths) + steps, np.repeat(columns, lengths)


def in_field(kind: str, severity: Severity, where: Bools, values: Float64, words: str, first_column: int = 0) -> Marks:
    """Mark the cells of a block of columns (n_times, n_columns) that begins at ``first_column``."""
    rows, columns = np.nonzero(where)
    return Marks(kind, severity, rows, columns + first_column, values[rows, columns], words)


def at_bars(kind: str, severity: Severity, bars: Sequence, at: Ints, values: Float64, words: str) -> Marks:
    """Mark positions ``at`` (n_found,) of a sequence, with the values at fault (n_found,)."""
    return Marks(kind, severity, bars.rows[at], bars.columns[at], values, words)


def of_panel(kind: str, severity: Severity, row: int, value: float, words: str, also: str = "") -> Marks:
    """Mark the whole panel, from ``row`` on."""
    one = np.array([row], dtype=np.int64)
    return Marks(kind, severity, one, np.array([EVERY_SYMBOL]), np.array([value]), words, also=(also,) if also else ())
