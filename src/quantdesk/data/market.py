"""Simulate a market whose truth is known: factors, clustered volatility, gaps, and an edge if planted."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints

MOMENTUM_BARS = 20
DAYTIME = 0.7
"""Share of a day's variance, and of its drift, between open and close; the rest is overnight."""

_DRIFT = 0.04 / 252
_MARKET, _SECTOR, _IDIOSYNCRATIC = 0.010, 0.005, 0.015  # volatility a day
_ALPHA, _BETA = 0.07, 0.90  # GARCH(1,1): weight of the last squared return, and of the last variance
_FREEDOM = 5  # of Student's t: fat tails
_SECTOR_LINK = 0.3  # correlation of the sectors' own shocks


@dataclass(frozen=True, eq=False)
class Paths:
    """Hold log total-return levels, 0 at the first open; all (n_times, n_instruments).

    Parameters
    ----------
    open, high, low, close : Float64
        Log levels.
    activity : Float64
        Absolute daytime return over its volatility: what volume follows.
    score : Float64
        Standardised trailing momentum known at each close; NaN where there is none.
    residual : Float64
        Idiosyncratic log return from the next open to the one after it, the span on which an
        edge is planted; NaN in the last two rows.
    """

    open: Float64
    high: Float64
    low: Float64
    close: Float64
    activity: Float64
    score: Float64
    residual: Float64


@dataclass(frozen=True, eq=False)
class _Shocks:
    """Everything random and common, drawn before the walk: day and night, (n_times, n_instruments)."""

    common_day: Float64
    common_night: Float64
    common_variance: Float64
    own_day: Float64
    own_night: Float64
    own_volatility: Float64


def simulate(is_traded: Bools, sectors: Ints, ic: float, seed: int) -> Paths:
    """Walk a market through the days.

    The return from the open after bar t to the next one is, beside market and sector,
    ``ic * score * typical volatility + sqrt(1 - ic**2) * volatility * shock``, which makes the
    correlation over instruments ``ic`` each day; volatility follows GARCH(1,1) (Bollerslev 1986),
    shocks are Student's t. Every expected simple return is the market's drift,
    so that without an edge no rule earns more than another.

    Parameters
    ----------
    is_traded : Bools
        Where a bar exists (n_times, n_instruments): what is seen of a price at a close.
    sectors : Ints
        Sector of each instrument (n_instruments,).
    ic : float
        Correlation planted between score and residual.
    seed : int
        The same seed gives the same bits.
    """
    shocks = _draw(is_traded.shape, sectors, seed)
    opens, closes, variance = (np.empty(is_traded.shape) for _ in range(3))
    score, own = np.full(is_traded.shape, np.nan), np.empty(is_traded.shape)
    seen = np.zeros(is_traded.shape)
    level, lean = np.zeros(is_traded.shape[1]), np.zeros(is_traded.shape[1])
    own_variance = shocks.own_volatility**2
    for day in range(len(is_traded)):
        volatility = np.sqrt(own_variance)
        variance[day] = shocks.common_variance[day] + own_variance
        edge = ic * lean * _typical(volatility, lean)
        drift = _DRIFT - variance[day] / 2 + edge
        shock_day, shock_night = (volatility * np.sqrt(1 - ic**2) * drawn[day] for drawn in (shocks.own_day, shocks.own_night))
        opens[day] = level
        closes[day] = level + DAYTIME * drift + shock_day + shocks.common_day[day]
        level = closes[day] + (1 - DAYTIME) * drift + shock_night + shocks.common_night[day]
        own[day] = edge + shock_day + shock_night
        own_variance = _next_variance(own_variance, own[day], shocks.own_volatility)
        seen[day] = np.where(is_traded[day], closes[day], seen[day - 1] if day else 0.0)
        score[day] = _score(seen, is_traded, day)
        lean = np.nan_to_num(score[day])
    return _paths(opens, closes, variance, score, own, seed)


def _draw(shape: tuple[int, ...], sectors: Ints, seed: int) -> _Shocks:
    generator = np.random.default_rng([seed, 1])
    beta = generator.uniform(0.8, 1.2, shape[1])
    market = _student(generator, (2, shape[0]))
    shared, apart = _student(generator, (2, shape[0], 1)), _student(generator, (2, shape[0], int(sectors.max()) + 1))
    sector = (np.sqrt(_SECTOR_LINK) * shared + np.sqrt(1 - _SECTOR_LINK) * apart)[:, :, sectors]
    own = _student(generator, (2, *shape))
    share = np.sqrt(np.array([DAYTIME, 1 - DAYTIME]))
    volatility = _market_volatility(share @ market)
    common = share[:, None, None] * (beta * (volatility * market)[:, :, None] + _SECTOR * sector)
    return _Shocks(
        common_day=common[0],
        common_night=common[1],
        common_variance=(volatility[:, None] * beta) ** 2 + _SECTOR**2,
        own_day=share[0] * own[0],
        own_night=share[1] * own[1],
        own_volatility=_IDIOSYNCRATIC * np.exp(generator.normal(0.0, 0.2, shape[1])),
    )


def _student(generator: np.random.Generator, shape: tuple[int, ...]) -> Float64:
    # Unit variance; cut far out, so that expected simple returns exist.
    drawn: Float64 = generator.standard_t(_FREEDOM, shape)
    shocks: Float64 = np.clip(drawn * np.sqrt(1 - 2 / _FREEDOM), -8.0, 8.0)
    return shocks


def _market_volatility(shocks: Float64) -> Float64:
    volatility = np.empty(len(shocks))
    variance = np.array([_MARKET**2])
    for day, shock in enumerate(shocks):
        volatility[day] = np.sqrt(variance[0])
        variance = _next_variance(variance, volatility[day] * shock, np.array([_MARKET]))
    return volatility


def _next_variance(variance: Float64, shock: Float64, volatility: Float64) -> Float64:
    longrun = volatility**2
    return np.minimum((1 - _ALPHA - _BETA) * longrun + _ALPHA * shock**2 + _BETA * variance, 16 * longrun)


def _typical(volatility: Float64, lean: Float64) -> float:
    is_held = lean != 0.0
    return float(np.sqrt(np.mean(volatility[is_held] ** 2))) if is_held.any() else 0.0


def _score(seen: Float64, is_traded: Bools, day: int) -> Float64:
    score = np.full(seen.shape[1], np.nan)
    if day < MOMENTUM_BARS:
        return score
    # Listed twenty bars ago, not yet gone; an instrument on halt keeps its last price.
    is_held = is_traded[: day - MOMENTUM_BARS + 1].any(axis=0) & is_traded[day:].any(axis=0)
    momentum = (seen[day] - seen[day - MOMENTUM_BARS])[is_held]
    if len(momentum) < 2:
        return score
    clipped = np.clip((momentum - momentum.mean()) / momentum.std(), -2.0, 2.0)
    score[is_held] = (clipped - clipped.mean()) / clipped.std()
    return score


def _paths(opens: Float64, closes: Float64, variance: Float64, score: Float64, own: Float64, seed: int) -> Paths:
    change, daytime = closes - opens, DAYTIME * variance
    uniform = 1.0 - np.random.default_rng([seed, 2]).random((2, *opens.shape))
    # Extremes of a Brownian bridge between open and close, by inversion of their distribution.
    up, down = (np.sqrt(change**2 - 2 * daytime * np.log(drawn)) for drawn in uniform)
    residual = np.full(own.shape, np.nan)
    residual[:-2] = own[1:-1]
    return Paths(
        open=opens,
        high=opens + (change + up) / 2,
        low=opens + (change - down) / 2,
        close=closes,
        activity=np.abs(change) / np.sqrt(daytime),
        score=score,
        residual=residual,
    )
