"""Say how easily luck explains a Sharpe ratio: probabilistic, deflated, and the record it takes.

Unless a name says otherwise, Sharpe ratios here are per bar, skew and kurtosis are those of the
bar returns (kurtosis 3 for a normal), and ``n_bars`` counts returns. Returns are taken to be
independent from bar to bar.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantdesk.domain.arrays import Float64

Convention = Literal["observed, T-1", "null, T"]
"""Where the standard error is taken, and with which count.

``observed, T-1``: at the observed Sharpe ratio, over T - 1 (Bailey & López de Prado 2012).
``null, T``: at the Sharpe ratio of the null, over T (López de Prado, Lipton & Zoonekynd 2025).
"""

DEFAULT_CONVENTION: Convention = "null, T"
_EULER = 0.5772156649015329
_NO_DEVIATION = 1e-12


@dataclass(frozen=True)
class Significance:
    """Say how easily luck explains a Sharpe ratio.

    All Sharpe ratios annual; probabilities in [0, 1]. ``convention`` names the standard error.
    """

    sharpe: float
    probabilistic_sharpe: float
    expected_best_from_noise: float
    deflated_sharpe: float
    min_track_record_years: float
    n_trials: int
    n_effective_trials: float
    skew: float
    kurtosis: float
    convention: str


def sharpe_standard_error(
    sharpe: float, n_bars: float, skew: float = 0.0, kurtosis: float = 3.0, convention: Convention = DEFAULT_CONVENTION
) -> float:
    """Give the standard error of a Sharpe ratio estimate, were the true one ``sharpe``.

    ``sqrt((1 - skew * SR + (kurtosis - 1) / 4 * SR**2) / T)`` (Mertens 2002), with T - 1 under
    ``observed, T-1``. NaN where the moments allow none.
    """
    count = n_bars - 1 if convention == "observed, T-1" else n_bars
    variance = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return math.sqrt(variance / count) if count > 0 and variance > 0 else math.nan


def probabilistic_sharpe(
    sharpe: float,
    n_bars: float,
    *,
    null: float = 0.0,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    convention: Convention = DEFAULT_CONVENTION,
) -> float:
    """Give the confidence, in [0, 1], that the true Sharpe ratio exceeds ``null``.

    One minus this is a one-sided p-value: uniform when the true ratio equals ``null``.

    Examples
    --------
    >>> round(probabilistic_sharpe(.036 / .079, 24, null=.1, skew=-2.448, kurtosis=10.164), 3)
    0.939
    """
    at = sharpe if convention == "observed, T-1" else null
    error = sharpe_standard_error(at, n_bars, skew, kurtosis, convention)
    return _normal_cdf((sharpe - null) / error)


def expected_maximum(n: float, *, exact: bool = False) -> float:
    """Give the expected largest of ``n`` independent standard normals; 0 for one or none.

    Parameters
    ----------
    n : float
        How many; an effective number need not be whole.
    exact : bool
        False: ``(1 - g) Z[1 - 1/n] + g Z[1 - 1/(n e)]`` with Z the normal quantile function and g
        Euler's constant (Bailey & López de Prado 2014, eq. 1), which their worked example uses and
        which is 1 % high at 100. True: the integral ``∫ x d(Φ(x)**n)``, to about 1e-9.

    Examples
    --------
    >>> round(expected_maximum(100), 6), round(expected_maximum(100, exact=True), 4)
    (2.530603, 2.5076)
    """
    if not n > 1:
        return 0.0
    if exact:
        return _integrated_maximum(n)
    low, high = _normal_quantile(1.0 - 1.0 / n), _normal_quantile(1.0 - 1.0 / (n * math.e))
    return max(0.0, (1.0 - _EULER) * low + _EULER * high)


def deflated_sharpe(
    sharpe: float,
    n_bars: float,
    n_effective: float,
    trial_sharpe_variance: float,
    *,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    convention: Convention = DEFAULT_CONVENTION,
) -> tuple[float, float]:
    """Judge a Sharpe ratio against the best that as many trials of noise would show.

    Parameters
    ----------
    trial_sharpe_variance : float
        Variance of the trials' per-bar Sharpe ratios.

    Returns
    -------
    tuple of float
        The best Sharpe ratio expected from noise, a bar, and the confidence in [0, 1] that the
        true ratio exceeds it (Bailey & López de Prado 2014).
    """
    null = math.sqrt(trial_sharpe_variance) * expected_maximum(n_effective)
    return null, probabilistic_sharpe(sharpe, n_bars, null=null, skew=skew, kurtosis=kurtosis, convention=convention)


def min_track_record_length(
    sharpe: float,
    *,
    null: float = 0.0,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    confidence: float = 0.95,
    convention: Convention = DEFAULT_CONVENTION,
) -> float:
    """Give the bars needed before ``sharpe`` exceeds ``null`` at ``confidence``; infinite if it never does.

    ``T = (1 - skew * SR + (kurtosis - 1) / 4 * SR**2) * (z / (SR - null))**2``, plus one bar under
    ``observed, T-1`` (Bailey & López de Prado 2012, eq. 11), the variance taken where the convention says.
    """
    if math.isnan(sharpe):
        return math.nan
    if sharpe <= null:
        return math.inf
    at, extra = (sharpe, 1.0) if convention == "observed, T-1" else (null, 0.0)
    variance = 1.0 - skew * at + (kurtosis - 1.0) / 4.0 * at**2
    return extra + variance * (_normal_quantile(confidence) / (sharpe - null)) ** 2


def min_backtest_length(n_trials: float, annual_sharpe: float = 1.0) -> float:
    """Give the years below which the best of ``n_trials`` of noise is expected to reach ``annual_sharpe``.

    ``(expected_maximum / annual_sharpe)**2`` (Bailey, Borwein, López de Prado & Zhu 2014, eq. 6).
    """
    return (expected_maximum(n_trials) / annual_sharpe) ** 2


def newey_west_error(values: Float64, n_lags: int) -> float:
    """Give the standard error of a mean under autocorrelation up to ``n_lags``; NaN are left out.

    Bartlett weights ``1 - lag / (n_lags + 1)`` (Newey & West 1987); NaN below two values.
    """
    kept = values[np.isfinite(values)]
    if len(kept) < 2:
        return math.nan
    deviation = kept - kept.mean()
    variance = float(deviation @ deviation)
    for lag in range(1, min(n_lags, len(kept) - 1) + 1):
        variance += 2.0 * (1.0 - lag / (n_lags + 1.0)) * float(deviation[lag:] @ deviation[:-lag])
    return math.sqrt(max(variance, 0.0)) / len(kept)


def newey_west_t(values: Float64, n_lags: int) -> float:
    """Divide a mean by its Newey-West standard error (n,); NaN where there is no spread."""
    error = newey_west_error(values, n_lags)
    return float(np.nanmean(values)) / error if error > _NO_DEVIATION else math.nan


def significance(
    returns: Float64,
    n_trials: int,
    n_effective: float,
    trial_sharpe_variance: float | None = None,
    *,
    bars_per_year: float,
    n_independent: float | None = None,
    convention: Convention = DEFAULT_CONVENTION,
) -> Significance:
    """Weigh an annual Sharpe ratio against chance and against the number of trials.

    Parameters
    ----------
    returns : Float64
        Simple returns a bar (n_bars,).
    n_trials, n_effective : int and float
        Trials counted, and to how many independent ones they amount.
    trial_sharpe_variance : float, optional
        Variance of the trials' annual Sharpe ratios; by default what noise alone would give a
        record of this length, ``bars_per_year / n_bars``.
    n_independent : float, optional
        To how many independent bars the record amounts (``resampling.independent_bars``); by
        default all are independent.

    Returns
    -------
    Significance
        NaN throughout where the returns do not vary; the minimum track record, against a true
        ratio of 0 at 95 %, is infinite for a ratio that is not positive.
    """
    n_bars = len(returns)
    annual = math.sqrt(bars_per_year)
    sharpe, skew, kurtosis = _moments(returns)
    count = n_bars if n_independent is None else n_independent
    variance = 1.0 / max(count, 1.0) if trial_sharpe_variance is None else trial_sharpe_variance / bars_per_year
    best, deflated = deflated_sharpe(sharpe, count, n_effective, variance, skew=skew, kurtosis=kurtosis, convention=convention)
    needed = min_track_record_length(sharpe, skew=skew, kurtosis=kurtosis, convention=convention)
    return Significance(
        sharpe=sharpe * annual,
        probabilistic_sharpe=probabilistic_sharpe(sharpe, count, skew=skew, kurtosis=kurtosis, convention=convention),
        expected_best_from_noise=best * annual,
        deflated_sharpe=deflated,
        min_track_record_years=needed * (n_bars / max(count, 1.0) if n_bars else 1.0) / bars_per_year,
        n_trials=n_trials,
        n_effective_trials=n_effective,
        skew=skew,
        kurtosis=kurtosis,
        convention=convention,
    )


def alpha(returns: Float64, baseline_returns: Float64) -> tuple[float, Float64]:
    """Take a baseline's beta out of a strategy's returns.

    Returns
    -------
    tuple of float and Float64
        The least-squares slope (0 where the baseline does not vary), and the returns less slope
        times baseline (n_bars,): intercept and residual together.
    """
    centred = baseline_returns - baseline_returns.mean()
    spread = float(centred @ centred)
    beta = float(centred @ returns) / spread if spread > _NO_DEVIATION**2 else 0.0
    return beta, returns - beta * baseline_returns


def _moments(returns: Float64) -> tuple[float, float, float]:
    if len(returns) < 3 or not returns.std() > _NO_DEVIATION:
        return math.nan, math.nan, math.nan
    scaled = (returns - returns.mean()) / returns.std()
    return float(returns.mean() / returns.std(ddof=1)), float((scaled**3).mean()), float((scaled**4).mean())


def _normal_cdf(value: float) -> float:
    return 0.5 * math.erfc(-value / math.sqrt(2.0))


def _normal_quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))


def _integrated_maximum(n: float) -> float:
    from scipy.special import log_ndtr

    x = np.linspace(-12.0, 12.0, 24_001)
    density = n * np.exp((n - 1.0) * log_ndtr(x) - x * x / 2.0) / math.sqrt(2.0 * math.pi)
    return float(np.trapezoid(x * density, x))
