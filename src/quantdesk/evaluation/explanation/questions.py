"""Choose what to ask a forecaster about: decision times whose outcomes do not overlap, each with its window, laid in a row."""

from dataclasses import dataclass, replace

import numpy as np

from quantdesk.domain.arrays import Bools, Float32, Float64, Ints, Times
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.ports import Forecaster
from quantdesk.evaluation.scores import MIN_INSTRUMENTS

LEAST_INSTRUMENTS = 20
"""Instruments kept at each time before times are given up."""

LEAST_FOLLOWED = 8
"""The same where contributions are read, which average over them."""


@dataclass(frozen=True, eq=False)
class Questions:
    """Hold windows one after another, each with a forecast asked for at its last row only.

    A forecast reads its own window and nothing else, so that one window's rows can be exchanged for
    another's, and each remains one that the market showed. A forecaster that also adapts to outcomes finds
    those of the rows that were asked for alone.

    Parameters
    ----------
    forecaster : Forecaster
        Whom to ask.
    dataset : Dataset
        Shape (n_times * lookback, n_instruments, ...).
    lookback : int
        Rows of a window.
    horizon : int
        The horizon traded, an index into ``dataset.horizons``.
    is_alone : bool
        Whether an instrument's forecast is the same whichever others stand beside it.
    """

    forecaster: Forecaster
    dataset: Dataset
    lookback: int
    horizon: int
    is_alone: bool

    @property
    def last(self) -> slice:
        """Rows at which forecasts are asked for."""
        return slice(self.lookback - 1, None, self.lookback)

    @property
    def features(self) -> Float32:
        """Read the windows by time (n_times, lookback, n_instruments, n_features)."""
        of = self.dataset.features
        return of.reshape(-1, self.lookback, *of.shape[1:])

    @property
    def labels(self) -> Float64:
        """Give the outcomes, log return (n_times, n_instruments); NaN where not asked for."""
        return np.where(self.dataset.is_valid[self.last], self.dataset.labels[self.last, :, self.horizon], np.nan)

    @property
    def unit(self) -> Float64:
        """Give the volatility expected over the horizon, log return (n_times, n_instruments)."""
        unit: Float64 = self.dataset.scale[self.last] * np.sqrt(float(self.dataset.horizons[self.horizon]))
        return unit

    def answers(self, features: Float32) -> Float64:
        """Give quantiles, log return (n_times, n_instruments, n_levels), for windows shaped as ``features``."""
        laid = replace(self.dataset, features=features.reshape(self.dataset.features.shape))
        said = self.forecaster.forecast(laid).quantiles[self.last, :, self.horizon]
        return np.where(self.dataset.is_valid[self.last][..., None], said, np.nan)

    @property
    def times(self) -> Times:
        """Give the times asked about (n_times,)."""
        return self.dataset.times[self.last]

    @property
    def n_known(self) -> Ints:
        """Count the forecasts asked for at each time (n_times,)."""
        n_known: Ints = self.dataset.is_valid[self.last].sum(axis=1)
        return n_known

    @property
    def samples(self) -> Float64:
        """List the present features of all that is asked (n_samples, n_features)."""
        return self.features[:, -1][self.dataset.is_valid[self.last]].astype(np.float64)

    def thinned(self, n_most: int) -> "Questions":
        """Keep about ``n_most`` samples: instruments evenly where each stands alone, then times evenly."""
        n_times, n_instruments = len(self.n_known), self.dataset.is_valid.shape[1]
        n_kept = min(n_instruments, max(LEAST_FOLLOWED, n_most // n_times)) if self.is_alone else n_instruments
        columns, times = _evenly(np.arange(n_instruments), n_kept), _evenly(np.arange(n_times), max(1, n_most // n_kept))
        rows = (times[:, None] * self.lookback + np.arange(self.lookback)).ravel()
        return replace(self, dataset=only(self.dataset.take(rows), columns))


def questions(
    forecaster: Forecaster, dataset: Dataset, rows: Ints, horizon: int, n_most: int, random: np.random.Generator
) -> Questions | None:
    """Choose times and instruments out of the rows that a forecaster did not learn from.

    Times lie a horizon apart, so that no two outcomes overlap, and evenly where there are more than can be
    afforded. Instruments are drawn, unless a forecast depends on which others stand beside it.

    Parameters
    ----------
    rows : Ints
        Rows of the dataset to choose from, in order.
    horizon : int
        The horizon traded, an index into ``dataset.horizons``.
    n_most : int
        Samples to choose, about.

    Returns
    -------
    Questions or None
        None where no row of them can be asked about.
    """
    asked = dataset.is_valid & np.isfinite(dataset.labels[:, :, horizon]) & (dataset.scale > 0)
    times = _times(asked, rows[rows >= forecaster.lookback - 1], dataset.horizons[horizon])
    if not len(times):
        return None
    columns, least = np.arange(asked.shape[1]), max(LEAST_INSTRUMENTS, n_most // len(times))
    is_alone = _stands_alone(forecaster, dataset, int(times[-1]))
    if len(columns) > least and is_alone:
        columns = np.sort(random.permutation(_often(asked[times]))[:least])
    chosen = _evenly(times, max(1, n_most // len(columns)))
    laid = _laid(dataset, asked, forecaster.lookback, chosen, columns)
    return Questions(forecaster, laid, forecaster.lookback, horizon, is_alone)


def _times(asked: Bools, rows: Ints, horizon_bars: int) -> Ints:
    least = min(MIN_INSTRUMENTS, asked.shape[1])
    usable = rows[asked[rows].sum(axis=1) >= least]
    chosen: list[int] = []
    for row in usable.tolist():
        if not chosen or row >= chosen[-1] + horizon_bars:
            chosen.append(row)
    return np.array(chosen, dtype=np.int64)


def _often(asked: Bools) -> Ints:
    counts = asked.sum(axis=0)
    return np.flatnonzero(counts >= 0.9 * counts.max())


def _evenly(times: Ints, n: int) -> Ints:
    return times[np.unique(np.linspace(0, len(times) - 1, min(n, len(times))).round().astype(np.int64))]


def _stands_alone(forecaster: Forecaster, dataset: Dataset, time: int) -> bool:
    window = dataset.rows(time - forecaster.lookback + 1, time + 1)
    half = np.arange(0, len(dataset.symbols), 2)
    among_all = forecaster.forecast(window).mean[-1, half]
    return bool(np.array_equal(among_all, forecaster.forecast(only(window, half)).mean[-1], equal_nan=True))


def only(dataset: Dataset, columns: Ints) -> Dataset:
    """Keep some instruments of a dataset, by their places."""
    return replace(
        dataset,
        features=dataset.features[:, columns],
        labels=dataset.labels[:, columns],
        scale=dataset.scale[:, columns],
        is_valid=dataset.is_valid[:, columns],
        symbols=tuple(dataset.symbols[column] for column in columns.tolist()),
    )


def _laid(dataset: Dataset, asked: Bools, lookback: int, times: Ints, columns: Ints) -> Dataset:
    laid = only(dataset.take((times[:, None] + np.arange(1 - lookback, 1)).ravel()), columns)
    is_valid = np.zeros_like(laid.is_valid)
    is_valid[lookback - 1 :: lookback] = asked[np.ix_(times, columns)]
    return replace(laid, is_valid=is_valid)
