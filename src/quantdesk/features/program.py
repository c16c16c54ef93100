"""Turn formulas into a program: each column computed once, in an order that works, with room for its history."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from quantdesk.domain.arrays import Float32, Float64, Ints
from quantdesk.features import machine
from quantdesk.features import operations as op
from quantdesk.features.algebra import Column

TRADED = "traded"
Key = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Program:
    """Hold the steps and the layout of the memory, in the form ``machine.run`` takes.

    Parameters
    ----------
    inputs : tuple of Column
        What has to be given, in order; the first is ``traded``.
    steps, constants, rings, results
        As in ``machine.run``.
    n_in_table : int
        Results that go to the table.
    n_rows : int
        Rows of memory.
    chunk : int
        Rows at a time.
    """

    inputs: tuple[Column, ...]
    steps: Ints
    constants: Float64
    rings: Ints
    results: Ints
    n_in_table: int
    n_rows: int
    chunk: int

    def memory(self, width: int) -> Float64:
        """Make the memory of ``width`` lanes as it is before the first bar: see ``forget``."""
        memory = np.empty(self.n_rows * width)
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
        past, rows = self._past(), np.empty(self.n_rows)
        for column, (first, n_rows) in enumerate(self.rings.tolist()):
            rows[first : first + n_rows] = past[column]
        for step in self.steps[self.steps[:, 0] == op.SORTED]:
            first, n_rows = self.rings[step[1]]
            rows[first : first + 3 * n_rows] = np.nan
            rows[first + 3 * n_rows : first + 3 * n_rows + step[9]] = np.inf
        return rows

    def _past(self) -> Float64:
        # One row of an endless empty past: nothing lies further back than anything else.
        steps = self.steps.copy()
        steps[steps[:, 0] < op.SORTED, 9:15] = 0
        steps[steps[:, 0] >= op.SORTED, 0] = op.COPY
        n = len(self.rings)
        rings = np.column_stack([np.arange(n), np.ones(n)]).astype(np.int64)
        nothing = np.full((len(self.inputs), 1, 1), np.nan)
        nothing[0] = 0.0
        memory = np.full(n, np.nan)
        none = np.empty((1, 1, 0), np.float32), np.empty((0, 1, 1))
        machine.run(steps, self.constants, rings, np.empty(0, np.int64), 0, nothing, memory, 0, 1, *none, 0)
        return memory

    def run(self, inputs: Float64, memory: Float64, clock: int, table: Float32, columns: Float64, lane: int) -> None:
        """Advance over all rows of ``inputs``: see ``machine.run``."""
        layout = (self.steps, self.constants, self.rings, self.results, self.n_in_table)
        machine.run(*layout, inputs, memory, clock, self.chunk, table, columns, lane)


def build(table: Sequence[Column], columns: Sequence[Column], traded: Column, chunk: int) -> Program:
    """Write the program that hands out ``table`` and ``columns``, ``chunk`` rows at a time."""
    listing = _Listing(traded)
    results = [listing.place(column) for column in (*table, *columns)]
    listing.inputs_first()
    results = [listing.renumbered[result] for result in results]
    rings, n_rows = _layout(listing.steps, len(listing.inputs), results, chunk)
    steps, constants = _arrays(listing.steps)
    return Program(tuple(listing.inputs), steps, constants, rings, np.array(results, np.int64), len(table), n_rows, chunk)


Step = tuple[int, int, tuple[int, ...], tuple[int, ...], tuple[float, ...]]


class _Listing:
    """Number columns so that two that compute the same thing are one."""

    def __init__(self, traded: Column) -> None:
        self.inputs: list[Column] = []
        self.steps: list[Step] = []
        self.renumbered: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._same: dict[Key, int] = {}
        self._input_numbers: list[int] = []
        self.place(traded)

    def place(self, column: Column) -> int:
        """Return a column's number, listing what it needs first."""
        if id(column) not in self._numbers:
            self._numbers[id(column)] = self._listed(column)
        return self._numbers[id(column)]

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

    def inputs_first(self) -> None:
        """Renumber so that the inputs come first, in their order, then the steps in theirs."""
        order = [*self._input_numbers, *(step[1] for step in self.steps)]
        self.renumbered = {old: new for new, old in enumerate(order)}
        new = self.renumbered
        self.steps = [
            (code, new[out], tuple(new[argument] for argument in arguments), lags, constants)
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


def _layout(steps: list[Step], n_inputs: int, results: list[int], chunk: int) -> tuple[Ints, int]:
    # A column that is read at no lag needs its room only until its last reader has run.
    reach, last = _uses(steps, n_inputs, results)
    rings = np.zeros((len(reach), 2), np.int64)
    free: list[int] = []
    n_rows = 0
    for column in range(len(reach)):
        step = steps[column - n_inputs] if column >= n_inputs else None
        length = chunk * -(-(reach[column] + chunk) // chunk)
        size = length + (2 * chunk + step[3][0] if step and step[0] == op.SORTED else 0)
        if size == chunk and free:
            rings[column] = free.pop(), length
        else:
            rings[column], n_rows = (n_rows, length), n_rows + size
        if step:
            ended = {argument for argument in step[2] if last[argument] == column and not reach[argument]}
            ended = {argument for argument in ended if argument < n_inputs or steps[argument - n_inputs][0] != op.SORTED}
            free.extend(int(rings[argument, 0]) for argument in sorted(ended))
    return rings, n_rows


def _uses(steps: list[Step], n_inputs: int, results: list[int]) -> tuple[list[int], list[int]]:
    # How far back each column is read, and by which column last.
    n = n_inputs + len(steps)
    reach, last = [0] * n, [0] * n
    for _, out, arguments, lags, _ in steps:
        for argument, lag in zip(arguments, lags, strict=True):
            reach[argument] = max(reach[argument], lag)
            last[argument] = max(last[argument], out)
    for result in results:
        last[result] = n
    return reach, last
