"""Compute formulas over bars: block after block of instruments, whatever compares instruments in between."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from threading import local

import numpy as np

from quantdesk.domain.arrays import Float32, Float64
from quantdesk.domain.bars import Bars
from quantdesk.features import cross_section
from quantdesk.features.algebra import Column, given, plain
from quantdesk.features.delivery import aligned
from quantdesk.features.program import TRADED, Program, build

LANES, CHUNK = 64, 16
"""Instruments and bars at a time: what is at work then fits a core's own cache."""

ROWS = 128
"""Bars whose inputs are gathered, or that are compared, at a time; a multiple of ``CHUNK``."""

PRICES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, eq=False)
class Formula:
    """Compute one formula: what a ``Feature`` written as a formula has as its ``compute``.

    Parameters
    ----------
    column : Column
        The formula; its value is NaN on bars without a trade.
    """

    column: Column

    def __call__(self, bars: Bars) -> Float64:
        """Return values of shape (n_times, n_instruments)."""
        columns = np.empty((1, *bars.close.shape))
        evaluate((), (plain(self.column),), bars, np.empty((*bars.close.shape, 0), np.float32), columns)
        values: Float64 = columns[0]
        return values

    def __repr__(self) -> str:
        """Stay short: the graph is shared many times over."""
        return f"Formula(rows={self.column.rows})"


@dataclass(frozen=True, eq=False)
class Plan:
    """Programs in the order they run; each but the last hands out what is compared across instruments.

    Parameters
    ----------
    programs : tuple of Program
        One for each stage.
    compared : tuple of tuple of Column
        After each but the last: the comparisons that become possible.
    """

    programs: tuple[Program, ...]
    compared: tuple[tuple[Column, ...], ...]


@lru_cache(maxsize=64)
def plan(table: tuple[Column, ...], columns: tuple[Column, ...], chunk: int) -> Plan:
    """Divide formulas into stages at each comparison across instruments."""
    wanted: list[list[Column]] = [[] for _ in range(max((column.stage for column in (*table, *columns)), default=0))]
    for comparison in _comparisons((*table, *columns)):
        wanted[comparison.stage - 1].append(comparison)
    traded = given(TRADED)
    programs = [build((), [part for one in level for part in one.arguments], traded, chunk) for level in wanted]
    return Plan((*programs, build(table, columns, traded, chunk)), tuple(tuple(level) for level in wanted))


def _comparisons(columns: Sequence[Column]) -> Iterator[Column]:
    seen: set[int] = set()
    rest = list(columns)
    while rest:
        column = rest.pop()
        if id(column) in seen:
            continue
        seen.add(id(column))
        rest.extend(column.arguments)
        if column.is_across:
            yield column


def evaluate(table_columns: Sequence[Column], columns: Sequence[Column], bars: Bars, table: Float32, out: Float64) -> None:
    """Compute formulas over all bars, in parallel over blocks of instruments.

    Parameters
    ----------
    table_columns, columns : sequence of Column
        What goes to ``table``, and what goes to ``out``.
    bars : Bars
        Adjusted bars.
    table : Float32
        Written: (n_times, n_instruments, len(table_columns)).
    out : Float64
        Written: (len(columns), n_times, n_instruments).
    """
    shape = bars.close.shape
    steps = plan(tuple(table_columns), tuple(columns), CHUNK)
    known: dict[int, Float64] = {}
    for program, comparisons in zip(steps.programs, steps.compared, strict=False):
        parts = np.empty((program.n_columns, *shape))
        _run_blocks(program, bars, known, np.empty((*shape, 0), np.float32), parts)
        _compare_all(comparisons, parts)
        known |= compared(comparisons, parts)
    _run_blocks(steps.programs[-1], bars, known, table, out)


def compare(comparisons: Sequence[Column], parts: Float64) -> None:
    """Carry out comparisons, whose arguments lie in ``parts`` one after the other; the first of each is written over."""
    place = 0
    for comparison in comparisons:
        arguments = parts[place : place + len(comparison.arguments)]
        arguments[0] = cross_section.KINDS[comparison.name](*arguments)
        place += len(arguments)


def _compare_all(comparisons: Sequence[Column], parts: Float64) -> None:
    def compare_rows(first: int) -> None:
        compare(comparisons, parts[:, first : first + ROWS])

    _in_parallel(range(0, parts.shape[1], ROWS), compare_rows)


def compared(comparisons: Sequence[Column], parts: Float64) -> dict[int, Float64]:
    """Find what ``compare`` has written."""
    firsts = accumulate((len(comparison.arguments) for comparison in comparisons), initial=0)
    return {id(comparison): parts[first] for comparison, first in zip(comparisons, firsts, strict=False)}


def _run_blocks(program: Program, bars: Bars, known: Mapping[int, Float64], table: Float32, out: Float64) -> None:
    n_times, n_instruments = bars.close.shape
    inputs = inputs_of(program, bars, known)
    rooms = local()

    def run_block(first: int) -> None:
        width = min(LANES, n_instruments - first)
        if not hasattr(rooms, "memory"):
            # Each thread keeps its own memory from one block to the next.
            rooms.memory, rooms.inputs = aligned(program.n_rows * LANES), np.empty(len(inputs) * ROWS * LANES)
        memory = rooms.memory[: program.n_rows * width]
        program.forget(memory)
        for row in range(0, n_times, ROWS):
            n = min(ROWS, n_times - row)
            block = rooms.inputs[: len(inputs) * n * width].reshape(len(inputs), n, width)
            for place, values in zip(block, inputs, strict=True):
                place[:] = values[row : row + n, first : first + width]
            program.run(block, memory, row, table, out, row, first)

    _in_parallel(range(0, n_instruments, LANES), run_block, n_times >= 2 * CHUNK)


def _in_parallel(firsts: Sequence[int], work: Callable[[int], None], is_long: bool = True) -> None:
    # Pieces of work, named by where each begins, on the cores this process may use.
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    n_workers = min(len(firsts), n_cores) if is_long else 1
    if n_workers < 2:
        for first in firsts:
            work(first)
        return
    with ThreadPoolExecutor(n_workers) as pool:
        list(pool.map(work, firsts))


def inputs_of(program: Program, bars: Bars, known: Mapping[int, Float64]) -> list[Float64]:
    """Collect a program's inputs, each of shape (n_times, n_instruments)."""
    return [known[id(column)] if column.is_across else _input(bars, column.name) for column in program.inputs]


def _input(bars: Bars, name: str) -> Float64:
    if name == TRADED:
        return bars.is_traded.astype(np.float64)
    if name in ("top", "bottom"):
        field = {"top": "high", "bottom": "low"}[name]
        return _input(bars, field if field in bars.fields else "close")
    if name in PRICES:
        values: Float64 = getattr(bars, name)
        return values
    return np.broadcast_to(bars.facts.get(name, np.float64(np.nan)), bars.close.shape)
