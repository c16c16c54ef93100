"""The volatility and volume behind the impact of a trade, kept as bars arrive; equal to the batch in ``costs`` to the bit."""

import math

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.compiled import compiled
from quantdesk.domain.continuing import n_new_bars
from quantdesk.domain.panel import Panel
from quantdesk.execution.costs import CONDITIONS_LOOKBACK

_FIELDS = ("close", "split", "dividend")
_N_RETURNS = CONDITIONS_LOOKBACK - 1


class Conditions:
    """Keep the last bars' returns, so that each is computed once.

    Parameters
    ----------
    assumed_daily_value : float
        Value traded a day, account currency, where the data has no volume.
    """

    def __init__(self, assumed_daily_value: float) -> None:
        self.assumed_daily_value = assumed_daily_value
        self._panel: Panel | None = None
        self._returns = self._absent = np.empty((0, 0))
        self._n_read = 0

    def at_last(self, panel: Panel, columns: Ints) -> tuple[Float64, Float64]:
        """Give what ``costs.conditions`` does at the panel's last bar, for the chosen instruments.

        Parameters
        ----------
        panel : Panel
            History up to now.
        columns : Ints
            Which instruments (n_chosen,).

        Returns
        -------
        tuple of Float64
            Volatility and units a day, both (n_chosen,).
        """
        self._read(panel)
        volatility = _volatility(self._returns, self._n_read)[columns]
        close, split, volume = (self._last(panel, name, CONDITIONS_LOOKBACK) for name in ("close", "split", "volume"))
        return volatility, _daily_units(close, split, volume, columns, self.assumed_daily_value)

    def _read(self, panel: Panel) -> None:
        n_rows = min(len(panel.times), _N_RETURNS)
        n_new = min(n_new_bars(self._panel, panel, _FIELDS), n_rows)
        if min(self._n_read + n_new, _N_RETURNS) != n_rows or n_new == n_rows:
            self._returns, self._n_read, n_new = np.full((_N_RETURNS, panel.shape[1]), np.nan), 0, n_rows
            self._absent = np.full((CONDITIONS_LOOKBACK, panel.shape[1]), np.nan)
        close, split, dividend = (self._last(panel, name, n_new + 1) for name in _FIELDS)
        self._n_read = _read_returns(self._returns, self._n_read, close, split, dividend, n_new)
        self._panel = panel

    def _last(self, panel: Panel, name: str, n_rows: int) -> Float64:
        n_rows = min(n_rows, len(panel.times))
        return panel.fields.get(name, self._absent)[-n_rows:]


@compiled
def _read_returns(returns: Float64, n_read: int, close: Float64, split: Float64, dividend: Float64, n_new: int) -> int:
    # From one bar to the next only: a return over a halt is not one bar's.
    for t in range(len(close) - n_new, len(close)):
        row = returns[n_read % len(returns)]
        n_read += 1
        for i in range(len(row)):
            row[i] = np.nan
            if t > 0 and close[t, i] > 0.0 and close[t - 1, i] > 0.0:
                paid = 0.0 if np.isnan(dividend[t, i]) else dividend[t, i]
                ratio = split[t, i] if split[t, i] > 0.0 else 1.0
                row[i] = math.log((close[t, i] + paid) * ratio / close[t - 1, i])
    return n_read


@compiled
def _volatility(returns: Float64, n_read: int) -> Float64:
    # The last bar's own return is not known before it.
    n = returns.shape[1]
    count, total, squares, volatility = np.zeros(n), np.zeros(n), np.zeros(n), np.full(n, 0.02)
    for s in range(max(0, n_read - len(returns)), n_read - 1):
        row = returns[s % len(returns)]
        for i in range(n):
            is_known = not np.isnan(row[i])
            change = row[i] if is_known else 0.0
            count[i] += 1.0 if is_known else 0.0
            total[i] += change
            squares[i] += change * change
    for i in range(n):
        if count[i] >= 20.0:
            volatility[i] = math.sqrt(max(squares[i] / count[i] - (total[i] / count[i]) ** 2, 0.0))
    return volatility


@compiled
def _daily_units(close: Float64, split: Float64, volume: Float64, columns: Ints, assumed_daily_value: float) -> Float64:
    units, t = np.zeros(len(columns)), len(close) - 1
    for k in range(len(columns)):
        i, growth, traded, seen, assumed = columns[k], 1.0, 0.0, 0, 0.0
        for s in range(t - 1, -1, -1):
            if s < t - 20 and (seen > 0 or assumed > 0.0):
                break
            # Units of an earlier bar have become this many of today's.
            growth *= split[s + 1, i] if split[s + 1, i] > 0.0 else 1.0
            if s >= t - 20 and volume[s, i] > 0.0:
                seen += 1
                traded += volume[s, i] * growth
            if assumed == 0.0 and close[s, i] > 0.0:
                assumed = assumed_daily_value / close[s, i] * growth
        units[k] = traded / seen if seen > 0 else assumed
    return units
