"""Intervals that keep their promise: split conformal prediction, adapted to what was missed lately."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.attention import Attention
from quantdesk.domain.compiled import compiled
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import LEVELS, MEDIAN, Forecasts, mean_of
from quantdesk.domain.ports import Forecaster, Model
from quantdesk.models.attending import attention_of
from quantdesk.models.fitting import completed, horizon_volatility, require_samples
from quantdesk.models.learning.choices import FROM_0, WITHIN_1, check_choices

N_PAIRS = MEDIAN
MAX_SCORES = 4_000
_IS_TAIL = np.arange(len(LEVELS)) != MEDIAN
_MEDIAN_WEIGHT = float(mean_of(np.eye(len(LEVELS))[MEDIAN]))


@dataclass(frozen=True)
class Conformal:
    """Set another model's spread by its errors on data that it has not seen, and keep adapting it.

    The score of an outcome is its distance from the median over the EWMA volatility known then;
    the last part of the training span gives the distribution of scores (split conformal, Vovk et
    al. 2005; Papadopoulos et al. 2008). Then, for each pair of levels, the share of misses over
    the last ``window`` realised rows moves the level used (adaptive conformal inference, Gibbs &
    Candès 2021). Location is left alone: median and mean stay those of the inner model.

    Parameters
    ----------
    model : Model
        Whose spread is set.
    window : int
        Realised rows over which the levels adapt; rows count back from the newest label known.
    calibration_share : float
        Last share of the training times, from which scores are taken; the model does not learn
        from it, nor from labels that reach into it.
    gamma : float
        Step of the adaptation; 0 leaves split conformal.
    """

    model: Model
    window: int = 250
    calibration_share: float = 0.2
    gamma: float = 0.01

    def __post_init__(self) -> None:
        check_choices(self, window=FROM_0, calibration_share=WITHIN_1, gamma=FROM_0)

    def fit(self, dataset: Dataset, seed: int) -> "ConformalForecaster":
        """Fit the model on the first part, take scores on the last.

        Raises
        ------
        DataError
            If either part has too few samples.
        """
        first = len(dataset) - round(len(dataset) * self.calibration_share)
        position = int(dataset.begins[first]) - 1 if first < len(dataset) else 0
        n_proper = int((dataset.ends.max(axis=1, initial=0)[:first] <= position).sum())
        inner = self.model.fit(dataset.rows(0, n_proper), seed)
        start = max(0, first - inner.lookback + 1)
        scores = _scores(inner.forecast(dataset.rows(start, len(dataset))), dataset.rows(start, len(dataset)))
        tables = tuple(_table(scores[first - start :, :, horizon], bars) for horizon, bars in enumerate(dataset.horizons))
        since = dataset.times[min(first, len(dataset) - 1)]
        return ConformalForecaster(inner, tables, self.window, self.gamma, max(dataset.horizons), since)


@dataclass(frozen=True, eq=False)
class ConformalForecaster:
    """Give an inner forecaster calibrated, adapting spreads.

    Parameters
    ----------
    inner : Forecaster
        Whose median and mean are kept.
    tables : tuple of Float64
        Sorted calibration scores of each horizon, shifted so that their tails have mean 0.
    window : int
        Realised rows over which the levels adapt.
    gamma : float
        Step of the adaptation.
    longest : int
        Longest horizon, bars.
    since : numpy.datetime64
        When calibration began. Misses before it were made on what the inner model learned from,
        and say nothing.
    """

    inner: Forecaster
    tables: tuple[Float64, ...]
    window: int
    gamma: float
    longest: int
    since: np.datetime64

    @property
    def lookback(self) -> int:
        """Rows on which one forecast depends: the window, a horizon behind, and the inner lookback."""
        return self.window + self.longest + self.inner.lookback

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Forecast every time, from labels whose spans had ended by then."""
        inner = self.inner.forecast(dataset)
        scores = _scores(inner, dataset)
        scores[dataset.times < self.since] = np.nan
        quantiles = horizon_volatility(dataset)[..., None] * self._offsets(dataset, scores)[:, None]
        quantiles += inner.quantiles[..., MEDIAN, None]
        # what the new tails moved the mean by, the tails take back
        shift = (inner.mean - mean_of(quantiles)) / (1 - _MEDIAN_WEIGHT)
        del inner
        for level in np.flatnonzero(_IS_TAIL):
            quantiles[..., level] += shift
        quantiles.sort(axis=-1)
        return Forecasts(dataset.times, dataset.symbols, dataset.horizons, quantiles)

    def contributions(self, dataset: Dataset) -> Float64:
        """Return the inner contributions; the mean is the same but for rounding, which the last column takes."""
        parts = self.inner.contributions(dataset)[..., :-1]
        return completed(parts, self.forecast(dataset).mean)

    def attention(self, dataset: Dataset) -> Attention | None:
        """Return what the inner forecaster looked at, None where it cannot say."""
        return attention_of(self.inner, dataset)

    def importance(self) -> Float64:
        """Return the inner importance (n_features,)."""
        return self.inner.importance()

    def _offsets(self, dataset: Dataset, scores: Float64) -> Float64:
        offsets = np.zeros((len(dataset), len(dataset.horizons), len(LEVELS)))
        for horizon, table in enumerate(self.tables):
            tails, n_known = _sorted_tails(scores[:, :, horizon], table)
            realised = np.searchsorted(dataset.ends[:, horizon], dataset.begins - 1, side="right")
            for pair in range(N_PAIRS):
                nominal = 2 * LEVELS[pair]
                miss_rate = adapted(tails, n_known, realised, self.window, nominal, self.gamma)
                offsets[:, horizon, pair] = _quantile(table, miss_rate / 2)
                offsets[:, horizon, -1 - pair] = _quantile(table, 1 - miss_rate / 2)
        return offsets


@compiled
def adapted(tails: Float64, n_known: Ints, realised: Ints, window: int, nominal: float, gamma: float) -> Float64:
    """Adapt the miss rate asked for to the misses seen (Gibbs & Candès 2021, eq. 2), kept in [0, 1].

    Parameters
    ----------
    tails : Float64
        Share of calibration scores at least as far out, two-sided, ascending along the second
        axis (n_times, n_instruments); an outcome is missed at a miss rate above it.
    n_known : Ints
        Known entries of each row (n_times,).
    realised : Ints
        Rows whose labels had ended by each time (n_times,).
    window : int
        Realised rows to run over, from the nominal rate on.
    nominal : float
        The miss rate promised.
    gamma : float
        Step.

    Returns
    -------
    Float64
        Miss rate to use at each time (n_times,).
    """
    rates = np.empty(len(realised))
    for time in range(len(realised)):
        rate = nominal
        for row in range(max(0, realised[time] - window), realised[time]):
            n = n_known[row]
            if n > 0:
                missed = np.searchsorted(tails[row, :n], rate) / n
                rate = min(1.0, max(0.0, rate + gamma * (nominal - missed)))
        rates[time] = rate
    return rates


def _scores(forecasts: Forecasts, dataset: Dataset) -> Float64:
    unit = horizon_volatility(dataset)
    usable: Bools = dataset.is_valid[:, :, None] & (unit > 0)
    error = dataset.labels - forecasts.quantiles[..., MEDIAN]
    return np.where(usable, error / np.where(usable, unit, 1.0), np.nan)


def _table(scores: Float64, horizon_bars: int) -> Float64:
    known = np.sort(scores[np.isfinite(scores)])
    require_samples(len(known), horizon_bars)
    if len(known) > MAX_SCORES:
        known = known[np.linspace(0, len(known) - 1, MAX_SCORES).round().astype(np.int64)]
    # The promised tails around the median leave the mean alone, so that what counts as a miss is
    # what the interval forecast later misses.
    tails = np.where(_IS_TAIL, _quantile(known, np.array(LEVELS)), 0.0)
    return known - mean_of(tails) / (1 - _MEDIAN_WEIGHT)


def _quantile(table: Float64, level: Float64) -> Float64:
    # the k-th of n exchangeable scores is the k / (n + 1) quantile of the next one
    ranks = np.arange(1, len(table) + 1) / (len(table) + 1)
    return np.interp(level, ranks, table)


def _sorted_tails(scores: Float64, table: Float64) -> tuple[Float64, Ints]:
    ranks = np.arange(1, len(table) + 1) / (len(table) + 1)
    below = np.interp(scores, table, ranks, left=0.0, right=1.0)
    tails = 2 * np.minimum(below, 1 - below)
    return np.sort(np.where(np.isfinite(scores), tails, np.inf), axis=1), np.isfinite(scores).sum(axis=1).astype(np.int64)
