"""Statistics over the whole history, where only the past was known."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars, carry_forward
from quantdesk.evaluation.leaks.plants.ground import feature_plant, lagged, levels_of, returns_of, trailing

WINDOW = 100


def _expanding_mean(values: Float64) -> Float64:
    return np.cumsum(values, axis=0) / np.arange(1, len(values) + 1)[:, None]


def _expanding_score(bars: Bars) -> Float64:
    values = returns_of(bars)
    mean = _expanding_mean(values)
    variance = _expanding_mean(values**2) - mean**2
    return (values - mean) / np.sqrt(np.maximum(variance, 1e-12))


def _whole_score(bars: Bars) -> Float64:
    values = returns_of(bars)
    result: Float64 = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-12)
    return result


def _seeded_average(bars: Bars, is_whole: bool) -> Float64:
    # The seed's weight fades, so that only the early rows show it.
    values = returns_of(bars)
    level = values.mean(axis=0) if is_whole else values[0]
    averages = np.empty_like(values)
    for row in range(len(values)):
        level = 0.98 * level + 0.02 * values[row]
        averages[row] = level
    return averages


def _bins_whole(bars: Bars) -> Float64:
    values = returns_of(bars)
    edges = np.quantile(values, [0.2, 0.4, 0.6, 0.8], axis=0)
    result: Float64 = (values[None] > edges[:, None, :]).sum(axis=0).astype(np.float64)
    return result


def _bins_trailing(bars: Bars) -> Float64:
    def binned(rows: Float64) -> Float64:
        edges = np.quantile(rows, [0.2, 0.4, 0.6, 0.8], axis=-1)
        result: Float64 = (rows[None, ..., -1] > edges).sum(axis=0).astype(np.float64)
        return result

    return trailing(returns_of(bars), WINDOW, binned)


def _clipped_whole(bars: Bars) -> Float64:
    values = returns_of(bars)
    return np.clip(values, np.quantile(values, 0.05, axis=0), np.quantile(values, 0.95, axis=0))


def _clipped_trailing(bars: Bars) -> Float64:
    def clipped(rows: Float64) -> Float64:
        low, high = np.quantile(rows, [0.05, 0.95], axis=-1)
        return np.clip(rows[..., -1], low, high)

    return trailing(returns_of(bars), WINDOW, clipped)


def _detrended(values: Float64) -> Float64:
    # What is left of the last row, along the last axis, after a straight line.
    steps = np.linspace(-1.0, 1.0, values.shape[-1])
    slope = values @ steps / (steps @ steps)
    result: Float64 = values[..., -1] - values.mean(axis=-1) - slope
    return result


def _line_whole(bars: Bars) -> Float64:
    levels = levels_of(bars)
    steps = np.linspace(-1.0, 1.0, len(levels))
    result: Float64 = levels - levels.mean(axis=0) - steps[:, None] * (steps @ levels / (steps @ steps))
    return result


def _standing_whole(bars: Bars) -> Float64:
    values = returns_of(bars)
    return np.argsort(np.argsort(values, axis=0), axis=0) / len(values)


def _beta(returns: Float64, market: Float64) -> Float64:
    # Along the last axis.
    centred = market - market.mean(axis=-1, keepdims=True)
    result: Float64 = (returns * centred).sum(axis=-1) / ((centred**2).sum(axis=-1) + 1e-12)
    return result


def _residual_whole(bars: Bars) -> Float64:
    returns = returns_of(bars)
    market = returns.mean(axis=1)
    result: Float64 = returns - _beta(returns.T, market) * market[:, None]
    return result


def _residual_trailing(bars: Bars) -> Float64:
    returns = returns_of(bars)
    market = np.broadcast_to(returns.mean(axis=1)[:, None], returns.shape)
    stacked = np.concatenate([returns, market], axis=1)
    n = returns.shape[1]
    betas = trailing(stacked, WINDOW, lambda rows: np.concatenate([_beta(rows[:, :n], rows[:, n:])] * 2, axis=1))
    result: Float64 = returns - betas[:, :n] * market
    return result


def _seasonal_whole(bars: Bars) -> Float64:
    returns, weekday = returns_of(bars), bars.times.astype("datetime64[D]").astype(np.int64) % 7
    means = np.stack([returns[weekday == day].mean(axis=0) if (weekday == day).any() else returns[0] * 0 for day in range(7)])
    return means[weekday]


def _seasonal_past(bars: Bars) -> Float64:
    # The mean of the last twenty of the same weekday, in a market that trades five days a week.
    return sum((lagged(returns_of(bars), 5 * week) for week in range(1, 21)), np.zeros(bars.close.shape)) / 20


def _filled_backward(bars: Bars) -> Float64:
    price = np.where(bars.is_traded, bars.close, np.nan)
    return np.log(carry_forward(price[::-1])[::-1] / bars.close)


def _interpolated(bars: Bars) -> Float64:
    price, rows = np.where(bars.is_traded, bars.close, np.nan), np.arange(len(bars.times))
    filled = price.copy()
    for column in range(price.shape[1]):
        known = np.isfinite(price[:, column])
        filled[:, column] = np.interp(rows, rows[known], price[known, column]) if known.any() else np.nan
    return _changes(filled)


def _changes(price: Float64) -> Float64:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(price / lagged(price, 1))


def _late_names_ranked(bars: Bars, is_backward: bool) -> Float64:
    # A rank among all names, those that list or trade later taken at the first price they will have.
    price = np.where(bars.is_traded, bars.close, np.nan)
    filled = carry_forward(carry_forward(price)[::-1])[::-1] if is_backward else carry_forward(price)
    order = np.argsort(np.argsort(np.nan_to_num(filled), axis=1), axis=1)
    result: Float64 = order / max(1, order.shape[1] - 1)
    return result


PLANTS = (
    feature_plant(
        "full-sample z-score",
        "A return is centred and scaled by its whole history; its twin by the history up to the bar.",
        _whole_score,
        _expanding_score,
    ),
    feature_plant(
        "full-sample maximum",
        "A price is divided by its highest of all time, later ones included; its twin by the highest so far.",
        lambda bars: bars.close / np.fmax.reduce(bars.close, axis=0),
        lambda bars: bars.close / np.fmax.accumulate(bars.close, axis=0),
    ),
    feature_plant(
        "average seeded from the future",
        "An exponential mean begins at the mean of the whole history; its twin at the first value.",
        lambda bars: _seeded_average(bars, is_whole=True),
        lambda bars: _seeded_average(bars, is_whole=False),
    ),
    feature_plant(
        "quantile bins over all time",
        "Bins are cut at quantiles of the whole history; those of its twin at quantiles of the last 100 bars.",
        _bins_whole,
        _bins_trailing,
    ),
    feature_plant(
        "outliers cut by future quantiles",
        "Returns are cut at quantiles of the whole history; those of its twin at quantiles of the last 100 bars.",
        _clipped_whole,
        _clipped_trailing,
    ),
    feature_plant(
        "global detrending",
        "A straight line through the whole history is taken off; its twin takes off one through the last 100 bars.",
        _line_whole,
        lambda bars: trailing(levels_of(bars), WINDOW, _detrended),
    ),
    feature_plant(
        "percentile of all time",
        "A return is ranked within the whole history; its twin within the last 100 bars.",
        _standing_whole,
        lambda bars: trailing(returns_of(bars), WINDOW, lambda rows: (rows < rows[..., -1:]).mean(axis=-1)),
    ),
    feature_plant(
        "beta over all rows",
        "A residual uses the beta of the whole history; its twin that of the last 100 bars.",
        _residual_whole,
        _residual_trailing,
    ),
    feature_plant(
        "seasonal means over all years",
        "A weekday's mean return includes later weeks; its twin's the twenty weeks before.",
        _seasonal_whole,
        _seasonal_past,
    ),
    feature_plant(
        "back-fill",
        "A gap takes the first later price; its twin keeps the last one.",
        _filled_backward,
        lambda bars: np.log(carry_forward(np.where(bars.is_traded, bars.close, np.nan)) / lagged(bars.close, 1)),
    ),
    feature_plant(
        "interpolated gaps",
        "A gap is bridged by a line to the next price; its twin keeps the last one.",
        _interpolated,
        lambda bars: _changes(carry_forward(np.where(bars.is_traded, bars.close, np.nan))),
    ),
    feature_plant(
        "rank over names that list later",
        "Names that trade later are ranked at their first later price; its twin ranks at prices known.",
        lambda bars: _late_names_ranked(bars, is_backward=True),
        lambda bars: _late_names_ranked(bars, is_backward=False),
    ),
)
