"""The last 250 one-bar moves of every instrument, kept as bars arrive, and what a portfolio would have lost in them."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled
from quantdesk.domain.continuing import n_new_bars
from quantdesk.domain.panel import Panel

VAR_LOOKBACK = 251
"""Bars of history behind the value at risk, the present one included."""

_FIELDS = ("close", "split", "dividend")
_N_MOVES = VAR_LOOKBACK - 1


class Moves:
    """Keep the moves of the last bars, so that each is computed once.

    A move is the simple total return since the last close before it in the window; over a halt it
    counts on the bar that ends it, and before the window's first close it is 0.
    """

    def __init__(self) -> None:
        self._panel: Panel | None = None
        self._moves = np.empty((0, 0))
        self._n_read = 0

    def after(self, panel: Panel) -> "Moves":
        """Read the panel's new bars (all of the last ``VAR_LOOKBACK`` where its past was not seen before)."""
        n_bars = min(len(panel.times), VAR_LOOKBACK)
        n_new = min(n_new_bars(self._panel, panel, _FIELDS), n_bars)
        if min(self._n_read + n_new, _N_MOVES) != n_bars - 1 or n_new == n_bars:
            self._moves, self._n_read, n_new = np.zeros((panel.shape[1], _N_MOVES)), 0, n_bars - 1
        close, split, dividend = (_last(panel, name, n_bars, n_new) for name in _FIELDS)
        self._n_read = _read(self._moves, self._n_read, close, split, dividend, n_new)
        self._panel = panel
        return self

    def value_at_risk(self, weights: Float64) -> float:
        """Give the one-bar loss that these weights (n_instruments,) would have exceeded in 5 % of the bars; 0 under 20."""
        n_known = min(self._n_read, _N_MOVES)
        if n_known < 20 or not weights.any():
            return 0.0
        outcomes = _outcomes(self._moves, weights, n_known)
        worst = int(0.05 * n_known)
        return max(0.0, -float(np.partition(outcomes, worst)[worst]))


def _last(panel: Panel, name: str, n_bars: int, n_new: int) -> Float64:
    # Of closes the whole window is read, of events the new bars alone.
    n_rows = n_bars if name == "close" else n_new
    return (
        panel.fields[name][len(panel.times) - n_rows :] if name in panel.fields else np.full((n_rows, panel.shape[1]), np.nan)
    )


@compiled
def _read(moves: Float64, n_read: int, close: Float64, split: Float64, dividend: Float64, n_new: int) -> int:
    n_bars, n = close.shape
    for k in range(n_new):
        t, slot = n_bars - n_new + k, n_read % moves.shape[1]
        n_read += 1
        for i in range(n):
            before = _close_by(close[:, i], t - 1)
            worth = close[t, i] if np.isfinite(close[t, i]) else before
            if np.isfinite(dividend[k, i]):
                worth += dividend[k, i]
            ratio = split[k, i] if split[k, i] > 0.0 else 1.0
            moves[i, slot] = worth * ratio / before - 1.0 if before > 0.0 else 0.0
    for i in range(n):
        # What was measured from a close that has left the window counts no more.
        s = 0
        while s < n_bars and not np.isfinite(close[s, i]):
            s += 1
            if 0 < s < n_bars:
                moves[i, (n_read - n_bars + s) % moves.shape[1]] = 0.0
    return n_read


@compiled
def _close_by(close: Float64, t: int) -> float:
    while t >= 0 and not np.isfinite(close[t]):
        t -= 1
    return close[t] if t >= 0 else np.nan


@compiled
def _outcomes(moves: Float64, weights: Float64, n_known: int) -> Float64:
    outcomes = np.zeros(n_known)
    for i in range(len(weights)):
        if weights[i] != 0.0:
            for k in range(n_known):
                outcomes[k] += weights[i] * moves[i, k]
    return outcomes
