"""Draw charts as small inline pictures whose text keeps its size on every screen.

Each picture is an SVG stretched over its frame (lines keep their width); labels and dots are
text and boxes placed over it in per cent.
"""

import json
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from quantdesk.domain.arrays import Float64, Ints, Times
from quantdesk.evaluation.report.axes import Scale, Tick, time_ticks
from quantdesk.evaluation.report.wording import escape, moments, number, percent

_N_BUCKETS = 600
_N_READINGS = 1500
_N_TONES = 6


@dataclass(frozen=True, eq=False)
class Line:
    """One series of a chart over time.

    Parameters
    ----------
    name : str
        Shown in the legend.
    values : Float64
        One a bar (n_times,); NaN breaks the line.
    tone : int
        Colour: 0 for the strategy, 1 and up for what stands beside it.
    is_percent : bool
        Whether readings are percentages.
    is_area : bool
        Fill between the line and zero.
    """

    name: str
    values: Float64
    tone: int = 0
    is_percent: bool = False
    is_area: bool = False


@dataclass(frozen=True, eq=False)
class Pane:
    """Lines that share one value axis.

    Parameters
    ----------
    lines : tuple of Line
        The first is drawn last, above the others.
    unit : str
        What the axis measures.
    height : int
        Pixels.
    is_log : bool
        Whether the axis is logarithmic.
    band : tuple of float
        Low and high end of a shaded band; NaN for none.
    with_zero : bool
        Make zero part of the axis, with a rule.
    """

    lines: tuple[Line, ...]
    unit: str
    height: int
    is_log: bool = False
    band: tuple[float, float] = (float("nan"), float("nan"))
    with_zero: bool = False


def timeline(times: Times, panes: tuple[Pane, ...], caption: str) -> str:
    """Draw panes above one another on one time axis, with a readout that follows the pointer."""
    lines = [line for pane in panes for line in pane.lines]
    if len(times) < 2 or not any(np.isfinite(line.values).any() for line in lines):
        return empty(caption)
    ticks = time_ticks(times)
    frames = "".join(_draw(pane, ticks, is_last=pane is panes[-1]) for pane in panes)
    rows = np.unique(np.linspace(0, len(times) - 1, min(len(times), _N_READINGS)).round().astype(np.int64))
    stamps = moments(times[rows], times)
    readings = [
        {"percent": line.is_percent, "values": _readings(line, rows)} for line in lines if np.isfinite(line.values).any()
    ]
    data = json.dumps({"times": stamps, "lines": readings}, separators=(",", ":"))
    return (
        f'<figure class="timeline" tabindex="0">{_legend(lines, stamps[-1])}{frames}'
        f"<figcaption>{caption}</figcaption>"
        f'<script type="application/json">{data}</script></figure>'
    )


def frame(svg: str, height: int, x: list[Tick], y: list[Tick], *, unit: str = "", over: str = "", x_unit: str = "") -> str:
    """Set a picture in its axes.

    Parameters
    ----------
    svg : str
        Shapes on a field of 1000 by 1000, y downward.
    x, y : list of Tick
        Marks; y positions count from the bottom.
    over : str
        Boxes laid over the picture.
    """
    rules = "".join(f'<path class="rule" d="M0 {1000 * (1 - place):.1f}H1000"/>' for place, _ in y)
    across = "".join(
        f'<span class="x{" alt" if index % 2 and len(x) > 5 else ""}" style="left:{100 * place:.2f}%">{escape(label)}</span>'
        for index, (place, label) in enumerate(x)
    )
    up = "".join(f'<span class="y" style="top:{100 * (1 - place):.2f}%">{escape(label)}</span>' for place, label in y)
    title = f'<p class="unit">{escape(unit)}</p>' if unit else ""
    foot = f'<p class="x-unit">{escape(x_unit)}</p>' if x_unit else ""
    return (
        f'{title}<div class="plot{"" if x else " bare"}" style="height:{height}px">'
        f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{rules}{svg}</svg>'
        f"{up}{across}{over}</div>{foot}"
    )


def empty(caption: str) -> str:
    """Say that there is nothing to draw, where a chart would stand."""
    return f'<figure><p class="none">Nothing to draw: no value here is known.</p><figcaption>{caption}</figcaption></figure>'


def trace(x: Float64, y: Float64, tone: int, style: str = "line") -> str:
    """Draw a line through positions in [0, 1], broken where one is NaN."""
    return f'<path class="{style} t{tone}" d="{_path(x, y)}"/>'


def dot(x: float, y: float, tone: int, title: str) -> str:
    """Lay a dot over a picture, with a title under the pointer; nothing where there is no place."""
    if not (np.isfinite(x) and np.isfinite(y)):
        return ""
    return f'<i class="dot t{tone}" style="left:{100 * x:.2f}%;top:{100 * (1 - y):.2f}%" title="{escape(title)}"></i>'


def tone_of(position: int) -> int:
    """Give the colour of the series at ``position``: 0 for the first, then six in turn."""
    return (position - 1) % _N_TONES + 1 if position else 0


def keys(names: list[str], tones: list[int]) -> str:
    """List what the colours stand for."""
    items = "".join(f'<span class="key t{tone}"><i></i>{escape(name)}</span>' for name, tone in zip(names, tones, strict=True))
    return f'<p class="legend">{items}</p>'


def bars(names: list[str], values: Float64, labels: list[str], caption: str) -> str:
    """Draw horizontal bars from zero, the longest filling the width."""
    finite = values[np.isfinite(values)]
    longest = float(np.abs(finite).max()) if len(finite) else 0.0
    if longest == 0.0:
        return empty(caption)
    rows = "".join(
        f'<span class="bar-name" title="{escape(name)}">{escape(name)}</span>'
        f'<span class="bar"><i style="width:{100 * abs(value) / longest:.1f}%"></i></span>'
        f'<span class="bar-value">{label}</span>'
        for name, value, label in zip(names, values, labels, strict=True)
        if np.isfinite(value)
    )
    return f'<figure><div class="bars">{rows}</div><figcaption>{caption}</figcaption></figure>'


def _draw(pane: Pane, ticks: list[Tick], *, is_last: bool) -> str:
    known = [line.values for line in pane.lines] + [np.array(pane.band)]
    if pane.with_zero:
        known.append(np.zeros(1))
    scale = Scale.over(np.concatenate(known), is_log=pane.is_log)
    shapes = [_area(line, scale) if line.is_area else _line(line, scale) for line in reversed(pane.lines)]
    zero = _level(float(scale.position(np.zeros(1))[0]), "zero") if pane.with_zero else ""
    uprights = "".join(f'<path class="rule" d="M{1000 * place:.1f} 0V1000"/>' for place, _ in ticks)
    percents = all(line.is_percent for line in pane.lines)
    marks = scale.ticks(max(2, pane.height // 48), percent=percents)
    svg = uprights + _band(pane.band, scale) + zero + "".join(shapes)
    return frame(svg, pane.height, ticks if is_last else [], marks, unit=pane.unit, over='<i class="cross"></i>')


def _line(line: Line, scale: Scale) -> str:
    rows = outline(line.values)
    x = rows / max(len(line.values) - 1, 1)
    return trace(x, scale.position(line.values[rows]), line.tone)


def _area(line: Line, scale: Scale) -> str:
    rows = outline(line.values)
    x = rows / max(len(line.values) - 1, 1)
    y = scale.position(np.nan_to_num(line.values[rows], nan=0.0, posinf=0.0, neginf=0.0))
    ground = float(scale.position(np.zeros(1))[0])
    closed_x, closed_y = np.concatenate(([x[0]], x, [x[-1]])), np.concatenate(([ground], y, [ground]))
    return trace(closed_x, closed_y, line.tone, "area")


def _band(band: tuple[float, float], scale: Scale) -> str:
    low, high = scale.position(np.array(band))
    if not np.isfinite(low + high):
        return ""
    mean = _level(float(low + high) / 2, "mean")
    return f'<rect class="band" x="0" width="1000" y="{1000 * (1 - high):.1f}" height="{1000 * (high - low):.1f}"/>{mean}'


def _level(place: float, style: str) -> str:
    return f'<path class="{style}" d="M0 {1000 * (1 - place):.1f}H1000"/>'


def _path(x: Float64, y: Float64) -> str:
    parts, is_open = [], False
    for across, up in zip(x.tolist(), y.tolist(), strict=True):
        if up != up:
            is_open = False
            continue
        parts.append(f"{'' if is_open else 'M'}{1000 * across:.1f} {1000 * (1 - up):.1f}")
        is_open = True
    return " ".join(parts)


def outline(values: Float64) -> Ints:
    """Choose the rows to draw: all, or the lowest and highest of each of 600 stretches."""
    if len(values) <= 2 * _N_BUCKETS:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), _N_BUCKETS + 1).astype(np.int64)
    low, high = np.where(np.isfinite(values), values, np.inf), np.where(np.isfinite(values), values, -np.inf)
    chosen = [0, len(values) - 1]
    for start, stop in pairwise(edges.tolist()):
        chosen += [start + int(low[start:stop].argmin()), start + int(high[start:stop].argmax())]
    return np.unique(np.array(chosen, dtype=np.int64))


def _legend(lines: list[Line], when: str) -> str:
    items = "".join(
        f'<span class="key t{line.tone}"><i></i>{escape(line.name)} <b>{_reading(line)}</b></span>'
        for line in lines
        if np.isfinite(line.values).any()
    )
    return f'<p class="legend"><time>{when}</time>{items}</p>'


def _reading(line: Line) -> str:
    last = float(line.values[-1])
    return percent(last, 2) if line.is_percent else number(last, 3)


def _readings(line: Line, rows: Ints) -> list[float | None]:
    chosen = line.values[rows] * (100.0 if line.is_percent else 1.0)
    digits = 2 if line.is_percent else 3
    return [round(float(value), digits) if np.isfinite(value) else None for value in chosen]
