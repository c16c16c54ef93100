"""What no strategy may exceed: gross, name, sector, value at risk, drawdown."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.errors import SettingsError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.portfolio.moves import VAR_LOOKBACK as VAR_LOOKBACK
from quantdesk.portfolio.moves import Moves

DRIFT = 1.25
"""A position left alone may drift to this multiple of its limit before it is cut back to it."""


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


@dataclass(frozen=True, eq=False)
class Sectors:
    """Know which instruments share a sector.

    Parameters
    ----------
    names : tuple of str
        The known sectors.
    members : Float64
        1 where an instrument belongs to a sector, else 0 (n_sectors, n_instruments).
    """

    names: tuple[str, ...]
    members: Float64

    @classmethod
    def of(cls, instruments: tuple[Instrument, ...]) -> "Sectors":
        """Read the sectors that the instruments name; an unknown one limits nothing."""
        names = tuple(sorted({instrument.sector for instrument in instruments} - {""}))
        members = [[float(instrument.sector == name) for instrument in instruments] for name in names]
        return cls(names, np.array(members).reshape(len(names), len(instruments)))


def apply(
    limits: Limits, weights: Float64, held: Float64, panel: Panel, sectors: Sectors, moves: Moves | None = None
) -> Allowed:
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
    sectors : Sectors
        Of the panel's instruments.
    moves : Moves or None
        What was read of the history at earlier bars, so that only the new ones are; None reads it all.
    """
    is_left = np.isnan(weights)
    slack = np.where(is_left, DRIFT, 1.0)
    wanted = np.where(is_left, held, weights)
    if not wanted.any():
        return Allowed(weights, ("",) * len(weights), 0.0)
    bounds = [""] * len(weights)
    kept = _cap_names(limits, wanted, slack, bounds)
    kept = _cap_sectors(limits, kept, slack, sectors, bounds)
    kept = _scale(kept, float(np.abs(kept).sum()), limits.gross, slack, "gross", bounds)
    moves = (moves or Moves()).after(panel)
    losses = moves.value_at_risk(kept)
    safe = _scale(kept, losses, limits.daily_var, slack, "daily VaR", bounds)
    is_changed = np.abs(safe - wanted) > 1e-12 * np.abs(wanted)
    after = losses if safe is kept else moves.value_at_risk(safe)
    return Allowed(np.where(is_left & ~is_changed, np.nan, safe), tuple(bounds), after)


def value_at_risk(weights: Float64, panel: Panel) -> float:
    """Give the one-bar loss that these weights would have exceeded in 5 % of the last 250 bars.

    The move over a halt counts on the bar that ends it; 0 under 20 bars.
    """
    return Moves().after(panel).value_at_risk(weights)


def _note(bounds: list[str], where: Ints, name: str) -> None:
    for i in where:
        bounds[i] = f"{bounds[i]}, {name}" if bounds[i] else name


def _cap_names(limits: Limits, weights: Float64, slack: Float64, bounds: list[str]) -> Float64:
    over = np.flatnonzero(np.abs(weights) > limits.per_name * slack)
    if not over.size:
        return weights
    _note(bounds, over, "per name")
    capped = weights.copy()
    capped[over] = np.sign(weights[over]) * limits.per_name
    return capped


def _cap_sectors(limits: Limits, weights: Float64, slack: Float64, sectors: Sectors, bounds: list[str]) -> Float64:
    capped = weights
    totals = sectors.members @ weights
    for s in np.flatnonzero(np.abs(totals) > limits.per_sector):
        members = np.flatnonzero(sectors.members[s])
        if abs(totals[s]) <= limits.per_sector * slack[members].min():
            continue
        # Only the side that is too heavy gives way, so that hedges stay.
        heavy = members[np.sign(weights[members]) == np.sign(totals[s])]
        capped = capped.copy()
        capped[heavy] *= 1.0 - (abs(totals[s]) - limits.per_sector) / np.abs(weights[heavy]).sum()
        _note(bounds, heavy, f"sector {sectors.names[s]}")
    return capped


def _scale(weights: Float64, used: float, limit: float, slack: Float64, name: str, bounds: list[str]) -> Float64:
    if used <= limit * (1 + 1e-12):
        return weights
    held = np.flatnonzero(weights)
    if used <= limit * float(slack[held].min()):
        return weights
    _note(bounds, held, name)
    return weights * (limit / used)


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
