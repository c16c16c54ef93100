"""A label begins after its decision, ends where it says, and is no feature."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.leaks.compare import differing, written
from quantdesk.evaluation.leaks.echoes import echo_of
from quantdesk.evaluation.leaks.leak import Leak
from quantdesk.evaluation.leaks.seen import Seen
from quantdesk.evaluation.leaks.study import PRICES


def entry(seen: Seen, n_moments: int) -> Iterator[Leak]:
    """Move all prices of one bar: a label decided at that bar's close must not change."""
    for row in _rows(seen, n_moments):
        again = seen.strategy.dataset(_moved(seen.panel, row))
        yield from _label(seen, row, again.labels[row], "same-bar fill", "the fill is at a price of the bar that decides")


def span(seen: Seen, n_moments: int) -> Iterator[Leak]:
    """Cut the panel where a label's span ends: the label must be there already."""
    meaning = "the label reads beyond the end of its span, so no purge can be right"
    for row in _rows(seen, n_moments):
        for horizon, end in enumerate(seen.dataset.ends[row]):
            stop = int(end) + 1
            if stop <= len(seen.panel.times):
                again = seen.strategy.dataset(seen.panel.rows(0, stop)).labels[row].copy()
                keep = np.arange(len(seen.dataset.horizons)) == horizon
                again[:, ~keep] = seen.dataset.labels[row][:, ~keep]
                yield from _label(seen, row, again, "label span", meaning)


def echo(seen: Seen) -> Iterator[Leak]:
    """Correlate every feature, and the test forecasts, with the return that follows; none so good is honest."""
    dataset, lesson = seen.dataset, seen.lessons[0]
    for column, name in enumerate(dataset.feature_names):
        yield from _echo(seen, f"feature {name}", dataset.features[:, :, column].astype(np.float64))
    made = seen.forecasts.mean[:, :, int(np.argmin(dataset.horizons))]
    unit = np.where(dataset.scale > 0, dataset.scale, np.nan)
    yield from _echo(seen, "the forecast", np.where(lesson.test, made / unit, np.nan))


def _echo(seen: Seen, thing: str, values: Float64) -> Iterator[Leak]:
    dataset, shortest = seen.dataset, int(np.argmin(seen.dataset.horizons))
    labels, close = dataset.labels[:, :, shortest], seen.panel.fields["close"]
    found = echo_of(thing, values, labels, dataset.horizons[shortest], close)
    if found is not None:
        meaning = f"it knows {found.answer}: a target among the features, a column stamped too early, or a model that remembers"
        words = f"correlated {found.correlation:.2f} with {found.answer}", "about 0.1 at most"
        yield Leak("target in disguise", thing, dataset.times[0], "", *words, meaning)


def _rows(seen: Seen, n_moments: int) -> list[int]:
    n_times = len(seen.dataset)
    last = n_times - max(seen.dataset.horizons) - 3
    return [round(row) for row in np.linspace(n_times // 2, last, max(2, n_moments // 2))]


def _moved(panel: Panel, row: int) -> Panel:
    fields = dict(panel.fields)
    for name in set(PRICES) & set(fields):
        fields[name] = fields[name].copy()
        fields[name][row] *= 1.1
    return replace(panel, fields=fields)


def _label(seen: Seen, row: int, again: Float64, check: str, meaning: str) -> Iterator[Leak]:
    given = seen.dataset.labels[row]
    places = np.argwhere(differing(given, again))
    if len(places):
        column, horizon = places[0]
        words = written(float(given[column, horizon])), written(float(again[column, horizon]))
        thing = f"the label over {seen.dataset.horizons[horizon]} bars"
        yield Leak(check, thing, seen.dataset.times[row], seen.dataset.symbols[column], *words, meaning)
