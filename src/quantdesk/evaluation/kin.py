"""Earlier tries on the same market: also where its data have grown meanwhile and go by other names."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.sketch import Sketch
from quantdesk.registry import Trial, tried_on

MOST_COLUMNS = 100
"""Columns of the smaller data set that are looked for in the other, evenly spaced."""

LEAST_FOUND = 0.5
"""Of the columns looked for, how many must be found."""

LEAST_MOVES = 10
"""Moves between remembered bars below which a column says nothing."""

ALIKE, OF_USUAL = 0.005, 0.2
"""Moves nearer to each other than half a percent, and than a fifth of the column's usual move, are the same."""

LEAST_ALIKE = 0.9
"""Share of the moves that are the same. Old prices adjusted anew, for a dividend or a split, move alike."""


def earlier_tries(trials: Iterable[Trial], panel: Panel, data: str, home: Path) -> list[Trial]:
    """Pick the trials made on this data, on a data set of this name, or on the same market under another name.

    Parameters
    ----------
    trials : iterable of Trial
        All that were made, oldest first.
    panel : Panel
        The data.
    data : str
        Their fingerprint.
    home : Path
        The desk's folder, whose runs remember what they were made on.
    """
    made = list(trials)
    runs = {trial.data_name: trial.run_id for trial in made if (home / "runs" / trial.run_id).is_dir()}
    names = {name for name, run_id in runs.items() if name != panel.name and _is_kin(home / "runs" / run_id, panel)}
    return tried_on(made, data, {panel.name, *names})


def _is_kin(run: Path, panel: Panel) -> bool:
    try:
        return is_same_market(Sketch.read(run), panel)
    except DataError:
        return False


def is_same_market(sketch: Sketch, panel: Panel) -> bool:
    """Tell whether columns of both moved alike between the bars that the sketch remembers, whatever they are called.

    Each of at most 100 columns of the smaller data set is compared with every column of the other.

    Parameters
    ----------
    sketch : Sketch
        What is remembered of one data set.
    panel : Panel
        The other.
    """
    _, kept, rows = np.intersect1d(sketch.times[sketch.rows], panel.times, return_indices=True)
    was = _moves(sketch.values[sketch.fields.index("close")][kept])
    now = _moves(panel.fields["close"][rows])
    fewer, more = (was, now) if was.shape[1] <= now.shape[1] else (now, was)
    n_columns = fewer.shape[1]
    if not n_columns:
        return False
    columns = np.linspace(0, n_columns - 1, min(MOST_COLUMNS, n_columns)).round().astype(np.int64)
    return bool(np.mean([_is_among(fewer[:, column], more) for column in columns]) >= LEAST_FOUND)


def _moves(close: Float64) -> Float64:
    # Columns that say nothing, too short or still, are left out.
    moves = np.diff(np.log(close), axis=0)
    long: Float64 = moves[:, np.isfinite(moves).sum(axis=0) >= LEAST_MOVES]
    return long[:, np.nanstd(long, axis=0) > 0]


def _is_among(moves: Float64, others: Float64) -> bool:
    apart = np.abs(others - moves[:, None])
    n_known = np.isfinite(apart).sum(axis=0)
    n_alike = (apart < min(ALIKE, OF_USUAL * float(np.nanstd(moves)))).sum(axis=0)
    return bool(((n_known >= LEAST_MOVES) & (n_alike >= LEAST_ALIKE * n_known)).any())
