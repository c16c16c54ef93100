"""The grid: every row has its cell; repeats and rows out of order are refused in whichever order a file goes."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantdesk.data.grid import Grid, long_grid
from quantdesk.data.table import Table
from quantdesk.domain.errors import DataError


def _grid(rows: list[tuple[str, int]], is_sorting: bool = False) -> Grid:
    table = Table(Path("bars.csv"), pl.DataFrame({"row": range(len(rows))}), 2)
    stamps = np.array([day for _, day in rows], dtype="datetime64[D]").astype("datetime64[ns]")
    return long_grid(table, pl.Series([symbol for symbol, _ in rows]), stamps, is_sorting)


BY_SYMBOL = [("B", 1), ("B", 2), ("B", 4), ("A", 1), ("A", 3)]
BY_TIME = [("B", 1), ("A", 1), ("B", 2), ("A", 3), ("B", 4)]


@pytest.mark.parametrize("rows", [BY_SYMBOL, BY_TIME])
def test_each_row_has_its_cell(rows: list[tuple[str, int]]) -> None:
    grid = _grid(rows)
    laid = grid.spread(np.array([day * 10.0 + (symbol == "B") for symbol, day in rows]))
    expected = np.array([[10, 11], [np.nan, 21], [30, np.nan], [np.nan, 41]])
    assert grid.symbols == ("A", "B")
    np.testing.assert_array_equal(laid, expected)


@pytest.mark.parametrize("rows", [BY_SYMBOL, BY_TIME])
def test_a_series_and_an_array_of_symbols_are_read_alike(rows: list[tuple[str, int]]) -> None:
    table = Table(Path("bars.csv"), pl.DataFrame({"row": range(len(rows))}), 2)
    stamps = np.array([day for _, day in rows], dtype="datetime64[D]").astype("datetime64[ns]")
    array = np.array([symbol for symbol, _ in rows], dtype=object)
    assert long_grid(table, array, stamps, False).cells.tolist() == _grid(rows).cells.tolist()


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([("B", 1), ("B", 4), ("B", 2), ("A", 1)], "line 4: time 1970-01-03T00:00 UTC of B"),
        ([("B", 1), ("B", 2), ("A", 3), ("A", 1)], "line 5: time 1970-01-02T00:00 UTC of A"),
        ([("B", 4), ("A", 1), ("B", 2)], "line 4: time 1970-01-03T00:00 UTC of B"),
    ],
)
def test_a_row_before_the_one_above_it_is_refused_by_its_line(rows: list[tuple[str, int]], line: str) -> None:
    with pytest.raises(DataError, match=line):
        _grid(rows)
    assert len(_grid(rows, is_sorting=True).times) == len({day for _, day in rows})


@pytest.mark.parametrize("is_sorting", [True, False])
def test_a_second_bar_of_one_time_is_refused_by_its_line(is_sorting: bool) -> None:
    with pytest.raises(DataError, match=r"line 4: A has a second bar at 1970-01-02T00:00 UTC"):
        _grid([("A", 1), ("B", 1), ("A", 1)], is_sorting)
