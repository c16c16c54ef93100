"""Values that no bar can have, and bars that are no bar."""

import numpy as np

from quantdesk.data.faults.block import Block
from quantdesk.data.faults.marks import Marks, Severity, in_field
from quantdesk.domain.arrays import Bools, Float64

OUTSIDE_RANGE = 0.005
"""An open or close this fraction outside [low, high] is refused; less is doubted."""

_ROUNDING = 1e-6  # prices stored in single precision are off by a part in ten million


def impossible_values(block: Block) -> list[Marks]:
    """Refuse infinite values, prices and splits that are not positive, and negative amounts."""
    marks = []
    for name, values in block.panel.fields.items():
        marks.append(in_field("infinite", "refuse", np.isinf(values), values, f"{name} is {{value}}"))
        if name in ("open", "high", "low", "close", "split"):
            marks.append(in_field("not positive", "refuse", values <= 0, values, f"{name} is {{value:g}}, not above 0"))
        if name in ("volume", "delisting", "dividend"):
            marks.append(in_field("negative", "refuse", values < 0, values, f"{name} is {{value:g}}, below 0"))
    return marks


def bar_shape(block: Block) -> list[Marks]:
    """Refuse a high below the low, and an open or close outside both by more than 0.5 %; doubt less."""
    fields = block.panel.fields
    if "high" not in fields or "low" not in fields:
        return []
    low, high = fields["low"], fields["high"]
    marks = []
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = np.abs(low)
        inverted = (low - high) / unit
        for severity, where in _by_size(inverted):
            marks.append(in_field("high below low", severity, where, inverted, "high is {value:.3%} below the low"))
        for name in {"open", "close"} & set(fields):
            outside = np.maximum(fields[name] - high, low - fields[name]) / unit
            for severity, where in _by_size(outside):
                words = f"{name} is {{value:.3%}} outside the bar's range"
                marks.append(in_field("outside range", severity, where, outside, words))
    return marks


def _by_size(excess: Float64) -> tuple[tuple[Severity, Bools], ...]:
    is_outside = excess > _ROUNDING
    is_far = excess > OUTSIDE_RANGE
    return ("refuse", is_far), ("doubt", is_outside & ~is_far)


def lone_prices(block: Block) -> list[Marks]:
    """Doubt bars with an open, high or low but no close."""
    is_without = np.isnan(block.panel.fields["close"])
    marks = []
    for name in ("open", "high", "low"):
        if name in block.panel.fields:
            values = block.panel.fields[name]
            where = is_without & np.isfinite(values)
            marks.append(in_field("no close", "doubt", where, values, f"a bar with {name} {{value:g}} but no close"))
    return marks


def idle_bars(block: Block) -> list[Marks]:
    """Note each instrument that has bars without volume, at the first of them."""
    if "volume" not in block.panel.fields:
        return []
    is_idle = np.isfinite(block.panel.fields["close"]) & (block.panel.fields["volume"] == 0)
    columns = np.flatnonzero(is_idle.any(axis=0))
    rows, counts = is_idle.argmax(axis=0)[columns], is_idle.sum(axis=0)[columns]
    words = "the first of {value:.0f} bars without volume"
    return [Marks("no volume", "note", rows, columns, counts.astype(np.float64), words)]
