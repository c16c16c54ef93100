"""Fields of many instruments on one time axis, and the only door to their history."""

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument

FIELDS = ("open", "high", "low", "close", "volume", "split", "dividend", "delisting")
"""Field names with a fixed meaning. Prices are raw, in account currency; volume in units;
split is new units for one old on the ex-date (NaN or 1: none); dividend is cash a unit on the
ex-date; delisting is the proceeds a unit paid on that bar to whoever still holds."""


@dataclass(frozen=True, eq=False)
class Panel:
    """Hold raw fields on one time axis, each value with the time it became known.

    Parameters
    ----------
    times : Times
        Bar closes in UTC, ``datetime64[ns]``, shape (n_times,), strictly increasing.
    instruments : tuple of Instrument
        The columns, in order.
    fields : mapping of str to Float64
        Arrays of shape (n_times, n_instruments); NaN where there is no value. ``close`` is required.
    known_at : mapping of str to Times
        For fields known later than the bar's close: shape (n_times, n_instruments). A field
        that is absent here is known at the bar's close.
    name : str
        What the data set is called.
    caveats : tuple of str
        What limits any conclusion drawn from this data, such as survivors only.

    Raises
    ------
    DataError
        If the times are not increasing, a shape does not fit, or ``close`` is missing.
    """

    times: Times
    instruments: tuple[Instrument, ...]
    fields: Mapping[str, Float64]
    known_at: Mapping[str, Times] = field(default_factory=dict)
    name: str = ""
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", np.asarray(self.times, dtype="datetime64[ns]"))
        if "close" not in self.fields:
            raise DataError(f"panel {self.name!r} has no close", "a close for every bar", "map a column to close")
        late = np.flatnonzero(np.diff(self.times) <= np.timedelta64(0))
        if late.size:
            where = self.times[late[0] + 1]
            raise DataError(
                f"panel {self.name!r}: time {where} is not after the one before it",
                "strictly increasing bar closes",
                "sort the rows and remove duplicated stamps",
            )
        for name, values in (*self.fields.items(), *self.known_at.items()):
            if values.shape != self.shape:
                raise DataError(
                    f"field {name!r} has shape {values.shape}", f"{self.shape}", "align it with the times and instruments"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Count (n_times, n_instruments)."""
        return len(self.times), len(self.instruments)

    @property
    def now(self) -> np.datetime64:
        """Name the last bar's close: the moment of any decision taken on this panel."""
        last: np.datetime64 = self.times[-1]
        return last

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """List the instruments' symbols, in column order."""
        return tuple(instrument.symbol for instrument in self.instruments)

    def get(self, name: str) -> Float64:
        """Return a field (n_times, n_instruments), all NaN where the data does not carry it."""
        return self.fields[name] if name in self.fields else np.full(self.shape, np.nan)

    def as_of(self, now: np.datetime64, lookback: int) -> "Panel":
        """Return the last ``lookback`` bars known at ``now``; later knowledge is masked with NaN.

        Raises
        ------
        DataError
            If no bar had closed by ``now``.
        """
        stop = int(np.searchsorted(self.times, now, side="right"))
        if stop == 0:
            raise DataError(
                f"no bar of {self.name!r} had closed by {now}", f"a time from {self.times[0]} on", "ask for a later time"
            )
        return self.rows(max(0, stop - lookback), stop, now)

    def rows(self, start: int, stop: int, now: np.datetime64 | None = None) -> "Panel":
        """Return bars ``start`` to ``stop`` as known at ``now`` (default: the last bar's close)."""
        moment = self.times[stop - 1] if now is None else now
        known_at = {name: stamps[start:stop] for name, stamps in self.known_at.items()}
        fields = {name: values[start:stop] for name, values in self.fields.items()}
        for name, stamps in known_at.items():
            fields[name] = np.where(stamps <= moment, fields[name], np.nan)
        # A slice of a checked panel needs no second check, and the loop takes one every bar.
        view = copy.copy(self)
        for name, value in (("times", self.times[start:stop]), ("fields", fields), ("known_at", known_at)):
            object.__setattr__(view, name, value)
        return view

    def select(self, symbols: tuple[str, ...]) -> "Panel":
        """Return the panel of the named instruments only.

        Raises
        ------
        DataError
            If a symbol is not in the panel.
        """
        for symbol in symbols:
            if symbol not in self.symbols:
                near = ", ".join(self.symbols[:8])
                raise DataError(f"unknown symbol {symbol!r} in {self.name!r}", f"one of {near}, ...", "check the spelling")
        columns = [self.symbols.index(symbol) for symbol in symbols]
        return replace(
            self,
            instruments=tuple(self.instruments[column] for column in columns),
            fields={name: values[:, columns] for name, values in self.fields.items()},
            known_at={name: values[:, columns] for name, values in self.known_at.items()},
        )

    def fingerprint(self) -> str:
        """Digest times, symbols and every value into 16 hexadecimal digits."""
        digest = hashlib.sha256(np.ascontiguousarray(self.times).tobytes())
        digest.update("\n".join(self.symbols).encode())
        for name in sorted(self.fields):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self.fields[name]).data)
        for name in sorted(self.known_at):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self.known_at[name]).view(np.int64).data)
        return digest.hexdigest()[:16]
