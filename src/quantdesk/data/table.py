"""Read a CSV or Parquet file into a table whose faults can be named by line."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_MISSING = ("", "NA", "N/A", "null", "NULL", "None", "-")


@dataclass(frozen=True, eq=False)
class Table:
    """Hold a file's rows as read.

    Parameters
    ----------
    path : Path
        The file.
    frame : polars.DataFrame
        Its rows; every column of a CSV file is text.
    first_row : int
        Number of the first data row as an editor shows it: 2 below a header line, 1 in Parquet.
    """

    path: Path
    frame: "pl.DataFrame"
    first_row: int

    def place(self, row: int) -> str:
        """Name a row of the file for a reader."""
        return f"{self.path} {'line' if self.first_row == 2 else 'row'} {row + self.first_row}"

    def numbers(self, column: str) -> Float64:
        """Read a column as numbers (n_rows,), NaN where a value is missing.

        Raises
        ------
        DataError
            If a value is no number; names the first.
        """
        import polars as pl

        values = self.frame[column]
        if values.dtype == pl.String:
            values = values.str.strip_chars().replace(dict.fromkeys(_MISSING))
        numbers = values.cast(pl.Float64, strict=False)
        faults = np.flatnonzero((numbers.is_null() & values.is_not_null()).to_numpy())
        if faults.size:
            row = int(faults[0])
            raise DataError(
                f"{self.place(row)}: {column} is {values[row]!r}",
                "a number, without currency sign or thousands separator",
                f"correct it, or leave it empty where there is no value ({faults.size} such in the column)",
            )
        return np.asarray(numbers.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def read_table(path: Path, only: tuple[str, Sequence[str]] | None = None) -> Table:
    """Read a CSV (plain or gzip; comma, semicolon or tab) or Parquet file.

    Parameters
    ----------
    only : tuple of str and sequence of str, optional
        A column of a Parquet file, and the values whose rows are read; the others stay on the disk.

    Raises
    ------
    DataError
        If there is no such file, it is empty, or it is neither CSV nor Parquet.
    """
    import polars as pl

    _check_file(path)
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    try:
        frame = _read_parquet(path, only) if is_parquet else _read_csv(path)
    except (pl.exceptions.PolarsError, UnicodeDecodeError, BadGzipFile, EOFError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path} cannot be read as {'Parquet' if is_parquet else 'CSV'}: {reason}", "an intact file", "export it again"
        ) from error
    if frame.is_empty():
        raise DataError(f"{path} holds no rows", "a row for every bar", "export it again")
    return Table(path, frame, 1 if is_parquet else 2)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"no file at {path}", "a CSV or Parquet file", "check the path")
    if not path.name.lower().endswith((".csv", ".csv.gz", ".parquet", ".pq")):
        raise DataError(f"{path} is neither CSV nor Parquet", "a name ending in .csv, .csv.gz or .parquet", "export it so")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty", "a header and a row for every bar", "export it again")


def _read_parquet(path: Path, only: tuple[str, Sequence[str]] | None) -> "pl.DataFrame":
    import polars as pl

    if only is None:
        return pl.read_parquet(path)
    return pl.scan_parquet(path).filter(pl.col(only[0]).is_in(list(only[1]))).collect(engine="streaming")


def _read_csv(path: Path) -> "pl.DataFrame":
    import polars as pl

    # Everything is read as text: a type guessed from the first rows would hide which value is at fault.
    return pl.read_csv(path, separator=_separator(path), infer_schema=False)


def _separator(path: Path) -> str:
    import gzip

    with path.open("rb") as plain, gzip.open(plain) if path.suffix.lower() == ".gz" else nullcontext(plain) as stream:
        header = stream.readline().decode("utf-8")
    return max(",;\t", key=header.count)
