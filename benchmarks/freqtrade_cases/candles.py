"""Windows that reach ahead and statistics over the whole table, on nothing but candles."""

import numpy as np
import pandas as pd

from freqtrade_cases.case import Frame, Values, levels, on_candles, opens_at, returns, values

WINDOW, LONG, WEIGHT = 11, 100, 0.2


def _savitzky_golay(candles: Frame, position: int) -> Values:
    from scipy.signal import savgol_coeffs

    weights = savgol_coeffs(WINDOW, 2, pos=position, use="dot")
    fitted = levels(candles).rolling(WINDOW).apply(lambda rows: float(rows @ weights), raw=True)
    return values(levels(candles) - fitted.shift(position - WINDOW + 1))


def _one_way(series: "pd.Series[float]") -> "pd.Series[float]":
    return series.ewm(alpha=WEIGHT, adjust=False).mean()


def _zero_phase(candles: Frame) -> Values:
    return values(levels(candles) - _one_way(_one_way(levels(candles))[::-1])[::-1])


def _slow(rows: Values) -> Values:
    # Keep the slowest tenth of the frequencies.
    spectrum = np.fft.rfft(rows)
    spectrum[len(spectrum) // 10 :] = 0.0
    return np.fft.irfft(spectrum, n=len(rows))


def _fourier_trailing(candles: Frame) -> Values:
    return values(levels(candles) - levels(candles).rolling(64).apply(lambda rows: float(_slow(rows)[-1]), raw=True))


def _blocks(candles: Frame) -> Values:
    return values(returns(candles).groupby(np.arange(len(candles)) // 8).transform("mean"))


def _kalman_smoothed(candles: Frame) -> Values:
    level = values(_one_way(levels(candles))).copy()
    for row in range(len(level) - 2, -1, -1):
        level[row] += (1.0 - WEIGHT) * (level[row + 1] - level[row])
    return values(levels(candles)) - level


def _regimes(candles: Frame, is_smoothed: bool) -> Values:
    # The chance of the wild of two regimes, each staying with 95 %.
    calm, wild = (np.exp(-0.5 * (values(returns(candles)) / width) ** 2) / width for width in (0.004, 0.008))
    states, chance = np.empty(len(calm)), 0.5
    for row in range(len(calm)):
        before = 0.95 * chance + 0.05 * (1.0 - chance)
        states[row] = chance = before * wild[row] / (before * wild[row] + (1.0 - before) * calm[row] + 1e-300)
    for row in range(len(states) - 2, -1, -1) if is_smoothed else ():
        before = 0.95 * states[row] + 0.05 * (1.0 - states[row])
        after = 0.95 / before * states[row + 1] + 0.05 / (1.0 - before + 1e-12) * (1.0 - states[row + 1])
        states[row] *= after
    return states


def _pivots(candles: Frame, confirmed: int) -> Values:
    level = levels(candles)
    return values((level.rolling(WINDOW, center=True).min() == level).astype(float).shift(confirmed))


def _score(series: "pd.Series[float]") -> Values:
    return values((series - series.mean()) / series.std())


def _score_so_far(series: "pd.Series[float]") -> Values:
    return values((series - series.expanding().mean()) / series.expanding().std())


def _seeded(candles: Frame, is_whole: bool) -> Values:
    change = values(returns(candles))
    level = float(change.mean() if is_whole else change[0])
    averages = np.empty(len(change))
    for row in range(len(change)):
        level = averages[row] = 0.98 * level + 0.02 * change[row]
    return averages


def _bin(row: float, rows: Values) -> float:
    return float(np.searchsorted(np.quantile(rows, [0.2, 0.4, 0.6, 0.8]), row))


def _bins_whole(candles: Frame) -> Values:
    change = values(returns(candles))
    return np.searchsorted(np.quantile(change, [0.2, 0.4, 0.6, 0.8]), change).astype(np.float64)


def _bins_trailing(candles: Frame) -> Values:
    return values(returns(candles).rolling(LONG).apply(lambda rows: _bin(rows[-1], rows), raw=True))


def _cut_whole(candles: Frame) -> Values:
    change = returns(candles)
    return values(change.clip(float(change.quantile(0.05)), float(change.quantile(0.95))))


def _cut_trailing(candles: Frame) -> Values:
    change = returns(candles)
    return values(change.clip(change.rolling(LONG).quantile(0.05), change.rolling(LONG).quantile(0.95)))


def _off_line(rows: Values) -> Values:
    steps = np.arange(len(rows), dtype=np.float64)
    return rows - np.polyval(np.polyfit(steps, rows, 1), steps)


def _off_line_trailing(candles: Frame) -> Values:
    return values(levels(candles).rolling(LONG).apply(lambda rows: float(_off_line(rows)[-1]), raw=True))


def _hours(candles: Frame) -> Values:
    return opens_at(candles).astype("datetime64[h]").astype(np.float64) % 24


def _seasonal_past(candles: Frame) -> Values:
    return values(returns(candles).groupby(_hours(candles)).transform(lambda group: group.shift(1).expanding().mean()))


def _traded(candles: Frame) -> "pd.Series[float]":
    # Candles without volume repeat the last price; here they count as gaps.
    return levels(candles).where(candles["volume"] > 0)


CASES = (
    on_candles("shift(-1)", lambda d: values(returns(d).shift(-1)), lambda d: values(returns(d).shift(1))),
    on_candles("negative difference", lambda d: values(levels(d).diff(-5)), lambda d: values(levels(d).diff(5))),
    on_candles(
        "centred rolling mean",
        lambda d: values(levels(d) - levels(d).rolling(WINDOW, center=True).mean()),
        lambda d: values(levels(d) - levels(d).rolling(WINDOW).mean()),
    ),
    on_candles("roll that wraps", lambda d: np.roll(values(returns(d)), 1), lambda d: values(returns(d).shift(1))),
    on_candles("central gradient", lambda d: np.gradient(values(levels(d))), lambda d: values(levels(d).diff())),
    on_candles("Savitzky-Golay", lambda d: _savitzky_golay(d, WINDOW // 2), lambda d: _savitzky_golay(d, WINDOW - 1)),
    on_candles("zero-phase filter", _zero_phase, lambda d: values(levels(d) - _one_way(levels(d)))),
    on_candles("Fourier denoising", lambda d: values(levels(d)) - _slow(values(levels(d))), _fourier_trailing),
    on_candles("wavelet denoising", _blocks, lambda d: values(returns(d).rolling(8).mean())),
    on_candles("Kalman smoother", _kalman_smoothed, lambda d: values(levels(d) - _one_way(levels(d)))),
    on_candles("hidden Markov smoothing", lambda d: _regimes(d, True), lambda d: _regimes(d, False)),
    on_candles("unconfirmed pivots", lambda d: _pivots(d, 0), lambda d: _pivots(d, WINDOW // 2)),
    on_candles("full-sample z-score", lambda d: _score(returns(d)), lambda d: _score_so_far(returns(d))),
    on_candles(
        "full-sample maximum",
        lambda d: values(d["close"] / d["close"].max()),
        lambda d: values(d["close"] / d["close"].cummax()),
    ),
    on_candles("average seeded from the future", lambda d: _seeded(d, True), lambda d: _seeded(d, False)),
    on_candles("quantile bins over all time", _bins_whole, _bins_trailing),
    on_candles("outliers cut by future quantiles", _cut_whole, _cut_trailing),
    on_candles("global detrending", lambda d: _off_line(values(levels(d))), _off_line_trailing),
    on_candles(
        "percentile of all time",
        lambda d: values(returns(d).rank(pct=True)),
        lambda d: values(returns(d).rolling(LONG).rank(pct=True)),
    ),
    on_candles(
        "seasonal means over all years",
        lambda d: values(returns(d).groupby(_hours(d)).transform("mean")),
        _seasonal_past,
    ),
    on_candles(
        "back-fill", lambda d: values(_traded(d).bfill() - levels(d)), lambda d: values(_traded(d).ffill() - levels(d).shift(1))
    ),
    on_candles(
        "interpolated gaps",
        lambda d: values(_traded(d).interpolate().diff()),
        lambda d: values(_traded(d).ffill().diff()),
    ),
    on_candles(
        "forecasts centred over the batch",
        lambda d: values(returns(d).ewm(span=5).mean() - returns(d).ewm(span=5).mean().mean()),
        lambda d: values(returns(d).ewm(span=5).mean()),
    ),
    on_candles(
        "error known too early",
        lambda d: values(0.9 * returns(d) + 0.1 * returns(d).shift(-1)),
        lambda d: values(0.9 * returns(d) + 0.1 * returns(d).shift(1)),
    ),
    on_candles(
        "forecasts smoothed on both sides",
        lambda d: values(returns(d).rolling(3, center=True).mean()),
        lambda d: values(returns(d).rolling(3).mean()),
    ),
    on_candles(
        "target among the features",
        lambda d: values(np.log(d["open"]).diff(5).shift(-6)),
        lambda d: values(np.log(d["open"]).diff(5)),
    ),
    on_candles(
        "constant tuned on the whole history",
        lambda d: values(returns(d) / (returns(d).std() + returns(d).abs().rolling(20).mean())),
        lambda d: values(returns(d) / (returns(d)[:LONG].std() + returns(d).abs().rolling(20).mean())),
    ),
)
