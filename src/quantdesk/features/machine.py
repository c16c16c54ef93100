"""Run a program of columns over bars: the same steps for a long history and for one more bar.

The memory is one flat array. Each column has a ring of rows in it, a row being one bar of all
instruments (lanes) side by side, so that every step is a plain loop over neighbouring numbers.
Nothing is ever subtracted again from a sum: a row depends on its own window, to the last bit.
"""

import numpy as np

from quantdesk.domain.arrays import Float32, Float64, Ints
from quantdesk.domain.compiled import compiled, compiled_in_place
from quantdesk.features.delivery import aligned_within, close_gate, finite, pair, rows_for_pairs_within, to_table
from quantdesk.features.elementary import add_share, add_shares, copy, of_more, of_one, of_two, product
from quantdesk.features.operations import ADD, LOOK_BACK, PART, PRODUCT, SHARE, SORTED, TABLE, WHERE
from quantdesk.features.sorted_window import insert, order_statistic


@compiled
def run(
    steps: Ints,
    constants: Float64,
    rings: Ints,
    inputs: Float64,
    memory: Float64,
    clock: int,
    chunk: int,
    table: Float32,
    columns: Float64,
    row: int,
    lane: int,
) -> None:
    """Advance over all rows of the inputs.

    Parameters
    ----------
    steps : Ints
        Operation, result's column (or place where handed out), number of arguments, their columns (6)
        and their lags (6); (n_steps, 15).
    constants : Float64
        Shape (n_steps, 3).
    rings : Ints
        First row and number of rows of each column's ring (n_columns, 2); the first columns are
        the inputs, the very first tells where an instrument traded.
    inputs : Float64
        Shape (n_inputs, n_rows, n_lanes).
    memory : Float64
        The rings, and the rows where pairs of features wait (n_memory_rows * n_lanes,); changed.
    clock : int
        Rows run before, a multiple of ``chunk``.
    chunk : int
        Rows at a time.
    table, columns : Float32 and Float64
        Written: (n_times, n_instruments, n_in_table) and (the rest, n_times, n_instruments).
    row, lane : int
        Where the first row stands among the times, and the first lane among the instruments.
    """
    n_inputs, n_rows, width = inputs.shape
    at, part = np.zeros(6, np.int64), np.zeros(15, np.int64)
    n_pairs, rows = rows_for_pairs_within(table.shape[2], chunk)
    room = memory[len(memory) - n_pairs * rows * width :].reshape(n_pairs, rows * width)
    scratch, gate = aligned_within(5 * width).reshape(5, width), aligned_within(chunk * width)
    bar = aligned_within(n_pairs * width).reshape(width, n_pairs)
    for first in range(0, n_rows, chunk):
        n, now = min(chunk, n_rows - first), clock + first
        for j in range(n_inputs):
            start = (rings[j, 0] + now % rings[j, 1]) * width
            copy(memory[start : start + n * width], inputs[j, first : first + n].reshape(-1))
        close_gate(gate[: n * width], inputs[0, first : first + n].reshape(-1))
        for s in range(len(steps)):
            code = steps[s, 0]
            if code >= TABLE:
                _hand_out(steps[s], rings, memory, now, gate[: n * width], width, room, columns, row + first, lane)
            elif code == SHARE:
                _share(steps[s], part, constants[s], rings, memory, now, n, width, at)
            elif code >= SORTED:
                _over_window(steps[s], constants[s], rings, memory, now, n, width, scratch)
            else:
                _step(steps[s], constants[s], rings, memory, now, n, width, at)
        to_table(room, bar, table[row + first : row + first + n], lane)


@compiled_in_place
def _hand_out(
    step: Ints,
    rings: Ints,
    memory: Float64,
    now: int,
    gate: Float64,
    width: int,
    room: Float64,
    columns: Float64,
    row: int,
    lane: int,
) -> None:
    size = len(gate)
    one = (rings[step[3], 0] + now % rings[step[3], 1]) * width
    other = (rings[step[4], 0] + now % rings[step[4], 1]) * width
    if step[0] == TABLE:
        pair(room[step[1], :size].view(np.float32), memory[one : one + size], memory[other : other + size], gate)
        return
    for r in range(size // width):
        at = r * width
        finite(columns[step[1], row + r, lane : lane + width], memory[one + at : one + at + width], gate[at : at + width])


@compiled_in_place
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


@compiled_in_place
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
            insert(window, new, old, scratch)
            start = (rings[step[1], 0] + (now + r) % rings[step[1], 1]) * width
            size = rings[step[1], 1] * width
            for part in range(3):
                out = memory[start + part * size : start + part * size + width]
                order_statistic(out, window, scratch[2], part, constants[0])
        elif step[0] == PART:
            start_of = (rings[step[3], 0] + int(constants[0]) * rings[step[3], 1] + place) * width
            copy(memory[start : start + width], memory[start_of : start_of + width])
        elif step[0] == LOOK_BACK:
            _look_back(step, rings, memory, now + r, memory[start : start + width])


@compiled_in_place
def _share(
    step: Ints, part: Ints, constants: Float64, rings: Ints, memory: Float64, now: int, n: int, width: int, at: Ints
) -> None:
    # Two lags at a time, and the newest value at no lag; the sum grows in its own place.
    start = (rings[step[1], 0] + now % rings[step[1], 1]) * width
    memory[start : start + n * width] = 0.0
    part[0], part[1], part[3] = SHARE, step[1], step[3]
    part[4], part[5], part[6], part[7] = step[3], step[4], step[3], step[4]
    for lag in range(0, step[10] + 1, 2):
        part[2] = 5 if lag < step[10] else 3
        part[10], part[11], part[12], part[13] = lag, lag, lag + 1, lag + 1
        _step(part, constants, rings, memory, now, n, width, at)


@compiled_in_place
def _look_back(step: Ints, rings: Ints, memory: Float64, now: int, out: Float64) -> None:
    width = len(out)
    back = (rings[step[4], 0] + now % rings[step[4], 1]) * width
    for i in range(width):
        lag = memory[back + i]
        out[i] = np.nan
        if 0.0 <= lag <= step[9]:
            out[i] = memory[(rings[step[3], 0] + (now - int(lag)) % rings[step[3], 1]) * width + i]
