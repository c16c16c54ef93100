"""Simulate a market with a real one's volatility and correlation, fitted by GARCH, and no edge."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.placebo.twin import LEAST_MOVES, Moves, betas_of, built, drift_of, fair, mean_of

FREEDOM = 5
"""Degrees of freedom of the shocks' Student's t: GARCH alone leaves daily returns too few extremes."""

_MOST_PERSISTENT = 0.998
_FURTHEST = 8.0  # standard deviations at which a shock is cut
_MOST_FITTED = 100  # instruments that the pooled fit reads


@dataclass(frozen=True)
class Garch:
    """Hold a GARCH(1,1) of unit variance: ``h' = 1 - alpha - beta + alpha x**2 + beta h`` (Bollerslev 1986)."""

    alpha: float
    beta: float


def fit(returns: Float64) -> Garch:
    """Estimate one GARCH(1,1) for all columns by Gaussian quasi-maximum likelihood.

    Each column is scaled to unit variance first (variance targeting, Francq, Horváth & Zakoïan 2011).
    The estimate is consistent whatever the shocks' distribution.

    Parameters
    ----------
    returns : Float64
        Deviations from the mean (n_times, n_columns); NaN are passed over.

    Raises
    ------
    DataError
        If fewer than 20 returns are known.
    """
    from scipy.optimize import minimize

    def loss(at: Float64) -> float:
        return float(_loss(scaled, *_weights(at)))

    n_known = int(np.isfinite(returns).sum())
    if n_known < LEAST_MOVES:
        raise DataError(f"a GARCH of {n_known} returns", f"{LEAST_MOVES} or more", "bring a longer history")
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = returns / _deviations(returns)
    found = minimize(loss, np.array([3.0, -2.0]), method="Nelder-Mead")
    return Garch(*_weights(found.x))


def garch_market(panel: Panel, seed: int) -> Panel:
    """Simulate a twin of a market from a GARCH of its mean return and one of what is left of each instrument.

    The log return of a bar is beta times the market's plus the instrument's own. The market follows a GARCH(1,1)
    of its own; instruments share one (alpha, beta) and each has its own variance. Shocks are
    Student's t with 5 degrees of freedom, because GARCH with normal shocks makes too few extremes; they are cut
    at 8 standard deviations. Night and day get shocks of their own, in the share of variance that they have in the panel;
    highs and lows are those of a Brownian bridge.

    Kept: the calendar, each instrument's variance and beta, spells of volatility in the market and in
    each instrument, value traded at its times, the mean return of the market, facts at their times. All else is
    destroyed: correlation beyond the market's, and everything that the past tells about direction: shocks
    are symmetric and independent, so every expected simple return is beta times the market's mean.

    Parameters
    ----------
    panel : Panel
        The market whose volatility is copied.
    seed : int
        The same seed gives the same twin.

    Raises
    ------
    DataError
        If there are too few bars to fit.
    """
    random, moves = np.random.default_rng(seed), Moves.of(panel)
    returns = moves.total
    common = mean_of(returns)
    market = (common - common.mean())[:, None]
    betas = betas_of(returns, common)
    own = returns - betas * common[:, None]
    own = own - np.nanmean(np.where(np.isfinite(own).any(axis=0), own, 0.0), axis=0)
    share = _night_share(moves)
    shared = _simulated(fit(market), market.std(axis=0), share, len(market), random)
    pooled = fit(own[:, :: -(-own.shape[1] // _MOST_FITTED)])
    apart = _simulated(pooled, _deviations(own), share, len(market), random)
    night, day = (betas * shared[part] + apart[part] for part in (0, 1))
    variance = (1.0 - share) * ((betas * shared[2]) ** 2 + apart[2] ** 2)
    up, down = _wicks(fair(day), variance, random)
    twin = Moves(fair(night), fair(day), up, down, panel.fields["close"] * panel.get("volume"))
    return built(panel, twin, drift_of(moves), random, f"{panel.name}, GARCH {seed}")


def _weights(at: Float64) -> tuple[float, float]:
    # Any two numbers give alpha and beta above 0 with a sum below 1.
    persistence, part = 1.0 / (1.0 + np.exp(-at))
    persistence *= _MOST_PERSISTENT
    return float(persistence * part), float(persistence * (1.0 - part))


@compiled
def _loss(scaled: Float64, alpha: float, beta: float) -> float:
    total, count = 0.0, 0
    for column in range(scaled.shape[1]):
        variance = 1.0
        for t in range(scaled.shape[0]):
            value = scaled[t, column]
            if np.isnan(value):
                # What is not seen is as large as expected.
                variance = 1.0 - alpha - beta + (alpha + beta) * variance
                continue
            total += np.log(variance) + value * value / variance
            count += 1
            variance = 1.0 - alpha - beta + alpha * value * value + beta * variance
    return total / count


def _simulated(
    garch: Garch, deviations: Float64, share: float, n_times: int, random: np.random.Generator
) -> tuple[Float64, Float64, Float64]:
    # Night moves, day moves and volatility, each (n_times, n_columns).
    drawn = random.standard_t(FREEDOM, (2, n_times, len(deviations))) * np.sqrt(1.0 - 2.0 / FREEDOM)
    shocks = np.clip(drawn, -_FURTHEST, _FURTHEST) * np.sqrt([share, 1.0 - share])[:, None, None]
    volatility = _volatility(shocks.sum(axis=0), garch.alpha, garch.beta) * deviations
    return shocks[0] * volatility, shocks[1] * volatility, volatility


@compiled
def _volatility(shocks: Float64, alpha: float, beta: float) -> Float64:
    volatility = np.ones(shocks.shape)
    for t in range(1, shocks.shape[0]):
        for column in range(shocks.shape[1]):
            before = volatility[t - 1, column] ** 2
            squared = before * shocks[t - 1, column] ** 2
            volatility[t, column] = np.sqrt(1.0 - alpha - beta + alpha * squared + beta * before)
    return volatility


def _deviations(own: Float64) -> Float64:
    known = np.isfinite(own)
    squares = np.where(known, own, 0.0) ** 2
    count = known.sum(axis=0)
    deviation = np.sqrt(squares.sum(axis=0) / np.maximum(count, 1))
    usable = count >= LEAST_MOVES
    typical = float(np.median(deviation[usable])) if usable.any() else 0.0
    return np.where(usable, deviation, typical)


def _night_share(moves: Moves) -> float:
    night, day = float(np.nansum(moves.night**2)), float(np.nansum(moves.day**2))
    return night / (night + day) if night + day > 0 else 0.0


def _wicks(day: Float64, variance: Float64, random: np.random.Generator) -> tuple[Float64, Float64]:
    # Extremes of a Brownian bridge from open to close, by inversion of their distribution.
    uniform = 1.0 - random.random((2, *day.shape))
    reach = (np.sqrt(day**2 - 2.0 * variance * np.log(uniform)) - np.abs(day)) / 2.0
    return reach[0], reach[1]
