"""Find features that know what is not in the data they are given: nobody can cut off what they know at a time."""

import dis
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from quantdesk.domain.arrays import Bools, Float32
from quantdesk.domain.panel import Panel
from quantdesk.features.surroundings import fields_of
from quantdesk.strategy import Strategy

FEW = 16
"""Numbers that a formula may bring along as its constants."""

READERS = frozenset(
    {
        *("read_csv", "read_parquet", "read_json", "read_excel", "read_ipc", "scan_csv", "scan_parquet"),
        *("load", "loadtxt", "genfromtxt", "fromfile", "memmap", "urlopen", "read_text", "read_bytes"),
    }
)
"""Names by which code reads a file or the net."""


def outside(strategy: Strategy, panel: Panel) -> tuple[str, ...]:
    """Name the strategy's own features that know what is not in the panel.

    Either their code reaches for a table or a file beside the bars; or what they say is the same when every instrument is
    given the bars of another and of another time, though it differs by time and by instrument (a calendar is the same
    for all instruments, a sector for all times).

    Parameters
    ----------
    strategy : Strategy
        Whose own features are asked.
    panel : Panel
        The data as it would be evaluated on.
    """
    fields = fields_of(panel)
    own = tuple(feature for feature in strategy.own_features if set(feature.needs) <= fields)
    if not own:
        return ()
    alone = replace(strategy, features=tuple(feature.name for feature in own), own_features=own)
    real, other = (alone.dataset(each) for each in (panel, _rolled(panel)))
    columns = {name: place for place, name in enumerate(real.feature_names)}
    deaf = {
        name
        for name, place in columns.items()
        if name in other.feature_names
        and _is_same(real.features[..., place], other.features[..., other.feature_names.index(name)])
        and _varies(real.features[..., place])
    }
    return tuple(feature.name for feature in own if feature.name in deaf or reaches_out(feature.compute))


def reaches_out(function: Callable[..., Any]) -> bool:
    """Tell whether a function, or one of the same file that it calls, reads more than its arguments and a few constants."""
    pending: list[Any] = [function]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, partial):
            pending += [one.func, *one.args, *one.keywords.values()]
        elif isinstance(one, FunctionType):
            names, attributes = _names(one.__code__)
            if "open" in names or (names | attributes) & READERS:
                return True
            pending += [value for value in _reached(one, names) if not isinstance(value, FunctionType) or _is_near(value, one)]
        elif _is_table(one):
            return True
    return False


def _names(code: CodeType) -> tuple[set[str], set[str]]:
    # Names of the module that code reads, and of what it asks of others: ``bars.open`` is no file.
    names = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    attributes = set(code.co_names) - names
    for inner in (constant for constant in code.co_consts if isinstance(constant, CodeType)):
        below = _names(inner)
        names, attributes = names | below[0], attributes | below[1]
    return names, attributes


def _reached(function: FunctionType, names: set[str]) -> list[Any]:
    found = [function.__globals__[name] for name in names if name in function.__globals__]
    found += [cell.cell_contents for cell in function.__closure__ or ()]
    return [*found, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def _is_near(function: FunctionType, other: FunctionType) -> bool:
    return function.__globals__ is other.__globals__


def _is_table(thing: Any) -> bool:
    if isinstance(thing, np.ndarray):
        return thing.size > FEW and thing.dtype.kind != "M"
    return hasattr(thing, "to_numpy") or (isinstance(thing, dict | list | tuple | set | frozenset) and len(thing) > FEW)


def _rolled(panel: Panel) -> Panel:
    # Each bar stays a possible bar.
    shift = (panel.shape[0] // 3 + 1, 1)
    fields = {name: np.roll(values, shift, axis=(0, 1)) for name, values in panel.fields.items()}
    return replace(panel, fields=fields, known_at={name: np.roll(stamps, 1, axis=1) for name, stamps in panel.known_at.items()})


def _is_same(values: Float32, others: Float32) -> bool:
    known: Bools = np.isfinite(values) & np.isfinite(others)
    return bool(known.any()) and np.array_equal(values[known], others[known])


def _varies(values: Float32) -> bool:
    known = np.isfinite(values)
    low, high = np.where(known, values, np.inf), np.where(known, values, -np.inf)
    return all(bool((high.max(axis=axis) > low.min(axis=axis)).any()) for axis in (0, 1))
