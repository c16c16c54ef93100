"""A small memory of the data behind a run: enough to say later what about it was changed."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantdesk.domain.arrays import Bools, Float64, Ints, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

NAME = "sketch.npz"
"""The sketch's file in a run's folder."""

N_ROWS = 24
"""Bars whose values are kept."""

Bits = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Sketch:
    """Hold a few bars of a panel, and a sum of every row and column as bookkeepers do.

    The sums are of the values' bits, each times an odd number that its time or its symbol gives,
    modulo 2**64. A sum that no longer holds names its row or column. A value that changed alone in its row or
    column can be worked out of the sum to the bit.

    Parameters
    ----------
    times : Times
        All bar closes (n_times,).
    symbols : tuple of str
        All instruments.
    fields : tuple of str
        All fields; ``NAME known_at`` stands for the times at which field NAME became known, seconds since 1970.
    rows : Ints
        Positions of the bars kept, evenly spaced, the first and the last among them (n_rows,).
    values : Float64
        What stood there (n_fields, n_rows, n_instruments).
    by_row, by_column : Bits
        The sums (n_fields, n_times) and (n_fields, n_instruments).
    """

    times: Times
    symbols: tuple[str, ...]
    fields: tuple[str, ...]
    rows: Ints
    values: Float64
    by_row: Bits
    by_column: Bits

    @classmethod
    def of(cls, panel: Panel) -> "Sketch":
        """Draw a panel."""
        layers = layers_of(panel)
        rows = np.unique(np.linspace(0, len(panel.times) - 1, N_ROWS).round().astype(np.int64))
        across, down = weights_of_symbols(panel.symbols), weights_of_times(panel.times)
        bits = [bits_of(values) for values in layers.values()]
        return cls(
            times=panel.times,
            symbols=panel.symbols,
            fields=tuple(layers),
            rows=rows,
            values=np.stack([values[rows] for values in layers.values()]),
            by_row=np.stack([layer @ across for layer in bits]),
            by_column=np.stack([down @ layer for layer in bits]),
        )

    def write(self, folder: Path) -> Path:
        """Write the sketch as ``sketch.npz``."""
        path = folder / NAME
        np.savez_compressed(path, **{**vars(self), "symbols": np.array(self.symbols), "fields": np.array(self.fields)})
        return path

    @classmethod
    def read(cls, folder: Path) -> "Sketch":
        """Read the sketch in a run's folder.

        Raises
        ------
        DataError
            If it is missing or damaged.
        """
        path = folder / NAME
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays: dict[str, Any] = {name: stored[name] for name in cls.__dataclass_fields__}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"sketch {path}: {error}", "the file as the run left it", "restore it from a backup, or evaluate again"
            ) from error
        named = {name: tuple(arrays[name].tolist()) for name in ("symbols", "fields")}
        return cls(**{**arrays, **named})


@dataclass(frozen=True, eq=False)
class Compared:
    """Set one field of two versions of the data side by side, where both have it and something changed.

    Parameters
    ----------
    field : str
        The field.
    times : Times
        Bars compared (n_rows,): all of them where the old values could be worked out, else those kept.
    symbols : tuple of str
        Instruments that changed.
    old, new : Float64
        Values (n_rows, n_symbols).
    span : tuple of numpy.datetime64
        The first and last bar that changed; of the bars compared where the sums do not tell.
    n_bars : int
        Bars on which any of the instruments changed; 0 where the sums do not tell.
    is_whole : bool
        Whether the old values could be worked out.
    """

    field: str
    times: Times
    symbols: tuple[str, ...]
    old: Float64
    new: Float64
    span: tuple[np.datetime64, np.datetime64]
    n_bars: int
    is_whole: bool


def compare(sketch: Sketch, panel: Panel) -> list[Compared]:
    """Find the fields that changed on the bars and instruments that both versions have."""
    layers = layers_of(panel)
    here = {symbol: place for place, symbol in enumerate(panel.symbols)}
    columns = np.flatnonzero([symbol in here for symbol in sketch.symbols])
    rows = np.flatnonzero(np.isin(sketch.times, panel.times))
    if not rows.size or not columns.size:
        return []
    now: Ints = np.array([here[sketch.symbols[place]] for place in columns], dtype=np.int64)
    beside = np.ix_(np.searchsorted(panel.times, sketch.times[rows]), now)
    found = (
        _compare(sketch, place, rows, columns, layers[name][beside])
        for place, name in enumerate(sketch.fields)
        if name in layers
    )
    return [compared for compared in found if compared is not None]


def _compare(sketch: Sketch, field: int, rows: Ints, columns: Ints, new: Float64) -> Compared | None:
    by_row, by_column = _apart(sketch, field, rows, columns, bits_of(new))
    is_kept = np.isin(rows, sketch.rows)
    was = sketch.values[field][np.isin(sketch.rows, rows)][:, columns]
    is_apart = bits_of(was) != bits_of(new[is_kept])
    # Sums tell only where all that they were taken over is still there.
    bad_rows = np.flatnonzero(is_kept)[is_apart.any(axis=1)] if by_row is None else np.flatnonzero(by_row)
    bad_columns = np.flatnonzero(is_apart.any(axis=0) if by_column is None else by_column)
    if not bad_rows.size and not bad_columns.size:
        return None
    old = None
    if by_row is not None and by_column is not None:
        old = _restored(sketch, new, (bad_rows, bad_columns), (by_row[bad_rows], by_column[bad_columns]))
    times = sketch.times[rows]
    ends = times[bad_rows[[0, -1]]] if bad_rows.size else times[[0, -1]]
    shown = np.flatnonzero(is_kept) if old is None else np.arange(len(rows))
    return Compared(
        field=sketch.fields[field],
        times=times[shown],
        symbols=tuple(sketch.symbols[place] for place in columns[bad_columns]),
        old=(was if old is None else old)[:, bad_columns],
        new=new[shown][:, bad_columns],
        span=(ends[0], ends[1]),
        n_bars=0 if by_row is None else len(bad_rows),
        is_whole=old is not None,
    )


def _apart(sketch: Sketch, field: int, rows: Ints, columns: Ints, bits: Bits) -> tuple[Bits | None, Bits | None]:
    # How far each row's and each column's sum is from what it was; None where something is gone.
    across, down = weights_of_symbols(sketch.symbols), weights_of_times(sketch.times)
    by_row = bits @ across - sketch.by_row[field][rows] if len(columns) == len(across) else None
    by_column = down @ bits - sketch.by_column[field][columns] if len(rows) == len(down) else None
    return by_row, by_column


def _restored(sketch: Sketch, new: Float64, bad: tuple[Ints, Ints], apart: tuple[Bits, Bits]) -> Float64 | None:
    # What a single changed value added to a sum, divided by its weight, is how far its bits moved.
    down, across = weights_of_times(sketch.times)[bad[0]], weights_of_symbols(sketch.symbols)[bad[1]]
    by_row, by_column = apart[0][:, None] * _inverse(across), apart[1] * _inverse(down)[:, None]
    # A value changed alone where its row and its column say the same; in a single row or column all of them did.
    is_alone = by_row == by_column
    if 1 not in is_alone.shape and not ((is_alone.sum(axis=0) == 1).all() and (is_alone.sum(axis=1) == 1).all()):
        return None
    moved = by_column if len(bad[0]) == 1 else by_row if len(bad[1]) == 1 else np.where(is_alone, by_row, np.uint64(0))
    bits = bits_of(new)
    bits[np.ix_(*bad)] -= moved
    return bits.view(np.float64)


def _inverse(odd: Bits) -> Bits:
    # Newton's iteration doubles the right digits each time: 3, 6, 12, 24, 48, 96 of 64.
    inverse = odd.copy()
    for _ in range(5):
        inverse *= np.uint64(2) - odd * inverse
    return inverse


def layers_of(panel: Panel) -> dict[str, Float64]:
    """Return fields, and the times at which they became known, by name (n_times, n_instruments)."""
    known = {f"{name} known_at": _seconds(stamps) for name, stamps in panel.known_at.items()}
    return {**panel.fields, **known}


def bits_of(values: Float64) -> Bits:
    """Return the bits of each value; one NaN is like another, and so is one zero."""
    return np.where(np.isnan(values), np.nan, values + 0.0).view(np.uint64)


def weights_of_times(times: Times) -> Bits:
    """Draw an odd number for each time (n_times,), always the same."""
    mixed = times.astype("datetime64[ns]").view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed ^ (mixed >> np.uint64(31))) | np.uint64(1)


def weights_of_symbols(symbols: tuple[str, ...]) -> Bits:
    """Draw an odd number for each symbol (n_instruments,), always the same."""
    digests = b"".join(hashlib.sha256(symbol.encode()).digest()[:8] for symbol in symbols)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64) | np.uint64(1)


def _seconds(stamps: Times) -> Float64:
    is_known: Bools = ~np.isnat(stamps)
    return np.where(is_known, stamps.astype("datetime64[ns]").view(np.int64) / 1e9, np.nan)
