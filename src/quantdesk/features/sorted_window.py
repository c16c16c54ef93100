"""Windows kept sorted, one in each lane, and what is read from them."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled_in_place


@compiled_in_place
def insert(window: Float64, new: Float64, old: Float64, scratch: Float64) -> None:
    """Take the old value of each lane out of its window and put the new one in.

    Parameters
    ----------
    window : Float64
        Sorted upwards, a missing value as infinite (n_rows, n_lanes); changed.
    new, old : Float64
        The values (n_lanes,); NaN where missing.
    scratch : Float64
        Room to work in (5, n_lanes). Row 2 then counts the new window's values below the new one,
        equal ones by half, itself too.
    """
    # In one pass: what is carried from row to row pushes the rest along.
    rows, width = window.shape
    leaving, coming, place, carried, endless = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    for i in range(width):
        leaving[i] = old[i] if old[i] == old[i] else np.inf
        coming[i] = new[i] if new[i] == new[i] else np.inf
        place[i] = 0.5
        carried[i] = -np.inf
        endless[i] = np.inf
    for k in range(0, rows - rows % 4, 4):
        after = window[k + 4] if k + 4 < rows else endless
        _exchange_four(window[k], window[k + 1], window[k + 2], window[k + 3], after, leaving, coming, carried, place)
    for k in range(rows - rows % 4, rows):
        _exchange(window[k], window[k + 1] if k + 1 < rows else endless, leaving, coming, carried, place)


@compiled_in_place
def _placed(before: float, coming: float, kept: float) -> float:
    lower = coming if coming < kept else kept
    return before if before > lower else lower


@compiled_in_place
def _exchange(here: Float64, after: Float64, leaving: Float64, coming: Float64, carried: Float64, place: Float64) -> None:
    for i in range(len(here)):
        edge = coming[i]
        kept = here[i] if here[i] < leaving[i] else after[i]
        here[i] = _placed(carried[i], edge, kept)
        carried[i] = kept
        place[i] += (0.5 if kept < edge else 0.0) + (0.5 if kept <= edge else 0.0)


@compiled_in_place
def _exchange_four(
    a: Float64,
    b: Float64,
    c: Float64,
    d: Float64,
    after: Float64,
    leaving: Float64,
    coming: Float64,
    carried: Float64,
    place: Float64,
) -> None:
    # Four rows at once: what is the same for all of them is read once.
    for i in range(len(a)):
        edge, old, before = coming[i], leaving[i], carried[i]
        one, two, three, four = a[i], b[i], c[i], d[i]
        one = one if one < old else two
        two = two if two < old else three
        three = three if three < old else four
        four = four if four < old else after[i]
        a[i] = _placed(before, edge, one)
        b[i] = _placed(one, edge, two)
        c[i] = _placed(two, edge, three)
        d[i] = _placed(three, edge, four)
        carried[i] = four
        below = ((0.5 if one < edge else 0.0) + (0.5 if two < edge else 0.0)) + (
            (0.5 if three < edge else 0.0) + (0.5 if four < edge else 0.0)
        )
        upto = ((0.5 if one <= edge else 0.0) + (0.5 if two <= edge else 0.0)) + (
            (0.5 if three <= edge else 0.0) + (0.5 if four <= edge else 0.0)
        )
        place[i] += below + upto


@compiled_in_place
def order_statistic(out: Float64, window: Float64, place: Float64, part: int, level: float) -> None:
    """Write (n_lanes,) the quantile at ``level`` (part 0), at 1 - ``level`` (1), or the newest value's place (2)."""
    rows, width = window.shape
    where = (level if part == 0 else 1.0 - level) * (rows - 1)
    under = min(int(where), rows - 2)
    weight = where - under
    for i in range(width):
        is_whole = window[rows - 1, i] < np.inf
        between = window[under, i] + weight * (window[under + 1, i] - window[under, i])
        value = (2.0 * place[i] - rows) / (rows - 1) if part == 2 else between
        out[i] = value if is_whole else np.nan
