"""Tuning the last layer of a trained network to each instrument, and going on from trained weights."""

import copy
import io
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.models.adaptation import Tuning
from quantdesk.models.deep import Deep
from quantdesk.models.learning.fit import Lesson
from quantdesk.models.learning.individual import IndividualForecaster, flat, refuse_whole_times
from quantdesk.models.learning.loop import on_threads
from quantdesk.models.learning.losses import Huber, Loss
from quantdesk.models.learning.maml import Weights
from quantdesk.models.learning.meta_fit import elsewhere, judged_samples
from quantdesk.models.learning.network import Network
from quantdesk.models.learning.scaled import Scaled
from quantdesk.models.learning.windows import Windows, windows

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How far from the universal layer to an instrument's own; the validation span chooses one."""


@dataclass(frozen=True)
class Continued:
    """Build a network with the weights of a trained one.

    Parameters
    ----------
    network : Network
        Its choices.
    weights : bytes
        A forecaster's state, as torch writes it.
    """

    network: Network
    weights: bytes

    @property
    def lookback(self) -> int:
        """Times in a window."""
        return self.network.lookback

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the module and load the weights of what lies behind the scaling."""
        module = self.network.build(n_features, n_outputs)
        state = torch.load(io.BytesIO(self.weights), weights_only=True)
        inner = {name.removeprefix("inner."): value for name, value in state.items() if name.startswith("inner.")}
        module.load_state_dict(inner)
        return module


def tune(model: Deep, tuning: Tuning, dataset: Dataset, seed: int) -> IndividualForecaster:
    """Fit the universal network, tune its last layer to each instrument, and choose how far to go.

    Raises
    ------
    DataError
        If there are fewer than 30 samples, none of them to validate on, or training breaks down.
    StrategyError
        If the network or the loss needs every instrument of a time.
    """
    loss = model.loss or Huber()
    refuse_whole_times(model.network, loss, "Tuned")
    universal = model.fit(dataset, seed)
    lesson = Lesson.of(dataset, model.demean, model.training.validation_share)
    times, instruments = lesson.samples(0, lesson.n_taught, model.max_samples)
    targets, later = lesson.at(times, instruments)[0], judged_samples(lesson)
    taught = windows(dataset.features, targets, times, instruments, universal.lookback, torch.device("cpu"))
    judged = elsewhere(taught, *later, lesson.at(*later)[0])
    module = copy.deepcopy(universal.module).float().requires_grad_(False)
    shared: Weights = {name: dict(module.named_parameters())[name] for name in last_layer(module)}
    with on_threads(model.training.n_threads):
        own = _tuned(module, shared, taught, loss, tuning, seed)
        weight = _best_weight(module, shared, own, judged, loss)
    moved = {place: between(shared, layer, weight) for place, layer in own.items()} if weight > 0 else {}
    values = [flat(layer) for layer in moved.values()] or [np.empty(0, dtype=np.float32)]
    symbols = tuple(dataset.symbols[place] for place in moved)
    return IndividualForecaster(universal, symbols, tuple(shared), np.stack(values), weight)


def last_layer(module: Scaled) -> tuple[str, ...]:
    """Name the parameters of the layer that was declared last: the head of every network here."""
    names = [name for name, _ in module.named_parameters()]
    owner = names[-1].rpartition(".")[0]
    return tuple(name for name in names if name.rpartition(".")[0] == owner)


def between(shared: Weights, own: Weights, weight: float) -> Weights:
    """Go part of the way from the shared layer to an instrument's own."""
    return {name: torch.lerp(value, own[name], weight) for name, value in shared.items()}


def _tuned(module: Scaled, shared: Weights, taught: Windows, loss: Loss, tuning: Tuning, seed: int) -> dict[int, Weights]:
    own, instruments = {}, taught.rows % taught.n_instruments
    for place in range(taught.n_instruments):
        samples = torch.nonzero(instruments == place)[:, 0]
        if len(samples) >= tuning.min_samples:
            order = torch.Generator().manual_seed(1_000_003 * seed + place)
            own[place] = _tuned_one(module, shared, taught, samples, loss, tuning, order)
    return own


def _tuned_one(
    module: Scaled, shared: Weights, taught: Windows, samples: Tensor, loss: Loss, tuning: Tuning, order: torch.Generator
) -> Weights:
    layer = {name: value.detach().clone().requires_grad_() for name, value in shared.items()}
    optimiser = torch.optim.Adam(list(layer.values()), lr=tuning.rate)
    for _ in range(tuning.steps):
        chosen = samples[torch.randint(len(samples), (min(tuning.batch, len(samples)),), generator=order)]
        value = _loss(module, layer, taught, chosen, loss)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return {name: value.detach() for name, value in layer.items()}


def _best_weight(module: Scaled, shared: Weights, own: dict[int, Weights], judged: Windows, loss: Loss) -> float:
    instruments = judged.rows % judged.n_instruments
    samples = {place: torch.nonzero(instruments == place)[:, 0] for place in own}
    totals: Float64 = np.zeros(len(WEIGHTS))
    with torch.no_grad():
        for place, layer in own.items():
            for which, weight in enumerate(WEIGHTS):
                for rows in torch.split(samples[place], 512) if len(samples[place]) else ():
                    totals[which] += len(rows) * float(_loss(module, between(shared, layer, weight), judged, rows, loss))
    return WEIGHTS[int(totals.argmin())]


def _loss(module: Scaled, layer: Weights, samples: Windows, chosen: Tensor, loss: Loss) -> Tensor:
    inputs, targets = samples.batch(chosen)
    return loss(functional_call(module, layer, (inputs,)), targets, torch.zeros_like(targets[:, 0]))
