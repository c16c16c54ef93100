"""Prices that stand alone: far from those beside them, from the day's others, and without the volume of news."""

import numpy as np

from quantdesk.data.faults.block import Block
from quantdesk.data.faults.marks import Marks, Severity, at_bars
from quantdesk.data.sequence import median
from quantdesk.domain.arrays import Bools, Float64, Ints

LARGE_MOVE = 0.4
"""A change beyond this fraction is noted; by itself it is no fault."""

SPIKE, IMPOSSIBLE_SPIKE = 3.0, 10.0
"""A close this many times off that is back within two bars is doubted, or refused."""

# Rarity is a move over what the price ordinarily moves in a bar, divided by how busy the bar was.
# The largest among 752,060 sound daily bars of 504 shares, 2018 to 2023, stands beside each bound.
_RARE_SPIKE = 4.5  # 3.9
_RARE_SPIKE_NO_OPEN = 5.5
_RARE_SPIKE_NO_VOLUME = 16.0  # 14.4
_RARE_INSIDE = 12.0  # 9.9
_RARE_INSIDE_NO_VOLUME = 20.0  # 16.6
_RARE_LAST = 8.0  # 7.0
_RARE_LAST_NO_VOLUME = 30.0
_LEAST = 0.03


def large_moves(block: Block) -> list[Marks]:
    """Note moves over 40 %: crashes are real."""
    change = np.expm1(block.change)
    at = np.flatnonzero(np.abs(change) > LARGE_MOVE)
    return [at_bars("large move", "note", block.bars, at, change[at], "close moves {value:+.1%} in one bar")]


def spikes(block: Block) -> list[Marks]:
    """Refuse closes tenfold off that are back within two bars; doubt threefold, and less on ordinary volume."""
    marks = []
    is_taken = np.zeros(len(block.change), dtype=np.bool_)
    for bars in (1, 2):
        at, size = _returned(block, bars)
        is_free = ~is_taken[at]
        at, size = at[is_free], size[is_free]
        is_impossible = size > np.log(IMPOSSIBLE_SPIKE)
        is_odd = ~is_impossible & ((size > np.log(SPIKE)) | _is_unexplained(block, at, size, bars))
        for step in range(bars + 1):
            is_taken[at[is_impossible | is_odd] + step] = True
        chosen: tuple[tuple[Severity, Bools], ...] = (("refuse", is_impossible), ("doubt", is_odd))
        marks += [_off(block, at[where], severity, bars) for severity, where in chosen]
    return marks


def _off(block: Block, at: Ints, severity: Severity, bars: int) -> Marks:
    rows, columns = block.bars.rows, block.bars.columns
    words = "close of {value:g} lies far from the closes before and after it"
    return Marks("spike", severity, rows[at], columns[at], block.closes[at], words, ends=rows[at + bars - 1])


def _returned(block: Block, bars: int) -> tuple[Ints, Float64]:
    # Positions whose close jumps and is back `bars` later, and the smaller of the two jumps.
    size = np.abs(block.excess[: max(0, len(block.excess) - bars)])
    bound = np.maximum(_LEAST, np.minimum(_RARE_SPIKE * block.scale[: len(size)], np.log(SPIKE)))
    at = np.flatnonzero(size > bound)
    later = block.bars.around(block.excess, at, 1, bars + 1)
    away, home = block.excess[at], later[:, -1]
    is_back = (np.abs(away + later.sum(axis=1)) < np.abs(away) / 4) & (home * away < 0)
    if bars > 1:
        # Both closes are off together, or this is a spike of one bar with a move beside it.
        is_back &= np.abs(later[:, :-1]).max(axis=1, initial=0.0) < np.abs(away) / 4
    at = at[is_back]
    return at, np.minimum(np.abs(away[is_back]), np.abs(home[is_back]))


def _is_unexplained(block: Block, at: Ints, size: Float64, bars: int) -> Bools:
    bustle = block.bustle(at)
    rarity = size / np.maximum(block.scale[at], block.scale[at + bars])
    opens = block.field("open")
    bound = _RARE_SPIKE_NO_OPEN if opens is None else _RARE_SPIKE
    is_rare = _is_rare(rarity, bustle, bound, _RARE_SPIKE_NO_VOLUME)
    if opens is None:
        return is_rare
    # A slip is over before the next bar opens; people change their minds while the market is open.
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.log(block.bars.around(opens, at, bars, bars + 1)[:, 0] / block.closes[at + bars - 1])
    return is_rare & ~(-np.sign(block.excess[at]) * gap < 0.6 * size)


def _is_rare(rarity: Float64, bustle: Float64, bound: float, bound_without_volume: float) -> Bools:
    is_known = np.isfinite(bustle)
    return np.where(is_known, rarity / np.fmax(bustle, 1.0) > bound, rarity > bound_without_volume)


def lone_extremes(block: Block) -> list[Marks]:
    """Doubt opens, highs and lows far from their own bar's other prices, on ordinary volume."""
    opens, high, low = (block.field(name) for name in ("open", "high", "low"))
    if high is None or low is None:
        return []
    close = block.closes
    opens = close if opens is None else opens
    with np.errstate(invalid="ignore", divide="ignore"):
        turn = np.log(close / opens)
        gap = np.nan_to_num(block.change) - turn
        away = np.where(gap * turn < 0, np.minimum(np.abs(gap), np.abs(turn)), 0.0)
        body_top, body_bottom = np.maximum(opens, close), np.minimum(opens, close)
        reaches = {"open": away, "high": np.log(high / body_top), "low": np.log(body_bottom / low)}
    values = {"open": opens, "high": high, "low": low}
    return [_lone(block, name, reach, values[name]) for name, reach in reaches.items()]


def _lone(block: Block, name: str, reach: Float64, values: Float64) -> Marks:
    at = np.flatnonzero((reach > np.maximum(_LEAST, _RARE_INSIDE * block.scale)) & np.isfinite(reach))
    is_rare = _is_rare(reach[at] / block.scale[at], block.bustle(at), _RARE_INSIDE, _RARE_INSIDE_NO_VOLUME)
    at = at[is_rare]
    words = f"{name} of {{value:g}} lies far from the bar's other prices and the close before"
    return at_bars(f"lone {name}", "doubt", block.bars, at, values[at], words)


def unconfirmed_last(block: Block) -> list[Marks]:
    """Doubt a last close that leaps on ordinary volume: no later bar confirms it or takes it back."""
    _, stops = block.bars.bounds()
    at = (stops - 1)[np.isfinite(block.excess[stops - 1])]
    leap = np.abs(block.excess[at])
    before = np.abs(block.bars.around(block.excess, at, -21, 0))
    usual = median(before)
    with np.errstate(invalid="ignore"):
        calm = np.nansum(np.fmin(before, 4 * usual[:, None]), axis=1) / np.isfinite(before).sum(axis=1).clip(1)
    scale = np.maximum(np.sqrt(calm**2 + block.peers.spread[block.bars.rows[at]] ** 2), 1e-6)
    is_enough = np.isfinite(before).sum(axis=1) >= 10
    is_rare = _is_rare(leap / scale, block.bustle(at, -20, 1), _RARE_LAST, _RARE_LAST_NO_VOLUME)
    at = at[is_rare & is_enough & (leap > 2 * _LEAST)]
    change = np.expm1(block.change[at])
    words = "the last close moves {value:+.1%} on ordinary volume, and nothing confirms it yet"
    return [at_bars("unconfirmed move", "doubt", block.bars, at, change, words)]
