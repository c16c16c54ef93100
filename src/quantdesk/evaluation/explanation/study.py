"""Explain the forecasts of a walk-forward: what their skill rests on, and what they were made of."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.ports import Forecaster
from quantdesk.evaluation.explanation.families import families
from quantdesk.evaluation.explanation.findings import Explanation, Fall, Record
from quantdesk.evaluation.explanation.flow import attention, flow
from quantdesk.evaluation.explanation.losing import LEAST_DRAWS, MOST_DRAWS, joined, lose
from quantdesk.evaluation.explanation.noise import blocks, noise
from quantdesk.evaluation.explanation.questions import Questions, questions
from quantdesk.evaluation.scores import MIN_INSTRUMENTS
from quantdesk.models.conformal import ConformalForecaster

N_ANSWERS = 400_000
"""Forecasts asked for in all; a constant, so that a run made again asks the same."""

N_ROWS = 3_000_000
"""Rows that they may read in all: a window costs what it holds."""

N_FOLLOWED = 800
"""Samples whose contributions are read: trees take long over one."""

N_FOLLOWED_ROWS = 12_000
"""Rows that those may hold: networks take long over a window."""


class Taught(NamedTuple):
    """A forecaster, and rows that it did not learn from, in order."""

    forecaster: Forecaster
    rows: Ints


def explain(
    taught: Sequence[Taught], dataset: Dataset, horizon: int, seed: int, record: Record | None = None
) -> Explanation | None:
    """Explain forecasters on rows that they did not learn from; nothing is learned again.

    Parameters
    ----------
    taught : sequence of Taught
        In the order of their rows. Where intervals are calibrated around another forecaster, that one is
        explained: calibration moves no mean.
    dataset : Dataset
        With the history that windows read.
    horizon : int
        The horizon traded, an index into ``dataset.horizons``.
    seed : int
        Of the shuffles, the signs, and the instruments drawn.
    record : Record, optional
        The skill over the whole record, which the words set beside that of the times looked at.

    Returns
    -------
    Explanation or None
        None where nothing could be asked: no feature, or no row with a known outcome.
    """
    if not dataset.feature_names:
        return None
    random = np.random.default_rng([seed, 0xE7])
    inner = [_inner(forecaster) for forecaster, _ in taught]
    # Families are made of two or more: about a fifth as many as features.
    n_answers = round(1.2 * len(dataset.feature_names) + 1) * (LEAST_DRAWS + 1) * len(taught)
    n_most = _affordable(inner, N_ANSWERS, N_ROWS) // n_answers
    asked = [questions(one, dataset, rows, horizon, n_most, random) for one, (_, rows) in zip(inner, taught, strict=True)]
    known = [one for one in asked if one is not None]
    return replace(_explained(known, random), record=record) if known else None


def _affordable(taught: list[Forecaster], n_samples: int, n_rows: int) -> int:
    return min(n_samples, n_rows // max(forecaster.lookback for forecaster in taught))


def _inner(forecaster: Forecaster) -> Forecaster:
    return forecaster.inner if isinstance(forecaster, ConformalForecaster) else forecaster


def _explained(asked: list[Questions], random: np.random.Generator) -> Explanation:
    names, n_known = asked[0].dataset.feature_names, np.concatenate([one.n_known for one in asked])
    kin = families(np.concatenate([one.samples for one in asked]), names)
    is_across = bool((n_known >= MIN_INSTRUMENTS).all())
    every = list(range(len(names)))
    sets = [*([column] for column in every), *(list(family.members) for family in kin), every]
    taught = [one.forecaster for one in asked]
    n_affordable = _affordable(taught, N_ANSWERS, N_ROWS) // (len(sets) * int(n_known.sum())) - 1
    n_draws = int(np.clip(n_affordable, LEAST_DRAWS, MOST_DRAWS))
    lost = joined([lose(one, sets, is_across, random, n_draws) for one in asked])
    loss = float(lost.whole.loss.mean())
    followed = [one.thinned(_affordable(taught, N_FOLLOWED, N_FOLLOWED_ROWS) // len(asked)) for one in asked]
    return Explanation(
        feature_names=names,
        families=kin,
        times=np.concatenate([one.times for one in asked]),
        n_instruments=int(np.median(n_known)),
        n_draws=n_draws,
        n_blocks=len(blocks(lost.ablated_skill)[1]),
        is_across=is_across,
        skill=float(lost.whole.skill.mean()),
        loss=loss,
        shuffled_skill=_fall(lost.shuffled_skill, random),
        shuffled_loss=_fall(lost.shuffled_loss / loss, random),
        ablated_skill=_fall(lost.ablated_skill[None], random),
        ablated_loss=_fall(lost.ablated_loss[None] / loss, random),
        flow=flow(followed),
        attention=attention(followed),
    )


def _fall(draws: Float64, random: np.random.Generator) -> Fall:
    # The last column, all features at once, asks another question than the others, and has a band of its own.
    n_draws, by_draw, mean = len(draws), draws.mean(axis=1), draws.mean(axis=0)
    parts = (noise(mean[:, :-1], random), noise(mean[:, -1:], random))
    found, error, reach, p_values = (np.concatenate(each) for each in zip(*parts, strict=True))
    spread = by_draw.std(axis=0, ddof=1) / np.sqrt(n_draws) if n_draws > 1 else np.zeros(by_draw.shape[1])
    return Fall(found, error, spread, reach, p_values)
