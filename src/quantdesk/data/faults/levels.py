"""Levels that shift for good: splits without an event, events without a split, units that change."""

import numpy as np

from quantdesk.data.faults.block import Block
from quantdesk.data.faults.marks import Marks, at_bars
from quantdesk.data.sequence import median
from quantdesk.domain.arrays import Bools, Float64, Ints

RATIOS = (5 / 4, 4 / 3, 3 / 2, 2.0, 5 / 2, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
"""New units for one old, or the reverse."""

UNITS = (100.0, 1000.0)
"""Pence in a pound, shares in a lot; thousands."""

_CLOSE_TO = 0.03  # of the log ratio, for what happens overnight beside the split
_FAR = 6.0  # times what the price ordinarily moves in a bar
_PLAIN = np.log(1.9)  # a smaller ratio needs more evidence
_BUSY, _BUSY_SMALL = 2.5, 2.2  # times the usual volume: news
_STEADY = np.log(30.0)  # range of volume within twenty bars of one unit


def splits(block: Block) -> list[Marks]:
    """Doubt moves in the ratio of a split, on ordinary volume, without an event; and events without the move."""
    ratio = block.field("split")
    ratio = np.ones(len(block.change)) if ratio is None else np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0)
    size = np.abs(block.excess)
    at = np.flatnonzero((size > np.log(RATIOS[0]) - 2 * _CLOSE_TO) & (ratio == 1.0))
    at = at[_is_in_ratio(block, at) & _is_its_own(block, at) & _is_quiet(block, at) & _is_lasting(block, at)]
    volume = "volume is not known" if "volume" not in block.panel.fields else "on ordinary volume"
    words = f"price changes as in a split of {{value:.2f}}:1, {volume} and there is no event"
    suspects = at_bars("split suspected", "doubt", block.bars, at, np.exp(-block.change[at]), words)
    unseen = np.flatnonzero((np.abs(np.log(ratio)) > 0.3) & (np.abs(block.change - np.log(ratio)) < 0.1))
    words = "a split of {value:g}:1 is not seen in the price, which may be adjusted for it already"
    return [suspects, at_bars("split unseen", "doubt", block.bars, unseen, ratio[unseen], words)]


def _is_in_ratio(block: Block, at: Ints) -> Bools:
    moves = np.abs(np.stack([block.excess[at], block.change[at]]))
    distance = np.abs(moves[:, :, None] - np.log(RATIOS)).min(axis=(0, 2), initial=np.inf)
    scale = block.scale[at]
    is_sure = (moves[0] > _PLAIN) & ("volume" in block.panel.fields)
    room = np.where(is_sure, np.clip(3 * scale, _CLOSE_TO, 0.15), _CLOSE_TO)
    return np.asarray((distance < room) & (moves[0] > np.minimum(_FAR * scale, _PLAIN)))


def _is_its_own(block: Block, at: Ints) -> Bools:
    is_own: Bools = np.abs(block.peers.market[block.bars.rows[at]]) < np.abs(block.excess[at]) / 8
    return is_own


def _is_lasting(block: Block, at: Ints) -> Bools:
    # A tick goes away and comes back; neither way is a split.
    near = block.bars.around(block.excess, at, -2, 3)
    near[:, 2] = np.nan
    is_undone = np.abs(near + block.excess[at][:, None]) < np.abs(block.excess[at])[:, None] / 3
    return np.asarray(~is_undone.any(axis=1))


def _is_quiet(block: Block, at: Ints) -> Bools:
    # A split happens overnight, and the day after it is a day like any other.
    size = np.abs(block.excess[at])
    is_quiet = np.ones(len(at), dtype=np.bool_)
    opens = block.field("open")
    if opens is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            daytime = np.abs(np.log(block.closes[at] / opens[at]))
        room = np.where(size > _PLAIN, np.clip(4 * block.scale[at], 0.06, 0.2), np.maximum(2 * block.scale[at], 0.04))
        is_quiet &= ~(daytime > room)
    if block.field("volume") is None:
        return np.asarray(is_quiet & (size > _PLAIN))
    bustle = block.bustle(at, -20, 1)
    # Volume may be adjusted although the price is not; either way there is no news in it.
    least = np.fmin(bustle, bustle * np.exp(block.excess[at]))
    is_ordinary = np.where(size > _PLAIN, ~(least > _BUSY), least < _BUSY_SMALL)
    return np.asarray(is_quiet & is_ordinary)


def units(block: Block) -> list[Marks]:
    """Doubt a close or volume whose level changes a hundred- or thousandfold from one bar to the next and stays."""
    marks = [_price_units(block)]
    volume = block.field("volume")
    if volume is not None and block.is_daily:  # within a day the level changes by itself
        marks.append(_volume_units(block, volume))
    return marks


def _price_units(block: Block) -> Marks:
    at = np.flatnonzero(np.abs(block.excess) > np.log(UNITS[0]) - 0.3)
    distance = np.abs(np.abs(block.excess[at])[:, None] - np.log(UNITS)).min(axis=1, initial=np.inf)
    at = at[distance < 0.2]
    later = block.bars.around(block.excess, at, 1, 3)
    # A close that is back within two bars is a spike, and told as one.
    is_back = (np.abs(np.cumsum(later, axis=1) + block.excess[at][:, None]) < 0.5).any(axis=1)
    at = at[~is_back]
    words = "the price level changes {value:.3g}-fold for good: another unit?"
    return at_bars("unit change", "doubt", block.bars, at, np.exp(block.change[at]), words)


def _volume_units(block: Block, volume: Float64) -> Marks:
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.log(np.where(volume > 0, volume, np.nan))
    at = np.flatnonzero(np.abs(np.diff(level, prepend=np.nan)) > np.log(10.0))
    before, after = block.bars.around(level, at, -20, 0), block.bars.around(level, at, 0, 20)
    is_full = (np.isfinite(before).sum(axis=1) >= 12) & (np.isfinite(after).sum(axis=1) >= 12)
    at, before, after = at[is_full], before[is_full], after[is_full]
    shift = median(after) - median(before)
    (low, high), (low_after, high_after) = _ends(before), _ends(after)
    apart = np.where(shift > 0, low_after - high, low - high_after)
    is_steady = np.maximum(high - low, high_after - low_after) < _STEADY
    distance = np.abs(np.abs(shift)[:, None] - np.log(UNITS)).min(axis=1, initial=np.inf)
    is_shift = (apart > np.log(5.0)) & is_steady & (distance < np.log(2.2)) & (np.abs(block.excess[at]) < 0.3)
    words = "the volume level changes {value:.3g}-fold for good: another unit?"
    return at_bars("volume unit change", "doubt", block.bars, at[is_shift], np.exp(shift[is_shift]), words)


def _ends(values: Float64) -> tuple[Float64, Float64]:
    lowest = np.where(np.isfinite(values), values, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(np.isfinite(values), values, -np.inf).max(axis=1, initial=-np.inf)
    return lowest, highest
