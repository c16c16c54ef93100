"""Read the three kinds of file in which QuantConnect Lean keeps a market: bars, factors, tickers."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints, Times
from quantdesk.domain.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_SCALE = 10_000.0  # prices are whole numbers of a hundredth of a cent
_FOREVER = np.datetime64("2050-12-31", "D")


@dataclass(frozen=True, eq=False)
class Daily:
    """Hold raw daily bars, every array (n_bars,); volume in units, prices in account currency."""

    days: Times
    open: Float64
    high: Float64
    low: Float64
    close: Float64
    volume: Float64

    def where(self, keep: Bools | Ints) -> "Daily":
        """Return the chosen bars."""
        return Daily(self.days[keep], self.open[keep], self.high[keep], self.low[keep], self.close[keep], self.volume[keep])

    @classmethod
    def joined(cls, parts: list["Daily"]) -> "Daily":
        """Put bars of one instrument under several tickers together, by day."""
        nothing = np.empty(0)
        empty = cls(nothing.astype("datetime64[D]"), nothing, nothing, nothing, nothing, nothing)
        columns = ("days", "open", "high", "low", "close", "volume")
        whole = cls(*(np.concatenate([getattr(part, column) for part in (empty, *parts)]) for column in columns))
        return whole.where(np.unique(whole.days, return_index=True)[1])


@dataclass(frozen=True, eq=False)
class Factors:
    """Hold Lean's factors: those of a row apply up to its day, the last before an ex-date.

    Parameters
    ----------
    days : Times
        Days (n_rows,), increasing.
    price : Float64
        For all later dividends (n_rows,), written to seven digits.
    split : Float64
        For all later splits (n_rows,).
    reference : Float64
        Raw close on the day (n_rows,).
    """

    days: Times
    price: Float64
    split: Float64
    reference: Float64

    @classmethod
    def none(cls) -> "Factors":
        """Stand for an instrument without a factor file."""
        return cls(np.array([_FOREVER]), np.ones(1), np.ones(1), np.zeros(1))

    def on(self, days: Times) -> Float64:
        """Give the product of both factors on each day (n,): those of the first row on or after it."""
        rows = np.minimum(np.searchsorted(self.days, days), len(self.days) - 1)
        return np.where(days <= self.days[-1], (self.price * self.split)[rows], 1.0)

    def steps(self) -> list[tuple[np.datetime64, float, float]]:
        """List the last days before events, with the factors that each event itself brings."""
        price, split = self.price[:-1] / self.price[1:], self.split[:-1] / self.split[1:]
        is_event = (price != 1.0) | (split != 1.0)
        rows = np.flatnonzero(is_event)
        return [(self.days[i], float(price[i]), float(split[i])) for i in rows]


@dataclass(frozen=True, slots=True)
class Spell:
    """Say which ticker an instrument had from one day to another, both included."""

    ticker: str
    first: np.datetime64
    last: np.datetime64

    def covers(self, days: Times) -> Bools:
        """Say on which of the days (n,) it had the ticker."""
        return (days >= self.first) & (days <= self.last)


def read_daily(path: Path) -> Daily:
    """Read a zip of daily bars: day, open, high, low, close (times 10,000, unadjusted), volume.

    Raises
    ------
    DataError
        If it is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(archive.namelist()[0])
    except (OSError, zipfile.BadZipFile, IndexError) as error:
        raise DataError(f"{path} cannot be read: {error}", "a zip of one CSV file", "copy it again") from error
    table = _read_csv(path, content, 6)
    numbers = [np.asarray(table[column].to_numpy(), dtype=np.float64) for column in table.columns[1:]]
    days = _days(path, table.to_series(0))
    if (np.diff(days) <= np.timedelta64(0)).any():
        raise DataError(f"{path}: days do not increase", "one bar a day, in order", "copy it again")
    opened, high, low, close = (values / _SCALE for values in numbers[:4])
    return Daily(days, opened, high, low, close, numbers[4])


def read_factors(path: Path) -> Factors:
    """Read a factor file: day, price factor, split factor, reference price.

    Raises
    ------
    DataError
        If it is no such file, or its days do not increase.
    """
    table = _read_csv(path, path.read_bytes(), 4)
    days = _days(path, table.to_series(0))
    if (np.diff(days) <= np.timedelta64(0)).any():
        raise DataError(f"{path}: days do not increase", "factors in order", "copy it again")
    price, split, reference = (np.asarray(table[column].to_numpy(), dtype=np.float64) for column in table.columns[1:])
    return Factors(days, price, split, reference)


def read_map(path: Path) -> tuple[Spell, ...]:
    """Read a map file: the last day under a ticker and the ticker; its first row is the first day.

    Raises
    ------
    DataError
        If it is no such file.
    """
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").split()]
    try:
        days = [np.datetime64(f"{line[0][:4]}-{line[0][4:6]}-{line[0][6:8]}", "D") for line in lines]
        tickers = [line[1] for line in lines]
    except (ValueError, IndexError) as error:
        raise DataError(f"{path} is no map file: {error}", "rows such as 20140402,goocv,Q", "copy it again") from error
    if len(lines) < 2:
        raise DataError(f"{path} has {len(lines)} rows", "the first day and a last day", "copy it again")
    firsts = [days[0], *(day + np.timedelta64(1, "D") for day in days[1:-1])]
    return tuple(Spell(*spell) for spell in zip(tickers[1:], firsts, days[1:], strict=True))


def _read_csv(path: Path, content: bytes, n_columns: int) -> "pl.DataFrame":
    import polars as pl

    try:
        table = pl.read_csv(io.BytesIO(content), has_header=False, infer_schema=False)
        table = table.with_columns(pl.col(table.columns[1:]).cast(pl.Float64))
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}", "rows of numbers", "copy it again") from error
    if len(table.columns) < n_columns:
        raise DataError(f"{path} has {len(table.columns)} columns", f"{n_columns}", "copy it again")
    return table.select(table.columns[:n_columns])


def _days(path: Path, column: "pl.Series") -> Times:
    days = column.str.slice(0, 8).str.to_date("%Y%m%d", strict=False)
    if days.null_count():
        raise DataError(f"{path}: a day is unreadable", "days such as 20140402", "copy it again")
    return np.asarray(days.to_numpy(), dtype="datetime64[D]")
