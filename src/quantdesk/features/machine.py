"""Run a program of columns over bars: the same steps for a long history and for one more bar.

The memory is one flat array. Each column has a ring of rows in it, a row being one bar of all
instruments (lanes) side by side, so that every step is a plain loop over neighbouring numbers.
Nothing is ever subtracted again from a sum: a row depends on its own window, to the last bit.
"""

import numpy as np

from quantdesk.domain.arrays import Float32, Float64, Ints
from quantdesk.domain.compiled import compiled
from quantdesk.features.delivery import room_for, to_columns, to_table
from quantdesk.features.elementary import add_share, add_shares, of_more, of_one, of_two, product
from quantdesk.features.operations import ADD, LOOK_BACK, PART, PRODUCT, SHARE, SORTED, WHERE


@compiled
def run(
    steps: Ints,
    constants: Float64,
    rings: Ints,
    results: Ints,
    n_in_table: int,
    inputs: Float64,
    memory: Float64,
    clock: int,
    chunk: int,
    table: Float32,
    columns: Float64,
    lane: int,
) -> None:
    """Advance over all rows of the inputs, ``chunk`` rows at a time.

    Parameters
    ----------
    steps : Ints
        Operation, result's column, number of arguments, their columns (6) and their lags (6); (n_steps, 15).
    constants : Float64
        Shape (n_steps, 3).
    rings : Ints
        First row and number of rows of each column's ring (n_columns, 2); the first columns are
        the inputs, the very first tells where an instrument traded.
    results : Ints
        Columns handed out, those for ``table`` first.
    n_in_table : int
        How many of them go to ``table``.
    inputs : Float64
        Shape (n_inputs, n_rows, n_lanes).
    memory : Float64
        The rings (n_ring_rows * n_lanes,); changed.
    clock : int
        Rows run before, a multiple of ``chunk``.
    chunk : int
        Rows at a time.
    table, columns : Float32 and Float64
        Written at lanes from ``lane`` on: (n_rows, n_instruments, n_in_table) and (the rest, n_rows, n_instruments).
    lane : int
        Where the first lane stands among the instruments.
    """
    n_inputs, n_rows, width = inputs.shape
    at, starts = np.zeros(6, np.int64), np.empty(len(results), np.int64)
    scratch, room = np.empty((5, width)), room_for(n_in_table, chunk, width)
    for first in range(0, n_rows, chunk):
        n = min(chunk, n_rows - first)
        now = clock + first
        for j in range(n_inputs):
            start = (rings[j, 0] + now % rings[j, 1]) * width
            for r in range(n):
                memory[start + r * width : start + (r + 1) * width] = inputs[j, first + r]
        for s in range(len(steps)):
            if steps[s, 0] == SHARE:
                _share(steps[s], constants[s], rings, memory, now, n, width, at)
            elif steps[s, 0] >= SORTED:
                _over_window(steps[s], constants[s], rings, memory, now, n, width, scratch)
            else:
                _step(steps[s], constants[s], rings, memory, now, n, width, at)
        for f in range(len(results)):
            starts[f] = (rings[results[f], 0] + now % rings[results[f], 1]) * width
        is_traded = inputs[0, first : first + n]
        to_table(memory, starts[:n_in_table], is_traded, room, table[first : first + n], lane)
        to_columns(memory, starts[n_in_table:], is_traded, columns[:, first : first + n], lane)


@compiled
def _step(step: Ints, constants: Float64, rings: Ints, memory: Float64, now: int, n: int, width: int, at: Ints) -> None:
    done = 0
    while done < n:
        count = n - done
        for j in range(step[2]):
            ring = step[3 + j]
            place = (now + done - step[9 + j]) % rings[ring, 1]
            at[j] = (rings[ring, 0] + place) * width
            count = min(count, rings[ring, 1] - place)
        start = (rings[step[1], 0] + (now + done) % rings[step[1], 1]) * width
        size = count * width
        out = memory[start : start + size]
        a, b = memory[at[0] : at[0] + size], memory[at[1] : at[1] + size]
        if step[0] < ADD:
            of_one(step[0], out, a, constants[0], constants[1])
        elif step[0] < WHERE:
            of_two(step[0], out, a, b, constants[0])
        else:
            c, d = memory[at[2] : at[2] + size], memory[at[3] : at[3] + size]
            e, f = memory[at[4] : at[4] + size], memory[at[5] : at[5] + size]
            if step[0] == SHARE and step[2] == 3:
                add_share(out, a, b, c, constants[0])
            elif step[0] == SHARE:
                add_shares(out, a, b, c, d, e, constants[0])
            elif step[0] == PRODUCT:
                product(out, a, b, c, d, e, f, constants[0], constants[1], constants[2])
            else:
                of_more(step[0], out, a, b, c, d, constants[0], constants[1], constants[2])
        done += count


@compiled
def _over_window(
    step: Ints, constants: Float64, rings: Ints, memory: Float64, now: int, n: int, width: int, scratch: Float64
) -> None:
    for r in range(n):
        start = (rings[step[1], 0] + (now + r) % rings[step[1], 1]) * width
        ring, place = rings[step[3], 0], (now + r) % rings[step[3], 1]
        new = memory[(ring + place) * width : (ring + place + 1) * width]
        if step[0] == SORTED:
            place = (now + r - step[9]) % rings[step[3], 1]
            old = memory[(ring + place) * width : (ring + place + 1) * width]
            start = (rings[step[1], 0] + 3 * rings[step[1], 1]) * width
            window = memory[start : start + step[9] * width].reshape(step[9], width)
            _insert(window, new, old, scratch)
            start = (rings[step[1], 0] + (now + r) % rings[step[1], 1]) * width
            size = rings[step[1], 1] * width
            for part in range(3):
                out = memory[start + part * size : start + part * size + width]
                _order_statistic(out, window, scratch[2], part, constants[0])
        elif step[0] == PART:
            start_of = (rings[step[3], 0] + int(constants[0]) * rings[step[3], 1] + place) * width
            memory[start : start + width] = memory[start_of : start_of + width]
        elif step[0] == LOOK_BACK:
            _look_back(step, rings, memory, now + r, memory[start : start + width])


@compiled
def _insert(window: Float64, new: Float64, old: Float64, scratch: Float64) -> None:
    # Each lane's window stays sorted: the old value is taken out and the new one put in, in one
    # pass; a missing value counts as infinite. Row 2 counts values below, equal ones by half.
    rows, width = window.shape
    leaving, coming, place, carried, endless = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    for i in range(width):
        leaving[i] = old[i] if old[i] == old[i] else np.inf
        coming[i] = new[i] if new[i] == new[i] else np.inf
        place[i] = 0.0
        carried[i] = -np.inf
        endless[i] = np.inf
    for k in range(rows):
        _exchange(window[k], window[k + 1] if k + 1 < rows else endless, leaving, coming, carried)
    for k in range(0, rows - rows % 4, 4):
        _count_four(place, window[k], window[k + 1], window[k + 2], window[k + 3], coming)
    for k in range(rows - rows % 4, rows):
        _count(place, window[k], coming)


@compiled
def _exchange(here: Float64, after: Float64, leaving: Float64, coming: Float64, carried: Float64) -> None:
    for i in range(len(here)):
        kept = here[i] if here[i] < leaving[i] else after[i]
        lower = coming[i] if coming[i] < kept else kept
        here[i] = carried[i] if carried[i] > lower else lower
        carried[i] = kept


@compiled
def _count(place: Float64, values: Float64, level: Float64) -> None:
    for i in range(len(place)):
        place[i] += (0.5 if values[i] < level[i] else 0.0) + (0.5 if values[i] <= level[i] else 0.0)


@compiled
def _count_four(place: Float64, a: Float64, b: Float64, c: Float64, d: Float64, level: Float64) -> None:
    for i in range(len(place)):
        edge = level[i]
        one = (0.5 if a[i] < edge else 0.0) + (0.5 if a[i] <= edge else 0.0)
        two = (0.5 if b[i] < edge else 0.0) + (0.5 if b[i] <= edge else 0.0)
        three = (0.5 if c[i] < edge else 0.0) + (0.5 if c[i] <= edge else 0.0)
        four = (0.5 if d[i] < edge else 0.0) + (0.5 if d[i] <= edge else 0.0)
        place[i] += (one + two) + (three + four)


@compiled
def _order_statistic(out: Float64, window: Float64, place: Float64, part: int, level: float) -> None:
    rows, width = window.shape
    where = (level if part == 0 else 1.0 - level) * (rows - 1)
    under = min(int(where), rows - 2)
    weight = where - under
    for i in range(width):
        is_whole = window[rows - 1, i] < np.inf
        between = window[under, i] + weight * (window[under + 1, i] - window[under, i])
        value = (2.0 * place[i] - rows) / (rows - 1) if part == 2 else between
        out[i] = value if is_whole else np.nan


@compiled
def _share(step: Ints, constants: Float64, rings: Ints, memory: Float64, now: int, n: int, width: int, at: Ints) -> None:
    # Two lags at a time, and the newest value at no lag; the sum grows in its own place.
    start = (rings[step[1], 0] + now % rings[step[1], 1]) * width
    memory[start : start + n * width] = 0.0
    part = np.zeros(15, np.int64)
    part[0], part[1], part[3] = SHARE, step[1], step[3]
    part[4], part[5], part[6], part[7] = step[3], step[4], step[3], step[4]
    for lag in range(0, step[10] + 1, 2):
        part[2] = 5 if lag < step[10] else 3
        part[10], part[11], part[12], part[13] = lag, lag, lag + 1, lag + 1
        _step(part, constants, rings, memory, now, n, width, at)


@compiled
def _look_back(step: Ints, rings: Ints, memory: Float64, now: int, out: Float64) -> None:
    width = len(out)
    back = (rings[step[4], 0] + now % rings[step[4], 1]) * width
    for i in range(width):
        lag = memory[back + i]
        out[i] = np.nan
        if 0.0 <= lag <= step[9]:
            out[i] = memory[(rings[step[3], 0] + (now - int(lag)) % rings[step[3], 1]) * width + i]
