"""Take a market apart into moves from bar to bar, and build a twin from other moves on the same calendar."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.bars import Bars, adjustment, carry_forward
from quantdesk.domain.panel import FIELDS, Panel

LEAST_MOVES = 20
"""An instrument with fewer moves has no beta of its own: it gets 1."""

_MOST = 0.99  # the largest simple return of a part of a bar, up or down
_CAVEAT = "a twin of the market: nothing in it tells the direction of what follows"


@dataclass(frozen=True, eq=False)
class Moves:
    """Hold the parts of bars, all of shape (n_times, n_instruments), NaN where there was no bar.

    Parameters
    ----------
    night : Float64
        Log total return from the last close to the open; 0 where the bar has no open.
    day : Float64
        From there to the close.
    up, down : Float64
        How far, in logs, the high stands above and the low below both open and close; 0 or more.
    value : Float64
        Value traded, account currency.
    """

    night: Float64
    day: Float64
    up: Float64
    down: Float64
    value: Float64

    @classmethod
    def of(cls, panel: Panel) -> "Moves":
        """Measure a panel's bars that have a close before them."""
        bars = Bars.of(panel)
        known = bars.is_traded & np.isfinite(bars.returns)
        with np.errstate(invalid="ignore", divide="ignore"):
            before, close = np.log(bars.close) - bars.returns, np.log(bars.close)
            opened, high, low = np.log(bars.open), np.log(bars.high), np.log(bars.low)
        opened = np.where(np.isfinite(opened), opened, before)
        value = panel.fields["close"] * panel.get("volume")
        parts = (
            opened - before,
            close - opened,
            np.maximum(np.nan_to_num(high - np.maximum(opened, close)), 0.0),
            np.maximum(np.nan_to_num(np.minimum(opened, close) - low), 0.0),
            value,
        )
        return cls(*(np.where(known, part, np.nan) for part in parts))

    @property
    def known(self) -> Bools:
        """Tell where there was a bar with a close before it (n_times, n_instruments)."""
        return np.isfinite(self.day)

    @property
    def total(self) -> Float64:
        """Add night and day: log total returns (n_times, n_instruments)."""
        return self.night + self.day


def mean_of(values: Float64) -> Float64:
    """Average what is known over the instruments (n_times,); 0 where nothing is."""
    known = np.isfinite(values)
    total: Float64 = np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return total


def drift_of(moves: Moves) -> Float64:
    """Give each instrument's fair pay for market risk: beta times the market's mean simple return a bar (n_instruments,).

    Were the pay the same for all, a portfolio long low betas and short high ones would earn it
    without risk: an edge.
    """
    drift: Float64 = betas_of(moves.total, mean_of(moves.total)) * mean_of(np.expm1(moves.total)).mean()
    return drift


def betas_of(returns: Float64, market: Float64) -> Float64:
    """Regress each instrument on the market by least squares (n_instruments,)."""
    known = np.isfinite(returns)
    count = np.maximum(known.sum(axis=0), 1)
    x = np.where(known, market[:, None], 0.0)
    y = np.where(known, returns, 0.0)
    x = np.where(known, x - x.sum(axis=0) / count, 0.0)
    spread = (x * x).sum(axis=0)
    usable = (count >= LEAST_MOVES) & (spread > 0)
    return np.where(usable, (x * y).sum(axis=0) / np.where(usable, spread, 1.0), 1.0)


def fair(moves: Float64) -> Float64:
    """Turn moves drawn with either sign alike into log moves whose expected simple return is 0.

    ``log(1 + tanh(x))``: for small moves x less half its square, and ``tanh(x) + tanh(-x) = 0``. Moves
    reflected in logs would not do: their simple returns are positive on average, the more so the
    more volatile the instrument, and volatility can be foretold.
    """
    logs: Float64 = np.log1p(np.clip(np.tanh(moves), -_MOST, _MOST))
    return logs


def built(panel: Panel, moves: Moves, drift: Float64, random: np.random.Generator, name: str) -> Panel:
    """Build a twin: the panel's calendar, other moves.

    Kept are the times at which each instrument has a bar, an open and a volume, its first price,
    its delisting's date and size, and every field beyond prices and events with the time it became
    known. Prices are total-return prices: splits and dividends are none.

    Parameters
    ----------
    panel : Panel
        The market whose calendar is kept.
    moves : Moves
        One for each bar of the calendar; others are not read.
    drift : Float64
        Simple return added to every bar of an instrument (n_instruments,).
    random : numpy.random.Generator
        Decides whether a delisting pays more than the last close or less.
    name : str
        What the twin is called.
    """
    is_traded = np.isfinite(panel.fields["close"])
    first = np.take_along_axis(panel.fields["close"], is_traded.argmax(axis=0)[None], axis=0)[0]
    night, day = (np.where(is_traded, part, 0.0) for part in (moves.night, moves.day))
    close = np.log(first) + np.cumsum(night + day + np.log1p(drift), axis=0)
    opened = close - day
    levels = {
        "open": opened,
        "high": np.maximum(opened, close) + moves.up,
        "low": np.minimum(opened, close) - moves.down,
        "close": close,
    }
    fields = {field: values for field, values in panel.fields.items() if field not in FIELDS}
    fields |= {field: np.exp(level) for field, level in levels.items() if field in panel.fields}
    fields |= {field: np.full(panel.shape, np.nan) for field in ("split", "dividend") if field in panel.fields}
    if "volume" in panel.fields:
        fields["volume"] = np.maximum(np.round(moves.value / fields["close"]), 1.0)
    for field in ("open", "high", "low", "close", "volume"):
        if field in fields:
            fields[field] = np.where(np.isfinite(panel.fields[field]), fields[field], np.nan)
    if "delisting" in panel.fields:
        fields["delisting"] = carry_forward(fields["close"]) * _proceeds(panel, random)
    known_at = {field: stamps for field, stamps in panel.known_at.items() if field not in FIELDS}
    return Panel(panel.times, panel.instruments, fields, known_at, name, (*panel.caveats, _CAVEAT))


def _proceeds(panel: Panel, random: np.random.Generator) -> Float64:
    # Over the last close: as far from it as they were, above or below with equal chance.
    paid = panel.fields["delisting"] * adjustment(panel)
    with np.errstate(invalid="ignore", divide="ignore"):
        away = np.tanh(np.log(paid / Bars.of(panel).close))
    return 1.0 + random.choice([-1.0, 1.0], panel.shape) * away
