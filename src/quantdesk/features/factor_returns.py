"""What each factor earned, bar by bar: returns regressed on the exposures of the bar before; and which leads."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints, Times
from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.features.factors import Exposures
from quantdesk.features.windows import window_mean

Weighting = Literal["root size", "equal"]

MARKET = "market"
"""The factor that every instrument leans to by one: the regression's constant."""


@dataclass(frozen=True, eq=False)
class FactorReturns:
    """Hold what the market and each factor earned at each bar.

    Parameters
    ----------
    times : Times
        Bar closes (n_times,): when the return was complete.
    names : tuple of str
        ``market`` first, then the factors.
    values : Float64
        Simple return a bar of one standard deviation of exposure (n_times, n_factors + 1); NaN
        where too few instruments had exposures the bar before.
    specific : Float64
        What is left of each instrument's simple return (n_times, n_instruments).
    explained : Float64
        Share of the weighted spread across instruments that the factors explain (n_times,).
    weighting : Weighting
        How the instruments were weighted.
    """

    times: Times
    names: tuple[str, ...]
    values: Float64
    specific: Float64
    explained: Float64
    weighting: Weighting


def factor_returns(panel: Panel, known: Exposures, weighting: Weighting | None = None) -> FactorReturns:
    """Regress each bar's returns across the instruments on their exposures of the bar before.

    ``r[t] = market[t] + sum over factors of exposure[t - 1] * factor[t] + specific[t]``, by
    weighted least squares, with weights known at t - 1. An exposure at a bar thus explains the
    return after it and never its own. Only instruments with every exposure enter, and a bar needs
    twice as many of them as there are coefficients.

    Parameters
    ----------
    panel : Panel
        The panel that the exposures were computed from.
    known : Exposures
        What each instrument leant to.
    weighting : Weighting, optional
        ``root size``: by the square root of the mean value traded, the usual stand-in for the
        inverse of specific variance (Menchero, Orr & Wang 2011); ``equal``. By default the first
        where the data has volume, else the second.

    Returns
    -------
    FactorReturns
        Rows as the panel's; the first is NaN.

    Raises
    ------
    DataError
        If sizes are asked for and the data has no volume.
    """
    has_size = bool(np.isfinite(known.size).any())
    if weighting == "root size" and not has_size:
        raise DataError(f"{panel.name!r} has no volume to weight by", "volume", "weight equally, or add the volume")
    chosen: Weighting = weighting or ("root size" if has_size else "equal")
    earned = _simple_returns(panel)[1:]
    leant = np.concatenate([np.ones((*earned.shape, 1)), known.values[:-1]], axis=-1)
    weights = np.sqrt(known.size[:-1]) if chosen == "root size" else np.ones(earned.shape)
    is_used: Bools = np.isfinite(earned) & np.isfinite(leant).all(axis=-1) & (weights > 0)
    values, specific, explained = _regress(earned, leant, np.where(is_used, weights, 0.0))
    return FactorReturns(
        times=panel.times,
        names=(MARKET, *known.names),
        values=_after_nothing(values),
        specific=_after_nothing(specific),
        explained=_after_nothing(explained),
        weighting=chosen,
    )


def equal_weight_market(panel: Panel) -> Float64:
    """Average the simple total returns of the instruments traded on this bar and the one before (n_times,)."""
    earned = _simple_returns(panel)
    count: Ints = np.isfinite(earned).sum(axis=1)
    return np.where(count > 0, np.nansum(earned, axis=1) / np.maximum(count, 1), np.nan)


def rotation(earned: FactorReturns, window: int = 63) -> tuple[Float64, tuple[str, ...]]:
    """Tell what each factor earned lately, and which leads.

    Parameters
    ----------
    earned : FactorReturns
        Returns of the market and the factors.
    window : int
        Bars averaged, the present one included.

    Returns
    -------
    means : Float64
        Mean simple return a bar (n_times, n_factors), the market left out; NaN where one is missing.
    leaders : tuple of str
        The factor with the highest mean at each bar (n_times,), empty where none is known.
    """
    means = window_mean(earned.values[:, 1:], window)
    best = np.argmax(np.where(np.isfinite(means), means, -np.inf), axis=1)
    is_known: Bools = np.asarray(np.isfinite(means).any(axis=1))
    return means, tuple(earned.names[1 + column] if known else "" for column, known in zip(best, is_known, strict=True))


def _simple_returns(panel: Panel) -> Float64:
    bars = Bars.of(panel)
    is_known = bars.is_traded.copy()
    is_known[1:] &= bars.is_traded[:-1]
    return np.where(is_known, np.expm1(bars.returns), np.nan)


def _regress(earned: Float64, leant: Float64, weights: Float64) -> tuple[Float64, Float64, Float64]:
    # One small system of normal equations a bar, solved together. The pseudo-inverse lets two
    # exposures that coincide share a return instead of failing.
    is_used = weights > 0
    leant, seen = np.where(is_used[:, :, None], leant, 0.0), np.where(is_used, earned, 0.0)
    weighted = leant * weights[:, :, None]
    inverse = np.linalg.pinv(np.swapaxes(weighted, 1, 2) @ leant, hermitian=True)
    values = (inverse @ (np.swapaxes(weighted, 1, 2) @ seen[:, :, None]))[:, :, 0]
    values[is_used.sum(axis=1) < 2 * leant.shape[-1]] = np.nan
    left = seen - (leant @ values[:, :, None])[:, :, 0]
    mass = np.maximum(weights.sum(axis=1), 1e-300)
    mean = (weights * seen).sum(axis=1) / mass
    spread = (weights * (seen - mean[:, None]) ** 2).sum(axis=1)
    explained = 1.0 - (weights * left**2).sum(axis=1) / np.where(spread > 0, spread, np.nan)
    return values, np.where(is_used, left, np.nan), explained


def _after_nothing(values: Float64) -> Float64:
    return np.concatenate([np.full((1, *values.shape[1:]), np.nan), values])
