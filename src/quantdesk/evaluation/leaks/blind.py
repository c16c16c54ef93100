"""Do everything again without the future: what changes has seen it."""

from collections.abc import Iterator

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Forecaster
from quantdesk.evaluation.leaks.compare import EXACT, SINGLE, first_difference, written
from quantdesk.evaluation.leaks.leak import Leak
from quantdesk.evaluation.leaks.seen import Seen
from quantdesk.evaluation.leaks.study import World
from quantdesk.strategy import Strategy

_MEANINGS = {
    "provenance": "it was computed from a value that became known later",
    "truncation": "it was computed from bars or facts that came later",
    "scrambling": "it moves with bars or facts that came later",
}


def blindness(seen: Seen, n_moments: int) -> Iterator[Leak]:
    """Repeat the study in worlds without a future, and yield what differs up to that moment."""
    world = seen.study.world
    for moment in moments(world, n_moments, seen.seed):
        if world.panel.known_at:
            yield from _without(seen, world.masked(moment), moment, "provenance")
        yield from _without(seen, world.cut(moment), moment, "truncation")
        yield from _without(seen, world.scrambled(moment, seen.seed), moment, "scrambling")


def moments(world: World, n_moments: int, seed: int) -> list[np.datetime64]:
    """Choose bars: some of the second half at random, and half as many just before each kind of event."""
    times = world.panel.times
    first, last = len(times) // 2, len(times) - 2
    random = np.random.default_rng([seed, 17])
    rows = set(random.choice(np.arange(first, last + 1), min(n_moments, last + 1 - first), replace=False).tolist())
    for kind in _eventful(world):
        eventful = np.flatnonzero(kind)
        eventful = eventful[(eventful >= len(times) // 4) & (eventful <= last)]
        rows |= set(random.choice(eventful, min(max(2, n_moments // 2), len(eventful)), replace=False).tolist())
    return [times[row] for row in sorted(rows)]


def _eventful(world: World) -> Iterator[Bools]:
    # For each kind of event the bars just before it, when a hasty computation would know it already.
    panel = world.panel
    paid, traded = panel.get("dividend"), np.isfinite(panel.fields["close"])
    for happens in (_is_action(panel), np.isfinite(paid), traded & ~_before(traded)):
        yield np.append(happens[1:].any(axis=1), False)
    if panel.known_at:
        late = [(stamps > panel.times[:, None]).any(axis=1) for stamps in panel.known_at.values()]
        yield np.any(late, axis=0)
    if world.records is not None:
        rows = np.searchsorted(panel.times, world.records.known_at) - 1
        yield np.isin(np.arange(len(panel.times)), rows)


def _is_action(panel: Panel) -> Bools:
    split = panel.get("split")
    is_action: Bools = (np.isfinite(split) & (split != 1.0)) | np.isfinite(panel.get("delisting"))
    return is_action


def _before(values: Bools) -> Bools:
    return np.concatenate([values[:1], values[:-1]])


def _without(seen: Seen, world: World, moment: np.datetime64, check: str) -> Iterator[Leak]:
    panel, strategy = seen.study.prepare(world), seen.study.build(world)
    dataset = strategy.dataset(panel)
    shape = list(_shape(seen.dataset, dataset, moment, check))
    if shape:
        yield from shape
        return
    found = list(_features(seen.dataset, dataset, moment, check)) or list(_validity(seen.dataset, dataset, moment))
    if found:  # what follows from it would only repeat it
        yield from found
        return
    forecaster = seen.forecaster
    if strategy.fingerprint() != seen.strategy.fingerprint():
        forecaster = seen.study.learn(strategy, seen.dataset, seen.lessons[0], seen.seed)
    made = list(_forecasts(seen, forecaster, dataset, moment, check))
    yield from made or _targets(seen, strategy, panel, moment, check)


def _shape(whole: Dataset, again: Dataset, moment: np.datetime64, check: str) -> Iterator[Leak]:
    for symbol in sorted(set(whole.symbols) ^ set(again.symbols)):
        words = ("in it", "not in it") if symbol in whole.symbols else ("not in it", "in it")
        meaning = "who belongs was decided from what came later"
        yield Leak("universe", "the list of names", moment, symbol, *words, meaning)
    if not np.array_equal(whole.times[whole.times <= moment], again.times[again.times <= moment]):
        yield Leak(
            "bar stamps",
            "the time axis",
            moment,
            "",
            "one thing with later bars",
            "the same without",
            "which bars exist was decided from later ones",
        )
    for name in sorted(set(whole.feature_names) ^ set(again.feature_names)):
        words = ("computed", "absent") if name in whole.feature_names else ("absent", "computed")
        yield Leak(check, f"feature {name}", moment, "", *words, "which features are used was decided from what came later")


def _features(whole: Dataset, again: Dataset, moment: np.datetime64, check: str) -> Iterator[Leak]:
    rows, back = _rows(whole, moment, check), _rows(again, moment, check)
    columns = [again.feature_names.index(name) for name in whole.feature_names]
    for column, name in enumerate(whole.feature_names):
        given = whole.features[rows, :, column].astype(np.float64)
        without = again.features[back, :, columns[column]].astype(np.float64)
        yield from _leak(whole, rows, given, without, check, f"feature {name}", SINGLE)
    yield from _leak(whole, rows, whole.scale[rows], again.scale[back], check, "the scale", EXACT)


def _validity(whole: Dataset, again: Dataset, moment: np.datetime64) -> Iterator[Leak]:
    rows, back = _rows(whole, moment, "universe"), _rows(again, moment, "universe")
    given, without = whole.is_valid[rows].astype(np.float64), again.is_valid[back].astype(np.float64)
    place = first_difference(given, without)
    if place:
        words = ("in it", "not in it") if given[place] else ("not in it", "in it")
        meaning = "who may be traded was decided from what came later"
        yield Leak("universe", "membership", whole.times[rows][place[0]], whole.symbols[place[1]], *words, meaning)


def _forecasts(seen: Seen, forecaster: Forecaster, dataset: Dataset, moment: np.datetime64, check: str) -> Iterator[Leak]:
    rows, back = _rows(seen.dataset, moment, check), _rows(dataset, moment, check)
    given, without = seen.forecasts.quantiles[rows], forecaster.forecast(dataset).quantiles[back]
    yield from _leak(seen.dataset, rows, given, without, check, "the forecast", EXACT)


def _targets(seen: Seen, strategy: Strategy, panel: Panel, moment: np.datetime64, check: str) -> Iterator[Leak]:
    row, again = (int(np.searchsorted(one.times, moment, side="right")) - 1 for one in (seen.panel, panel))
    weights, forecast = [], seen.forecasts.at(row)
    for decides, history, stop in ((seen.strategy, seen.panel, row + 1), (strategy, panel, again + 1)):
        held = np.zeros(len(history.symbols))
        weights.append(decides.decide(forecast, history.rows(0, stop), held).weights[None])
    yield from _leak(seen.dataset, np.array([row]), weights[0], weights[1], check, "the target weight", EXACT)


def _rows(dataset: Dataset, moment: np.datetime64, check: str) -> Ints:
    rows = np.flatnonzero(dataset.times <= moment)
    return rows[-1:] if check == "provenance" else rows


def _leak(
    whole: Dataset, rows: Ints, given: Float64, without: Float64, check: str, thing: str, tolerance: float
) -> Iterator[Leak]:
    place = first_difference(given, without, tolerance)
    if place:
        words = written(float(given[place])), written(float(without[place]))
        yield Leak(check, thing, whole.times[rows[place[0]]], whole.symbols[place[1]], *words, _MEANINGS[check])
