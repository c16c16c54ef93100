"""Turn formulas into a program: each column computed once, in an order that works, with room for its history."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from quantdesk.domain.arrays import Float32, Float64, Ints
from quantdesk.features import machine
from quantdesk.features import operations as op
from quantdesk.features.algebra import Column
from quantdesk.features.delivery import aligned, rows_for_pairs

TRADED = "traded"
Key = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Program:
    """Hold the steps and the layout of the memory, in the form ``machine.run`` takes.

    Parameters
    ----------
    inputs : tuple of Column
        What has to be given, in order; the first is ``traded``.
    steps, constants, rings
        As in ``machine.run``.
    n_rows : int
        Rows of memory.
    chunk : int
        Rows at a time.
    """

    inputs: tuple[Column, ...]
    steps: Ints
    constants: Float64
    rings: Ints
    n_rows: int
    chunk: int

    @property
    def n_columns(self) -> int:
        """Count what is handed out in float64."""
        return int(np.count_nonzero(self.steps[:, 0] == op.COLUMN))

    def memory(self, width: int) -> Float64:
        """Make the memory of ``width`` lanes as it is before the first bar: see ``forget``."""
        memory = aligned(self.n_rows * width)
        self.forget(memory)
        return memory

    def forget(self, memory: Float64) -> None:
        """Set a memory to what it is before the first bar, when nothing is known.

        Each column is filled with what it gives when all inputs are missing, so that a window
        that reaches beyond the first bar finds what it would find in an endless empty past.
        """
        memory.reshape(self.n_rows, -1)[:] = self._empty_past[:, None]

    @cached_property
    def _empty_past(self) -> Float64:
        past, rows = self._past(), np.zeros(self.n_rows)
        for column, (first, n_rows) in enumerate(self.rings.tolist()):
            rows[first : first + n_rows] = past[column]
        for step in self.steps[self.steps[:, 0] == op.SORTED]:
            first, n_rows = self.rings[step[1]]
            rows[first : first + 3 * n_rows] = np.nan
            rows[first + 3 * n_rows : first + 3 * n_rows + step[9]] = np.inf
        return rows

    def _past(self) -> Float64:
        # One row of an endless empty past: nothing lies further back than anything else.
        is_column = self.steps[:, 0] < op.TABLE
        steps, constants = self.steps[is_column], self.constants[is_column]
        steps[steps[:, 0] < op.SORTED, 9:15] = 0
        steps[steps[:, 0] >= op.SORTED, 0] = op.COPY
        n = len(self.rings)
        rings = np.column_stack([np.arange(n), np.ones(n)]).astype(np.int64)
        nothing = np.full((len(self.inputs), 1, 1), np.nan)
        nothing[0] = 0.0
        memory = np.full(n, np.nan)
        none = np.empty((1, 1, 0), np.float32), np.empty((0, 1, 1))
        machine.run(steps, constants, rings, nothing, memory, 0, 1, *none, 0, 0)
        return memory

    def run(self, inputs: Float64, memory: Float64, clock: int, table: Float32, columns: Float64, row: int, lane: int) -> None:
        """Advance over all rows of ``inputs``: see ``machine.run``."""
        machine.run(self.steps, self.constants, self.rings, inputs, memory, clock, self.chunk, table, columns, row, lane)


def build(table: Sequence[Column], columns: Sequence[Column], traded: Column, chunk: int) -> Program:
    """Write the program that hands out ``table`` and ``columns``, ``chunk`` rows at a time."""
    listing = _Listing(traded)
    listing.hand_out(op.TABLE, table)
    listing.hand_out(op.COLUMN, columns)
    steps, n_inputs = listing.inputs_first(), len(listing.inputs)
    rings, n_rows = _layout(steps, n_inputs, chunk)
    n_pairs, rows = rows_for_pairs(len(table), chunk)
    return Program(tuple(listing.inputs), *_arrays(steps), rings, n_rows + n_pairs * rows, chunk)


Step = tuple[int, int, tuple[int, ...], tuple[int, ...], tuple[float, ...]]


class _Listing:
    """Number columns so that two that compute the same thing are one."""

    def __init__(self, traded: Column) -> None:
        self.inputs: list[Column] = []
        self.steps: list[Step] = []
        self._numbers: dict[int, int] = {}
        self._same: dict[Key, int] = {}
        self._input_numbers: list[int] = []
        self.place(traded)

    def place(self, column: Column) -> int:
        """Return a column's number, listing what it needs first."""
        if id(column) not in self._numbers:
            self._numbers[id(column)] = self._listed(column)
        return self._numbers[id(column)]

    def hand_out(self, code: int, columns: Sequence[Column]) -> None:
        """List columns, each followed by the step that hands it out; two at a time to the table."""
        group = 2 if code == op.TABLE else 1
        for first in range(0, len(columns), group):
            arguments = tuple(self.place(column) for column in columns[first : first + group])
            arguments = (arguments[0], arguments[-1])[:group]
            self.steps.append((code, first // group, arguments, (0,) * group, ()))

    def _listed(self, column: Column) -> int:
        if column.is_input or column.is_across:
            key: Key = (column.name,) if column.is_input else (id(column),)
        else:
            arguments = tuple(self.place(argument) for argument in column.arguments)
            key = (column.operation, arguments, column.lags, repr(column.constants))
        if key in self._same:
            return self._same[key]
        number = self._same[key] = len(self._same)
        if column.is_input or column.is_across:
            self.inputs.append(column)
            self._input_numbers.append(number)
        else:
            self.steps.append((column.operation, number, arguments, column.lags, column.constants))
        return number

    def inputs_first(self) -> list[Step]:
        """Return the steps, columns renumbered so that the inputs come first, in their order."""
        order = [*self._input_numbers, *(step[1] for step in self.steps if step[0] < op.TABLE)]
        new = {old: place for place, old in enumerate(order)}
        return [
            (code, new[out] if code < op.TABLE else out, tuple(new[argument] for argument in arguments), lags, constants)
            for code, out, arguments, lags, constants in self.steps
        ]


def _arrays(steps: list[Step]) -> tuple[Ints, Float64]:
    table, constants = np.zeros((len(steps), 15), np.int64), np.zeros((len(steps), 3))
    for row, (code, out, arguments, lags, numbers) in enumerate(steps):
        table[row, :3] = code, out, len(arguments)
        table[row, 3 : 3 + len(arguments)] = arguments
        table[row, 9 : 9 + len(lags)] = lags
        constants[row, : len(numbers)] = numbers
    return table, constants


def _layout(steps: list[Step], n_inputs: int, chunk: int) -> tuple[Ints, int]:
    # A column that is read at no lag needs its room only until its last reader has run.
    reach, ended = _uses(steps, n_inputs)
    rings = np.zeros((len(reach), 2), np.int64)
    free: list[int] = []
    n_rows = 0
    for column in range(n_inputs):
        length = chunk * -(-(reach[column] + chunk) // chunk)
        rings[column], n_rows = (n_rows, length), n_rows + length
    for step, over in zip(steps, ended, strict=True):
        code, column = step[:2]
        if code < op.TABLE:
            length = chunk * -(-(reach[column] + chunk) // chunk)
            size = length + (2 * length + step[3][0] if code == op.SORTED else 0)
            if size == chunk and free:
                rings[column] = free.pop(), length
            else:
                rings[column], n_rows = (n_rows, length), n_rows + size
        free.extend(int(rings[done, 0]) for done in over)
    return rings, n_rows


def _uses(steps: list[Step], n_inputs: int) -> tuple[list[int], list[list[int]]]:
    # How far back each column is read; and after each step, the columns whose room is free again.
    n = n_inputs + sum(step[0] < op.TABLE for step in steps)
    reach, last = [0] * n, [-1] * n
    for place, (code, out, arguments, lags, _) in enumerate(steps):
        if code == op.SORTED:
            last[out] = -2
        for argument, lag in zip(arguments, lags, strict=True):
            reach[argument] = max(reach[argument], lag)
            last[argument] = place if last[argument] > -2 else -2
    ended: list[list[int]] = [[] for _ in steps]
    for column in range(n):
        if last[column] >= 0 and not reach[column]:
            ended[last[column]].append(column)
    return reach, ended
