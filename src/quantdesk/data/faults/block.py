"""Some of a panel's instruments with what every look at them needs, computed once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from quantdesk.data.faults.exchanges import is_daily
from quantdesk.data.faults.peers import Peers
from quantdesk.data.sequence import Sequence, median
from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.panel import Panel

_WIDTH = 256  # instruments; the arrays of 5,000 times stay near the processor's cache
_NEAR = 21  # bars on each side that tell how much a price moves
_CALM = 4.0  # times the median: how much of one change counts as movement


@dataclass(frozen=True, eq=False)
class Block:
    """Hold a block of instruments.

    Parameters
    ----------
    panel : Panel
        These instruments only.
    first_column : int
        Where they begin in the whole panel.
    peers : Peers
        What the whole panel did.
    n_bars : int
        Bars of the whole panel, so that chance can be reckoned.
    """

    panel: Panel
    first_column: int
    peers: Peers
    n_bars: int

    @cached_property
    def is_daily(self) -> bool:
        """Tell whether bars are a day or more apart."""
        return is_daily(self.panel.times)

    @cached_property
    def bars(self) -> Sequence:
        """The traded bars, instrument by instrument."""
        return Sequence.of(self.panel)

    @cached_property
    def change(self) -> Float64:
        """Log change of the close (n_bars,); NaN at each instrument's first bar."""
        return self.bars.log_change(1)

    @cached_property
    def excess(self) -> Float64:
        """Log change with dividends, beyond the peers' (n_bars,)."""
        path = self.peers.path()[self.bars.rows]
        common = np.zeros(len(path))
        common[1:] = np.diff(path)
        paid = self.field("dividend")
        if paid is None:
            return self.change - common
        share = np.maximum(np.nan_to_num(paid / self.closes, posinf=0.0), 0.0)
        bare, whole = self.change - common, self.change - common + np.log1p(share)
        # A dividend in another unit, or long in the price, explains nothing.
        return np.where(np.abs(whole) < np.abs(bare), whole, bare)

    @cached_property
    def scale(self) -> Float64:
        """How far the close ordinarily moves in a bar (n_bars,), apart from that bar and the next.

        The mean absolute excess of the 21 bars before and after, each counted up to four times
        the instrument's median, with the day's spread among the peers. Positive.
        """
        starts, stops = self.bars.bounds()
        usual = self._usual(starts, stops)
        moved = np.fmin(np.abs(self.excess), _CALM * usual)
        total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(moved))])
        at = np.arange(len(moved))
        lengths = stops - starts
        # An instrument's first bar has no change, so it does not count.
        first, end = np.repeat(starts + 1, lengths), np.repeat(stops, lengths)
        before, now = np.maximum(at - _NEAR, first), np.maximum(at, first)
        after, beyond = np.minimum(at + 2, end), np.minimum(at + 2 + _NEAR, end)
        n_near = (now - before) + (beyond - after)
        near = (total[now] - total[before] + total[beyond] - total[after]) / np.maximum(n_near, 1)
        calm = np.maximum(np.where(n_near > 0, near, usual), usual / 2)
        skipped = np.maximum(np.diff(self.bars.rows, prepend=0), 1)
        return np.sqrt((calm**2 + self.peers.spread[self.bars.rows] ** 2) * skipped)

    def _usual(self, starts: Ints, stops: Ints) -> Float64:
        size = np.abs(self.excess)
        usual = [median(size[start + 1 : stop]) for start, stop in zip(starts, stops, strict=True)]
        return np.repeat(np.maximum(np.nan_to_num(np.array(usual, dtype=np.float64)), 1e-6), stops - starts)

    @cached_property
    def closes(self) -> Float64:
        """Close as it came (n_bars,)."""
        return self.bars.gather(self.panel.fields["close"])

    def field(self, name: str) -> Float64 | None:
        """Pick a field at every bar (n_bars,); None where the panel does not carry it."""
        if name in self.panel.fields and name not in self._kept:
            self._kept[name] = self.bars.gather(self.panel.fields[name])
        return self._kept.get(name)

    @cached_property
    def _kept(self) -> dict[str, Float64]:
        return {}

    def forget(self) -> None:
        """Let go of what was computed: a panel of many instruments would hold all of it at once."""
        for name in ("bars", "change", "excess", "scale", "closes", "_kept"):
            self.__dict__.pop(name, None)

    def bustle(self, at: Ints, start: int = -10, stop: int = 11) -> Float64:
        """Compare the volume of bars with the median around them (n_found,); NaN where it is unknown.

        News moves prices on much volume; a slip of the keyboard does not.
        """
        volume = self.field("volume")
        if volume is None:
            return np.full(len(at), np.nan)
        near = self.bars.around(volume, at, start, stop)
        if start <= 0 < stop:
            near[:, -start] = np.nan
        usual = median(np.where(near > 0, near, np.nan))
        return np.where(volume[at] > 0, volume[at], np.nan) / usual


def blocks(panel: Panel) -> "list[Block]":
    """Part a panel into blocks of instruments."""
    if not all(panel.shape):
        return []
    peers = Peers.of(panel)
    n_bars = int(np.count_nonzero(np.isfinite(panel.fields["close"])))
    return [Block(_columns(panel, start, start + _WIDTH), start, peers, n_bars) for start in range(0, panel.shape[1], _WIDTH)]


def _columns(panel: Panel, start: int, stop: int) -> Panel:
    fields = {name: values[:, start:stop] for name, values in panel.fields.items()}
    return Panel(panel.times, panel.instruments[start:stop], fields, name=panel.name)
