"""Five factors: how far each instrument leans to momentum, value, quality, volatility and liquidity."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.bars import Bars, carry_forward, unit_growth
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.features.columns import close, lagged, logarithm, returns
from quantdesk.features.evaluate import Formula
from quantdesk.features.facts import QUARTER, fact, over
from quantdesk.features.momentum import skipped_momentum
from quantdesk.features.volatility import volatility
from quantdesk.features.windows import window_ema

WINSOR = 3.0
"""Standard deviations at which an exposure is cut."""

MIN_INSTRUMENTS = 5
"""Instruments with a value below which no mean of a bar is taken."""


@dataclass(frozen=True, eq=False)
class Exposures:
    """Hold how far each instrument leans to each factor, as known at each bar.

    Parameters
    ----------
    names : tuple of str
        Factors, in the order of the last axis.
    values : Float64
        Standard deviations from the mean of the instruments traded at the bar
        (n_times, n_instruments, n_factors); NaN where not known.
    size : Float64
        Mean value traded a bar, in account currency (n_times, n_instruments): the weight of an
        instrument in a regression. All NaN where the data has no volume.
    left_out : tuple of str
        The factors the data cannot give, each with what it lacks.
    """

    names: tuple[str, ...]
    values: Float64
    size: Float64
    left_out: tuple[str, ...]


def exposures(panel: Panel) -> Exposures:
    """Compute the exposures that a panel can give.

    * momentum: log return from 252 to 21 bars ago (Jegadeesh & Titman 1993);
    * value: earnings of the last four quarters over price (needs ``eps_reported``);
    * quality: net margin (needs ``net_income`` and ``revenue``), averaged with low accruals where
      ``operating_cash_flow`` and ``total_assets`` are there too (Sloan 1996);
    * volatility: logarithm of the standard deviation of 60 log returns;
    * liquidity: minus the logarithm of Amihud's (2002) illiquidity over 60 bars (needs ``volume``).

    Each is standardised across the instruments, cut at three standard deviations, and
    standardised again.

    Parameters
    ----------
    panel : Panel
        Raw prices, events and facts.

    Returns
    -------
    Exposures
        Of the factors that can be computed; those left out are named with what they lack.

    Raises
    ------
    DataError
        If the panel holds fewer than five instruments: there is nothing to stand out from.
    """
    if panel.shape[1] < MIN_INSTRUMENTS:
        raise DataError(
            f"factors of {panel.shape[1]} instruments", f"{MIN_INSTRUMENTS} or more", "choose data with more instruments"
        )
    bars = Bars.of(panel)
    known = {name: make(panel, bars) for name, (needs, make) in _FACTORS.items() if set(needs) <= set(panel.fields)}
    lacking = {name: [need for need in needs if need not in panel.fields] for name, (needs, _) in _FACTORS.items()}
    return Exposures(
        names=tuple(known),
        values=np.stack([standardised(values, bars.is_traded) for values in known.values()], axis=-1),
        size=_mean(traded_value(panel), QUARTER),
        left_out=tuple(f"{name}: the data has no {', '.join(needs)}" for name, needs in lacking.items() if needs),
    )


def standardised(values: Float64, is_traded: Bools) -> Float64:
    """Express values in standard deviations from each bar's mean, cut at three; shapes (n_times, n_instruments).

    NaN where a value is missing, the instrument did not trade, or fewer than five have a value.
    """
    scores = _z(np.where(is_traded, values, np.nan))
    return _z(np.clip(scores, -WINSOR, WINSOR))


def traded_value(panel: Panel) -> Float64:
    """Multiply raw close and volume: account currency a bar (n_times, n_instruments), NaN without either."""
    return np.multiply(panel.fields["close"], panel.get("volume"))


def _z(values: Float64) -> Float64:
    is_known = np.isfinite(values)
    count: Ints = is_known.sum(axis=1, keepdims=True)
    n = np.maximum(count, 1)
    centred = np.where(is_known, values - np.where(is_known, values, 0.0).sum(axis=1, keepdims=True) / n, 0.0)
    spread = np.sqrt((centred**2).sum(axis=1, keepdims=True) / n)
    is_spread = is_known & (count >= MIN_INSTRUMENTS) & (spread > 1e-12)
    return np.where(is_spread, centred / np.where(spread > 1e-12, spread, 1.0), np.nan)


def _mean(values: Float64, window: int) -> Float64:
    return window_ema(values, window, 0.0, 3 * window // 4)


def _momentum(_: Panel, bars: Bars) -> Float64:
    return Formula(skipped_momentum(252, 21))(bars)


def _value(panel: Panel, bars: Bars) -> Float64:
    # What each of the last four quarters showed, in the units of the bar; a report that came late
    # or early may be counted twice or not at all.
    growth, earned = unit_growth(panel), fact(bars, "eps_reported")
    total = np.sum([lagged(earned * growth, quarters * QUARTER) for quarters in range(4)], axis=0)
    return over(total / growth, carry_forward(panel.fields["close"]))


def _quality(_: Panel, bars: Bars) -> Float64:
    margin = np.clip(over(fact(bars, "net_income"), fact(bars, "revenue")), -1.0, 1.0)
    accruals = over(fact(bars, "net_income") - fact(bars, "operating_cash_flow"), fact(bars, "total_assets"))
    scores = np.stack([standardised(margin, bars.is_traded), standardised(-accruals, bars.is_traded)])
    count = np.isfinite(scores).sum(axis=0)
    return np.where(count > 0, np.nansum(scores, axis=0) / np.maximum(count, 1), np.nan)


def _volatility(_: Panel, bars: Bars) -> Float64:
    return logarithm(Formula(volatility(60))(bars))


def _liquidity(panel: Panel, bars: Bars) -> Float64:
    value = traded_value(panel)
    impact = np.where(np.isfinite(close(bars)), np.abs(returns(bars)), np.nan) / np.where(value > 0, value, np.nan)
    return -logarithm(_mean(impact, 60))


_FACTORS: dict[str, tuple[tuple[str, ...], Callable[[Panel, Bars], Float64]]] = {
    "momentum": (("close",), _momentum),
    "value": (("close", "eps_reported"), _value),
    "quality": (("close", "net_income", "revenue"), _quality),
    "volatility": (("close",), _volatility),
    "liquidity": (("close", "volume"), _liquidity),
}
