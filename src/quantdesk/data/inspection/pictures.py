"""Draw where findings lie in time, and the prices around one of them, as small pictures inside the page."""

from dataclasses import dataclass
from html import escape

import numpy as np

from quantdesk.data.faults.exchanges import is_daily
from quantdesk.data.faults.marks import EVERY_SYMBOL, Marks, Severity
from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.panel import Panel

_BINS = 160
_AROUND = 30  # bars shown on each side of a finding
_LONGEST = 120  # bars of a stretch that are shown
_GRADES: tuple[Severity, ...] = ("note", "doubt", "refuse")
_TALL, _LOW = 100.0, 30.0


@dataclass(frozen=True, eq=False)
class Strip:
    """Hold, for one column, the gravest severity (0 none, 1 note, 2 doubt, 3 refuse) and the count in each bin of time."""

    grades: Ints
    counts: Ints

    @classmethod
    def of(cls, marks: tuple[Marks, ...], n_times: int, columns: Ints | None) -> "Strip":
        """Gather the marks of some columns (None: all) into bins of time."""
        grades, counts = np.zeros(_BINS, dtype=np.int64), np.zeros(_BINS, dtype=np.int64)
        for mark in marks:
            rows, at = (mark.rows, mark.columns) if columns is None else mark.bars()
            rows = rows if columns is None else rows[np.isin(at, columns)]
            bins = rows * _BINS // max(1, n_times)
            np.maximum.at(grades, bins, _GRADES.index(mark.severity) + 1)
            counts += np.bincount(bins, minlength=_BINS)
        return cls(grades, counts)

    def draw(self, *, is_tall: bool = False) -> str:
        """Draw the bins in the colour of their gravest finding; tall ones by their count."""
        most = max(1, int(self.counts.max(initial=1)))
        boxes = []
        for at in np.flatnonzero(self.grades):
            height = 100.0 if not is_tall else 8.0 + 92.0 * float(np.sqrt(self.counts[at] / most))
            grade = _GRADES[int(self.grades[at]) - 1]
            boxes.append(f'<rect class="{grade}" x="{at}" y="{100 - height:.1f}" width="1.3" height="{height:.1f}"/>')
        return f'<svg viewBox="0 0 {_BINS} 100" preserveAspectRatio="none" aria-hidden="true">{"".join(boxes)}</svg>'


def time_axis(panel: Panel) -> str:
    """Write at most eight years or months under a strip."""
    years = panel.times.astype("datetime64[Y]").astype(np.int64) + 1970
    starts = np.flatnonzero(np.diff(years)) + 1
    labels = [str(year) for year in years[starts]]
    if len(starts) < 2:
        months = panel.times.astype("datetime64[M]")
        starts = np.flatnonzero(np.diff(months.astype(np.int64))) + 1
        labels = [str(month) for month in months[starts]]
    step = -(-len(starts) // 8) or 1
    shown = zip(starts[::step], labels[::step], strict=True)
    marks = (f'<span style="left:{100 * at / len(panel.times):.1f}%">{label}</span>' for at, label in shown)
    return f'<div class="axis">{"".join(marks)}</div>'


def around(panel: Panel, market: Float64, row: int, last: int, column: int, severity: Severity) -> str:
    """Draw the closes around a finding, with ranges, the peers' path and the volume; empty for the whole panel."""
    if column == EVERY_SYMBOL:
        return ""
    start, stop = max(0, row - _AROUND), min(panel.shape[0], min(last, row + _LONGEST) + _AROUND + 1)
    view = {name: panel.fields[name][start:stop, column] for name in panel.fields}
    # A wick or spike must not press all other prices flat: beyond a factor of three the axis is a log scale.
    scale = _Scale.of(np.concatenate([view[name] for name in ("low", "high", "close") if name in view]))
    n = stop - start
    path = scale.place(_rebased(market[start:stop], view["close"]))
    shapes = [f'<path class="grid" d="M0 {y:.0f}H{n}"/>' for y in (0, _TALL / 2, _TALL)]
    width = min(last + 1, stop) - row
    shapes.append(f'<rect class="mark {severity}" x="{row - start}" y="0" width="{width}" height="{_TALL:.0f}"/>')
    shapes.append(f'<path class="peers" d="{_line(path)}"/>')
    if "high" in view and "low" in view:
        shapes.append(f'<path class="range" d="{_ranges(scale.place(view["high"]), scale.place(view["low"]))}"/>')
    shapes.append(f'<path class="close" d="{_line(scale.place(view["close"]))}"/>')
    price = _svg("price", n, _TALL, "".join(shapes))
    volume = _volumes(view["volume"]) if "volume" in view else ""
    day = np.datetime_as_string(panel.times[[start, row, stop - 1]], unit="D" if is_daily(panel.times) else "m")
    dates = _days(str(day[0]), str(day[1]), str(day[2]), (row - start + 0.5) / n)
    dot = _dot(scale, float(view["close"][row - start]), row - start, n, severity)
    return f'<div class="plot">{price}{scale.labels()}{dot}{volume}</div><div class="days">{dates}</div>'


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    is_log: bool

    @classmethod
    def of(cls, values: Float64) -> "_Scale":
        usable = values[np.isfinite(values)]
        if not len(usable):
            return cls(0.0, 1.0, False)
        low, high = float(usable.min()), float(usable.max())
        if low > 0 and high / low > 3:
            return cls(low / 1.1, high * 1.1, True)
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        return cls(low - margin, high + margin, False)

    def place(self, values: Float64) -> Float64:
        if not self.is_log:
            share = (values - self.low) / (self.high - self.low)
        else:
            share = np.log(np.where(values > 0, values, np.nan) / self.low) / np.log(self.high / self.low)
        return np.asarray(_TALL * (1.0 - np.clip(share, -0.02, 1.02)))

    def labels(self) -> str:
        middle = np.sqrt(self.low * self.high) if self.is_log else (self.low + self.high) / 2
        # The volume below takes no part of this: the labels sit on the price's own 130 pixels.
        shown = ((self.high, 0), (middle, 65), (self.low, 130))
        return "".join(f'<span class="y" style="top:{top}px">{value:,.4g}</span>' for value, top in shown)


def _svg(name: str, n: int, height: float, content: str) -> str:
    return f'<svg class="{name}" viewBox="0 0 {n} {height:.0f}" preserveAspectRatio="none" aria-hidden="true">{content}</svg>'


def _line(places: Float64) -> str:
    parts, is_on = [], False
    for at, y in enumerate(places.tolist()):
        if y == y:  # NaN lifts the pen
            parts.append(f"{'L' if is_on else 'M'}{at + 0.5:g} {y:.1f}")
        is_on = y == y
    return "".join(parts)


def _ranges(top: Float64, bottom: Float64) -> str:
    pairs = enumerate(zip(top.tolist(), bottom.tolist(), strict=True))
    return "".join(f"M{at + 0.5:g} {high:.1f}V{low:.1f}" for at, (high, low) in pairs if high == high and low == low)


def _volumes(volume: Float64) -> str:
    most = float(np.nanmax(np.where(np.isfinite(volume), volume, 0.0), initial=0.0)) or 1.0
    heights = _LOW * np.clip(np.where(np.isfinite(volume), volume, 0.0) / most, 0.0, 1.0)
    boxes = (
        f'<rect class="bars" x="{at + 0.15:g}" y="{_LOW - height:.1f}" width="0.7" height="{height:.1f}"/>'
        for at, height in enumerate(heights.tolist())
    )
    return _svg("volume", len(volume), _LOW, "".join(boxes))


def _rebased(market: Float64, close: Float64) -> Float64:
    known = np.flatnonzero(np.isfinite(close) & (close > 0))
    if not len(known) or not market.any():
        return np.full(len(close), np.nan)
    path = np.cumsum(market)
    return np.asarray(close[known[0]] * np.exp(path - path[known[0]]))


def _days(first: str, named: str, last: str, place: float) -> str:
    # The named day stands under its dot; an end that it would cover gives way.
    shift = 0 if place < 0.12 else -100 if place > 0.88 else -50
    shown = [f'<span class="named" style="left:{100 * place:.1f}%;transform:translateX({shift}%)">{named}</span>']
    if place > 0.3:
        shown.append(f'<span class="first">{first}</span>')
    if place < 0.7:
        shown.append(f'<span class="last">{last}</span>')
    return "".join(shown)


def _dot(scale: _Scale, close: float, at: int, n: int, severity: Severity) -> str:
    if not np.isfinite(close):
        return ""
    top = 1.3 * float(scale.place(np.array([close]))[0])
    return f'<i class="dot {severity}" style="left:{100 * (at + 0.5) / n:.2f}%;top:{top:.0f}px"></i>'


def text(words: str) -> str:
    """Make words safe between tags."""
    return escape(words, quote=True)
