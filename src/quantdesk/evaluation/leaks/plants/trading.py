"""Forecasters, labels, columns and constants that know what is not over."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from quantdesk.domain.arrays import Float64, Ints, Times
from quantdesk.domain.bars import Bars
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.decision import Signal
from quantdesk.domain.feature import Feature
from quantdesk.domain.forecast import Forecast, Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Forecaster
from quantdesk.evaluation.leaks.plants.ground import Plant, lagged, market, strategy, study_of
from quantdesk.evaluation.leaks.plants.joins import with_field
from quantdesk.evaluation.leaks.study import Study, World
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.sizing import VolatilityScaled
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

Deform = Callable[[Forecasts, Dataset], Forecasts]


@dataclass(frozen=True)
class _Deformed:
    """A ridge regression whose forecasts are worked over afterwards."""

    deform: Deform

    def fit(self, dataset: Dataset, seed: int) -> "_DeformedForecaster":
        return _DeformedForecaster(Ridge().fit(dataset, seed), self.deform)


@dataclass(frozen=True, eq=False)
class _DeformedForecaster:
    inner: Forecaster
    deform: Deform

    @property
    def lookback(self) -> int:
        return 30

    def forecast(self, dataset: Dataset) -> Forecasts:
        return self.deform(self.inner.forecast(dataset), dataset)

    def contributions(self, dataset: Dataset) -> Float64:
        return self.inner.contributions(dataset)

    def importance(self) -> Float64:
        return self.inner.importance()


def _model_study(deform: Deform) -> Study:
    return study_of(strategy(model=_Deformed(deform)))


def _batch_centred(made: Forecasts, dataset: Dataset) -> Forecasts:
    return replace(made, quantiles=made.quantiles - np.nanmean(made.quantiles))


def _row_centred(made: Forecasts, dataset: Dataset) -> Forecasts:
    known = np.isfinite(made.quantiles)
    n_known = np.maximum(known.sum(axis=(1, 2, 3), keepdims=True), 1)
    means = np.where(known, made.quantiles, 0.0).sum(axis=(1, 2, 3), keepdims=True) / n_known
    return replace(made, quantiles=made.quantiles - means)


def _corrected(made: Forecasts, dataset: Dataset, wait: int) -> Forecasts:
    # Move each forecast by the error of the forecast made ``wait`` bars before.
    errors = np.nan_to_num(dataset.labels[:, :, 0] - made.mean[:, :, 0])
    known = np.nan_to_num(lagged(errors, wait)) if wait else errors
    return replace(made, quantiles=made.quantiles + 0.1 * known[:, :, None, None])


def _smoothed(made: Forecasts, dataset: Dataset, is_centred: bool) -> Forecasts:
    values = np.nan_to_num(made.quantiles)
    others = (np.roll(values, 1, axis=0), np.roll(values, -1 if is_centred else 2, axis=0))
    others[0][:1] = 0.0
    others[1][:2] = 0.0
    others[1][-1:] = 0.0 if is_centred else others[1][-1:]
    mean = (values + others[0] + others[1]) / 3
    return replace(made, quantiles=np.where(np.isnan(made.quantiles), np.nan, mean))


@dataclass(frozen=True)
class _ToClose(Strategy):
    """Label by closes: from the close that decides, or from the next one."""

    wait: int = 0
    stated: int = 0

    def dataset(self, panel: Panel) -> Dataset:
        named = super().dataset(panel)
        close = Bars.of(panel).close
        entered = lagged(close, -self.wait) if self.wait else close
        labels = np.stack([np.log(lagged(close, -self.wait - bars) / entered) for bars in self.horizons], axis=2)
        rows: Ints = np.arange(len(named), dtype=np.int64)
        horizons: Ints = np.minimum(np.array(self.horizons), self.stated or 99).astype(np.int64)
        return replace(named, labels=labels, begins=rows + 1, ends=rows[:, None] + 1 + horizons)


def _labelled(wait: int, stated: int = 0) -> Study:
    plain = strategy()
    choice = {name: getattr(plain, name) for name in ("name", "description", "features", "model", "signal", "sizing")}
    return study_of(_ToClose(**choice, horizons=(1, 5), wait=wait, stated=stated))


def _echoing(is_next: bool) -> Study:
    # A column as it came in the file: the return of the next bar, or of the last.
    panel = market()
    change = Bars.of(panel).returns
    raw = with_field(panel, "column", lagged(change, -1) if is_next else change)
    own = Feature("column", lambda bars: bars.facts["column"], 1, "the gauntlet", ("close", "column"))
    return study_of(strategy(own), None, World(raw))


def _target_column(is_ahead: bool) -> Study:
    own = Feature("target", partial(_five_bars, is_ahead=is_ahead), 10, "the gauntlet", ("open", "close"))
    return study_of(strategy(own))


def _five_bars(bars: Bars, is_ahead: bool) -> Float64:
    change = np.log(bars.open / lagged(bars.open, 5))
    return lagged(change, -6) if is_ahead else change


@dataclass(frozen=True)
class _Leaning:
    """Rank, and lean by fixed weights, one a name, that somebody worked out beforehand."""

    symbols: tuple[str, ...]
    lean: tuple[float, ...]

    def signal(self, forecast: Forecast, held: Float64) -> Signal:
        known = dict(zip(self.symbols, self.lean, strict=True))
        weights = np.array([known.get(symbol, 0.0) for symbol in forecast.symbols])
        return Signal(np.clip(Rank().signal(forecast, held).strength * weights, -1.0, 1.0))


def _leaning(stop: int | None) -> Study:
    # Weights by the calm of each name over the whole history, or over its first part.
    def build(world: World) -> Strategy:
        changes = np.nan_to_num(Bars.of(world.panel).returns[:stop])
        calm = 0.005 / (0.005 + changes.std(axis=0))
        return replace(strategy(), signal=_Leaning(world.panel.symbols, tuple(calm.tolist())), sizing=VolatilityScaled())

    return Study(World(market()), build)


def _tuned(stop: int | None) -> Study:
    # A penalty worked out from the noise of the whole history, or of its first part.
    def build(world: World) -> Strategy:
        return strategy(model=Ridge(float(np.nanstd(Bars.of(world.panel).returns[:stop]))))

    return Study(World(market()), build)


@dataclass(frozen=True, eq=False)
class _Remembering:
    """Add to each forecast what a table says about its day, as weights that saw the future would."""

    times: Times
    table: Float64

    def __call__(self, made: Forecasts, dataset: Dataset) -> Forecasts:
        recalled = self.table[np.searchsorted(self.times, dataset.times)]
        return replace(made, quantiles=made.quantiles + recalled[:, :, None, None])


def _remembering(is_next: bool) -> Study:
    panel = market()
    change = np.nan_to_num(Bars.of(panel).returns)
    table = np.nan_to_num(lagged(change, -1 if is_next else 1))
    return _model_study(_Remembering(panel.times, table))


PLANTS = (
    Plant(
        "model that remembers the future",
        "A model recalls the next day's return, as weights trained on later text do; its twin that of the day before.",
        partial(_remembering, True),
        partial(_remembering, False),
    ),
    Plant(
        "forecasts centred over the batch",
        "The mean of all forecasts, later ones included, is taken off each; the twin takes off that of its own bar.",
        partial(_model_study, _batch_centred),
        partial(_model_study, _row_centred),
    ),
    Plant(
        "error known too early",
        "A forecast is corrected by the error of a label that has not ended; the twin waits until it has.",
        partial(_model_study, partial(_corrected, wait=0)),
        partial(_model_study, partial(_corrected, wait=2)),
    ),
    Plant(
        "forecasts smoothed on both sides",
        "A forecast is averaged with the one before and the next; the twin's with the two before.",
        partial(_model_study, partial(_smoothed, is_centred=True)),
        partial(_model_study, partial(_smoothed, is_centred=False)),
    ),
    Plant(
        "label from the close that decides",
        "Returns are counted from the close that made the signal; the twin's from the next close.",
        partial(_labelled, 0),
        partial(_labelled, 1),
    ),
    Plant(
        "label longer than its span",
        "A label over five bars is stated to end after two; the twin states five.",
        partial(_labelled, 1, 2),
        partial(_labelled, 1),
    ),
    Plant(
        "column stamped a bar early",
        "A column of the file holds the next bar's return; the twin's the last bar's.",
        partial(_echoing, True),
        partial(_echoing, False),
    ),
    Plant(
        "target among the features",
        "The label stands among the features; the twin has the return of the five bars before.",
        partial(_target_column, True),
        partial(_target_column, False),
    ),
    Plant(
        "weights from the whole history",
        "Names are weighed by their calm over the whole history; the twin's over its first 100 bars.",
        partial(_leaning, None),
        partial(_leaning, 100),
    ),
    Plant(
        "constant tuned on the whole history",
        "A setting of the model comes from the whole history; the twin's from its first 100 bars.",
        partial(_tuned, None),
        partial(_tuned, 100),
    ),
)
