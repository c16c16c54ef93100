"""How much: from a signal to weights, before limits."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.choices import require_positive, require_whole
from quantdesk.domain.compiled import compiled
from quantdesk.domain.decision import Signal
from quantdesk.domain.forecast import Forecast
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import horizon_of

MIN_RETURNS = 10
"""Returns below which a volatility is not believed."""

LEAST_VOLATILITY = 0.2
"""Share of the median volatility below which none is taken: a price that hardly moves is not safe."""


@dataclass(frozen=True)
class Equal:
    """Give every instrument with an opinion the same weight, in the direction of the signal.

    Parameters
    ----------
    gross : float
        Sum of absolute weights, fraction of net asset value.
    """

    gross: float = 1.0

    def __post_init__(self) -> None:
        require_positive("Equal", gross=self.gross)

    @property
    def lookback(self) -> int:
        """Bars of the panel that it reads, the present one included."""
        return 1

    def weights(self, signal: Signal, forecast: Forecast, panel: Panel) -> Float64:
        """Return signed fractions of net asset value (n_instruments,), 0 without an opinion."""
        direction = np.sign(signal.strength)
        return _scaled(direction, self.gross)


@dataclass(frozen=True)
class VolatilityScaled:
    """Weigh strength by the inverse of trailing volatility, so that each name risks alike.

    Parameters
    ----------
    gross : float
        Sum of absolute weights, fraction of net asset value.
    cap : float
        Largest absolute weight of one name, unless an equal share of the whole panel is larger;
        what it cuts off stays in cash, so that few signals do not make large positions.
    lookback_bars : int
        Returns that the volatility is measured on.
    """

    gross: float = 1.0
    cap: float = 0.25
    lookback_bars: int = 60

    def __post_init__(self) -> None:
        require_positive("VolatilityScaled", gross=self.gross, cap=self.cap)
        require_whole("VolatilityScaled", lookback_bars=self.lookback_bars)

    @property
    def lookback(self) -> int:
        """Bars of the panel that it reads, the present one included."""
        return self.lookback_bars + 1

    def weights(self, signal: Signal, forecast: Forecast, panel: Panel) -> Float64:
        """Return signed fractions of net asset value (n_instruments,), 0 without an opinion or a volatility."""
        volatility = _trailing_volatility(panel, self.lookback_bars)
        known = np.isfinite(volatility)
        raw = np.where(known, signal.strength / np.where(known, volatility, 1.0), 0.0)
        cap = max(self.cap, self.gross / len(raw)) if len(raw) else self.cap
        return np.clip(_scaled(raw, self.gross), -cap, cap)


@dataclass(frozen=True)
class FractionalKelly:
    """Bet a fraction of mean over variance (Kelly 1956; Thorp 2006), where signal and mean agree.

    Parameters
    ----------
    fraction : float
        Share of the full Kelly weight.
    cap : float
        Largest absolute weight of one name.
    horizon : int
        Bars ahead of the forecast that is read.
    gross : float
        Largest sum of absolute weights; beyond it all are scaled down.
    """

    fraction: float = 0.25
    cap: float = 0.1
    horizon: int = 5
    gross: float = 1.0

    def __post_init__(self) -> None:
        require_positive("FractionalKelly", fraction=self.fraction, cap=self.cap, gross=self.gross)
        require_whole("FractionalKelly", horizon=self.horizon)

    @property
    def lookback(self) -> int:
        """Bars of the panel that it reads, the present one included."""
        return 1

    def weights(self, signal: Signal, forecast: Forecast, panel: Panel) -> Float64:
        """Return signed fractions of net asset value (n_instruments,), graded by the signal's strength.

        Raises
        ------
        StrategyError
            If the forecast does not look that far.
        """
        place = horizon_of(forecast, self.horizon)
        mean, variance = forecast.mean[:, place], forecast.volatility[:, place] ** 2
        agreed = (np.sign(mean) == np.sign(signal.strength)) & (variance > 0)
        kelly = np.where(agreed, mean, 0.0) / np.where(agreed, variance, 1.0)
        raw = np.clip(self.fraction * kelly * np.abs(signal.strength), -self.cap, self.cap)
        return _scaled(raw, min(self.gross, float(np.abs(raw).sum())))


def _scaled(raw: Float64, gross: float) -> Float64:
    total = np.abs(raw).sum()
    return raw * (gross / total) if total > 0 else np.zeros(len(raw))


def _trailing_volatility(panel: Panel, lookback_bars: int) -> Float64:
    n_rows = min(len(panel.times), lookback_bars + 1)
    close, split, dividend = (_last(panel, name, n_rows) for name in ("close", "split", "dividend"))
    volatility = _volatility(close, split, dividend)
    measured = volatility > 0
    if not measured.any():
        return np.full(len(volatility), np.nan)
    floor = LEAST_VOLATILITY * np.median(volatility[measured])
    return np.where(measured, np.maximum(volatility, floor), np.nan)


def _last(panel: Panel, name: str, n_rows: int) -> Float64:
    return panel.fields[name][-n_rows:] if name in panel.fields else np.full((n_rows, panel.shape[1]), np.nan)


@compiled
def _volatility(close: Float64, split: Float64, dividend: Float64) -> Float64:
    volatility = np.zeros(close.shape[1])
    returns = np.zeros(len(close))
    for i in range(close.shape[1]):
        n_known = _total_returns(close[:, i], split[:, i], dividend[:, i], returns)
        if n_known >= MIN_RETURNS:
            mean = returns[:n_known].sum() / n_known
            volatility[i] = np.sqrt(((returns[:n_known] - mean) ** 2).sum() / (n_known - 1))
    return volatility


@compiled
def _total_returns(close: Float64, split: Float64, dividend: Float64, returns: Float64) -> int:
    # As in ``Bars``: from one trade to the next, for a bar without one repeats the last close and measures nothing.
    n_known, before, growth, price = 0, np.nan, 1.0, np.nan
    for t in range(len(close)):
        is_traded = np.isfinite(close[t])
        price = close[t] if is_traded else price
        if np.isfinite(split[t]) and split[t] > 0.0:
            growth *= split[t]
        if np.isfinite(dividend[t]) and price > 0.0:
            growth *= 1.0 + dividend[t] / price
        if is_traded:
            if close[t] > 0.0 and before > 0.0:
                returns[n_known] = np.log(close[t] * growth / before)
                n_known += 1
            before, growth = close[t], 1.0
    return n_known
