"""Forecasters that share a network and let each instrument have some weights of its own."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from quantdesk.domain.arrays import Float32, Float64, Ints
from quantdesk.domain.attention import Attention
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import Forecasts
from quantdesk.models.attending import averaged
from quantdesk.models.fitting import horizon_volatility
from quantdesk.models.learning.forecaster import DeepForecaster
from quantdesk.models.learning.loop import on_threads
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.maml import Weights
from quantdesk.models.learning.network import Network
from quantdesk.models.learning.scaled import Scaled

Ask = Callable[[DeepForecaster, Dataset], Float64]
"""Ask a forecaster something of every time and instrument (n_times, n_instruments, ...)."""

EXPLAINED = 500
"""Windows from which the shares of features are measured, at most."""


@dataclass(frozen=True, eq=False)
class Adapted(DeepForecaster):
    """Ask a trained network, some of whose parameters are replaced.

    Parameters
    ----------
    own : dict of str to Tensor
        The replacements by name.
    """

    own: Weights = field(default_factory=dict)

    @classmethod
    def of(cls, shared: DeepForecaster, own: Weights) -> "Adapted":
        """Replace parameters of a forecaster's network."""
        return cls(**{each.name: getattr(shared, each.name) for each in fields(shared)}, own=own)

    @property
    def module(self) -> Scaled:
        """Put the replacements into the shared module whenever it is called; nothing of it is copied."""
        return cast(Scaled, _Replaced(super().module, self.own))


class _Replaced(nn.Module):
    def __init__(self, shared: Scaled, own: Weights) -> None:
        super().__init__()
        self.shared, self.own = shared, {name: value.detach().double() for name, value in own.items()}

    @property
    def inner(self) -> nn.Module:
        whole = copy.deepcopy(self.shared)
        whole.load_state_dict(self.own, strict=False)
        return whole.inner

    def scale(self, windows: Tensor) -> Tensor:
        return self.shared.scale(windows)

    def forward(self, windows: Tensor) -> Tensor:
        return functional_call(self.shared, self.own, (windows,))  # type: ignore[no-any-return]

    def answer(self, scaled: Tensor) -> Tensor:
        own = {f"whole.{name}": value for name, value in self.own.items()}
        return functional_call(_Answering(self.shared), own, (scaled,))  # type: ignore[no-any-return]


class _Answering(nn.Module):
    def __init__(self, whole: Scaled) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, scaled: Tensor) -> Tensor:
        return self.whole.answer(scaled)


@dataclass(frozen=True, eq=False)
class IndividualForecaster:
    """Ask each instrument's own network; one without weights of its own has the shared ones.

    Parameters
    ----------
    shared : DeepForecaster
        The network, its shared weights, and the spread around what it says.
    symbols : tuple of str
        Instruments with weights of their own.
    names : tuple of str
        The parameters that they have of their own.
    values : Float32
        Those parameters, one after another (n_symbols, n_values).
    weight : float
        How far each stands from the shared weights, 0, to those that its own data alone led to, 1.
    """

    shared: DeepForecaster
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    values: Float32
    weight: float = 1.0

    @property
    def lookback(self) -> int:
        """Rows on which one forecast depends: the window."""
        return self.shared.lookback

    def of(self, symbol: str) -> DeepForecaster:
        """Give the network of one instrument."""
        if symbol not in self.symbols:
            return self.shared
        values, own = torch.from_numpy(self.values[self.symbols.index(symbol)]), {}
        parameters = dict(self.shared.module.named_parameters())
        sizes = [parameters[name].numel() for name in self.names]
        for name, part in zip(self.names, torch.split(values, sizes), strict=True):
            own[name] = part.reshape(parameters[name].shape)
        return Adapted.of(self.shared, own)

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Forecast every time."""
        quantiles = self._joined(dataset, lambda one, own: one.forecast(own).quantiles)
        return Forecasts(dataset.times, dataset.symbols, dataset.horizons, quantiles)

    def contributions(self, dataset: Dataset) -> Float64:
        """Integrate gradients, each instrument through its own network."""
        return self._joined(dataset, lambda one, own: one.contributions(own))

    def attention(self, dataset: Dataset) -> Attention | None:
        """Say what the networks looked at, averaged over the instruments of each time; None where they cannot."""
        groups = [(one, only(dataset, places)) for places, one in self._groups(dataset)]
        return averaged([one.attention(own) for one, own in groups], [own.is_valid.sum(axis=1) for _, own in groups])

    def importance(self) -> Float64:
        """Return each feature's share (n_features,)."""
        return self.shared.importance()

    def _groups(self, dataset: Dataset) -> list[tuple[Ints, DeepForecaster]]:
        own = [place for place, symbol in enumerate(dataset.symbols) if symbol in self.symbols]
        rest = np.setdiff1d(np.arange(len(dataset.symbols)), own)
        groups = [(np.array([place]), self.of(dataset.symbols[place])) for place in own]
        return [*groups, (rest, self.shared)] if len(rest) or not own else groups

    def _joined(self, dataset: Dataset, ask: Ask) -> Float64:
        with on_threads(1):  # many small products: threads would only wait for one another
            parts = [(places, ask(one, only(dataset, places))) for places, one in self._groups(dataset)]
        whole = np.empty((len(dataset), len(dataset.symbols), *parts[0][1].shape[2:]))
        for places, values in parts:
            whole[:, places] = values
        return whole


def flat(weights: Weights) -> Float32:
    """Lay parameters out one after another (n_values,)."""
    values: Float32 = torch.cat([value.detach().reshape(-1).float().cpu() for value in weights.values()]).numpy()
    return values


def only(dataset: Dataset, places: Ints) -> Dataset:
    """Keep some instruments of a dataset."""
    return replace(
        dataset,
        features=dataset.features[:, places],
        labels=dataset.labels[:, places],
        scale=dataset.scale[:, places],
        is_valid=dataset.is_valid[:, places],
        symbols=tuple(dataset.symbols[place] for place in places),
    )


def with_shares(forecaster: DeepForecaster, dataset: Dataset) -> DeepForecaster:
    """Measure each feature's share by the contributions to some forecasts, spread evenly over the dataset."""
    times, instruments = np.nonzero(dataset.is_valid)
    chosen = np.linspace(0, len(times) - 1, min(EXPLAINED, len(times))).round().astype(np.int64)
    is_valid = np.zeros_like(dataset.is_valid)
    is_valid[times[chosen], instruments[chosen]] = True
    parts = forecaster.contributions(replace(dataset, is_valid=is_valid))[..., :-1] / horizon_volatility(dataset)[..., None]
    amounts = np.abs(parts[is_valid]).sum(axis=(0, 1))
    return replace(forecaster, shares=amounts / amounts.sum() if amounts.sum() > 0 else amounts)


def refuse_whole_times(network: Network, loss: Loss, owner: str) -> None:
    """Refuse what cannot learn from one instrument alone.

    Raises
    ------
    StrategyError
        If the network or the loss needs every instrument of a time.
    """
    for part in (network, loss):
        if getattr(part, "needs_times", False):
            raise StrategyError(
                f"{owner} was given {type(part).__name__}, which needs every instrument of a time",
                "one that can learn from a single instrument",
                "choose another, such as Huber or Quantiles for the loss",
            )
