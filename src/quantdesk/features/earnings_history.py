"""The columns behind an earnings surprise: what the company, the market and the price had shown before it."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64, Ints, Times
from quantdesk.domain.bars import Bars
from quantdesk.domain.panel import Panel
from quantdesk.domain.records import Names
from quantdesk.features.fundamentals import SMALLEST_EPS

DAY = np.timedelta64(24 * 3600 * 10**9, "ns")
STALE = 7 * DAY
"""A last close older than this says nothing about the moment of an announcement."""

OWN = ("surprise_1", "surprise_2", "surprise_3", "surprise_4", "beats_8", "misses_8", "growth_year", "days_since")
MARKET = ("beat_rate_90",)
PRICE = ("momentum_5", "momentum_20", "momentum_60", "volatility_60")

_MOMENTA = (5, 20, 60)
_SPREAD_BARS = 60
_SEASON = 90 * DAY
_LEAST_OF_SEASON = 20
_YEAR, _AROUND = 365 * DAY, 45 * DAY
_LONGEST_GAP = 400.0


@dataclass(frozen=True, eq=False)
class Told:
    """Hold announcements in order of time: who, when, what was expected and what was said.

    Parameters
    ----------
    symbols : Names
        Companies (n,).
    periods : Times
        What the records call the announcement's own time (n,).
    announced_at : Times
        When it was, or is expected to be, known (n,), UTC, in order.
    estimates, reported : Float64
        Earnings a share (n,); ``reported`` is NaN before the announcement.
    """

    symbols: Names
    periods: Times
    announced_at: Times
    estimates: Float64
    reported: Float64

    def __len__(self) -> int:
        return len(self.symbols)


def relative(value: Float64, reference: Float64) -> Float64:
    """Compare two amounts a share: (value - reference) / (|value| + |reference|), in [-1, 1].

    Half the percentage for a small difference. The denominator is at least ``2 * SMALLEST_EPS``.
    A ratio, because files of earnings restate old amounts for later splits, and an amount's
    size would then tell of the future.
    """
    size = np.abs(value) + np.abs(reference)
    gap: Float64 = (value - reference) / np.maximum(size, 2.0 * SMALLEST_EPS)
    return np.clip(gap, -1.0, 1.0)


def own_history(told: Told, decided_at: Times, outcomes: Ints) -> tuple[Float64, Ints]:
    """Compute the columns ``OWN`` from the company's earlier announcements known at the decision.

    Parameters
    ----------
    told : Told
        The announcements, in order of time.
    decided_at : Times
        When each is predicted (n,).
    outcomes : Ints
        0 miss, 1 meet, 2 beat, -1 not reported (n,).

    Returns
    -------
    tuple of Float64 and Ints
        Columns (n, 8), NaN where there is too little history; and earlier announcements known (n,).
    """
    columns, n_past = np.full((len(told), len(OWN)), np.nan), np.zeros(len(told), dtype=np.int64)
    order = np.argsort(told.symbols, kind="stable")
    is_first = told.symbols[order][1:] != told.symbols[order][:-1]
    for rows in np.split(order, np.flatnonzero(is_first) + 1):
        past = rows[outcomes[rows] >= 0]
        n_past[rows] = np.searchsorted(told.announced_at[past], decided_at[rows], side="right")
        columns[rows] = _own_columns(told, rows, past, n_past[rows], outcomes)
    return columns, n_past


def season(announced_at: Times, outcomes: Ints, decided_at: Times) -> Float64:
    """Compute ``MARKET``: the share of beats among all announcements of the 90 days before (n, 1).

    NaN where there were fewer than 20.
    """
    reported = outcomes >= 0
    moments = announced_at[reported]
    n_beats = np.r_[0, np.cumsum(outcomes[reported] == 2)]
    last = np.searchsorted(moments, decided_at, side="right")
    first = np.searchsorted(moments, decided_at - _SEASON, side="right")
    n_told = last - first
    share = (n_beats[last] - n_beats[first]) / np.maximum(n_told, 1)
    return np.where(n_told >= _LEAST_OF_SEASON, share, np.nan)[:, None]


def price_history(panel: Panel, told: Told) -> tuple[Ints, Float64, Float64]:
    """Compute ``PRICE`` at the last close before each announcement, and the move across it.

    Returns
    -------
    tuple
        The bar of that close (n,), -1 where there is none or the symbol did not trade in it; the
        columns (n, 4), log returns and the standard deviation of one bar's; and the log total
        return from that close to the next one (n,), NaN where it did not trade.
    """
    bars = Bars.of(panel)
    place = {symbol: column for column, symbol in enumerate(panel.symbols)}
    column = np.array([place.get(str(symbol), -1) for symbol in told.symbols], dtype=np.int64)
    before = np.searchsorted(panel.times, told.announced_at, side="left") - 1
    is_fresh = (before >= 0) & (column >= 0) & (told.announced_at - panel.times[np.maximum(before, 0)] <= STALE)
    is_fresh &= bars.is_traded[np.maximum(before, 0), np.maximum(column, 0)]
    after = np.minimum(before + 1, len(panel.times) - 1)
    has_move = is_fresh & (before + 1 < len(panel.times)) & bars.is_traded[after, np.maximum(column, 0)]
    has_move &= panel.times[after] - told.announced_at <= STALE
    moves = np.where(has_move, bars.returns[after, np.maximum(column, 0)], np.nan)
    return np.where(is_fresh, before, -1), _price_columns(bars, before, column, is_fresh), moves


def _own_columns(told: Told, rows: Ints, past: Ints, n_known: Ints, outcomes: Ints) -> Float64:
    columns = np.full((len(rows), len(OWN)), np.nan)
    surprises = relative(told.reported[past], told.estimates[past])
    for back in range(1, 5):
        has = n_known >= back
        columns[has, back - 1] = surprises[n_known[has] - back]
    for column, outcome in ((4, 2), (5, 0)):
        counts = np.r_[0, np.cumsum(outcomes[past] == outcome)]
        first = np.maximum(n_known - 8, 0)
        columns[:, column] = np.where(n_known >= 4, (counts[n_known] - counts[first]) / np.maximum(n_known - first, 1), np.nan)
    columns[:, 6] = _growth(told, rows, past, n_known)
    has = n_known >= 1
    gap = (told.announced_at[rows[has]] - told.announced_at[past[n_known[has] - 1]]) / DAY
    columns[has, 7] = np.minimum(gap, _LONGEST_GAP)
    return columns


def _growth(told: Told, rows: Ints, past: Ints, n_known: Ints) -> Float64:
    growth = np.full(len(rows), np.nan)
    moments, wanted = told.announced_at[past], told.announced_at[rows] - _YEAR
    later = np.searchsorted(moments, wanted)
    nearest = np.full(len(rows), _AROUND + DAY)
    for candidate in (later - 1, later):
        possible = (candidate >= 0) & (candidate < n_known)
        found = np.clip(candidate, 0, max(len(past) - 1, 0))[possible]
        away = np.abs(moments[found] - wanted[possible])
        better = away < nearest[possible]
        chosen = np.flatnonzero(possible)[better]
        nearest[chosen] = away[better]
        growth[chosen] = relative(told.estimates[rows[chosen]], told.reported[past[found[better]]])
    return np.where(nearest <= _AROUND, growth, np.nan)


def _price_columns(bars: Bars, before: Ints, column: Ints, is_fresh: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Float64:
    columns = np.full((len(before), len(PRICE)), np.nan)
    for place, window in enumerate(_MOMENTA):
        rows = np.flatnonzero(is_fresh & (before >= window))
        now, then = bars.close[before[rows], column[rows]], bars.close[before[rows] - window, column[rows]]
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[rows, place] = np.log(now / then)
    rows = np.flatnonzero(is_fresh & (before >= _SPREAD_BARS))
    window_rows = before[rows, None] - np.arange(_SPREAD_BARS)[::-1]
    spread = np.std(bars.returns[window_rows, column[rows, None]], axis=1, ddof=1)
    columns[rows, -1] = np.where(spread > 0, spread, np.nan)
    return np.where(np.isfinite(columns), columns, np.nan)
