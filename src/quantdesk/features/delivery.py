"""Hand the results of a program out: to the float32 table, a bar's rows at a time, and to float64 columns."""

import numpy as np

from quantdesk.domain.arrays import Float32, Float64, Ints
from quantdesk.domain.compiled import compiled

LARGEST = float(np.finfo(np.float32).max)


@compiled
def room_for(n_features: int, n_rows: int, width: int) -> Float64:
    """Make the room that ``to_table`` works in; whole groups of eight features, two to a number."""
    return np.empty((4 * (-(-n_features // 8)), n_rows * width))


@compiled
def to_table(memory: Float64, starts: Ints, is_traded: Float64, room: Float64, table: Float32, lane: int) -> None:
    """Write columns of neighbouring lanes as neighbouring features; NaN where not traded or beyond float32.

    Two features are put beside one another as one number of eight bytes; then each bar is turned
    around in a place that stays in the core's cache, and written from its first byte to its last.

    Parameters
    ----------
    memory : Float64
        Where the columns lie, each of shape (n_rows, n_lanes).
    starts : Ints
        Where each of them begins (n_features,).
    is_traded : Float64
        Above zero where traded (n_rows, n_lanes).
    room : Float64
        From ``room_for``; changed.
    table : Float32
        Written at lanes from ``lane`` on (n_rows, n_instruments, n_features).
    """
    n_rows, width = is_traded.shape
    size, last = n_rows * width, len(starts) - 1
    for j in range(len(room)):
        a, b = starts[min(2 * j, last)], starts[min(2 * j + 1, last)]
        _pair(room[j, :size].view(np.float32), memory[a : a + size], memory[b : b + size], is_traded.reshape(-1))
    bar = np.empty((width, len(room)))
    for r in range(n_rows if len(room) else 0):
        at, to = r * width, (r + 1) * width
        for j in range(0, len(room), 4):
            _turn(bar, j, room[j, at:to], room[j + 1, at:to], room[j + 2, at:to], room[j + 3, at:to])
        _write(table[r, lane : lane + width], bar.view(np.float32))


@compiled
def _pair(out: Float32, a: Float64, b: Float64, traded: Float64) -> None:
    for i in range(len(a)):
        out[2 * i] = np.float32(a[i]) if abs(a[i]) <= LARGEST and traded[i] > 0.0 else np.float32(np.nan)
        out[2 * i + 1] = np.float32(b[i]) if abs(b[i]) <= LARGEST and traded[i] > 0.0 else np.float32(np.nan)


@compiled
def _turn(bar: Float64, first: int, a: Float64, b: Float64, c: Float64, d: Float64) -> None:
    for i in range(len(a)):
        row = bar[i, first : first + 4]
        row[0], row[1], row[2], row[3] = a[i], b[i], c[i], d[i]


@compiled
def _write(table: Float32, bar: Float32) -> None:
    for i in range(len(table)):
        out, row = table[i], bar[i]
        for f in range(len(out)):
            out[f] = row[f]


@compiled
def to_columns(memory: Float64, starts: Ints, is_traded: Float64, columns: Float64, lane: int) -> None:
    """Copy columns; NaN where not traded or infinite.

    Parameters
    ----------
    memory, starts, is_traded
        As for ``to_table``.
    columns : Float64
        Written at lanes from ``lane`` on (n_features, n_rows, n_instruments).
    """
    n_rows, width = is_traded.shape
    for f in range(len(starts)):
        for r in range(n_rows):
            at = starts[f] + r * width
            _copy_finite(columns[f, r, lane : lane + width], memory[at : at + width], is_traded[r])


@compiled
def _copy_finite(out: Float64, values: Float64, traded: Float64) -> None:
    for i in range(len(out)):
        out[i] = values[i] if abs(values[i]) < np.inf and traded[i] > 0.0 else np.nan


@compiled
def count_missing(table: Float32) -> Ints:
    """Count the NaN among the last axis of a table (n_times, n_instruments, n_features)."""
    n_times, n_instruments, n_features = table.shape
    count = np.zeros((n_times, n_instruments), np.int64)
    for t in range(n_times):
        for i in range(n_instruments):
            for f in range(n_features):
                count[t, i] += table[t, i, f] != table[t, i, f]
    return count
