"""Take columns away from a forecaster, shuffled or missing, and score what it says without them."""

from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Float32, Float64
from quantdesk.evaluation.explanation.questions import Questions
from quantdesk.evaluation.explanation.scoring import Score, score
from quantdesk.evaluation.resampling import block_permutations

LEAST_DRAWS, MOST_DRAWS = 3, 6
"""Shuffles of each column. With three a mean varies a third more than with endless ones, at the most; with six a sixth."""

_N_STRETCHES = 12  # of time, which change places where columns are shuffled over time


class Lost(NamedTuple):
    """What is lost without each set of columns, at each time: skill, and quantile loss gained.

    ``shuffled_skill`` and ``shuffled_loss`` have shape (n_draws, n_times, n_sets), the others (n_times, n_sets).
    """

    whole: Score
    shuffled_skill: Float64
    shuffled_loss: Float64
    ablated_skill: Float64
    ablated_loss: Float64


def lose(asked: Questions, sets: list[list[int]], is_across: bool, random: np.random.Generator, n_draws: int) -> Lost:
    """Ask again without each set of columns.

    Shuffled (Breiman 2001; Fisher, Rudin & Dominici 2019), an instrument gets the columns of another one of the same
    time, their whole history in its window; the other columns stay. Columns that all instruments of a time share,
    and those of data with too few instruments, come from another time instead, in stretches that stay together.
    Ablated, they are missing.

    Parameters
    ----------
    sets : list of list of int
        Columns that are lost together, a set each.
    is_across : bool
        Whether skill is measured over the instruments of a time.
    """
    labels, unit = asked.labels, asked.unit
    whole = score(asked.answers(asked.features), labels, unit, is_across)

    def without(columns: list[int], values: Float32) -> tuple[Float64, Float64]:
        left = asked.features.copy()
        left[..., columns] = values
        found = score(asked.answers(left), labels, unit, is_across)
        return whole.skill - found.skill, found.loss - whole.loss

    shuffled = np.empty((n_draws, len(sets), 2, len(labels)))
    ablated = np.empty((len(sets), 2, len(labels)))
    for place, columns in enumerate(sets):
        values = asked.features[..., columns]
        ablated[place] = without(columns, np.full_like(values, np.nan))
        mix = _across if is_across and _differs(values, labels) else _along
        for draw in range(n_draws):
            shuffled[draw, place] = without(columns, mix(values, labels, random))
    skill, loss = (np.moveaxis(shuffled[:, :, part], 1, 2) for part in (0, 1))
    return Lost(whole, skill, loss, ablated[:, 0].T, ablated[:, 1].T)


def joined(parts: list[Lost]) -> Lost:
    """Put what several forecasters lost one after the other in time."""
    whole = Score(*(np.concatenate(each) for each in zip(*(part.whole for part in parts), strict=True)))
    shuffled = (np.concatenate(each, axis=1) for each in zip(*(part[1:3] for part in parts), strict=True))
    ablated = (np.concatenate(each) for each in zip(*(part[3:] for part in parts), strict=True))
    return Lost(whole, *shuffled, *ablated)


def _differs(values: Float32, labels: Float64) -> bool:
    # Whether the columns tell instruments apart at the times asked about, most of the time.
    now = np.where(np.isfinite(labels)[..., None], values[:, -1], np.nan)
    low, high = (
        extreme(np.where(np.isfinite(now), now, empty), axis=1) for extreme, empty in ((np.min, np.inf), (np.max, -np.inf))
    )
    return bool((low < high).any(axis=1).mean() > 0.5)


def _across(values: Float32, labels: Float64, random: np.random.Generator) -> Float32:
    mixed = values.copy()
    for time, known in enumerate(np.isfinite(labels)):
        places = np.flatnonzero(known)
        mixed[time][:, places] = values[time][:, random.permutation(places)]
    return mixed


def _along(values: Float32, labels: Float64, random: np.random.Generator) -> Float32:
    order = block_permutations(len(labels), 1, max(1, len(labels) // _N_STRETCHES), random)[0]
    moved: Float32 = values[order]
    return moved
