"""Schedule what happens to simulated instruments: listings, halts, splits, dividends, delistings."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints

SPLITS = (2.0, 1.5, 0.1)
"""New units for one old: 2:1, 3:2, and the reverse split 1:10."""

_MARGIN = 25  # bars after listing, and before the end, that stay undisturbed
_HALTS = 4e-4  # a day and instrument
_QUARTER = 63


@dataclass(frozen=True, eq=False)
class Calendar:
    """Hold what happens when; drawn apart from prices, so that it tells nothing about them.

    Parameters
    ----------
    is_traded : Bools
        Where a bar exists (n_times, n_instruments).
    gone : Ints
        First bar after the last one (n_instruments,); n_times where an instrument stays.
    splits : Float64
        New units for one old on the ex-date (n_times, n_instruments), 1 where there is none.
    yields : Float64
        Dividend over the close of the ex-date (n_times, n_instruments), 0 where there is none.
    """

    is_traded: Bools
    gone: Ints
    splits: Float64
    yields: Float64


def schedule(n_times: int, n_instruments: int, seed: int) -> Calendar:
    """Draw a calendar: about one instrument in 25 arrives late and one in 25 leaves early."""
    generator = np.random.default_rng([seed, 0])
    listed, gone = _lives(generator, n_times, n_instruments)
    rows = np.arange(n_times)[:, None]
    is_quiet = (rows >= listed + _MARGIN) & (rows < gone - _MARGIN)
    splits = _splits(generator, is_quiet)
    yields = _yields(generator, is_quiet)
    is_halted = _halts(generator, is_quiet) & (splits == 1.0) & (yields == 0.0)
    return Calendar((rows >= listed) & (rows < gone) & ~is_halted, gone, splits, yields)


def _lives(generator: np.random.Generator, n_times: int, n_instruments: int) -> tuple[Ints, Ints]:
    listed, gone = np.zeros(n_instruments, dtype=np.int64), np.full(n_instruments, n_times, dtype=np.int64)
    if n_times < 8 * _MARGIN or n_instruments < 10:
        return listed, gone
    n_each = max(1, n_instruments // 25)
    chosen = generator.permutation(n_instruments)[: 2 * n_each]
    listed[chosen[:n_each]] = generator.integers(n_times // 20, 2 * n_times // 5, n_each)
    gone[chosen[n_each:]] = generator.integers(2 * n_times // 5, n_times - _MARGIN, n_each)
    return listed, gone


def _splits(generator: np.random.Generator, is_quiet: Bools) -> Float64:
    splits = np.ones(is_quiet.shape)
    n_splits = max(len(SPLITS), is_quiet.shape[1] // 6)
    for ratio, column in zip(np.resize(SPLITS, n_splits), generator.integers(0, is_quiet.shape[1], n_splits), strict=True):
        days = np.flatnonzero(is_quiet[:, column] & (splits[:, column] == 1.0))
        if days.size:
            splits[generator.choice(days), column] = ratio
    return splits


def _yields(generator: np.random.Generator, is_quiet: Bools) -> Float64:
    n_times, n_instruments = is_quiet.shape
    is_payer = generator.random(n_instruments) < 0.4
    phase = generator.integers(0, _QUARTER, n_instruments)
    rate = generator.uniform(0.003, 0.009, n_instruments)
    is_due = (np.arange(n_times)[:, None] % _QUARTER == phase) & is_payer & is_quiet
    return np.where(is_due, rate, 0.0)


def _halts(generator: np.random.Generator, is_quiet: Bools) -> Bools:
    is_halted = np.zeros(is_quiet.shape, dtype=np.bool_)
    starts = np.argwhere((generator.random(is_quiet.shape) < _HALTS) & is_quiet)
    for (row, column), length in zip(starts, generator.integers(1, 6, len(starts)), strict=True):
        is_halted[row : row + length, column] = True
    return is_halted
