"""Read the splits and dividends that a vendor's restated closes imply."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quantdesk.data.actions import Action
from quantdesk.data.table import read_table
from quantdesk.domain.arrays import Bools, Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.records import Names

_TERMS = np.array([new / old for old in (1, 2, 3, 4) for new in range(1, 11)] + [1 / old for old in range(5, 1001)])
# New units for one old that a split may give: up to 10 for 1 to 4, or 1 for many.

_EXACT = 1e-4  # relative distance from such terms; also of two closes that are one
_ALIKE = 0.1  # relative distance of two dividends that are one
_ODD_MOVE = 0.35  # log; on a split's day the price may still move by this much besides
_LEAST_SPLIT = 0.15  # log; less may as well be a dividend, and comes to the same return


@dataclass(frozen=True, eq=False)
class Restatements:
    """Hold adjusted closes that were seen to change, a row each (n_rows,).

    Parameters
    ----------
    symbols : Names
        The instruments.
    days : Times
        Day of the restated close: the last before the ex-date.
    ratios : Float64
        Restated over first adjusted close: (1 - dividend / close) times old units for one new.
    is_corrected : Bools
        Where the close itself was wrong at first, which is no event.
    """

    symbols: Names
    days: Times
    ratios: Float64
    is_corrected: Bools

    def actions(self, close: Float64, times: Times, symbols: tuple[str, ...], closes_at: Times) -> tuple[list[Action], int]:
        """Turn the restatements that the closes bear out into actions, and count the others.

        A ratio near whole terms (2:1, 3:2, 1:10) with a move of the close to match is a split;
        another below 1 is a dividend of ``close * (1 - ratio)``, unless the close of the next bar
        rises or falls as no ex-date explains. A ratio above 1 that is no split explains nothing,
        nor does a corrected close. Of two equal ones within five days the later counts: the vendor
        moved the ex-date.

        Parameters
        ----------
        close : Float64
            Raw closes (n_times, n_instruments).
        times : Times
            Bar closes in UTC (n_times,).
        symbols : tuple of str
            Columns.
        closes_at : Times
            When the sessions of ``days`` closed, UTC (n_rows,).
        """
        column = {symbol: i for i, symbol in enumerate(symbols)}
        found: list[Action] = []
        n_doubted = 0
        for row in np.flatnonzero(~self.is_corrected & ~self._is_told_again()):
            i = column.get(str(self.symbols[row]))
            around = None if i is None else _around(close[:, i], int(np.searchsorted(times, closes_at[row])))
            action = _action(str(self.symbols[row]), float(self.ratios[row]), times, around) if around else None
            n_doubted += action is None
            found += [action] if action else []
        return found, n_doubted

    def _is_told_again(self) -> Bools:
        again = np.zeros(len(self.ratios), dtype=np.bool_)
        order = np.lexsort((self.days, self.symbols))
        first, second = order[:-1], order[1:]
        is_near = (self.symbols[first] == self.symbols[second]) & (
            self.days[second] - self.days[first] <= np.timedelta64(5, "D")
        )
        is_same = np.abs((1.0 - self.ratios[first]) / (1.0 - self.ratios[second]) - 1.0) < _ALIKE
        again[first] = is_near & is_same
        return again


def read_restatements(path: Path) -> Restatements:
    """Read a table with columns symbol, date, close, adj_close_first and ratio.

    Raises
    ------
    DataError
        If the file is unreadable, lacks a column, or a ratio is not above 0.
    """
    import polars as pl

    table = read_table(Path(path))
    needed = ("symbol", "date", "close", "adj_close_first", "ratio")
    if missing := set(needed) - set(table.frame.columns):
        raise DataError(f"{path} has no {', '.join(sorted(missing))}", f"columns {', '.join(needed)}", "check the file")
    dates = table.frame["date"]
    days = dates.str.slice(0, 10).str.to_date() if dates.dtype == pl.String else dates.cast(pl.Date)
    ratios = table.numbers("ratio")
    if not ((ratios > 0) & (ratios != 1.0)).all():
        row = int(np.flatnonzero(~((ratios > 0) & (ratios != 1.0)))[0])
        raise DataError(f"{table.place(row)}: ratio is {ratios[row]}", "a number above 0 other than 1", "correct it")
    symbols = np.array(table.frame["symbol"].cast(pl.String).to_list(), dtype=np.str_)
    is_corrected = np.abs(table.numbers("adj_close_first") / table.numbers("close") - 1.0) > _EXACT
    return Restatements(symbols, np.asarray(days.to_numpy(), dtype="datetime64[D]"), ratios, is_corrected)


def _around(close: Float64, row: int) -> tuple[float, float, int] | None:
    # The last close up to the restated day, and the first one after it.
    seen: Bools = np.isfinite(close)
    before, after = np.flatnonzero(seen[: row + 1]), np.flatnonzero(seen[row + 1 :])
    if not before.size or not after.size:
        return None
    ex_bar = row + 1 + int(after[0])
    return float(close[before[-1]]), float(close[ex_bar]), ex_bar


def _action(symbol: str, ratio: float, times: Times, around: tuple[float, float, int]) -> Action | None:
    before, after, ex_bar = around
    time: np.datetime64 = times[ex_bar]
    move = np.log(after / before) - np.log(ratio)
    terms = _terms(1.0 / ratio) if abs(np.log(ratio)) > _LEAST_SPLIT else 0.0
    if terms:
        return Action("split", symbol, time, terms) if abs(move) < _ODD_MOVE else None
    if ratio < 1.0 and abs(move) < _ODD_MOVE:
        return Action("dividend", symbol, time, before * (1.0 - ratio))
    return None


def _terms(units: float) -> float:
    terms = float(_TERMS[np.argmin(np.abs(np.log(_TERMS / units)))])
    return terms if abs(terms / units - 1.0) < _EXACT else 0.0
