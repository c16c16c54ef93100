"""A CSV or Parquet file of one's own, long or wide."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.data.columns import Columns, guess_mapping
from quantdesk.data.events import delisting_proceeds, departures, implied_dividends, survivorship
from quantdesk.data.grid import long_grid
from quantdesk.data.stamps import read_stamps
from quantdesk.data.table import Table, read_table
from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import FIELDS, Panel

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class File:
    """Read a CSV (also gzip) or Parquet file, one row a time and symbol or one column a symbol.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        What the panel is called; the file's stem where it is empty.
    mapping : mapping of str to str
        Field to column, such as ``{"close": "LAST"}``; the rest is guessed. An empty column leaves a field unread.
    timezone : str or None
        IANA zone of stamps without an offset. None: New York for dates, an error for stamps with
        a time of day.
    closes_at : str
        When a session ends that is given by its date alone, HH:MM.
    sort : bool
        Put rows that are out of order in order, rather than refuse them.
    lot : float
        Smallest quantity step, in units: 1 for shares, less where fractions trade.
    haircut : float
        Fraction of the last close that is lost when an instrument vanishes.
    only : tuple of str
        Symbols that are read, of a Parquet file with a row a time and symbol; none: all.
    """

    path: Path
    name: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    closes_at: str = "16:00"
    sort: bool = False
    lot: float = 1.0
    haircut: float = 0.3
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1e-8 <= self.lot <= 1e6:
            raise DataError(f"lot is {self.lot}", "units from 0.00000001 to 1,000,000", "correct it")
        object.__setattr__(self, "path", Path(self.path))
        if not 0.0 <= self.haircut <= 1.0:
            raise DataError(f"delisting haircut is {self.haircut}", "a fraction in [0, 1]", "correct it")

    def fetch(self) -> Panel:
        """Return the panel.

        Where the file has both ``Close`` and ``Adj Close``, prices stay as they are and the
        dividends that the two imply become the field ``dividend``. Instruments whose last bar is
        five or more sessions before the end are paid out in the field ``delisting``.

        Raises
        ------
        DataError
            If the file is missing, empty or unreadable; a column is missing; a time or number is
            unreadable; a stamp is repeated or out of order; the time zone is not known.
        """
        return self.read()[0]

    def read(self) -> tuple[Panel, Columns]:
        """Return the panel, and which column was read as what.

        Raises
        ------
        DataError
            As ``fetch``.
        """
        table = read_table(self.path, (symbol_column(self.path, self.mapping), self.only) if self.only else None)
        columns = guess_mapping(table.frame.columns, self.mapping)
        stamps, note = self._stamps(table, columns.chosen["time"])
        panel = self._long(table, columns, stamps) if columns.layout == "long" else self._wide(table, columns, stamps)
        notes = (note,) if not note.startswith("dates") else (f"{columns.chosen['time']}: {note}",)
        return _with_departures(_on_grid(_without_empty(panel), self.lot), self.haircut), replace(columns, notes=notes)

    def _stamps(self, table: Table, column: str) -> tuple[Times, str]:
        stamps, note = read_stamps(table.frame[column], self.timezone, self.closes_at)
        faults = np.flatnonzero(np.isnat(stamps))
        if faults.size:
            row = int(faults[0])
            raise DataError(
                f"{table.place(row)}: {column} is {table.frame[column][row]!r}",
                f"a time written like the others, such as {table.frame[column].drop_nulls().head(1).to_list()}",
                f"correct it ({faults.size} such in the column)",
            )
        return stamps, note

    def _long(self, table: Table, columns: Columns, stamps: Times) -> Panel:
        names = self._symbols(table, columns)
        grid = long_grid(table, names, stamps, self.sort)
        chosen = {name: column for name, column in columns.chosen.items() if name in FIELDS or name == "adj_close"}
        fields = {name: grid.spread(table.numbers(column)) for name, column in chosen.items()}
        adjusted = fields.pop("adj_close", None)
        if adjusted is not None and "dividend" not in fields:
            fields["dividend"] = implied_dividends(fields["close"], adjusted, grid.times, grid.symbols)
        if "split" in fields:
            fields["split"][fields["split"] == 0.0] = np.nan  # how several vendors write "none"
        sectors = _sectors(table, columns, names)
        instruments = tuple(Instrument(symbol, sectors.get(symbol, "")) for symbol in grid.symbols)
        return Panel(grid.times, instruments, fields, name=self._name(), caveats=_price_caveats(columns, fields))

    def _symbols(self, table: Table, columns: Columns) -> "pl.Series | np.ndarray[tuple[int], np.dtype[np.object_]]":
        import polars as pl

        if "symbol" not in columns.chosen:
            return np.full(len(table.frame), self._stem(), dtype=object)
        symbols = table.frame[columns.chosen["symbol"]].cast(pl.String).str.strip_chars()
        missing = np.flatnonzero(symbols.is_null().to_numpy())
        if missing.size:
            raise DataError(f"{table.place(int(missing[0]))} has no symbol", "a symbol in every row", "fill it in")
        return symbols

    def _wide(self, table: Table, columns: Columns, stamps: Times) -> Panel:
        symbols = sorted(columns.closes)
        # A wide table is a long one with a single symbol as far as the order of its times goes.
        grid = long_grid(table, np.full(len(stamps), self._stem(), dtype=object), stamps, self.sort)
        fields = {"close": np.column_stack([grid.spread(table.numbers(symbol)) for symbol in symbols])}
        instruments = tuple(Instrument(symbol) for symbol in symbols)
        return Panel(grid.times, instruments, fields, name=self._name(), caveats=_price_caveats(columns, fields))

    def _stem(self) -> str:
        return self.path.name.split(".")[0]

    def _name(self) -> str:
        return self.name or self._stem()


def symbol_column(path: Path, mapping: Mapping[str, str]) -> str:
    """Name the column of a Parquet file that holds the symbols, from its header alone.

    Raises
    ------
    DataError
        If it is no Parquet file with a row a time and symbol.
    """
    import polars as pl

    try:
        found = guess_mapping(list(pl.read_parquet_schema(path)), mapping).chosen.get("symbol")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read by symbol: {reason}", "a Parquet file", "write it as Parquet") from error
    if found is None:
        raise DataError(f"{path} has no column of symbols", "one row a time and symbol", "name the column in the mapping")
    return found


def _sectors(
    table: Table, columns: Columns, names: "pl.Series | np.ndarray[tuple[int], np.dtype[np.object_]]"
) -> dict[str, str]:
    if "sector" not in columns.chosen:
        return {}
    sectors = table.frame[columns.chosen["sector"]].cast(str).fill_null("").to_list()
    return dict(zip(reversed(list(names)), reversed(sectors), strict=True))


def _price_caveats(columns: Columns, fields: Mapping[str, Float64]) -> tuple[str, ...]:
    said = []
    if "adj" in columns.chosen.get("close", "").lower():
        said.append("closes are adjusted for splits and dividends")
    if "open" not in fields:
        said.append("no opens: orders fill at the next close")
    if "volume" not in fields:
        said.append("no volumes: what could have been traded is not known")
    return tuple(said)


def _without_empty(panel: Panel) -> Panel:
    is_held = np.any(np.isfinite(panel.fields["close"]), axis=0).tolist()
    held = tuple(symbol for symbol, has_price in zip(panel.symbols, is_held, strict=True) if has_price)
    empty = [symbol for symbol in panel.symbols if symbol not in set(held)]
    if not held:
        raise DataError(f"{panel.name!r} holds no close at all", "a number for some bar", "check the file and its mapping")
    if not empty:
        return panel
    return replace(panel.select(held), caveats=(*panel.caveats, f"left out, as they hold no close: {', '.join(empty)}"))


def _on_grid(panel: Panel, lot: float) -> Panel:
    # Ten thousandths of a price under one would be a coarse grid; eight places are the finest money has here.
    least = np.nanmin(np.where(panel.fields["close"] > 0, panel.fields["close"], np.nan), axis=0, initial=1.0)
    ticks = np.clip(10.0 ** (np.floor(np.log10(least)) - 4), 1e-8, 1e-4)
    instruments = tuple(
        replace(instrument, lot_size=lot, tick_size=float(tick))
        for instrument, tick in zip(panel.instruments, ticks, strict=True)
    )
    return replace(panel, instruments=instruments)


def _with_departures(panel: Panel, haircut: float) -> Panel:
    close = panel.fields["close"]
    n_gone = int((departures(close, panel.times) >= 0).sum())
    panel = replace(panel, caveats=(*panel.caveats, *survivorship(close, panel.times)))
    if n_gone == 0 or "delisting" in panel.fields:
        return panel
    caveat = (
        f"{n_gone} of {close.shape[1]} instruments leave before the end: whoever holds them is assumed to be paid "
        f"the last close less {haircut:.0%} (Shumway 1997)"
    )
    fields = {**panel.fields, "delisting": delisting_proceeds(close, panel.times, haircut)}
    return replace(panel, fields=fields, caveats=(*panel.caveats, caveat))
