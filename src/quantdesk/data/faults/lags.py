"""Dates that are off by one: an instrument that moves with the others, but a bar late or early."""

import numpy as np

from quantdesk.data.faults.block import Block
from quantdesk.data.faults.marks import Marks
from quantdesk.data.sequence import runs
from quantdesk.domain.arrays import Float64, Ints

_SPAN = 60  # bars judged together
_GROUP = 4  # spans judged together where one alone says too little
_CLEAR = 4.5  # standard errors by which the wrong lag beats the right one; sound shares reach 3.5


def shifted(block: Block) -> list[Marks]:
    """Doubt stretches whose changes go with the peers' of the bar before or after, not with those of their own."""
    if not (block.is_daily and block.peers.market.any() and len(block.bars)):
        return []
    firsts, numbers = _spans(block)
    own = np.clip(np.nan_to_num(block.excess + block.peers.market[block.bars.rows]), -0.2, 0.2)
    marks = []
    for when, lag in (("late", -1), ("early", 1)):
        starts, stops, strength = _stretches(block, own, firsts, numbers, lag)
        words = f"its bars seem dated a bar {when}: correlation {{value:.2f}} with the others' moves of the bar beside"
        rows, columns = block.bars.rows, block.bars.columns
        marks.append(Marks("date shifted", "doubt", rows[starts], columns[starts], strength, words, ends=rows[stops - 1]))
    return marks


def _spans(block: Block) -> tuple[Ints, Ints]:
    # First bar of each span of 60, and whose it is; a short rest belongs to the span before.
    starts, stops = block.bars.bounds()
    begun = [np.arange(start, max(start + 1, stop - _SPAN // 2), _SPAN) for start, stop in zip(starts, stops, strict=True)]
    return np.concatenate(begun), np.repeat(np.arange(len(begun)), [len(one) for one in begun])


def _market(block: Block, lag: int) -> Float64:
    rows = np.clip(block.bars.rows + lag, 0, len(block.peers.market) - 1)
    return np.clip(block.peers.market[rows], -0.05, 0.05)


def _stretches(block: Block, own: Float64, firsts: Ints, numbers: Ints, lag: int) -> tuple[Ints, Ints, Float64]:
    is_new = np.append(True, np.diff(numbers) != 0)
    place = np.arange(len(numbers)) - np.maximum.accumulate(np.where(is_new, np.arange(len(numbers)), 0))
    groups = np.flatnonzero(place % _GROUP == 0)
    alone = _gain(block, own, firsts, lag)
    together = _gain(block, own, firsts[groups], lag)
    together = np.repeat(together, np.diff(np.append(groups, len(firsts))))
    is_off = (alone > _CLEAR) | ((together > _CLEAR) & (alone > 1.0))
    begun, lengths = runs(is_off, is_new)
    edges = np.append(firsts, len(own))
    gained = own * (_market(block, lag) - _market(block, 0))
    rough = zip(edges[begun].tolist(), edges[begun + lengths].tolist(), strict=True)
    found = _merged(block, [_trimmed(gained, block, *one) for one in rough])
    starts, stops = (np.array([one[k] for one in found], dtype=np.int64) for k in range(2))
    strength = [float(np.corrcoef(own[a:b], _market(block, lag)[a:b])[0, 1]) for a, b in found]
    return starts, stops, np.array(strength, dtype=np.float64)


def _merged(block: Block, found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    # Pieces of one stretch, where the spans between them say little by themselves.
    merged: list[tuple[int, int]] = []
    for first, stop in found:
        is_same = merged and block.bars.columns[merged[-1][0]] == block.bars.columns[first]
        if is_same and first - merged[-1][1] < 2 * _SPAN:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((first, stop))
    return [(first, stop) for first, stop in merged if stop - first >= _SPAN // 2]


def _gain(block: Block, own: Float64, firsts: Ints, lag: int) -> Float64:
    market, other = _market(block, 0), _market(block, lag)
    n_bars = np.diff(np.append(firsts, len(own)))
    square = np.add.reduceat(own * own, firsts)
    tied = []
    for values in (market, other):
        with np.errstate(invalid="ignore", divide="ignore"):
            tied.append(np.add.reduceat(own * values, firsts) / np.sqrt(square * np.add.reduceat(values * values, firsts)))
    now, beside = (np.nan_to_num(one) for one in tied)
    return np.asarray((beside - np.maximum(now, 0.0)) * np.sqrt(n_bars))


def _trimmed(gained: Float64, block: Block, start: int, stop: int) -> tuple[int, int]:
    # Where exactly the wrong lag begins and ceases to be the better one, a span around either edge.
    mine = block.bars.columns == block.bars.columns[start]
    low, high = int(mine.argmax()), int(mine.argmax() + mine.sum())
    before = np.cumsum(gained[max(low, start - _SPAN) : start + _SPAN][::-1])[::-1]
    after = np.cumsum(gained[max(low, stop - _SPAN) : min(high, stop + _SPAN)])
    # Where it is not certain, a bar counts as sound.
    doubt = 3.0 * float(gained[start:stop].std())
    first = np.flatnonzero(before >= before.max() - doubt)[-1]
    last = np.flatnonzero(after >= after.max() - doubt)[0]
    return max(low, start - _SPAN) + int(first), max(low, stop - _SPAN) + int(last) + 1
