"""Score what a portfolio earned and how well its forecasts were made."""

import math
from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.errors import DataError
from quantdesk.domain.forecast import LEVELS, Forecasts, mean_of, probability_up
from quantdesk.evaluation.outcome import ForecastScores, Performance, Track
from quantdesk.evaluation.significance import newey_west_t

MIN_INSTRUMENTS = 5
"""A cross-section of fewer forecasts has no IC."""

_SECONDS_PER_YEAR = 365.25 * 86_400
_NO_SPREAD = 1e-12


@dataclass(frozen=True, eq=False)
class MonthlyReturns:
    """Hold simple returns by calendar month, compounded from bars; NaN where no bar closed.

    Parameters
    ----------
    years : Ints
        Calendar years (n_years,).
    returns : Float64
        Shape (n_years, 12).
    totals : Float64
        Of each year (n_years,).
    """

    years: Ints
    returns: Float64
    totals: Float64


def performance(track: Track, bars_per_year: float | None = None) -> Performance:
    """Summarise a track.

    The annual return is compounded; Sharpe is the mean over the standard deviation (n - 1) of bar
    returns, Sortino over their root mean square loss, Calmar the annual return over the worst
    drawdown, and the hit rate the share of gains among the bars that moved.

    Parameters
    ----------
    bars_per_year : float, optional
        Inferred from the times by default.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = track.returns
    n_bars = len(returns)
    rate = infer_bars_per_year(track) if bars_per_year is None else bars_per_year
    spread = float(returns.std(ddof=1)) if n_bars > 1 else math.nan
    loss = math.sqrt(float((np.minimum(returns, 0.0) ** 2).mean())) if n_bars else math.nan
    mean = float(returns.mean()) if n_bars else math.nan
    worst = float(drawdown(track.equity).max(initial=0.0))
    growth = _annual_growth(track.equity, rate)
    moved = int((returns != 0).sum())
    return Performance(
        annual_return=growth,
        annual_volatility=spread * math.sqrt(rate),
        sharpe=_ratio(mean, spread) * math.sqrt(rate),
        sortino=_ratio(mean, loss) * math.sqrt(rate),
        calmar=_ratio(growth, worst),
        max_drawdown=worst,
        turnover=_ratio(float(track.turnover.sum()) * rate, n_bars),
        hit_rate=_ratio(int((returns > 0).sum()), moved),
        n_bars=n_bars,
        bars_per_year=rate,
    )


def infer_bars_per_year(track: Track) -> float:
    """Count a track's bars over the years they span; NaN below two bars."""
    if len(track.times) < 2:
        return math.nan
    seconds = (track.times[-1] - track.times[0]) / np.timedelta64(1, "s")
    return _ratio((len(track.times) - 1) * _SECONDS_PER_YEAR, float(seconds))


def drawdown(equity: Float64) -> Float64:
    """Compute the loss since the highest equity so far, as a positive fraction (n_times,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1.0 - equity / np.maximum.accumulate(equity))


def monthly_returns(track: Track) -> MonthlyReturns:
    """Compound bar returns by the calendar month (UTC) in which each bar closed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = 1.0 + track.returns
    months = track.times[1:].astype("datetime64[M]").astype(np.int64)
    years: Ints = np.unique(1970 + months // 12)
    table, totals = np.full((len(years), 12), np.nan), np.full(len(years), np.nan)
    starts = np.flatnonzero(np.diff(months, prepend=months[:1] - 1))
    for month, product in zip(months[starts], np.multiply.reduceat(growth, starts) if len(starts) else (), strict=True):
        row = int(np.searchsorted(years, 1970 + month // 12))
        table[row, month % 12] = product - 1.0
    for row in range(len(years)):
        totals[row] = np.prod(1.0 + table[row][~np.isnan(table[row])]) - 1.0
    return MonthlyReturns(years, table, totals)


def forecast_scores(forecasts: Forecasts, labels: Float64, scale: Float64) -> tuple[ForecastScores, ...]:
    """Score forecasts against what happened, one result a horizon.

    Parameters
    ----------
    labels : Float64
        Log returns (n_times, n_instruments, n_horizons); NaN where not known.
    scale : Float64
        Volatility known at the time (n_times, n_instruments): its terciles, over all samples of
        the horizon, split the coverage of the 90 % interval.

    Raises
    ------
    DataError
        If the shapes do not fit.
    """
    _check(forecasts, labels)
    if scale.shape != labels.shape[:2]:
        raise DataError(f"the scale has shape {scale.shape}", f"{labels.shape[:2]}", "cut it like the labels")
    return tuple(
        _score(int(horizon), forecasts.quantiles[:, :, column], labels[:, :, column], scale)
        for column, horizon in enumerate(forecasts.horizons)
    )


def ic_series(forecasts: Forecasts, labels: Float64, horizon: int) -> Float64:
    """Correlate mean forecast and label over the instruments, at each time (n_times,).

    NaN where fewer than 5 instruments have both, or one of the two does not vary.

    Parameters
    ----------
    horizon : int
        Bars ahead, one of the forecasts' horizons.

    Raises
    ------
    DataError
        If the horizon was not forecast, or the shapes do not fit.
    """
    _check(forecasts, labels)
    if horizon not in forecasts.horizons:
        raise DataError(f"no forecast looks {horizon} bars ahead", f"one of {forecasts.horizons}", "ask for one of these")
    column = forecasts.horizons.index(horizon)
    mean, label, _ = _paired(mean_of(forecasts.quantiles[:, :, column]), labels[:, :, column])
    return _row_correlation(mean, label)


def calibration(forecasts: Forecasts, labels: Float64) -> dict[int, Float64]:
    """Give, for each horizon, the share of labels at or below each forecast quantile (n_levels,).

    A calibrated forecast has shares equal to ``LEVELS``; NaN without samples.

    Raises
    ------
    DataError
        If the shapes do not fit.
    """
    _check(forecasts, labels)
    shares = {}
    for column, horizon in enumerate(forecasts.horizons):
        quantiles, label = forecasts.quantiles[:, :, column], labels[:, :, column]
        known = np.isfinite(label) & np.isfinite(quantiles[..., 0])
        n_below = [int((label <= quantiles[..., level])[known].sum()) for level in range(len(LEVELS))]
        shares[int(horizon)] = np.array(n_below) / known.sum() if known.any() else np.full(len(LEVELS), np.nan)
    return shares


def _check(forecasts: Forecasts, labels: Float64) -> None:
    expected = forecasts.quantiles.shape[:3]
    if labels.shape != expected:
        raise DataError(f"the labels have shape {labels.shape}", f"{expected}, as the forecasts", "align them by time")


def _score(horizon: int, quantiles: Float64, labels: Float64, scale: Float64) -> ForecastScores:
    mean, label, known = _paired(mean_of(quantiles), labels)
    ic = _row_correlation(mean, label)
    rank_ic = _rank_correlation(mean, label)
    flat_mean, flat = mean[known], label[known]
    accuracy, precision, recall, f1 = _direction(_said_up(quantiles, known), flat > 0)
    inside = (flat >= quantiles[..., 0][known]) & (flat <= quantiles[..., -1][known])
    signed = (np.abs(flat_mean) > _NO_SPREAD) & (flat != 0)
    return ForecastScores(
        horizon=horizon,
        n_samples=len(flat),
        ic_mean=_mean(ic[np.isfinite(ic)]),
        ic_t=newey_west_t(ic, 2 * horizon),
        rank_ic_mean=_mean(rank_ic[np.isfinite(rank_ic)]),
        rank_ic_t=newey_west_t(rank_ic, 2 * horizon),
        accuracy=accuracy,
        precision=precision,
        recall=recall,
        f1=f1,
        mae=_mean(np.abs(flat - flat_mean)),
        r2=1.0 - _ratio(float(((flat - flat_mean) ** 2).sum()), float((flat**2).sum())),
        pearson=float(_row_correlation(flat_mean[None], flat[None])[0]),
        sign_accuracy=_mean((np.sign(flat_mean) == np.sign(flat))[signed]),
        interval_coverage=_mean(inside),
        coverage_by_volatility=_by_tercile(inside, scale[known]),
    )


def _paired(mean: Float64, labels: Float64) -> tuple[Float64, Float64, Bools]:
    known = np.isfinite(mean) & np.isfinite(labels)
    return np.where(known, mean, np.nan), np.where(known, labels, np.nan), known


def _row_correlation(left: Float64, right: Float64) -> Float64:
    known = np.isfinite(left)
    count = known.sum(axis=1)
    x, y = np.where(known, left, 0.0), np.where(known, right, 0.0)
    divisor = np.maximum(count, 1)
    x = np.where(known, x - (x.sum(axis=1) / divisor)[:, None], 0.0)
    y = np.where(known, y - (y.sum(axis=1) / divisor)[:, None], 0.0)
    spread_x, spread_y = np.sqrt((x * x).sum(axis=1) / divisor), np.sqrt((y * y).sum(axis=1) / divisor)
    usable = (count >= MIN_INSTRUMENTS) & (spread_x > _NO_SPREAD) & (spread_y > _NO_SPREAD)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(usable, (x * y).sum(axis=1) / divisor / (spread_x * spread_y), np.nan)


def _rank_correlation(left: Float64, right: Float64) -> Float64:
    # A few times after the other: ranking takes many arrays as large as what is ranked.
    n_parts = 1 + len(left) // 128
    pairs = zip(np.array_split(left, n_parts), np.array_split(right, n_parts), strict=True)
    return np.concatenate([_row_correlation(_ranks(one), _ranks(other)) for one, other in pairs])


def _ranks(values: Float64) -> Float64:
    """Rank each row from 0, ties sharing their average; NaN stay NaN."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    position: Ints = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    is_new = np.ones(values.shape, dtype=np.bool_)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    is_last = np.ones(values.shape, dtype=np.bool_)
    is_last[:, :-1] = is_new[:, 1:]
    first = np.maximum.accumulate(np.where(is_new, position, 0), axis=1)
    last = np.minimum.accumulate(np.where(is_last, position, values.shape[1])[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2.0, axis=1)
    return np.where(np.isfinite(values), ranks, np.nan)


def _said_up(quantiles: Float64, known: Bools) -> Bools:
    # Time by time: all that is known at once would be as large as the forecasts.
    said = [probability_up(at_once[here]) > 0.5 for at_once, here in zip(quantiles, known, strict=True)]
    return np.concatenate(said) if said else np.zeros(0, dtype=np.bool_)


def _direction(said: Bools, rose: Bools) -> tuple[float, float, float, float]:
    right = int((said & rose).sum())
    precision, recall = _ratio(right, int(said.sum())), _ratio(right, int(rose.sum()))
    return _mean(said == rose), precision, recall, _ratio(2.0 * right, int(said.sum()) + int(rose.sum()))


def _by_tercile(inside: Bools, scale: Float64) -> tuple[float, float, float]:
    finite = scale[np.isfinite(scale)]
    if not len(finite):
        return math.nan, math.nan, math.nan
    low, high = np.quantile(finite, [1 / 3, 2 / 3])
    middle = (scale > low) & (scale <= high)
    return _mean(inside[scale <= low]), _mean(inside[middle]), _mean(inside[scale > high])


def _annual_growth(equity: Float64, bars_per_year: float) -> float:
    if len(equity) < 2 or not np.isfinite(equity).all():
        return math.nan
    if not (equity > 0).all():
        return -1.0
    with np.errstate(over="ignore"):
        return float(np.expm1(np.log(equity[-1] / equity[0]) * bars_per_year / (len(equity) - 1)))


def _mean(values: Float64 | Bools) -> float:
    return float(values.mean()) if len(values) else math.nan


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if abs(bottom) > _NO_SPREAD else math.nan
