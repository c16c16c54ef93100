"""Bars that repeat others: prices that stand still, bars copied from the day before, stretches copied from elsewhere."""

from collections.abc import Sequence as Items

import numpy as np

from quantdesk.data.faults.block import Block
from quantdesk.data.faults.marks import Marks, at_bars
from quantdesk.data.sequence import runs
from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.panel import Panel

_CHANCE = 0.01  # expected number of such runs in the panel, if closes stood still as often as they do nearby
_TELLING = 1000.0  # units; less is a few round lots
_NEAR = 120  # bars on each side that tell how often a close stands still
_FEWEST = 4  # equal closes
_FEWEST_NEAR = 10  # bars beside a run without which nothing is known
_WHOLE, _UNTRADED, _CLOSES = 3, 4, 8  # bars of a copied stretch: with volume, without, with closes only


def stale(block: Block) -> list[Marks]:
    """Doubt runs of equal closes too long for chance, given how often closes nearby stand still.

    A run at an instrument's beginning is told as filled backwards, one at its end as filled
    forwards: prices there were made up before the first trade or after the last one.
    """
    bars = block.bars
    is_same = block.change == 0.0
    starts, lengths = runs(is_same, bars.is_first)
    is_long = lengths + 1 >= _FEWEST
    starts, lengths = starts[is_long], lengths[is_long]
    is_odd = block.n_bars * _share(block, is_same, starts, lengths) ** lengths < _CHANCE
    starts, lengths = starts[is_odd] - 1, lengths[is_odd] + 1
    is_last = np.append(bars.is_first[1:], True)
    begins, ends = bars.is_first[starts], is_last[starts + lengths - 1]
    chosen = (
        ("stale", ~begins & ~ends, "{value:.0f} bars in a row have one close, where closes nearby move"),
        ("filled backwards", begins, "its first {value:.0f} bars have one close: made up from a later one?"),
        ("filled forwards", ends & ~begins, "its last {value:.0f} bars have one close: carried on from an earlier one?"),
    )
    return [_stretches(kind, block, starts[where], lengths[where], words) for kind, where, words in chosen]


def _stretches(kind: str, block: Block, starts: Ints, lengths: Ints, words: str) -> Marks:
    rows, columns = block.bars.rows, block.bars.columns
    ends = rows[starts + lengths - 1]
    return Marks(kind, "doubt", rows[starts], columns[starts], lengths.astype(np.float64), words, ends=ends)


def _share(block: Block, is_same: Bools, starts: Ints, lengths: Ints) -> Float64:
    # What hardly trades stands still for weeks, so the weeks beside such a run count, not the months.
    wide, narrow = (_share_nearby(block, is_same, starts, lengths, n) for n in (_NEAR, _NEAR // 2))
    volume = block.field("volume")
    if volume is None:
        return np.maximum(wide, narrow)
    n_idle = np.append(0, np.cumsum(volume <= 0))
    is_idle = n_idle[starts + lengths] > n_idle[starts]
    return np.where(is_idle, np.maximum(wide, narrow), wide)


def _share_nearby(block: Block, is_same: Bools, starts: Ints, lengths: Ints, n_near: int) -> Float64:
    before = block.bars.around(is_same.astype(np.float64), starts, -n_near, 0)
    after = block.bars.around(is_same.astype(np.float64), starts + lengths - 1, 1, n_near + 1)
    near = np.concatenate([before, after], axis=1)
    n_known = np.isfinite(near).sum(axis=1)
    return np.where(n_known >= _FEWEST_NEAR, (np.nansum(near, axis=1) + 1) / (n_known + 2), 1.0)


def repeated_bars(block: Block) -> list[Marks]:
    """Doubt a bar with the open, high, low, close and volume of the one before it."""
    opens, high, low, volume = (block.field(name) for name in ("open", "high", "low", "volume"))
    if opens is None or high is None or low is None or volume is None:
        return []
    is_same = np.zeros(len(volume), dtype=np.bool_)
    is_same[1:] = (block.change[1:] == 0.0) & (volume[1:] == volume[:-1]) & (volume[1:] > 0)
    at = np.flatnonzero(is_same)
    for price in (opens, high, low):
        at = at[price[at] == price[at - 1]]
    # A few round lots, or all trades at one price, can come again by chance.
    at = at[(high[at] > low[at]) & ((volume[at] >= _TELLING) | (volume[at] % 1.0 > 0))]
    words = "the bar repeats the one before it, down to its volume of {value:g}"
    return [at_bars("repeated bar", "doubt", block.bars, at, volume[at], words)]


def digests(block: Block) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """Digest each bar with the two after it (n_bars,); 0 where they are not three different ones of one instrument."""
    total = np.zeros(len(block.bars), dtype=np.uint64)
    for name in ("open", "high", "low", "close", "volume"):
        values = block.field(name)
        if values is not None:
            total = _mixed(total + (values + 0.0).view(np.uint64))
    triple = np.zeros(len(total), dtype=np.uint64)
    if len(total) < 3:
        return triple
    is_new = total[1:] != total[:-1]
    high, low = block.field("high"), block.field("low")
    if high is not None and low is not None:
        is_new &= (high[1:] > low[1:]) & (high[:-1] > low[:-1])
    is_one = ~block.bars.is_first[1:-1] & ~block.bars.is_first[2:] & is_new[:-1] & is_new[1:]
    joined = _mixed(_mixed(total[:-2]) + total[1:-1] * np.uint64(3)) + total[2:]
    triple[:-2] = np.where(is_one, _mixed(joined) | np.uint64(1), np.uint64(0))
    return triple


def _mixed(bits: "np.ndarray[tuple[int], np.dtype[np.uint64]]") -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    # The finaliser of splitmix64 (Steele, Lea and Flood, 2014), one round.
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return bits ^ (bits >> np.uint64(27))


def copies(panel: Panel, parts: Items[Block], found: "Items[np.ndarray[tuple[int], np.dtype[np.uint64]]]") -> list[Marks]:
    """Doubt stretches of bars that are found again elsewhere in the panel.

    Parameters
    ----------
    panel : Panel
        The whole panel.
    parts : sequence of Block
        Its blocks.
    found : sequence of array
        The digests of each block.
    """
    values = np.concatenate(found) if found else np.zeros(0, dtype=np.uint64)
    again = _again(values)
    if not again.size:
        return []
    at = np.flatnonzero(np.isin(values, again))
    order = at[np.lexsort((at, values[at]))]
    is_original = np.append(True, values[order][1:] != values[order][:-1])
    original = order[is_original][np.cumsum(is_original) - 1]
    copied, shown = order[~is_original], original[~is_original]
    order = np.lexsort((copied, copied - shown))
    offsets = np.cumsum([0, *(len(one) for one in found)])
    return _told(panel, parts, offsets, copied[order], shown[order])


def _again(values: "np.ndarray[tuple[int], np.dtype[np.uint64]]") -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    ordered = np.sort(values[values > 0])
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _told(panel: Panel, parts: Items[Block], offsets: Ints, copied: Ints, shown: Ints) -> list[Marks]:
    # A stretch is a run of copies at one distance from their originals.
    breaks = np.append(True, (np.diff(copied) != 1) | (np.diff(copied - shown) != 0))
    firsts = np.flatnonzero(breaks)
    lengths = np.diff(np.append(firsts, len(copied))) + 2
    is_long = lengths >= _shortest(panel)
    firsts, lengths = firsts[is_long], lengths[is_long]
    chosen = [_stretch(parts, offsets, int(copied[at]), int(shown[at]), int(n)) for at, n in zip(firsts, lengths, strict=True)]
    symbols = panel.symbols
    also = [f"{symbols[column]} from {np.datetime_as_string(panel.times[row], unit='D')}" for *_, row, column in chosen]
    rows, ends, columns = (np.array([one[k] for one in chosen], dtype=np.int64) for k in range(3))
    words = "{value:.0f} bars are those of {also}"
    return [Marks("copied stretch", "doubt", rows, columns, lengths.astype(np.float64), words, ends=ends, also=also)]


def _shortest(panel: Panel) -> int:
    if "open" not in panel.fields:
        return _CLOSES
    return _WHOLE if "volume" in panel.fields else _UNTRADED


def _stretch(parts: Items[Block], offsets: Ints, one: int, other: int, n_bars: int) -> tuple[int, int, int, int, int]:
    # Of two equal stretches the copy is the one that fits worse where it begins and ends.
    if _misfit(parts, offsets, other, n_bars) > _misfit(parts, offsets, one, n_bars):
        one, other = other, one
    (part, at), (part_shown, at_shown) = _place(parts, offsets, one), _place(parts, offsets, other)
    last = part.bars.rows[min(at + n_bars, len(part.bars)) - 1]
    column = int(part.bars.columns[at]) + part.first_column
    shown_column = int(part_shown.bars.columns[at_shown]) + part_shown.first_column
    return int(part.bars.rows[at]), int(last), column, int(part_shown.bars.rows[at_shown]), shown_column


def _place(parts: Items[Block], offsets: Ints, position: int) -> tuple[Block, int]:
    which = int(np.searchsorted(offsets, position, side="right")) - 1
    return parts[which], position - int(offsets[which])


def _misfit(parts: Items[Block], offsets: Ints, position: int, n_bars: int) -> float:
    part, at = _place(parts, offsets, position)
    edges = [edge for edge in (at, at + n_bars) if edge < len(part.bars)]
    return float(np.nansum(np.abs(part.excess[edges]) / part.scale[edges]))
