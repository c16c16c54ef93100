"""One instrument's bars as a source gives them, with its splits and dividends on their bars."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from quantdesk.data.stamps import session_closes
from quantdesk.domain.arrays import Bools, Float64, Ints, Times
from quantdesk.domain.errors import DataError

PRICES = ("open", "high", "low", "close")
BARS = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "1d": 1440}
"""Bar lengths in minutes, by the name under which a source is asked for them."""

MINUTE = np.timedelta64(60_000_000_000, "ns")
DAY = np.timedelta64(86_400_000_000_000, "ns")


@dataclass(frozen=True, eq=False)
class History:
    """Hold bars of one instrument; arrays have shape (n_bars,).

    Parameters
    ----------
    symbol : str
        As the source answered, which must be as it was asked.
    opens_at : Times
        When each bar begins, UTC.
    times : Times
        When it closes, UTC.
    fields : mapping of str to Float64
        Raw prices, volume, and ``split`` and ``dividend`` where the source tells of them.
    is_adjusted : bool or None
        What the source says of its prices; None where it says nothing.
    """

    symbol: str
    opens_at: Times
    times: Times
    fields: Mapping[str, Float64]
    is_adjusted: bool | None = None

    def __len__(self) -> int:
        return len(self.times)

    def where(self, keep: Bools | Ints | slice) -> "History":
        """Return the chosen bars."""
        fields = {name: values[keep] for name, values in self.fields.items()}
        return replace(self, opens_at=self.opens_at[keep], times=self.times[keep], fields=fields)


@dataclass(frozen=True)
class Events:
    """Hold what happened to an instrument by ex-date.

    Parameters
    ----------
    splits, dividends : sequence of (str, float)
        Ex-date (YYYY-MM-DD) with new units for one old, or cash a unit.
    """

    splits: Sequence[tuple[str, float]] = ()
    dividends: Sequence[tuple[str, float]] = ()

    def on_bars(self, dates: Times) -> dict[str, Float64]:
        """Lay the events on the first bar of their ex-date, or of the next session.

        Parameters
        ----------
        dates : Times
            Session date of each bar (n_bars,), increasing.

        Returns
        -------
        dict of str to Float64
            ``split`` and ``dividend`` (n_bars,), NaN where there is none. What lies before the first
            or after the last bar is left out.
        """
        days = dates.astype("datetime64[D]")
        laid = {"split": np.full(len(days), np.nan), "dividend": np.full(len(days), np.nan)}
        for name, events in (("split", self.splits), ("dividend", self.dividends)):
            for date, value in events:
                day = np.datetime64(date[:10], "D")
                bar = int(np.searchsorted(days, day, side="left"))
                if bar == len(days) or day < days[0] or not np.isfinite(value):
                    continue
                before = laid[name][bar]
                both = before * value if name == "split" else before + value
                laid[name][bar] = value if np.isnan(before) else both
        return laid


def with_events(history: History, events: Events, zone: str = "America/New_York") -> History:
    """Return the history with ``split`` and ``dividend`` on its bars; ex-dates are days of the zone."""
    return replace(history, fields={**history.fields, **events.on_bars(local_days(history.opens_at, zone))})


def local_days(times: Times, zone: str) -> Times:
    """Name the day in a zone on which each moment (n_bars,) lies."""
    import polars as pl

    local = pl.Series(times).dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date()
    return np.asarray(local.to_numpy(), dtype="datetime64[D]")


def numbers(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str]) -> dict[str, Float64]:
    """Gather fields from rows.

    Parameters
    ----------
    rows : sequence of mappings
        One a bar.
    columns : mapping of str to str
        Field to the row's own name for it.

    Returns
    -------
    dict of str to Float64
        Shape (n_bars,) each; NaN where a row has none.

    Raises
    ------
    DataError
        If a value is no number.
    """
    try:
        return {
            name: np.array([float(str(row[key])) if row.get(key) is not None else np.nan for row in rows])
            for name, key in columns.items()
        }
    except ValueError as error:
        raise DataError(f"a bar holds a value that is no number ({error})", "numbers", "try later; nothing was kept") from error


def day_bars(
    symbol: str, dates: Sequence[str], fields: Mapping[str, Float64], zone: str = "America/New_York", closes_at: str = "16:00"
) -> History:
    """Build a history of sessions known by their date, in order.

    Raises
    ------
    DataError
        If the zone or ``closes_at`` is unknown, or a date unreadable.
    """
    import polars as pl

    try:
        days = np.array([date[:10] for date in dates], dtype="datetime64[D]")
    except ValueError as error:
        raise DataError(f"{symbol}: a session date is unreadable ({error})", "YYYY-MM-DD", "try later") from error
    order = np.argsort(days, kind="stable")
    series = pl.Series(days[order])
    return History(
        symbol,
        session_closes(series, zone, "00:00"),
        session_closes(series, zone, closes_at),
        {name: values[order] for name, values in fields.items()},
    )


def timed_bars(symbol: str, milliseconds: Sequence[int], fields: Mapping[str, Float64], bar: str) -> History:
    """Build a history of bars stamped at their opening, in milliseconds since 1970 UTC."""
    opens = np.array(milliseconds, dtype=np.int64).astype("datetime64[ms]").astype("datetime64[ns]")
    order = np.argsort(opens, kind="stable")
    closes: Times = np.add(opens[order], BARS[bar] * MINUTE)
    return History(symbol, opens[order], closes, {name: values[order] for name, values in fields.items()})


def to_bytes(history: History, begins: np.datetime64, ends: np.datetime64) -> bytes:
    """Write a history and the span it covers into a file's content."""
    buffer = io.BytesIO()
    fields = {f"field_{name}": values for name, values in history.fields.items()}
    span = np.array([begins, ends], dtype="datetime64[ns]").astype(np.int64)
    stamps = {"opens_at": history.opens_at.astype(np.int64), "times": history.times.astype(np.int64), "span": span}
    np.savez_compressed(buffer, symbol=np.array(history.symbol), **stamps, **fields)  # type: ignore[arg-type]
    return buffer.getvalue()


def from_bytes(content: bytes) -> tuple[History, np.datetime64, np.datetime64] | None:
    """Read what ``to_bytes`` wrote; None where it is damaged."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            fields = {name.removeprefix("field_"): kept[name] for name in kept.files if name.startswith("field_")}
            opens_at, times, span = (kept[name].astype("datetime64[ns]") for name in ("opens_at", "times", "span"))
            return History(str(kept["symbol"]), opens_at, times, fields), span[0], span[1]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        return None
