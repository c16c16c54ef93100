"""Place values on an axis and choose its ticks."""

import math
from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64, Ints, Times
from quantdesk.evaluation.report.wording import number, spacing

Tick = tuple[float, str]
"""A position in [0, 1] along the axis, and its label."""

_PERIODS = (
    ("h", 1, 1 / 24),
    ("h", 3, 3 / 24),
    ("h", 6, 6 / 24),
    ("D", 1, 1.0),
    ("D", 2, 2.0),
    ("D", 7, 7.0),
    ("M", 1, 30.0),
    ("M", 3, 91.0),
    ("M", 6, 182.0),
    ("Y", 1, 365.0),
    ("Y", 2, 730.0),
    ("Y", 5, 1826.0),
    ("Y", 10, 3652.0),
    ("Y", 20, 7305.0),
)
_LABELS = {"h": (11, 16), "D": (5, 10), "M": (0, 7), "Y": (0, 4)}


@dataclass(frozen=True)
class Scale:
    """Map values from ``low`` to ``high`` onto [0, 1], evenly or by their logarithm."""

    low: float
    high: float
    is_log: bool = False

    @classmethod
    def over(cls, values: Float64, *, is_log: bool = False, pad: float = 0.05) -> "Scale":
        """Span the finite values, with a margin; 0 to 1 (1 to 2 on a log scale) where there are none."""
        usable = values[np.isfinite(values) & ((values > 0) | (not is_log))]
        if not len(usable):
            return cls(float(is_log), float(is_log) + 1.0, is_log)
        low, high = float(usable.min()), float(usable.max())
        if is_log:
            margin = max(pad * math.log(high / low), 0.01)
            return cls(low * math.exp(-margin), high * math.exp(margin), True)
        margin = pad * (high - low) if high > low else max(abs(high) * pad, 0.01)
        return cls(low - margin, high + margin)

    def position(self, values: Float64) -> Float64:
        """Give each value's place in [0, 1], NaN where it has none."""
        if not self.is_log:
            finite = np.where(np.isfinite(values), values, np.nan)
            return np.asarray((finite - self.low) / (self.high - self.low))
        logs = np.log(np.where(np.isfinite(values) & (values > 0), values, np.nan))
        return np.asarray((logs - math.log(self.low)) / math.log(self.high / self.low))

    def ticks(self, n: int, *, percent: bool = False) -> list[Tick]:
        """Choose about ``n`` round values and label them."""
        is_wide = self.is_log and self.high / self.low > 20
        values = self._decades() if is_wide else self._rounds(n)
        shown = values * (100.0 if percent else 1.0)
        steps = shown if is_wide else np.full(len(shown), np.diff(shown).min() if len(shown) > 1 else 1.0)
        unit = "%" if percent else ""
        labels = [number(value, _digits(step), unit) for value, step in zip(shown, steps, strict=True)]
        return list(zip(self.position(values).tolist(), labels, strict=True))

    def _rounds(self, n: int) -> Float64:
        raw = (self.high - self.low) / n
        power = 10.0 ** math.floor(math.log10(raw))
        step = power * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * 0.7)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return np.arange(first, last + 1, dtype=np.float64) * np.float64(step)

    def _decades(self) -> Float64:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1.0, 2.0, 5.0) if self.high / self.low < 500 else (1.0,)
        values = np.array([factor * 10.0**power for power in powers for factor in factors])
        return values[(values >= self.low) & (values <= self.high)]


def time_ticks(times: Times, n_most: int = 9) -> list[Tick]:
    """Mark where a new year, month, day or hour begins, whichever gives at most ``n_most`` marks.

    Positions count bars, not hours: nights and weekends take no room.
    """
    if len(times) < 2:
        return []
    least = spacing(times)
    for unit, step, days in _PERIODS:
        starts = _starts(times, unit, step)
        if days >= least * 0.99 and len(starts) <= n_most:
            break
    first, last = _LABELS[unit]
    labels = np.datetime_as_string(times[starts], unit="m")
    return [(float(at) / (len(times) - 1), str(label)[first:last]) for at, label in zip(starts, labels, strict=True)]


def _digits(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _starts(times: Times, unit: str, step: int) -> Ints:
    period = times.astype(f"datetime64[{unit}]").astype(np.int64) // step
    return np.flatnonzero(np.diff(period)).astype(np.int64) + 1
