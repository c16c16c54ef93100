"""Windows, shifts and filters that reach into the future."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.evaluation.leaks.plants.ground import feature_plant, lagged, levels_of, returns_of, trailing

WINDOW = 11
_COEFFICIENT = 0.2


def _moving_mean(bars: Bars) -> Float64:
    return levels_of(bars) - trailing(levels_of(bars), WINDOW, lambda rows: rows.mean(axis=-1))


def _centred_mean(bars: Bars) -> Float64:
    mean = trailing(levels_of(bars), WINDOW, lambda rows: rows.mean(axis=-1))
    return levels_of(bars) - lagged(mean, -(WINDOW // 2))


def _rolled(bars: Bars) -> Float64:
    return np.roll(returns_of(bars), 1, axis=0)


def _gradient(bars: Bars) -> Float64:
    slope: Float64 = np.gradient(levels_of(bars), axis=0)
    return slope


def _savitzky_golay(bars: Bars, position: int | None) -> Float64:
    from scipy.signal import savgol_coeffs

    weights = savgol_coeffs(WINDOW, 2, pos=position, use="dot")
    fitted = trailing(levels_of(bars), WINDOW, lambda rows: rows @ weights)
    return levels_of(bars) - (fitted if position == WINDOW - 1 else lagged(fitted, -(WINDOW // 2)))


def _zero_phase(bars: Bars) -> Float64:
    from scipy.signal import filtfilt

    smooth: Float64 = filtfilt([_COEFFICIENT], [1.0, _COEFFICIENT - 1.0], levels_of(bars), axis=0)
    return levels_of(bars) - smooth


def _one_way(bars: Bars) -> Float64:
    from scipy.signal import lfilter

    smooth: Float64 = lfilter([_COEFFICIENT], [1.0, _COEFFICIENT - 1.0], levels_of(bars), axis=0)
    return levels_of(bars) - smooth


def _spectral(values: Float64) -> Float64:
    # Along the last axis: keep the slowest tenth of the frequencies.
    spectrum = np.fft.rfft(values, axis=-1)
    spectrum[..., spectrum.shape[-1] // 10 :] = 0.0
    smooth: Float64 = np.fft.irfft(spectrum, n=values.shape[-1], axis=-1)
    return smooth


def _fourier_whole(bars: Bars) -> Float64:
    return levels_of(bars) - _spectral(levels_of(bars).T).T


def _fourier_trailing(bars: Bars) -> Float64:
    return levels_of(bars) - trailing(levels_of(bars), 64, lambda rows: _spectral(rows)[..., -1])


def _haar_blocks(bars: Bars) -> Float64:
    returns = returns_of(bars)
    block = np.arange(len(returns)) // 8
    means = np.stack([returns[block == number].mean(axis=0) for number in range(block[-1] + 1)])
    return means[block]


def _haar_trailing(bars: Bars) -> Float64:
    return trailing(returns_of(bars), 8, lambda rows: rows.mean(axis=-1))


def _filtered(values: Float64) -> Float64:
    # A local-level Kalman filter at its steady gain.
    level = np.zeros_like(values)
    for row in range(1, len(values)):
        level[row] = level[row - 1] + _COEFFICIENT * (values[row] - level[row - 1])
    return level


def _kalman(bars: Bars) -> Float64:
    return levels_of(bars) - _filtered(levels_of(bars))


def _kalman_smoothed(bars: Bars) -> Float64:
    level = _filtered(levels_of(bars))
    for row in range(len(level) - 2, -1, -1):
        level[row] += (1.0 - _COEFFICIENT) * (level[row + 1] - level[row])
    return levels_of(bars) - level


def _regimes(bars: Bars) -> tuple[Float64, Float64]:
    # Likelihoods of a calm and a wild regime, and the filtered chance of the wild one, staying with 95 %.
    calm, wild = (np.exp(-0.5 * (returns_of(bars) / width) ** 2) / width for width in (0.01, 0.03))
    chance, states = np.full(calm.shape[1], 0.5), np.empty_like(calm)
    for row in range(len(calm)):
        before = 0.95 * chance + 0.05 * (1.0 - chance)
        chance = before * wild[row] / (before * wild[row] + (1.0 - before) * calm[row] + 1e-300)
        states[row] = chance
    return states, np.log((wild + 1e-300) / (calm + 1e-300))


def _regime_filtered(bars: Bars) -> Float64:
    return _regimes(bars)[0]


def _regime_smoothed(bars: Bars) -> Float64:
    states = _regimes(bars)[0].copy()
    for row in range(len(states) - 2, -1, -1):
        before = 0.95 * states[row] + 0.05 * (1.0 - states[row])
        up, down = 0.95 / before, 0.05 / (1.0 - before + 1e-12)
        states[row] *= up * states[row + 1] + down * (1.0 - states[row + 1])
    return states


def _pivots(bars: Bars, confirmed: int) -> Float64:
    # A low is a pivot if no close within five bars on either side is lower; it is known five bars later.
    levels = levels_of(bars)
    is_low = lagged(trailing(levels, WINDOW, lambda rows: rows.min(axis=-1)), -5) == levels
    return lagged(is_low.astype(np.float64), confirmed)


PLANTS = (
    feature_plant(
        "shift(-1)",
        "The next bar's return is a feature; its twin takes the last bar's.",
        lambda bars: lagged(bars.returns, -1),
        lambda bars: lagged(bars.returns, 1),
    ),
    feature_plant(
        "negative difference",
        "The change over five bars is taken with the wrong sign of the period; its twin takes the five bars before.",
        lambda bars: levels_of(bars) - lagged(levels_of(bars), -5),
        lambda bars: levels_of(bars) - lagged(levels_of(bars), 5),
    ),
    feature_plant(
        "centred rolling mean", "A rolling mean is centred on its bar; its twin trails it.", _centred_mean, _moving_mean
    ),
    feature_plant(
        "roll that wraps",
        "A lag by a circular roll brings the last bar's return to the first bar; its twin leaves the first bar empty.",
        _rolled,
        lambda bars: lagged(returns_of(bars), 1),
    ),
    feature_plant(
        "central gradient",
        "A slope is taken between the bars on either side; its twin between this bar and the last.",
        _gradient,
        lambda bars: levels_of(bars) - lagged(levels_of(bars), 1),
    ),
    feature_plant(
        "Savitzky-Golay",
        "A polynomial is fitted to a window around the bar; its twin to the window that ends there.",
        lambda bars: _savitzky_golay(bars, None),
        lambda bars: _savitzky_golay(bars, WINDOW - 1),
    ),
    feature_plant(
        "zero-phase filter", "A filter is run forward and then backward; its twin runs forward only.", _zero_phase, _one_way
    ),
    feature_plant(
        "Fourier denoising",
        "The whole series is denoised at once; its twin denoises the last 64 bars at each bar.",
        _fourier_whole,
        _fourier_trailing,
    ),
    feature_plant(
        "wavelet denoising",
        "Each bar gets the mean of its block of eight, later bars included; its twin the mean of the last eight.",
        _haar_blocks,
        _haar_trailing,
    ),
    feature_plant(
        "Kalman smoother", "The level is smoothed backwards; its twin is filtered forwards.", _kalman_smoothed, _kalman
    ),
    feature_plant(
        "hidden Markov smoothing",
        "The regime's probability uses later returns; its twin uses those up to the bar.",
        _regime_smoothed,
        _regime_filtered,
    ),
    feature_plant(
        "unconfirmed pivots",
        "A low is marked on its own bar, though five later bars confirm it; its twin marks it once they have.",
        lambda bars: _pivots(bars, 0),
        lambda bars: _pivots(bars, 5),
    ),
)
