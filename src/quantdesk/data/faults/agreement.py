"""Where two sources of the same bars disagree."""

import numpy as np

from quantdesk.data.faults.marks import Marks
from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.bars import carry_forward, log_changes, unit_growth
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

TOLERANCE = 0.005
"""Fraction by which two closes, or two returns, of one bar may differ."""


def compare(panel: Panel, other: Panel, tolerance: float = TOLERANCE) -> list[Marks]:
    """Set a panel beside another source of it: closes, then returns where levels are adjusted differently.

    Bars are matched by symbol and UTC day where both are daily, by stamp otherwise.

    Parameters
    ----------
    panel : Panel
        The one to judge; marks are placed in it.
    other : Panel
        The other source.
    tolerance : float
        Fraction by which closes or returns may differ.

    Returns
    -------
    list of Marks
        ``closes differ`` where a close differs and the levels otherwise agree, ``returns
        differ`` where a return differs (the level may differ by adjustment), and ``one source
        only`` where one of them lacks the bar; all doubts.

    Raises
    ------
    DataError
        If the two share no symbol or no time.
    """
    columns, columns_other = _shared(panel.symbols, other.symbols)
    rows, rows_other = _matched(panel, other)
    if not len(columns) or not len(rows):
        raise DataError(
            f"{panel.name!r} and {other.name!r} share {len(columns)} symbols and {len(rows)} times",
            "two sources of the same bars",
            "check the names of the symbols and the time zones",
        )
    mine = panel.fields["close"][np.ix_(rows, columns)]
    theirs = other.fields["close"][np.ix_(rows_other, columns_other)]
    level = np.abs(np.log(_positive(mine) / _positive(theirs)))
    mine_moves, their_moves = (_moves(one, *at) for one, at in ((panel, (rows, columns)), (other, (rows_other, columns_other))))
    moved = np.abs(mine_moves - their_moves)
    is_adjusted = np.median(np.nan_to_num(level), axis=0) > tolerance
    differs = (level > tolerance) & ~is_adjusted
    lone = np.isfinite(mine) != np.isfinite(theirs)
    chosen = (
        ("closes differ", differs, np.expm1(level), f"close differs by {{value:.2%}} from {other.name!r}"),
        (
            "returns differ",
            (moved > tolerance) & ~_beside(differs),
            np.expm1(moved),
            f"return differs by {{value:.2%}} from {other.name!r}",
        ),
        (
            "one source only",
            lone & _is_within(mine) & _is_within(theirs),
            lone.astype(np.float64),
            f"a bar in one of this and {other.name!r} only",
        ),
    )
    return [_placed(kind, where, values, words, rows, columns) for kind, where, values, words in chosen if where.any()]


def _shared(symbols: tuple[str, ...], others: tuple[str, ...]) -> tuple[Ints, Ints]:
    place = {symbol: column for column, symbol in enumerate(others)}
    both = [(column, place[symbol]) for column, symbol in enumerate(symbols) if symbol in place]
    pairs = np.array(both, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _matched(panel: Panel, other: Panel) -> tuple[Ints, Ints]:
    from quantdesk.data.faults.exchanges import is_daily

    unit = "datetime64[D]" if is_daily(panel.times) and is_daily(other.times) else "datetime64[ns]"
    _, rows, rows_other = np.intersect1d(panel.times.astype(unit), other.times.astype(unit), return_indices=True)
    return rows, rows_other


def _positive(values: Float64) -> Float64:
    return np.where(values > 0, values, np.nan)


def _moves(panel: Panel, rows: Ints, columns: Ints) -> Float64:
    close = _positive(panel.fields["close"])
    grown = close * unit_growth(panel) if "split" in panel.fields else close
    moves = log_changes(carry_forward(grown[np.ix_(rows, columns)]))
    return np.where(np.isfinite(close[np.ix_(rows, columns)]), moves, np.nan)


def _beside(differs: Bools) -> Bools:
    # A wrong close makes two wrong returns; it is told once.
    beside = differs.copy()
    beside[1:] |= differs[:-1]
    return beside


def _is_within(close: Float64) -> Bools:
    has = np.isfinite(close)
    return np.asarray(np.logical_or.accumulate(has, axis=0) & np.logical_or.accumulate(has[::-1], axis=0)[::-1])


def _placed(kind: str, where: Bools, values: Float64, words: str, rows: Ints, columns: Ints) -> Marks:
    at, across = np.nonzero(where)
    return Marks(kind, "doubt", rows[at], columns[across], values[at, across], words)
