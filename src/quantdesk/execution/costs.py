"""What trading costs, as arithmetic that the simulated broker and the kernel share to the bit."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.compiled import compiled
from quantdesk.domain.errors import SettingsError
from quantdesk.domain.panel import Panel

CONDITIONS_LOOKBACK = 62
"""Bars of history that the volatility and volume behind the impact read, the present one included."""


@dataclass(frozen=True)
class Costs:
    """Choose what every trade costs. Defaults suit a retail account in liquid US shares.

    Parameters
    ----------
    commission_bps : float
        Commission, basis points of the value traded.
    half_spread_bps : float
        Half the bid-ask spread, basis points of the price.
    impact : float
        Coefficient Y of the square-root law: price moves by Y x daily volatility x
        sqrt(units / daily volume) (Tóth et al. 2011 find Y of order one).
    borrow_bps : float
        Cost of a short position, basis points of its value a year.
    assumed_daily_value : float
        Value traded a day, account currency, where the data has no volume.
    multiplier : float
        Scales all of it; 0 is a world without costs.

    Raises
    ------
    SettingsError
        If any is negative.
    """

    commission_bps: float = 1.0
    half_spread_bps: float = 2.0
    impact: float = 1.0
    borrow_bps: float = 50.0
    assumed_daily_value: float = 200e6
    multiplier: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0:
                raise SettingsError(f"{name} is {value}", "a number of 0 or more", "correct the costs")

    def times(self, multiplier: float) -> "Costs":
        """Return the same costs, multiplied."""
        return replace(self, multiplier=self.multiplier * multiplier)

    @property
    def rates(self) -> "Rates":
        """Return the multiplied rates as plain fractions."""
        scale = self.multiplier
        return Rates(
            self.commission_bps * 1e-4 * scale,
            self.half_spread_bps * 1e-4 * scale,
            self.impact * scale,
            self.borrow_bps * 1e-4 * scale,
        )


class Rates(NamedTuple):
    """Costs as fractions, in the form that compiled code takes."""

    commission: float
    half_spread: float
    impact: float
    borrow: float


class Market(NamedTuple):
    """What the simulated world offers at each bar, arrays of shape (n_times, n_instruments).

    ``price`` is where orders fill (NaN: no trading), ``close`` the last known close, ``volatility``
    and ``volume`` (units a day) are as known before the bar; ``years`` (n_times,) elapsed since the
    bar before; ``tick`` and ``lot`` are (n_instruments,).
    """

    price: Float64
    close: Float64
    is_traded: Float64
    split: Float64
    dividend: Float64
    delisting: Float64
    volatility: Float64
    volume: Float64
    years: Float64
    tick: Float64
    lot: Float64

    @classmethod
    def of(cls, panel: Panel, costs: Costs) -> "Market":
        """Read the world from a panel: fills at the open, or at the close where it has no opens."""
        close, split, dividend = panel.fields["close"], panel.get("split"), panel.get("dividend")
        volatility, volume = conditions(close, split, dividend, panel.get("volume"), costs.assumed_daily_value)
        return cls(
            price=np.where(np.isfinite(close), panel.fields.get("open", close), np.nan),
            close=_carry_raw(close, split),
            is_traded=np.isfinite(close).astype(np.float64),
            split=split,
            dividend=dividend,
            delisting=panel.get("delisting"),
            volatility=volatility,
            volume=volume,
            years=_years(panel.times),
            tick=np.array([instrument.tick_size for instrument in panel.instruments]),
            lot=np.array([instrument.lot_size for instrument in panel.instruments]),
        )

    def since(self, start: int) -> "Market":
        """Return the bars from ``start`` on."""
        # Ticks and lots have no time axis.
        return Market(*(values[start:] if name not in ("tick", "lot") else values for name, values in self._asdict().items()))


def _years(times: Times) -> Float64:
    elapsed = np.diff(times, prepend=times[:1]) / np.timedelta64(1, "D")
    return np.asarray(elapsed / 365.0, dtype=np.float64)


@compiled
def _carry_raw(close: Float64, split: Float64) -> Float64:
    # A split while an instrument is halted divides the price that is carried.
    carried = close.copy()
    for t in range(1, close.shape[0]):
        for i in range(close.shape[1]):
            if np.isnan(carried[t, i]):
                ratio = split[t, i]
                carried[t, i] = carried[t - 1, i] / ratio if ratio > 0.0 else carried[t - 1, i]
    return carried


@compiled
def conditions(
    close: Float64, split: Float64, dividend: Float64, volume: Float64, assumed_daily_value: float
) -> tuple[Float64, Float64]:
    """Compute each bar's volatility (60 bars) and daily units (20 bars), both ending the bar before.

    Direct sums over raw prices, so that a panel cut to ``CONDITIONS_LOOKBACK`` bars gives the same
    bits, whatever was halted, split or paid before it. Where nothing is known the volatility is
    0.02 and the units follow from the assumed daily value; units are those of the bar itself.
    """
    n_times, n_instruments = close.shape
    returns = _direct_returns(close, split, dividend)
    volatility, units = np.full((n_times, n_instruments), 0.02), np.zeros((n_times, n_instruments))
    for t in range(1, n_times):
        for i in range(n_instruments):
            count, total, squares = 0, 0.0, 0.0
            for s in range(max(1, t - 60), t):
                if not np.isnan(returns[s, i]):
                    count += 1
                    total += returns[s, i]
                    squares += returns[s, i] ** 2
            if count >= 20:
                volatility[t, i] = math.sqrt(max(squares / count - (total / count) ** 2, 0.0))
            units[t, i] = _daily_units(close[:, i], split[:, i], volume[:, i], t, assumed_daily_value)
    return volatility, units


@compiled
def _direct_returns(close: Float64, split: Float64, dividend: Float64) -> Float64:
    # From one bar to the next only: a return over a halt is not one bar's, and may start before the window.
    returns = np.full(close.shape, np.nan)
    for s in range(1, close.shape[0]):
        for i in range(close.shape[1]):
            if close[s, i] > 0.0 and close[s - 1, i] > 0.0:
                paid = 0.0 if np.isnan(dividend[s, i]) else dividend[s, i]
                ratio = split[s, i] if split[s, i] > 0.0 else 1.0
                returns[s, i] = math.log((close[s, i] + paid) * ratio / close[s - 1, i])
    return returns


@compiled
def _daily_units(close: Float64, split: Float64, volume: Float64, t: int, assumed_daily_value: float) -> float:
    seen, traded, growth, assumed = 0, 0.0, 1.0, 0.0
    for s in range(t - 1, max(0, t - CONDITIONS_LOOKBACK + 1) - 1, -1):
        # Units of an earlier bar have become this many of today's.
        growth *= split[s + 1] if split[s + 1] > 0.0 else 1.0
        if s >= t - 20 and volume[s] > 0.0:
            seen += 1
            traded += volume[s] * growth
        if assumed == 0.0 and close[s] > 0.0:
            assumed = assumed_daily_value / close[s] * growth
    return traded / seen if seen > 0 else assumed


@compiled
def to_cents(amount: float) -> float:
    """Round to the cent, half to even."""
    return float(np.rint(amount * 100.0) / 100.0)


@compiled
def to_grid(value: float, step: float) -> float:
    """Round to a multiple of a step, half to even."""
    return float(np.rint(value / step) * step)


@compiled
def to_places(units: float) -> float:
    """Round units to the 8 decimal places that orders, positions and the ledger hold, half to even."""
    return float(np.rint(units * 1e8) / 1e8)


@compiled
def units_for(weight: float, equity: float, close: float, lot: float) -> float:
    """Turn a weight into units on the lot grid.

    Loop and kernel sum the same cents in another order, and 1/14 of a sum of cents often stands at
    exactly half a lot. So equity is first rounded to 2**-20, half way between which no cents lie.
    """
    worth = np.rint(max(equity, 0.0) * 1048576.0) / 1048576.0
    return to_grid(weight * worth / close, lot)


@compiled
def fill_price(
    price: float, quantity: float, volatility: float, volume: float, half_spread: float, impact: float, tick: float
) -> float:
    """Move the price against the order by half the spread and the square-root impact, on the tick grid."""
    share = abs(quantity) / volume if volume > 0.0 else 1.0
    move = half_spread + impact * volatility * math.sqrt(min(share, 1.0))
    paid = price * (1.0 + move) if quantity > 0.0 else price * max(1.0 - move, 0.01)
    return max(to_grid(paid, tick), tick)


@compiled
def shorted(proceeds: float, close: float) -> float:
    """Price what a short owes for a delisted unit: never less than its last close.

    Proceeds are often assumed, and an assumed loss must not pay whoever bet on it.
    """
    return proceeds if not close > proceeds else close
