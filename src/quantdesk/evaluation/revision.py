"""Say in words what was changed about the data behind a run: where, by how much, and what that looks like."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Times
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.sketch import Compared, Sketch, compare, layers_of

NOISE = 1e-3
"""Ratios this near are one: prices are rounded to cents."""

SPLITS = np.log([1.5, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100])
"""Logarithms of the factors by which shares are split or put together."""

NEAR_SPLIT = 0.03
"""How far a step of the log ratio may be from a split's: a dividend may lie between the same two bars."""

LARGEST_DIVIDEND = 0.2
"""A log step larger than this is no dividend."""

FEW = 3
"""Bars: a change of no more of them is a correction. Also how many places are named one by one."""

PRICES = ("open", "high", "low", "close")

CORRECTED = "single values corrected"
DIVIDENDS = " for dividends"
UNSEEN = "changed between the bars that the sketch holds"


@dataclass(frozen=True)
class _Change:
    kind: str
    fields: tuple[str, ...]
    symbols: tuple[str, ...]
    span: tuple[np.datetime64, np.datetime64]
    ratios: tuple[float, float]
    places: tuple[str, ...] = ()

    def line(self) -> str:
        who = ", ".join(self.symbols[:FEW]) + (", ..." if len(self.symbols) > FEW else "")
        if len(self.symbols) != 1:
            who = f"{len(self.symbols)} instruments ({who})" if self.symbols else "instruments that the sketch does not tell"
        first, last = (_day(time) for time in self.span)
        when = first if first == last else f"{first} to {last}"
        low, high = (f"{ratio:.6g}" for ratio in self.ratios)
        size = "" if low == "nan" else f", new over old {low}" if low == high else f", new over old {low} to {high}"
        return f"{' '.join(self.fields)} of {who}, {when}: {self.kind}{size}{'; '.join(('', *self.places))}"


def revision(sketch: Sketch, panel: Panel) -> tuple[str, ...]:
    """Explain how the data differs from what the sketch was drawn of, a sentence each.

    Parameters
    ----------
    sketch : Sketch
        Of the data as it was.
    panel : Panel
        The data as it is.
    """
    found = compare(sketch, panel)
    kinds = _kinds(found)
    changes = [change for compared in found for change in _changes(compared, kinds[compared.field])]
    lines = [*_moved(sketch, panel), *(change.line() for change in _joined(changes))]
    return tuple(lines) or ("the data has another fingerprint, but nothing that the sketch holds differs",)


def _moved(sketch: Sketch, panel: Panel) -> Iterator[str]:
    for here, there, what in ((sketch, panel, "gone"), (panel, sketch, "added")):
        symbols = [symbol for symbol in here.symbols if symbol not in set(there.symbols)]
        if symbols:
            yield f"{_count(len(symbols), 'instrument')} {what}: {', '.join(symbols[:8])}{', ...' if len(symbols) > 8 else ''}"
    if sketch.symbols != panel.symbols and sorted(sketch.symbols) == sorted(panel.symbols):
        yield "the instruments stand in another order"
    before, after = set(sketch.fields), set(layers_of(panel))
    for names, what in ((before - after, "gone"), (after - before, "added")):
        if names:
            yield f"fields {what}: {', '.join(sorted(names))}"
    inside = panel.times[np.isin(panel.times, sketch.times, invert=True)]
    later, earlier = inside > sketch.times[-1], inside < sketch.times[0]
    yield from _bars("missing", sketch.times[np.isin(sketch.times, panel.times, invert=True)])
    yield from _bars("new at the end", inside[later])
    yield from _bars("new at the beginning", inside[earlier])
    yield from _bars("put in between", inside[~later & ~earlier])


def _bars(what: str, times: Times) -> Iterator[str]:
    if len(times):
        first, last = _day(times[0]), _day(times[-1])
        yield f"{_count(len(times), 'bar')} {what}: {first if first == last else f'{first} to {last}'}"


def _kinds(found: list[Compared]) -> dict[str, dict[str, str]]:
    kinds = {
        compared.field: {symbol: _kind(compared, column) for column, symbol in enumerate(compared.symbols)}
        for compared in found
    }
    of_close, of_volume = kinds.get("close", {}), kinds.get("volume", {})
    # By itself a volume is too restless to tell which version is adjusted.
    of_volume.update({symbol: of_close.get(symbol, kind) for symbol, kind in of_volume.items() if "split" in kind})
    for name in set(PRICES) & set(kinds):
        for symbol, kind in kinds[name].items():
            # A split moves the volume too; a special dividend, as large as it may be, does not.
            if "split" in kind and kind.endswith(DIVIDENDS) and symbol not in of_volume:
                kinds[name][symbol] = kind.partition(" for ")[0] + DIVIDENDS
    return kinds


def _changes(compared: Compared, kinds: dict[str, str]) -> Iterator[_Change]:
    if not compared.symbols:
        yield _Change(UNSEEN, (compared.field,), (), compared.span, (np.nan, np.nan))
    for kind in dict.fromkeys(kinds.values()):
        columns = [column for column, symbol in enumerate(compared.symbols) if kinds[symbol] == kind]
        ratios = _range(compared.old[:, columns], compared.new[:, columns])
        symbols = tuple(compared.symbols[column] for column in columns)
        places = tuple(_places(compared, columns)) if kind == CORRECTED else ()
        yield _Change(kind, (compared.field,), symbols, compared.span, ratios, places)


def _kind(compared: Compared, column: int) -> str:
    old, new = compared.old[:, column], compared.new[:, column]
    if 0 < compared.n_bars <= FEW or (compared.is_whole and is_apart(old, new).sum() <= FEW):
        return CORRECTED
    if not is_apart(old, new).any():
        return UNSEEN
    if (np.isnan(old) & ~np.isnan(new)).any():
        return "values put in where there were none"
    if (~np.isnan(old) & np.isnan(new)).any():
        return "values taken out"
    ratio = _ratio(old, new)
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    if len(ratio) < FEW:
        return "restated"
    if np.ptp(np.log(ratio)) < NOISE and abs(ratio[0] - 1) >= NOISE:
        return "rescaled, as by another unit or currency, or a split after the last bar"
    if np.abs(np.log(ratio[-1])) < NOISE:
        return _adjusted(old, new)
    return "restated"


def _adjusted(old: Float64, new: Float64) -> str:
    # The ratio ends at 1. What it did on the way there tells the event.
    both = np.isfinite(old) & np.isfinite(new) & (old > 0) & (new > 0)
    was, now = np.diff(np.log(old[both])), np.diff(np.log(new[both]))
    steps = now - was
    is_split = np.abs(np.abs(steps)[:, None] - SPLITS).min(axis=1) < NEAR_SPLIT
    rest = np.where(is_split, 0.0, steps)
    is_dividend = abs(rest.sum()) > NOISE and bool((rest > -NOISE / 2).all() or (rest < NOISE / 2).all())
    if np.abs(rest).max() > (LARGEST_DIVIDEND if is_dividend else NOISE):
        return "restated"
    if is_split.any():
        # Of the two versions, the one without a jump at the split is the adjusted one.
        adjusted = "adjusted" if np.abs(now[is_split]).sum() < np.abs(was[is_split]).sum() else "no longer adjusted"
        return f"{adjusted} for a split{' and' + DIVIDENDS if is_dividend else ''}"
    if is_dividend:
        return ("adjusted" if rest.sum() > 0 else "no longer adjusted") + DIVIDENDS
    return "rounded otherwise"


def _joined(changes: Iterable[_Change]) -> list[_Change]:
    joined: dict[tuple[object, ...], _Change] = {}
    for change in changes:
        # Prices move together; another field, or a single value, has a line of its own.
        is_price = change.fields[0] in PRICES and change.kind != CORRECTED
        key = (change.kind, change.symbols, "price" if is_price else change.fields)
        other = joined.get(key, change)
        span = (min(change.span[0], other.span[0]), max(change.span[1], other.span[1]))
        ratios = (min(change.ratios[0], other.ratios[0]), max(change.ratios[1], other.ratios[1]))
        fields = tuple(dict.fromkeys((*other.fields, *change.fields)))
        joined[key] = _Change(change.kind, fields, change.symbols, span, ratios, change.places)
    return list(joined.values())


def _places(compared: Compared, columns: list[int]) -> Iterator[str]:
    found = np.argwhere(is_apart(compared.old[:, columns], compared.new[:, columns]))
    for row, place in found[:FEW]:
        column = columns[place]
        old, new = compared.old[row, column], compared.new[row, column]
        at = np.datetime_as_string(compared.times[row], unit="m")
        yield f"{compared.symbols[column]} at {at} was {_said(old)} and is {_said(new)}"
    if len(found) > FEW:
        yield f"and {len(found) - FEW} more"


def is_apart(old: Float64, new: Float64) -> Bools:
    """Tell where two versions differ at all; NaN is like NaN."""
    return np.asarray((old != new) & ~(np.isnan(old) & np.isnan(new)))


def _ratio(old: Float64, new: Float64) -> Float64:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(old == new, 1.0, new / old)


def _range(old: Float64, new: Float64) -> tuple[float, float]:
    ratio = _ratio(old, new)[is_apart(old, new)]
    ratio = ratio[np.isfinite(ratio)]
    return (float(ratio.min()), float(ratio.max())) if ratio.size else (np.nan, np.nan)


def _said(value: float) -> str:
    return "missing" if np.isnan(value) else f"{value:.10g}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _day(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, unit="D"))
