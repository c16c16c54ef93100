"""A trained network: immutable, picklable, and the same to the bit whatever else is forecast beside."""

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.attention import Attention
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.effort import Effort
from quantdesk.domain.forecast import LEVELS, Forecasts
from quantdesk.models.fitting import Scaler, completed, horizon_volatility
from quantdesk.models.learning.loop import on_threads
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.network import Network, needs_times
from quantdesk.models.learning.scaled import Scaled
from quantdesk.models.learning.windows import gather, resident

CHUNK = 512
"""Windows answered at a time."""

STEPS = 8
"""Points on the way from the training mean to the input, along which contributions are added up."""


@runtime_checkable
class Looking(Protocol):
    """A network that can say what it looked at."""

    def attention(self, module: nn.Module, windows: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Weigh, for scaled windows, their times (n, lookback) and the features (n, n_features), as far as it can."""
        ...


@dataclass(frozen=True, eq=False)
class DeepForecaster:
    """Ask a trained network.

    Parameters
    ----------
    network : Network
        Its choices.
    loss : Loss
        How its outputs are read.
    scaler : Scaler
        Fitted on the training span.
    weights : bytes
        The trained module's state, as torch writes it.
    residuals : Float64
        What the validation span adds to the quantiles that the loss reads (n_horizons, n_levels), in units of the
        expected volatility; see ``calibration.corrections``.
    shares : Float64
        Each feature's share of what moves the outputs (n_features,).
    effort : Effort
        What training took.
    """

    network: Network
    loss: Loss
    scaler: Scaler
    weights: bytes
    residuals: Float64
    shares: Float64
    effort: Effort

    @property
    def lookback(self) -> int:
        """Rows on which one forecast depends: the window."""
        return self.network.lookback

    @property
    def module(self) -> Scaled:
        """Rebuild the module, in evaluation mode and double precision on the CPU."""
        return _module(self.network, self.loss.width, len(self.residuals), self.weights)

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Forecast every time; what a window lacks counts as the training mean."""
        times, instruments = np.nonzero(dataset.is_valid)
        outputs = self._answers(dataset, times * len(dataset.symbols) + instruments).double()
        said = self.loss.quantiles(outputs).numpy() + self.residuals
        quantiles = np.full((*dataset.labels.shape, len(LEVELS)), np.nan)
        quantiles[times, instruments] = np.sort(said, axis=-1)
        return Forecasts(dataset.times, dataset.symbols, dataset.horizons, quantiles * horizon_volatility(dataset)[..., None])

    def contributions(self, dataset: Dataset) -> Float64:
        """Integrate gradients from the training mean to the input (Sundararajan, Taly & Yan 2017), summed over the window."""
        mean = self.forecast(dataset).mean
        parts = np.zeros((*mean.shape, len(self.shares)))
        times, instruments = np.nonzero(dataset.is_valid)
        rows = torch.from_numpy(times * len(dataset.symbols) + instruments)
        table, found = resident(dataset.features, torch.device("cpu")), []
        for chunk in self._chunks(rows, len(dataset.symbols)):
            windows = gather(table, chunk, len(dataset.symbols), self.lookback).double()
            with on_threads(1):
                found.append(self._integrated(windows))
        if found:
            parts[times, instruments] = torch.cat(found).double().numpy()
        return completed(parts * horizon_volatility(dataset)[..., None], mean)

    def importance(self) -> Float64:
        """Return each feature's share (n_features,)."""
        return self.shares

    def attention(self, dataset: Dataset) -> Attention | None:
        """Say what the network looked at, averaged over the instruments of each time; None where it cannot."""
        if not isinstance(self.network, Looking):
            return None
        times, instruments = np.nonzero(dataset.is_valid)
        rows = torch.from_numpy(times * len(dataset.symbols) + instruments)
        table, found = resident(dataset.features, torch.device("cpu")), []
        module, inner = self.module, self.module.inner
        with on_threads(1), torch.no_grad():
            for chunk in self._chunks(rows, len(dataset.symbols)):
                windows = module.scale(gather(table, chunk, len(dataset.symbols), self.lookback).double())
                found.append(self.network.attention(inner, windows))
        lags, features = (_by_time([said[part] for said in found], times, len(dataset)) for part in (0, 1))
        return Attention(lags, features)

    def _chunks(self, rows: Tensor, n_instruments: int) -> tuple[Tensor, ...]:
        if len(rows) == 0:
            return ()
        if not needs_times(self.network):
            return torch.split(rows, CHUNK)
        _, counts = torch.unique_consecutive(rows // n_instruments, return_counts=True)
        return torch.split(rows, counts.tolist())

    def _answers(self, dataset: Dataset, rows: Ints) -> Tensor:
        # In double precision, rounded to single: products round differently with what else is in a batch,
        # and a forecast must not depend on that.
        module, table = self.module, resident(dataset.features, torch.device("cpu"))
        found = [torch.empty(0, len(self.residuals), self.loss.width)]
        with on_threads(1), torch.inference_mode():
            for chunk in self._chunks(torch.from_numpy(rows), len(dataset.symbols)):
                windows = gather(table, chunk, len(dataset.symbols), self.lookback)
                found.append(module(windows.double()).float())
        return torch.cat(found)

    def _integrated(self, windows: Tensor) -> Tensor:
        module = self.module
        scaled, total = module.scale(windows), []
        for horizon in range(len(self.residuals)):
            slopes = torch.zeros_like(scaled)
            for step in range(STEPS):
                at = (scaled * ((step + 0.5) / STEPS)).requires_grad_()
                said = self.loss.mean(module.answer(at))[:, horizon].sum()
                slopes += torch.autograd.grad(said, at)[0] / STEPS
            total.append((slopes * scaled).sum(dim=1).detach())
        return torch.stack(total, dim=1)


def _by_time(parts: list[Tensor | None], times: Ints, n_times: int) -> Float64 | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    weights = torch.cat(known).double().numpy()
    total = np.zeros((n_times, weights.shape[1]))
    np.add.at(total, times, weights)
    n_known = np.bincount(times, minlength=n_times)[:, None]
    return np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan)


def pack(module: Scaled) -> bytes:
    """Write a module's state."""
    file = io.BytesIO()
    torch.save({name: value.cpu() for name, value in module.state_dict().items()}, file)
    return file.getvalue()


@lru_cache(maxsize=16)
def _module(network: Network, width: int, n_horizons: int, weights: bytes) -> Scaled:
    state = torch.load(io.BytesIO(weights), weights_only=True)
    n_features = len(state["centre"])
    blank = Scaler(np.zeros(n_features), np.ones(n_features), np.ones(n_features))
    with torch.random.fork_rng(devices=[]):
        module = Scaled(network, blank, n_horizons, width)
    module.load_state_dict(state)
    return module.double().eval()
