"""Hand the results of a program out: to the float32 table, a bar's rows at a time, and to float64 columns."""

import numpy as np

from quantdesk.domain.arrays import Float32, Float64, Ints
from quantdesk.domain.compiled import compiled, compiled_in_place

LARGEST = float(np.finfo(np.float32).max)


def aligned(n: int) -> Float64:
    """Make room for numbers (n,) that begins where a line of the core's cache does: half as many lines to touch."""
    room = np.empty(n + 8)
    first = (-(room.ctypes.data // 8)) % 8
    return room[first : first + n]


aligned_within = compiled(aligned)
"""The same for use in compiled code. What is large is made outside of it: numpy asks for large pages of memory."""


def rows_for_pairs(n_features: int, n_rows: int) -> tuple[int, int]:
    """Count the pairs of features that wait for their bars, in whole groups of eight features, and the rows of each."""
    # One row more than asked: a power of two apart, all pairs would fall on the same lines of the cache.
    return 4 * -(-n_features // 8), n_rows + 1


rows_for_pairs_within = compiled(rows_for_pairs)


@compiled_in_place
def close_gate(gate: Float64, is_traded: Float64) -> None:
    """Write what keeps a number when added to it: 0 where traded, else NaN; all of shape (n,)."""
    for i in range(len(gate)):
        gate[i] = 0.0 if is_traded[i] > 0.0 else np.nan


@compiled_in_place
def pair(out: Float32, a: Float64, b: Float64, gate: Float64) -> None:
    """Put two features beside one another (2 * n,); NaN where not traded or beyond float32."""
    for i in range(len(a)):
        one, other = np.float32(a[i] + gate[i]), np.float32(b[i] + gate[i])
        out[2 * i] = one + (one - one)
        out[2 * i + 1] = other + (other - other)


@compiled_in_place
def finite(out: Float64, values: Float64, gate: Float64) -> None:
    """Copy numbers (n,); NaN where not traded or infinite."""
    for i in range(len(out)):
        out[i] = (values[i] + gate[i]) + (values[i] - values[i])


@compiled_in_place
def to_table(room: Float64, bar: Float64, table: Float32, lane: int) -> None:
    """Write pairs of features at neighbouring lanes as neighbouring features.

    Each bar is turned around in a place that stays in the core's cache, and written from its first byte to its last.

    Parameters
    ----------
    room : Float64
        Pairs of features, from ``pair``: rows of ``width`` lanes (n_pairs, n_rows * width or more).
    bar : Float64
        Where one is turned around (width, n_pairs); changed.
    table : Float32
        Written at lanes from ``lane`` on (n_rows, n_instruments, n_features).
    lane : int
        The first lane's place.
    """
    width, n_pairs = bar.shape
    for r in range(len(table) if n_pairs else 0):
        at, to = r * width, (r + 1) * width
        for j in range(0, n_pairs, 4):
            _turn(bar, j, room[j, at:to], room[j + 1, at:to], room[j + 2, at:to], room[j + 3, at:to])
        _write(table[r, lane : lane + width], bar.view(np.float32))


@compiled_in_place
def _turn(bar: Float64, first: int, a: Float64, b: Float64, c: Float64, d: Float64) -> None:
    for i in range(len(a)):
        row = bar[i, first : first + 4]
        row[0], row[1], row[2], row[3] = a[i], b[i], c[i], d[i]


@compiled_in_place
def _write(table: Float32, bar: Float32) -> None:
    for i in range(len(table)):
        out, row = table[i], bar[i]
        for f in range(len(out)):
            out[f] = row[f]


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
