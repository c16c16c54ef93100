"""Earlier tries on the same market: also where its data have grown meanwhile and go by another name."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.sketch import Sketch
from quantdesk.registry import Trial, tried_on

LEAST_SHARED = 0.5
"""Of the instruments of the smaller data set, how many the other must have too."""

LEAST_MOVES = 50
"""Moves between remembered bars below which nothing can be said."""

LEAST_ALIKE = 0.9
"""Share of the moves that are the same to half a percent. Old prices adjusted anew, for a dividend or a split, move alike."""


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
    """Tell whether the instruments of both moved alike between the bars that the sketch remembers."""
    here = {symbol: place for place, symbol in enumerate(panel.symbols)}
    there = np.flatnonzero([symbol in here for symbol in sketch.symbols])
    if len(there) < LEAST_SHARED * min(len(sketch.symbols), len(here)):
        return False
    _, kept, rows = np.intersect1d(sketch.times[sketch.rows], panel.times, return_indices=True)
    columns = np.array([here[sketch.symbols[place]] for place in there], dtype=np.int64)
    was = np.diff(np.log(sketch.values[sketch.fields.index("close")][np.ix_(kept, there)]), axis=0)
    now = np.diff(np.log(panel.fields["close"][np.ix_(rows, columns)]), axis=0)
    is_known = np.isfinite(was) & np.isfinite(now)
    if is_known.sum() < LEAST_MOVES:
        return False
    return bool(np.mean(np.abs(was - now)[is_known] < 0.005) >= LEAST_ALIKE)
