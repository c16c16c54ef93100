"""Lines drawn from closes: means, extremes and strengths, each blind to what came before its window."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.bars import adjustment
from quantdesk.domain.panel import Panel

STILL = 1e-9
"""Moves of less than this fraction of the price are rounding, not moves."""

Kind = Literal["close", "mean", "highest", "lowest", "lagged", "strength", "level"]


class Line(NamedTuple):
    """Name one line: its kind, the bars it looks over, and what it is multiplied by.

    ``close`` is the adjusted close, ``mean`` its mean over the last ``bars``, ``highest`` and
    ``lowest`` its extremes over the ``bars`` before this one, ``lagged`` the close ``bars`` ago,
    ``strength`` the relative strength index in [0, 100] with plain sums (Cutler), ``level`` 1.
    """

    kind: Kind
    bars: int = 1
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class Closes:
    """Draw lines from adjusted closes.

    A line is known where at least half of its window traded; halted bars are left out of it, so
    that no value depends on anything before the window.

    Parameters
    ----------
    values : Float64
        Adjusted closes (n_instruments, n_times), NaN where there was no trading.
    """

    values: Float64

    @classmethod
    def of(cls, panel: Panel) -> "Closes":
        """Adjust a panel's closes for splits and dividends, forward from its first bar."""
        close, is_raw = panel.fields["close"], "split" in panel.fields or "dividend" in panel.fields
        return cls(np.ascontiguousarray((close * adjustment(panel) if is_raw else close).T))

    def draw(self, line: Line) -> Float64:
        """Compute a line (n_instruments, n_times), NaN where it is not known."""
        if line.kind == "level":
            return np.full(self.values.shape, line.scale)
        drawn: Float64 = getattr(self, f"_{line.kind}")(line.bars)
        return drawn if line.scale == 1.0 else drawn * line.scale

    @cached_property
    def _is_known(self) -> Bools:
        return np.isfinite(self.values)

    @cached_property
    def _is_whole(self) -> bool:
        return bool(self._is_known.all())

    @cached_property
    def _centre(self) -> Float64:
        # The first close, not the mean: a mean would let later closes into the last bits.
        first = np.take_along_axis(self.values, self._is_known.argmax(axis=1)[:, None], axis=1)
        return np.nan_to_num(first)

    @cached_property
    def _sums(self) -> Float64:
        return np.cumsum(np.where(self._is_known, self.values - self._centre, 0.0), axis=1)

    @cached_property
    def _counts(self) -> Float64:
        return np.cumsum(self._is_known, axis=1, dtype=np.float64)

    @cached_property
    def _moves(self) -> tuple[Float64, Float64, Float64]:
        change = np.diff(self.values, axis=1, prepend=np.nan)
        known = np.isfinite(change)
        rises, sizes = np.where(known, np.maximum(change, 0.0), 0.0), np.where(known, np.abs(change), 0.0)
        return np.cumsum(rises, axis=1), np.cumsum(sizes, axis=1), np.cumsum(known, axis=1, dtype=np.float64)

    def _close(self, _bars: int) -> Float64:
        return self.values

    def _lagged(self, bars: int) -> Float64:
        return _shifted(self.values, bars)

    def _mean(self, bars: int) -> Float64:
        total = _trailing(self._sums, bars)
        if self._is_whole:
            total /= bars
        else:
            total /= _enough(_trailing(self._counts, bars), bars)
        total += self._centre
        return total

    def _highest(self, bars: int) -> Float64:
        return self._extreme(bars, np.fmax)

    def _lowest(self, bars: int) -> Float64:
        return self._extreme(bars, np.fmin)

    def _extreme(self, bars: int, pick: np.ufunc) -> Float64:
        # Windows of 1, 2, 4 ... bars, each from two of the size before.
        found, span = self.values.copy(), 1
        while span < bars:
            step = min(span, bars - span)
            found[:, step:] = pick(found[:, step:], found[:, :-step])
            span += step
        found[np.isnan(_enough(_trailing(self._counts, bars), bars))] = np.nan
        return _shifted(found, 1)

    def _strength(self, bars: int) -> Float64:
        rises, sizes, counts = self._moves
        gross = _trailing(sizes, bars)
        is_still = ~(gross > STILL * self.values) | np.isnan(_enough(_trailing(counts, bars), bars))
        strength: Float64 = 100.0 * _trailing(rises, bars) / np.where(is_still, np.nan, gross)
        strength[:, :bars] = np.nan
        return strength


def _trailing(sums: Float64, bars: int) -> Float64:
    over = np.full(sums.shape, np.nan)
    if bars <= sums.shape[1]:
        over[:, bars - 1] = sums[:, bars - 1]
        np.subtract(sums[:, bars:], sums[:, :-bars], out=over[:, bars:])
    return over


def _enough(counts: Float64, bars: int) -> Float64:
    return np.where(2.0 * counts >= bars, counts, np.nan)


def _shifted(values: Float64, bars: int) -> Float64:
    moved = np.full(values.shape, np.nan)
    moved[:, bars:] = values[:, :-bars]
    return moved
