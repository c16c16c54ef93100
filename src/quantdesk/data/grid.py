"""Lay rows of a table out on one time axis: dense arrays, no row lost, none invented."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.data.table import Table
from quantdesk.domain.arrays import Float64, Ints, Times
from quantdesk.domain.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_MOST_CELLS = 400_000_000


@dataclass(frozen=True, eq=False)
class Grid:
    """Know the cell of every row.

    Parameters
    ----------
    times : Times
        Bar closes in UTC (n_times,), increasing.
    symbols : tuple of str
        Columns of the grid, in alphabetical order.
    cells : Ints
        Position of each row of the table in the flattened grid (n_rows,).
    """

    times: Times
    symbols: tuple[str, ...]
    cells: Ints

    def spread(self, values: Float64) -> Float64:
        """Lay a column (n_rows,) out as (n_times, n_instruments), NaN where no row is."""
        laid = np.full(len(self.times) * len(self.symbols), np.nan)
        laid[self.cells] = values
        return laid.reshape(len(self.times), len(self.symbols))


def long_grid(
    table: Table, symbols: "pl.Series | np.ndarray[tuple[int], np.dtype[np.object_]]", stamps: Times, is_sorting: bool
) -> Grid:
    """Find the cell of each row of a long table.

    Parameters
    ----------
    table : Table
        For naming rows in errors.
    symbols : polars.Series or array of str
        Symbol of each row (n_rows,); a series spares an object a row.
    stamps : Times
        Bar close of each row in UTC (n_rows,).
    is_sorting : bool
        Whether rows out of order are put in order; otherwise they are refused.

    Raises
    ------
    DataError
        If a symbol has two rows with one stamp, or its times decrease.
    """
    names, columns = _codes(symbols)
    times = np.unique(stamps)
    rows = np.searchsorted(times, stamps)
    if len(times) * len(names) > _MOST_CELLS:
        raise DataError(
            f"{table.path} has {len(names)} symbols over {len(times)} times",
            "a panel that fits in memory",
            "check --map symbol=",
        )
    cells = rows * len(names) + columns
    _check_unique(table, cells, names, stamps)
    if not is_sorting and not _is_ordered(columns, rows, len(names)):
        _check_order(table, columns, names, stamps)
    return Grid(times, names, cells)


def _codes(symbols: "pl.Series | np.ndarray[tuple[int], np.dtype[np.object_]]") -> tuple[tuple[str, ...], Ints]:
    import polars as pl

    column = pl.Series("symbol", symbols, dtype=pl.String)
    names = column.unique().sort()
    codes = column.cast(pl.Enum(names)).to_physical()
    return tuple(names.to_list()), np.asarray(codes.to_numpy(), dtype=np.int64)


def _check_unique(table: Table, cells: Ints, names: tuple[str, ...], stamps: Times) -> None:
    is_taken = np.zeros(int(cells.max()) + 1, dtype=np.bool_)
    is_taken[cells] = True
    if np.count_nonzero(is_taken) == len(cells):
        return
    first_seen = np.full(int(cells.max()) + 1, len(cells), dtype=np.int64)
    first_seen[cells[::-1]] = np.arange(len(cells) - 1, -1, -1)
    repeats = np.flatnonzero(first_seen[cells] != np.arange(len(cells)))
    if repeats.size:
        row = int(repeats[0])
        symbol = names[int(cells[row] % len(names))]
        raise DataError(
            f"{table.place(row)}: {symbol} has a second bar at {_utc(stamps[row])}",
            f"one bar a symbol and time (the first is {table.place(int(first_seen[cells[row]]))})",
            f"remove the duplicates ({repeats.size} in all)",
        )


def _is_ordered(columns: Ints, rows: Ints, n_symbols: int) -> bool:
    # Files that go time by time, or symbol by symbol, need no sorting to be seen to be in order.
    is_later = rows[1:] >= rows[:-1]
    if is_later.all():
        return True
    is_other = columns[1:] != columns[:-1]
    return bool((is_later | is_other).all()) and int(np.count_nonzero(is_other)) < n_symbols


def _check_order(table: Table, columns: Ints, names: tuple[str, ...], stamps: Times) -> None:
    order = np.argsort(columns, kind="stable")
    is_back = (np.diff(columns[order]) == 0) & (np.diff(stamps[order]) < np.timedelta64(0))
    if is_back.any():
        row = int(order[1:][is_back].min())
        raise DataError(
            f"{table.place(row)}: time {_utc(stamps[row])} of {names[columns[row]]} is before the one above it",
            "times that increase, bar by bar",
            "check the file, then pass --sort to have its rows put in order",
        )


def _utc(stamp: np.datetime64) -> str:
    return f"{np.datetime_as_string(stamp, unit='m')} UTC"
