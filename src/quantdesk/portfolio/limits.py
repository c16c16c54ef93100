"""What no strategy may exceed: gross, name, sector, value at risk, drawdown."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import SettingsError
from quantdesk.domain.panel import Panel

DRIFT = 1.25
"""A position left alone may drift to this multiple of its limit before it is cut back to it."""

VAR_LOOKBACK = 251
"""Bars of history behind the value at risk, the present one included."""


@dataclass(frozen=True)
class Limits:
    """Choose the limits that the loop applies to every target.

    Parameters
    ----------
    gross : float
        Largest sum of absolute weights.
    per_name : float
        Largest absolute weight of one instrument.
    per_sector : float
        Largest absolute sum of weights in one known sector.
    daily_var : float
        Largest one-bar loss at 95 % by historical simulation over the last 250 bars, as a
        fraction of net asset value.
    drawdown : float
        Loss from the peak at which all positions are closed; 1 never halts.
    cooldown_bars : int
        Bars spent flat after such a halt; the peak starts anew then.

    Raises
    ------
    SettingsError
        If any is not positive.
    """

    gross: float = 1.0
    per_name: float = 0.20
    per_sector: float = 0.40
    daily_var: float = 0.02
    drawdown: float = 0.25
    cooldown_bars: int = 21

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise SettingsError(f"limit {name} is {value}", "a positive number", "correct the limits")


@dataclass(frozen=True, eq=False)
class Allowed:
    """Hold the weights that the limits leave, and which limit bound each name.

    Parameters
    ----------
    weights : Float64
        Fractions of net asset value (n_instruments,); NaN leaves a position.
    bounds : tuple of str
        Names of the limits that bound each instrument, empty where none did (n_instruments,).
    value_at_risk : float
        The allowed portfolio's one-bar loss at 95 %, fraction of net asset value.
    """

    weights: Float64
    bounds: tuple[str, ...]
    value_at_risk: float


def apply(limits: Limits, weights: Float64, held: Float64, panel: Panel) -> Allowed:
    """Bring wanted weights within the limits.

    A weight of NaN stays NaN (nothing is traded) as long as what is held has not drifted past
    ``DRIFT`` times a limit.

    Parameters
    ----------
    limits : Limits
        The limits.
    weights : Float64
        Wanted (n_instruments,), NaN to leave a position.
    held : Float64
        Held now (n_instruments,).
    panel : Panel
        History, of which the last ``VAR_LOOKBACK`` bars are read.
    """
    is_left = np.isnan(weights)
    slack = np.where(is_left, DRIFT, 1.0)
    wanted = np.where(is_left, held, weights)
    if not wanted.any():
        return Allowed(weights, ("",) * len(weights), 0.0)
    kept, names = _cap_names(limits, wanted, slack)
    kept, sectors = _cap_sectors(limits, kept, slack, panel)
    kept, gross = _scale(kept, float(np.abs(kept).sum()), limits.gross, slack, "gross")
    losses = _losses(kept, panel)
    kept, var = _scale(kept, losses, limits.daily_var, slack, "daily VaR")
    bounds = tuple(", ".join(filter(None, reasons)) for reasons in zip(names, sectors, gross, var, strict=True))
    changed = ~np.isclose(kept, wanted, rtol=1e-12, atol=0)
    return Allowed(np.where(is_left & ~changed, np.nan, kept), bounds, _losses(kept, panel) if any(var) else losses)


def _cap_names(limits: Limits, weights: Float64, slack: Float64) -> tuple[Float64, list[str]]:
    over = np.abs(weights) > limits.per_name * slack
    return np.where(over, np.sign(weights) * limits.per_name, weights), ["per name" if is_over else "" for is_over in over]


def _cap_sectors(limits: Limits, weights: Float64, slack: Float64, panel: Panel) -> tuple[Float64, list[str]]:
    capped, reasons = weights.copy(), [""] * len(weights)
    sectors = np.array([instrument.sector for instrument in panel.instruments])
    for sector in sorted(set(sectors) - {""}):
        members = np.flatnonzero(sectors == sector)
        total = abs(float(weights[members].sum()))
        if total > limits.per_sector * slack[members].min():
            # Only the side that is too heavy gives way, so that hedges stay.
            heavy = members[np.sign(weights[members]) == np.sign(weights[members].sum())]
            excess = total - limits.per_sector
            capped[heavy] *= 1.0 - excess / np.abs(weights[heavy]).sum()
            for i in heavy:
                reasons[i] = f"sector {sector}"
    return capped, reasons


def _scale(weights: Float64, used: float, limit: float, slack: Float64, name: str) -> tuple[Float64, list[str]]:
    allowance = limit * (float(slack[weights != 0].min()) if weights.any() else 1.0)
    if used <= allowance * (1 + 1e-12):
        return weights, [""] * len(weights)
    return weights * (limit / used), [name if weight else "" for weight in weights]


def _losses(weights: Float64, panel: Panel) -> float:
    chosen = np.flatnonzero(weights)
    recent = panel.rows(max(0, len(panel.times) - VAR_LOOKBACK), len(panel.times))
    returns = Bars.of(_columns(recent, chosen)).returns[1:]
    if len(returns) < 20:
        return 0.0
    outcomes = np.expm1(np.nan_to_num(returns)) @ weights[chosen]
    return max(0.0, -float(np.quantile(outcomes, 0.05)))


def _columns(panel: Panel, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Panel:
    fields = {name: panel.fields[name][:, chosen] for name in ("close", "split", "dividend") if name in panel.fields}
    return Panel(panel.times, tuple(panel.instruments[i] for i in chosen), fields)


@dataclass(frozen=True)
class DrawdownHalt:
    """Remember the peak, and how long trading stays halted: a sum over the equity so far.

    Parameters
    ----------
    peak : float
        Highest net asset value since the last halt.
    bars_left : int
        Bars to stay flat; 0 while trading.
    """

    peak: float = 0.0
    bars_left: int = 0

    @property
    def is_active(self) -> bool:
        """Tell whether everything must be closed."""
        return self.bars_left > 0

    def after(self, equity: float, limits: Limits) -> "DrawdownHalt":
        """Return the state after one more bar's net asset value."""
        if self.bars_left > 0:
            left = self.bars_left - 1
            return DrawdownHalt(equity if left == 0 else self.peak, left)
        peak = max(self.peak, equity)
        is_hit = equity <= (1.0 - limits.drawdown) * peak
        return DrawdownHalt(peak, limits.cooldown_bars if is_hit else 0)
