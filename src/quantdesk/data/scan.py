"""Choose a universe of instruments that move apart, and refuse one that was seen in training."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

MIN_BARS = 252
"""Returns that two instruments must share before their correlation counts: a year of days."""

LATE_BARS = 5
"""Bars after the date within which an instrument must have traded to have existed since then."""


def scan(
    panel: Panel,
    start: str,
    count: int,
    since: np.datetime64 | None = None,
    min_bars: int = MIN_BARS,
    exclude: Collection[str] = (),
) -> tuple[str, ...]:
    """Choose instruments one by one, each the least correlated with those already chosen.

    The measure is the mean, over the chosen, of the absolute correlation of one-bar log total
    returns: absolute, because an instrument that mirrors another teaches nothing new either.
    Each pair is compared over the bars on which both traded, and traded on the bar before.
    Ties go to the symbol that comes first in the alphabet. The choice reads every bar of the panel:
    cut it (``panel.rows``) where the universe must not know the bars it will be judged on.

    Parameters
    ----------
    panel : Panel
        Raw prices and events (n_times, n_instruments).
    start : str
        The symbol to begin with.
    count : int
        Symbols wanted, the first included.
    since : datetime64, optional
        Only bars from this moment on count, and only instruments that traded by then, or
        within five bars of it. They need not trade until today.
    min_bars : int
        Returns that a candidate must share with each of the chosen, 3 or more.
    exclude : collection of str
        Symbols that may not be chosen, such as those of the training list.

    Returns
    -------
    tuple of str
        Symbols in the order chosen, ``start`` first.

    Raises
    ------
    DataError
        If the start is unknown, excluded or has too few bars, fewer than ``count`` instruments
        have enough bars in common, or a number makes no sense.
    """
    _check(panel, start, count, min_bars, exclude)
    moves = _Moves.of(panel, since, min_bars)
    column = panel.symbols.index(start)
    if not moves.is_candidate[column]:
        raise DataError(
            f"{start} has {moves.n_bars[column]} returns in {panel.name!r}{_since(since)}",
            f"{min_bars} or more{', and a trade by that date' if since is not None else ''}",
            "start with another symbol, or ask for less history",
        )
    barred = np.array([symbol in exclude for symbol in panel.symbols])
    chosen = _greedy(moves, column, moves.is_candidate & ~barred, count, np.argsort(np.argsort(panel.symbols)))
    if len(chosen) < count:
        raise DataError(
            f"only {len(chosen)} instruments of {panel.name!r} share {min_bars} returns with one another{_since(since)}",
            f"{count}",
            "ask for fewer, for less history in common, or for a later date",
        )
    return tuple(panel.symbols[i] for i in chosen)


def overlapping(train: Sequence[str], evaluate: Sequence[str]) -> None:
    """Refuse lists that share a symbol: a model that saw it in training is not judged by it.

    Raises
    ------
    DataError
        If a symbol is in both lists; it names them.
    """
    both = [symbol for symbol in dict.fromkeys(train) if symbol in set(evaluate)]
    if both:
        raise DataError(
            f"{', '.join(both)} {'is' if len(both) == 1 else 'are'} in both the training and the evaluation list",
            "no symbol in both",
            "scan the second list with the first one excluded",
        )


@dataclass(frozen=True, eq=False)
class _Moves:
    """Standardised returns since a date (n_times, n_instruments), 0 where there is none."""

    values: Float64
    squares: Float64
    is_known: Float64  # 1 or 0: a factor of sums
    is_candidate: Bools
    n_bars: Ints
    min_bars: int

    @classmethod
    def of(cls, panel: Panel, since: np.datetime64 | None, min_bars: int) -> "_Moves":
        first = 0 if since is None else int(np.searchsorted(panel.times, since))
        bars = Bars.of(panel)
        is_known = bars.is_traded & np.isfinite(bars.returns)
        is_known[1:] &= bars.is_traded[:-1]
        is_known, returns = is_known[first:], np.where(is_known[first:], bars.returns[first:], 0.0)
        n_bars = is_known.sum(axis=0)
        is_there = np.ones(len(n_bars), dtype=np.bool_) if since is None else bars.is_traded[: first + LATE_BARS].any(axis=0)
        # Centred and scaled first, so that sums of squares lose no digits.
        mean = returns.sum(axis=0) / np.maximum(n_bars, 1)
        centred = np.where(is_known, returns - mean, 0.0)
        spread = np.sqrt((centred**2).sum(axis=0) / np.maximum(n_bars, 1))
        values = centred / np.where(spread > 0, spread, 1.0)
        return cls(values, values**2, is_known.astype(np.float64), is_there & (n_bars >= min_bars), n_bars, min_bars)

    def correlations(self, column: int) -> Float64:
        """Correlate one instrument with each, over their common bars; NaN where those are too few."""
        own = np.stack([self.is_known[:, column], self.values[:, column], self.squares[:, column]], axis=1)
        count, own_sum, own_squares = (self.is_known.T @ own).T
        sums, products = (self.values.T @ own[:, :2]).T
        squares = self.squares.T @ own[:, 0]
        n = np.maximum(count, 1.0)
        spread = (squares - sums**2 / n) * (own_squares - own_sum**2 / n)
        is_enough = (count >= self.min_bars) & (spread > 1e-9)
        return np.where(is_enough, (products - sums * own_sum / n) / np.sqrt(np.where(is_enough, spread, 1.0)), np.nan)


def _greedy(moves: _Moves, start: int, may_join: Bools, count: int, alphabet: Ints) -> list[int]:
    chosen, total, may_join = [start], np.zeros(len(may_join)), may_join.copy()
    may_join[start] = False
    while len(chosen) < count:
        distance = np.abs(moves.correlations(chosen[-1]))
        may_join &= np.isfinite(distance)
        if not may_join.any():
            break
        total += np.nan_to_num(distance)
        # Rounded, so that a tie is a tie whatever the order of the columns.
        score = np.where(may_join, np.round(total / len(chosen), 12), np.inf)
        chosen.append(int(np.lexsort((alphabet, score))[0]))
        may_join[chosen[-1]] = False
    return chosen


def _check(panel: Panel, start: str, count: int, min_bars: int, exclude: Collection[str]) -> None:
    panel.select((start,))
    if start in exclude:
        raise DataError(f"{start} is to be started with and excluded", "one of the two", "start with another symbol")
    if count < 1 or min_bars < 3:
        raise DataError(
            f"a scan for {count} symbols over {min_bars} bars", "1 symbol and 3 bars or more", "correct the numbers"
        )


def _since(since: np.datetime64 | None) -> str:
    return "" if since is None else f" since {since.astype('datetime64[D]')}"
