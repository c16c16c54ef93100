"""What teaches must not overlap what judges, and what is learned must not move with the latter."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from quantdesk.domain.arrays import Bools, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.evaluation.leaks.compare import first_difference, written
from quantdesk.evaluation.leaks.leak import Leak
from quantdesk.evaluation.leaks.seen import Seen
from quantdesk.evaluation.leaks.study import Lesson


def overlap(seen: Seen) -> Iterator[Leak]:
    """Yield the first training label of each lesson whose span meets that of a test label."""
    dataset = seen.dataset
    for lesson in seen.lessons:
        met = _meets(dataset, lesson)
        taught = (lesson.train & dataset.is_valid).any(axis=1)
        rows = np.flatnonzero(met & taught)
        if rows.size:
            row = int(rows[0])
            column = int(np.flatnonzero(lesson.train[row] & dataset.is_valid[row])[0])
            yield Leak(
                "label overlap",
                "a training label",
                dataset.times[row],
                dataset.symbols[column],
                f"taught, with a span to bar {dataset.ends[row].max()}",
                "purged",
                "part of the future that is judged was taught, of the same names or of others in the same days",
            )


def _meets(dataset: Dataset, lesson: Lesson) -> Bools:
    first, last = dataset.begins - dataset.begins[0], dataset.ends.max(axis=1) - dataset.begins[0]
    tested = np.flatnonzero(lesson.test.any(axis=1))
    edges: Ints = np.zeros(int(last.max()) + 3, dtype=np.int64)
    np.add.at(edges, first[tested], 1)
    np.add.at(edges, last[tested] + 1, -1)
    covered = np.concatenate([[0], np.cumsum(np.cumsum(edges) > 0)])
    is_met: Bools = covered[last + 1] > covered[first]
    return is_met


def refit(seen: Seen) -> Iterator[Leak]:
    """Learn again with the test samples scrambled; what was learned must give the same forecasts."""
    lesson = seen.lessons[0]
    other = _forecast(seen, scrambled_test(seen.dataset, lesson, seen.seed))
    place = first_difference(seen.forecasts.quantiles, other.quantiles)
    if not place:
        return
    words = written(float(seen.forecasts.quantiles[place])), written(float(other.quantiles[place]))
    time, symbol = seen.dataset.times[place[0]], seen.dataset.symbols[place[1]]
    same = first_difference(seen.forecasts.quantiles, _forecast(seen, seen.dataset).quantiles)
    if same:
        meaning = "learning twice from the same data gives two forecasts, so nothing can be said of what it read"
        yield Leak("repeat", "what the model learned", time, symbol, *words, meaning)
    else:
        meaning = "something was fitted, scaled, chosen or stopped on the span that judges"
        yield Leak("refit", "what the model learned", time, symbol, *words, meaning)


def _forecast(seen: Seen, dataset: Dataset) -> Forecasts:
    learned = seen.study.learn(seen.strategy, dataset, seen.lessons[0], seen.seed)
    return learned.forecast(seen.dataset)


def scrambled_test(dataset: Dataset, lesson: Lesson, seed: int) -> Dataset:
    """Replace features and labels of the test samples by garbage of about their size."""
    random = np.random.default_rng([seed, 29])
    is_test = lesson.test & ~lesson.train
    order = random.permutation(len(dataset))
    features = np.where(is_test[..., None], 3 * dataset.features[order] + np.float32(0.5), dataset.features)
    labels = np.where(is_test[..., None], -2 * dataset.labels[order] + 0.05, dataset.labels)
    return replace(dataset, features=features.astype(np.float32), labels=labels)
