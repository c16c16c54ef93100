"""A whole study, from raw facts to forecasts, in a form that can be done again in another world."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Broker, Forecaster
from quantdesk.domain.records import Records
from quantdesk.evaluation.splits import Split, WalkForward
from quantdesk.execution.costs import Costs
from quantdesk.execution.simulated import SimulatedBroker
from quantdesk.strategy import Strategy

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, eq=False)
class World:
    """Hold the raw facts that a study starts from.

    Parameters
    ----------
    panel : Panel
        Raw bars.
    records : Records or None
        Facts that are not bars, each with the time it became known.
    """

    panel: Panel
    records: Records | None = None

    def cut(self, moment: np.datetime64) -> "World":
        """Return what was known at a moment, and nothing else."""
        stop = int(np.searchsorted(self.panel.times, moment, side="right"))
        records = self.records.where(self.records.known_at <= moment) if self.records else None
        return World(self.panel.rows(0, stop, moment), records)

    def masked(self, moment: np.datetime64) -> "World":
        """Return every bar, without the values that became known after a moment."""
        return World(self.panel.rows(0, len(self.panel.times), moment), self.records)

    def scrambled(self, moment: np.datetime64, seed: int) -> "World":
        """Return the same facts up to a moment, and plausible garbage after it."""
        random = np.random.default_rng([seed, int(moment.astype(np.int64) // 10**9)])
        shift = np.exp(random.normal(0.0, 0.5, self.panel.shape))
        fields = {name: self._garbage(name, moment, shift, random) for name in self.panel.fields}
        records = self.records
        if records is not None:
            noise = records.values[random.permutation(len(records))] * 1.7 + random.normal(size=len(records))
            records = replace(records, values=np.where(records.known_at > moment, noise, records.values))
        return World(replace(self.panel, fields=fields), records)

    def _garbage(self, name: str, moment: np.datetime64, shift: Float64, random: np.random.Generator) -> Float64:
        values = self.panel.fields[name]
        is_later = np.broadcast_to((self.panel.times > moment)[:, None], values.shape)
        if name in self.panel.known_at:
            is_later = self.panel.known_at[name] > moment
        # One factor for a bar's prices keeps it a possible bar; other fields are dealt anew among the later rows.
        noise = (
            values * shift if name in PRICES else values[random.permutation(len(values))] * (1.0 if name == "split" else 1.7)
        )
        return np.where(is_later, noise, values)


@dataclass(frozen=True, eq=False)
class Lesson:
    """Say which samples teach and which judge; both of shape (n_times, n_instruments)."""

    train: Bools
    test: Bools

    @classmethod
    def of(cls, split: Split, dataset: Dataset) -> "Lesson":
        """Turn a split by rows into one by samples."""
        masks = []
        for rows in (split.train, split.test):
            mask = np.zeros((len(dataset), len(dataset.symbols)), dtype=np.bool_)
            mask[rows] = True
            masks.append(mask)
        return cls(masks[0], masks[1])


def raw(world: World) -> Panel:
    """Take the bars as they are."""
    return world.panel


def walk_forward_lessons(dataset: Dataset) -> list[Lesson]:
    """Split as every evaluation does."""
    splits = WalkForward.fitting(len(dataset)).splits(dataset)
    return [Lesson.of(split, dataset) for split in splits]


def learn_from_training(strategy: Strategy, dataset: Dataset, lesson: Lesson, seed: int) -> Forecaster:
    """Fit the strategy's model on the training samples and nothing else."""
    rows = np.flatnonzero(lesson.train.any(axis=1))
    taught = replace(dataset, is_valid=dataset.is_valid & lesson.train).take(rows)
    return strategy.model.fit(taught, seed)


@dataclass(frozen=True, eq=False)
class Study:
    """Hold every step from raw facts to forecasts, so that each can be repeated with less knowledge.

    Parameters
    ----------
    world : World
        The raw facts.
    build : callable
        Maps the world to the strategy; a constant that was tuned on data is tuned here.
    prepare : callable
        Maps the world to the panel: joins, adjustments, resampling, the choice of names.
    lessons : callable
        Maps a dataset to what teaches and what judges.
    learn : callable
        Maps strategy, dataset, lesson and seed to what was learned.
    broker : callable
        Maps costs to a new broker.
    """

    world: World
    build: Callable[[World], Strategy]
    prepare: Callable[[World], Panel] = raw
    lessons: Callable[[Dataset], list[Lesson]] = walk_forward_lessons
    learn: Callable[[Strategy, Dataset, Lesson, int], Forecaster] = learn_from_training
    broker: Callable[[Costs], Broker] = field(default=SimulatedBroker)
