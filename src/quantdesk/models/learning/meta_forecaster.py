"""A network that adapts to each instrument: once where it was trained on it, at every forecast where it was not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.attention import Attention
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.models.adaptation import Adaptation
from quantdesk.models.attending import averaged, laid
from quantdesk.models.learning.fit import Lesson
from quantdesk.models.learning.forecaster import DeepForecaster
from quantdesk.models.learning.individual import Adapted, Ask, IndividualForecaster, only
from quantdesk.models.learning.loop import on_threads
from quantdesk.models.learning.maml import Learner, Weights, adapted, twice_differentiable
from quantdesk.models.learning.windows import gather, resident


@dataclass(frozen=True, eq=False)
class MetaForecaster:
    """Ask a network that has learned to learn.

    Parameters
    ----------
    own : IndividualForecaster
        The shared weights, and those of the instruments of the training span.
    adaptation : Adaptation
        How an instrument that came later is adapted to.
    demean : bool
        Whether labels are relative to the other instruments of the same time.
    longest : int
        Longest horizon, bars.
    """

    own: IndividualForecaster
    adaptation: Adaptation
    demean: bool
    longest: int

    @property
    def lookback(self) -> int:
        """Rows on which one forecast depends: the labels to adapt on, a horizon behind, and the window of the first."""
        return self.adaptation.shots + self.longest + self.own.lookback

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Forecast every time, each from labels whose spans had ended by then."""
        quantiles = self._answers(dataset, self.own.forecast(dataset).quantiles, lambda one, own: one.forecast(own).quantiles)
        return Forecasts(dataset.times, dataset.symbols, dataset.horizons, quantiles)

    def contributions(self, dataset: Dataset) -> Float64:
        """Integrate gradients through the network that each forecast was made with."""
        return self._answers(dataset, self.own.contributions(dataset), lambda one, own: one.contributions(own))

    def attention(self, dataset: Dataset) -> Attention | None:
        """Say what each forecast's network looked at, averaged over the instruments of each time; None where it cannot."""
        later, targets = self._later(dataset)
        known = dataset.is_valid.copy()
        known[:, later] = False
        parts = [self.own.attention(replace(dataset, is_valid=known))]
        for place in later if parts[0] is not None else ():
            said = {time: one.attention(window) for time, one, window in self._adaptations(dataset, targets, place)}
            parts.append(laid(said, len(dataset)))
        return averaged(parts, [known.sum(axis=1), *dataset.is_valid.T[later]])

    def importance(self) -> Float64:
        """Return each feature's share (n_features,)."""
        return self.own.importance()

    def at(self, dataset: Dataset, time: int, instrument: int) -> DeepForecaster:
        """Adapt the shared weights to what was known of one instrument at one time."""
        targets = Lesson.of(dataset, self.demean, 0.0).targets
        return self._adapted(dataset, targets, time, instrument)

    def _answers(self, dataset: Dataset, known: Float64, ask: Ask) -> Float64:
        later, targets = self._later(dataset)
        for place in later:
            for time, one, window in self._adaptations(dataset, targets, place):
                known[time, place] = ask(one, window)[-1, 0]
        return known

    def _later(self, dataset: Dataset) -> tuple[list[int], Float64]:
        later = [place for place, symbol in enumerate(dataset.symbols) if symbol not in self.own.symbols]
        return later, Lesson.of(dataset, self.demean, 0.0).targets if later else np.empty(0)

    def _adaptations(self, dataset: Dataset, targets: Float64, place: int) -> Iterator[tuple[int, DeepForecaster, Dataset]]:
        alone = only(dataset, np.array([place]))
        with on_threads(1):
            for time in np.flatnonzero(dataset.is_valid[:, place]).tolist():
                one = self._adapted(dataset, targets, time, place)
                yield time, one, alone.rows(max(0, time - one.lookback + 1), time + 1)

    def _adapted(self, dataset: Dataset, targets: Float64, time: int, instrument: int) -> DeepForecaster:
        rows = np.arange(max(0, time - self.adaptation.shots - self.longest), time)
        is_known = dataset.ends[rows] <= dataset.begins[time] - 1
        seen = np.where(is_known, targets[rows, instrument], np.nan)
        usable = np.flatnonzero(np.isfinite(seen).any(axis=1))[-self.adaptation.shots :]
        if not len(usable):
            return self.own.shared
        windows = support(dataset, rows[usable], instrument, self.own.lookback)
        weights = own_weights(self.own.shared, windows, torch.from_numpy(seen[usable]), self.adaptation)
        return Adapted.of(self.own.shared, weights)


def support(dataset: Dataset, times: Ints, instrument: int, lookback: int) -> Tensor:
    """Gather the windows of one instrument that end at some times (n, lookback, n_features)."""
    n = len(dataset.symbols)
    table = resident(dataset.features, torch.device("cpu"))
    return gather(table, torch.from_numpy(times * n + instrument), n, lookback)


def own_weights(shared: DeepForecaster, windows: Tensor, targets: Tensor, adaptation: Adaptation) -> Weights:
    """Adapt the shared weights to one instrument's windows and targets, in double precision."""
    learner = Learner(shared.module, shared.loss, adaptation)
    with torch.enable_grad(), twice_differentiable():
        return adapted(
            lambda own: learner.error(own, windows.double(), targets.double()), learner.weights, adaptation, is_learning=False
        )
