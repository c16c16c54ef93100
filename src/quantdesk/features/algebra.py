"""Write a column of numbers as a formula of the bars: what it reads, and how far back, follows from it.

A formula is a small graph of operations on columns of shape (n_times, n_instruments). It computes
nothing itself: ``evaluate`` turns formulas into a program and runs it.
"""

from dataclasses import dataclass, field
from typing import Union

from quantdesk.features import operations as op

Number = Union["Column", float]
_LAG, _INPUT, _ACROSS = -1, -2, -3


@dataclass(frozen=True, eq=False, repr=False)
class Column:
    """A node of a formula; it stands for values of shape (n_times, n_instruments).

    Parameters
    ----------
    operation : int
        One of ``operations``, or what kind of leaf it is.
    arguments : tuple of Column
        What it is computed from.
    lags : tuple of int
        How many bars back each argument is read.
    constants : tuple of float
        Up to three numbers.
    name : str
        Of an input, or of a comparison across instruments.
    """

    operation: int
    arguments: tuple["Column", ...] = ()
    lags: tuple[int, ...] = ()
    constants: tuple[float, ...] = ()
    name: str = ""
    rows: int = field(init=False)
    stage: int = field(init=False)

    def __post_init__(self) -> None:
        own = int(self.constants[0]) if self.is_input and self.constants else 1
        rows = max((a.rows + lag for a, lag in zip(self.arguments, self.lags, strict=True)), default=own)
        stage = max((argument.stage for argument in self.arguments), default=0)
        # A sorted window also reads the value that leaves it, but does not depend on it.
        object.__setattr__(self, "rows", rows - (self.operation == op.SORTED))
        object.__setattr__(self, "stage", stage + 1 if self.is_across else stage)

    @property
    def is_input(self) -> bool:
        """Tell whether it is given rather than computed."""
        return self.operation == _INPUT

    @property
    def is_across(self) -> bool:
        """Tell whether it compares the instruments of a bar with one another."""
        return self.operation == _ACROSS

    def lag(self, bars: int) -> "Column":
        """Read it ``bars`` bars ago."""
        return Column(_LAG, (self,), (bars,))

    def __add__(self, other: Number) -> "Column":
        return _affine(self, 1.0, other) if isinstance(other, int | float) else _sum(self, other, 1.0)

    def __sub__(self, other: Number) -> "Column":
        return _affine(self, 1.0, -other) if isinstance(other, int | float) else _sum(self, other, -1.0)

    def __mul__(self, other: Number) -> "Column":
        return _affine(self, other, 0.0) if isinstance(other, int | float) else _scaled(op.MULTIPLY, self, other)

    def __truediv__(self, other: Number) -> "Column":
        """Divide; NaN where a column's value is not above zero."""
        return _affine(self, 1.0 / other, 0.0) if isinstance(other, int | float) else _scaled(op.DIVIDE, self, other)

    def __radd__(self, other: float) -> "Column":
        return _affine(self, 1.0, other)

    def __rmul__(self, other: float) -> "Column":
        return _affine(self, other, 0.0)

    def __rsub__(self, other: float) -> "Column":
        return _affine(self, -1.0, other)

    def __neg__(self) -> "Column":
        return _affine(self, -1.0, 0.0)


def node(operation: int, *arguments: Column, constants: tuple[float, ...] = (), reach: tuple[int, ...] = ()) -> Column:
    """Apply an operation to columns; ``reach`` adds bars to the lags where an operation reads a window."""
    pairs = [_resolved(argument) for argument in arguments]
    lags = [lag for _, lag in pairs]
    for j, bars in enumerate(reach):
        lags[j] += bars
    return Column(operation, tuple(column for column, _ in pairs), tuple(lags), constants)


def _resolved(column: Column) -> tuple[Column, int]:
    lag = 0
    while column.operation == _LAG:
        lag += column.lags[0]
        column = column.arguments[0]
    return column, lag


def _affine(column: Column, scale: float, shift: float) -> Column:
    return node(op.AFFINE, column, constants=(float(scale), float(shift)))


def _sum(one: Column, other: Column, weight: float) -> Column:
    scale, other = _factor(other)
    return node(op.ADD, one, other, constants=(weight * scale,))


def _scaled(operation: int, one: Column, other: Column) -> Column:
    scale, one = _factor(one)
    if operation == op.DIVIDE:
        divisor, below = _factor(other)
        # Below zero the quotient is missing: a negative factor must stay where it is.
        scale, other = (scale / divisor, below) if divisor > 0.0 else (scale, other)
    return node(operation, one, other, constants=(scale,))


def _factor(column: Column) -> tuple[float, Column]:
    # A plain multiple is left to the operation that reads it: one step less.
    if column.operation == op.AFFINE and column.constants[1] == 0.0:
        return column.constants[0], column.arguments[0].lag(column.lags[0])
    return 1.0, column


def given(name: str, rows: int = 1) -> Column:
    """Name a column of the bars, and how many bars each of its values depends on."""
    return Column(_INPUT, constants=(float(rows),), name=name)


def across(kind: str, *columns: Column) -> Column:
    """Compare the instruments traded at each bar: see ``cross_section.KINDS``."""
    return Column(_ACROSS, tuple(plain(column) for column in columns), (0,) * len(columns), (), kind)


def plain(column: Column) -> Column:
    """Return a column that is read as it stands, not at a lag."""
    return node(op.COPY, column) if column.operation == _LAG else column


def missing(column: Column) -> Column:
    """Give NaN everywhere."""
    return node(op.AFFINE, column, constants=(float("nan"), 0.0))


def log(column: Column) -> Column:
    """Take natural logarithms; NaN where a value is not above zero."""
    return node(op.LOG, column)


def sqrt(column: Column) -> Column:
    """Take square roots; NaN below zero."""
    scale, column = _factor(column)
    return node(op.SQRT, column, constants=(scale,))


def size(column: Column) -> Column:
    """Take absolute values."""
    return node(op.ABS, column)


def filled(column: Column) -> Column:
    """Put zero where a value is missing."""
    return node(op.FILL, column)


def present(column: Column) -> Column:
    """Give 1 where there is a value and 0 where there is none."""
    # A size is there where its column is: so the two share what follows.
    return node(op.PRESENT, column.arguments[0].lag(column.lags[0]) if column.operation == op.ABS else column)


def above(column: Column, level: float) -> Column:
    """Give 1 where a value is above a level, 0 where not, NaN where it is missing."""
    return node(op.ABOVE, column, constants=(level,))


def ratio(numerator: Column, denominator: Column) -> Column:
    """Divide two scale-free columns; NaN where the denominator is zero but for rounding."""
    return node(op.RATIO, numerator, denominator)


def greater(one: Column, other: Column) -> Column:
    """Take the larger of two; NaN where either is missing."""
    return node(op.MAXIMUM, one, other)


def smaller(one: Column, other: Column) -> Column:
    """Take the smaller of two; NaN where either is missing."""
    return node(op.MINIMUM, one, other)


def at_most(one: Column, other: Column) -> Column:
    """Give 1 where the first is at most the second, 0 elsewhere, also where one is missing."""
    return node(op.BELOW, one, other)


def where(condition: Column, one: Column, other: Column) -> Column:
    """Choose the first where the condition is above zero, the second elsewhere."""
    return node(op.WHERE, condition, one, other)


def clipped(column: Column, low: float, high: float) -> Column:
    """Hold values within bounds; NaN stays NaN."""
    return node(op.CLIP, column, constants=(low, high))
