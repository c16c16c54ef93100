"""Guess which column of a table holds which field, and say what was guessed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import FIELDS

Layout = Literal["long", "wide"]

_SYNONYMS = {
    "time": ("datetime", "timestamp", "date", "time", "day", "session", "unnamed0", "index", ""),
    "symbol": ("symbol", "ticker", "tic", "name", "instrument", "actsymbol"),
    "sector": ("sector", "gicssector"),
    "open": ("open", "openprice"),
    "high": ("high", "highprice"),
    "low": ("low", "lowprice"),
    "close": ("close", "closeprice", "closelast"),
    "adj_close": ("adjclose", "adjustedclose", "closeadj", "closeadjusted"),
    "volume": ("volume", "vol", "sharestraded"),
    # "Stock Splits" is left out: the vendors that write it have split-adjusted the prices already.
    "split": ("split", "splitratio", "splitfactor"),
    "dividend": ("dividend", "dividends", "divcash", "exdividend"),
    "delisting": ("delisting", "delistingproceeds"),
}


@dataclass(frozen=True)
class Columns:
    """Say which column is read as which field.

    Parameters
    ----------
    layout : {"long", "wide"}
        One row a time and symbol, or one column of closes a symbol.
    chosen : mapping of str to str
        Field (``time``, ``symbol``, ``close``, ...) to the file's column; in a wide table only
        ``time``.
    closes : tuple of str
        In a wide table, the columns that hold closes; each is named for its symbol.
    ignored : tuple of str
        Columns that are not read.
    notes : tuple of str
        What else a reader should know, such as how dates were stamped.
    """

    layout: Layout
    chosen: Mapping[str, str]
    closes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Write the mapping for a reader, a line each: ``Date -> time``."""
        named = [f"{column} -> {name}" for name, column in self.chosen.items()]
        if self.closes:
            shown = ", ".join(self.closes[:4]) + (", ..." if len(self.closes) > 4 else "")
            named.append(f"{shown} -> close of {len(self.closes)} symbols")
        if self.ignored:
            named.append(f"not read: {', '.join(self.ignored)}")
        return (*named, *self.notes)


def guess_mapping(columns: Sequence[str], wanted: Mapping[str, str] | None = None) -> Columns:
    """Match column names to fields, ignoring case, blanks and punctuation.

    Parameters
    ----------
    columns : sequence of str
        The file's column names, in order.
    wanted : mapping of str to str, optional
        Field to column; stands above any guess. An empty column leaves the field unread.

    Raises
    ------
    DataError
        If no column holds a time or a close, or ``wanted`` names an unknown field or column.

    Examples
    --------
    >>> guess_mapping(["Date", "Close", "Adj Close", "symbol"]).lines()
    ('Date -> time', 'symbol -> symbol', 'Close -> close', 'Adj Close -> adj_close')
    """
    fixed = dict(wanted or {})
    _check_wanted(columns, fixed)
    chosen = {name: column for name in _SYNONYMS if (column := fixed.get(name, _match(name, columns, fixed)))}
    time = chosen.get("time", columns[0] if columns and not set(chosen) & {"close", "symbol"} else None)
    if time is None:
        raise _missing("time", columns)
    if _layout(columns, chosen, fixed) == "wide":
        return Columns("wide", {"time": time}, tuple(column for column in columns if column != time))
    if "close" not in chosen:
        chosen = _with_adjusted_close(columns, chosen)
    ignored = tuple(column for column in columns if column not in chosen.values())
    return Columns("long", chosen, ignored=ignored)


def _check_wanted(columns: Sequence[str], wanted: Mapping[str, str]) -> None:
    for name, column in wanted.items():
        if name not in _SYNONYMS:
            raise DataError(f"no field is called {name!r}", f"one of {', '.join(_SYNONYMS)}", "correct the mapping")
        if column and column not in columns:
            raise DataError(f"no column is called {column!r}", f"one of {', '.join(columns)}", f"pass --map {name}=COLUMN")


def _match(name: str, columns: Sequence[str], fixed: Mapping[str, str]) -> str | None:
    plain = {re.sub(r"[^a-z0-9]", "", column.lower()): column for column in reversed(columns) if column not in fixed.values()}
    return next((plain[synonym] for synonym in _SYNONYMS[name] if synonym in plain), None)


def _layout(columns: Sequence[str], chosen: Mapping[str, str], fixed: Mapping[str, str]) -> Layout:
    if {"close", "symbol"} & set(chosen) or set(fixed) - {"time"}:
        return "long"
    # A wide table may hold a symbol that reads like a field (LOW is a retailer), so a few prove nothing.
    n_prices = sum(name in chosen for name in ("open", "high", "low"))
    is_long = {"adj_close", "volume"} & set(chosen) or 2 * n_prices > len(columns) - 1
    return "long" if is_long else "wide"


def _with_adjusted_close(columns: Sequence[str], chosen: dict[str, str]) -> dict[str, str]:
    if "adj_close" not in chosen or {"open", "high", "low"} & set(chosen):
        raise _missing("close", columns)
    return {("close" if name == "adj_close" else name): column for name, column in chosen.items()}


def _missing(name: str, columns: Sequence[str]) -> DataError:
    example = next((column for column in columns if column.lower() in ("last", "price", "value")), "LAST")
    return DataError(
        f"no column holds the {name}; found {', '.join(columns) or 'none'}",
        f"a column called {name}, or a mapping",
        f"pass --map {name}={example if name == 'close' else 'COLUMN'}",
    )


assert set(FIELDS) < set(_SYNONYMS), "every field of a panel can be mapped"
