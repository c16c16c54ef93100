"""Say who belonged to the universe on each day, as known on that day."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quantdesk.data.attach import new_york
from quantdesk.data.table import read_table
from quantdesk.domain.arrays import Bools, Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.domain.records import Names


@dataclass(frozen=True, eq=False)
class Membership:
    """Hold spells of membership in an index; a ticker may have several.

    Parameters
    ----------
    tickers : Names
        Who (n_spells,).
    starts : Times
        First day as a member, New York (n_spells,).
    ends : Times
        First day no longer a member (n_spells,); NaT where it still is.
    name : str
        The index.

    Raises
    ------
    DataError
        If a spell has no start, or does not end after it.
    """

    tickers: Names
    starts: Times
    ends: Times
    name: str = ""

    def __post_init__(self) -> None:
        bad = np.flatnonzero(np.isnat(self.starts) | (self.ends <= self.starts))
        if bad.size:
            i = bad[0]
            raise DataError(
                f"membership of {self.tickers[i]} lasts from {self.starts[i]} to {self.ends[i]}",
                "a start, and an end after it or none",
                "correct the file",
            )

    @classmethod
    def read(cls, path: Path) -> "Membership":
        """Read a CSV or Parquet file with columns ticker, start_date, end_date (empty: still a member).

        Raises
        ------
        DataError
            If the file or a column is missing, or a date unreadable.
        """
        import polars as pl

        table = read_table(Path(path))
        columns = ("ticker", "start_date", "end_date")
        if missing := [column for column in columns if column not in table.frame.columns]:
            raise DataError(f"{path} has no {', '.join(missing)}", f"columns {', '.join(columns)}", "rename them")
        try:
            days = table.frame.select(pl.col(columns[1:]).cast(pl.String).replace("", None).str.to_date("%Y-%m-%d"))
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{path}: {str(error).splitlines()[0]}", "dates such as 2015-03-23", "correct them") from error
        tickers = np.array(table.frame["ticker"].cast(pl.String).to_list(), dtype=np.str_)
        starts, ends = (np.asarray(days[column].to_numpy(), dtype="datetime64[D]") for column in columns[1:])
        return cls(tickers, starts, ends, Path(path).name.split(".")[0])

    def mask(self, times: Times, symbols: tuple[str, ...]) -> Bools:
        """Say who is a member at each bar's close; a symbol never in the index is never one.

        Parameters
        ----------
        times : Times
            Bar closes in UTC (n_times,).
        symbols : tuple of str
            Instruments; ``BRK.B``, ``BRK-B`` and ``BRK/B`` are one.

        Returns
        -------
        Bools
            Shape (n_times, n_instruments).
        """
        found = np.zeros((len(times), len(symbols)), dtype=np.bool_)
        column = {_plain(symbol): i for i, symbol in enumerate(symbols)}
        for ticker, (first, stop) in zip(self.tickers, self._spans(times), strict=True):
            if _plain(ticker) in column:
                found[first:stop, column[_plain(ticker)]] = True
        return found

    def missing(self, times: Times, symbols: tuple[str, ...]) -> tuple[str, ...]:
        """Name the members of any of these bars that are not among the symbols, in alphabetical order."""
        held = {_plain(symbol) for symbol in symbols}
        spans = zip(self.tickers, self._spans(times), strict=True)
        return tuple(sorted({str(ticker) for ticker, (first, stop) in spans if first < stop and _plain(ticker) not in held}))

    def covered(self, times: Times, symbols: tuple[str, ...]) -> Float64:
        """Give the share of each bar's members that are among the symbols (n_times,); NaN without members."""
        n_all = self.mask(times, tuple(sorted({_plain(ticker) for ticker in self.tickers}))).sum(axis=1)
        n_held = self.mask(times, symbols).sum(axis=1)
        return np.where(n_all > 0, n_held / np.maximum(n_all, 1), np.nan)

    def survivors_share(self, times: Times) -> float:
        """Give the share of the first bar's members that are still members, all along, at the last.

        Raises
        ------
        DataError
            If the index had no members at the first bar.
        """
        members = self.mask(times, tuple(sorted({_plain(ticker) for ticker in self.tickers})))
        if not members[0].any():
            raise DataError(f"{self.name!r} has no members at {times[0]}", "spells that reach back so far", "begin later")
        return float(members.all(axis=0).sum() / members[0].sum())

    def _spans(self, times: Times) -> list[tuple[int, int]]:
        # A bar belongs to the day in New York on which it closes.
        first = np.searchsorted(times, new_york(self.starts, "00:00"))
        is_open = np.isnat(self.ends)
        stops = np.searchsorted(times, new_york(np.where(is_open, np.datetime64("2200-01-01", "D"), self.ends), "00:00"))
        return list(zip(first.tolist(), np.where(is_open, len(times), stops).tolist(), strict=True))


def has_history(panel: Panel, bars: int) -> Bools:
    """Say who had traded on at least ``bars`` bars, the present one included (n_times, n_instruments)."""
    counts = np.cumsum(np.isfinite(panel.fields["close"]), axis=0)
    return np.asarray(counts >= bars)


def is_liquid(panel: Panel, min_daily_value: float, bars: int = 20) -> Bools:
    """Say whose mean traded value over the last bars reached a level (n_times, n_instruments).

    Parameters
    ----------
    panel : Panel
        Raw closes and volumes.
    min_daily_value : float
        Close times volume, account currency a bar.
    bars : int
        Bars averaged, the present one included; one without a trade counts as 0.

    Raises
    ------
    DataError
        If the panel has no volumes.
    """
    if "volume" not in panel.fields:
        raise DataError(f"{panel.name!r} has no volumes", "the field volume", "leave the liquidity rule out")
    traded = np.nan_to_num(panel.fields["close"] * panel.fields["volume"])
    # Each window is summed by itself: a running sum would carry rounding from far back.
    windows = np.lib.stride_tricks.sliding_window_view(traded, min(bars, len(traded)), axis=0)
    means = np.zeros(panel.shape)
    means[len(traded) - len(windows) :] = windows.sum(axis=-1) / bars
    return np.asarray(means >= min_daily_value)


def restrict(panel: Panel, mask: Bools, why: str = "the universe") -> Panel:
    """Mark who may be traded at each bar in the field ``member``: 1 or 0.

    Nothing of the past is blanked, since what an instrument did before it joined was known. A
    second restriction keeps to the first.

    Parameters
    ----------
    panel : Panel
        The bars.
    mask : Bools
        Shape (n_times, n_instruments), known at each bar's close.
    why : str
        What the mask stands for, for the caveat.

    Raises
    ------
    DataError
        If the mask has another shape, or allows nothing at all.
    """
    if mask.shape != panel.shape:
        raise DataError(f"the mask has shape {mask.shape}", f"{panel.shape}", "compute it from this panel")
    is_member = mask & (panel.get("member") > 0) if "member" in panel.fields else mask
    is_traded = np.isfinite(panel.fields["close"])
    if not (is_member & is_traded).any():
        raise DataError(f"{why} holds no traded bar of {panel.name!r}", "some", "check dates, symbols and thresholds")
    share = (is_member & is_traded).sum() / is_traded.sum()
    caveat = f"restricted to {why}: {share:.0%} of traded bars"
    fields = {**panel.fields, "member": is_member.astype(np.float64)}
    return replace(panel, fields=fields, caveats=(*panel.caveats, caveat))


def _plain(symbol: str) -> str:
    return str(symbol).replace("-", ".").replace("/", ".").upper()
