"""Print how fast a network that learned to learn picks up a new sine wave, beside one that learned them all at once.

The task of Finn, Abbeel & Levine 2017, section 5.1: amplitude in [0.1, 5], phase in [0, pi], x in [-5, 5], two hidden
layers of 40 ReLU units, 10 points, one inner step of 0.01 while learning, 25 tasks a step, Adam. The network learned
jointly sees points of the same tasks, and is then fine-tuned with the step size, of several, that suits it best on
tasks of its own. No figure of the paper stands here: its curves were not at hand to be read. Its published code makes
70,000 iterations and tests on 600 tasks: ``python benchmarks/maml_sinusoid.py --iterations 70000``.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quantdesk.models.adaptation import Adaptation
from quantdesk.models.learning.loop import on_threads
from quantdesk.models.learning.maml import Weights, adapted

UNITS, POINTS, TASKS = 40, 10, 25
SHOWN = (0, 1, 5, 10)
INNER = Adaptation(shots=POINTS, steps=1, rate=0.01)
RATES = (0.001, 0.003, 0.01, 0.02, 0.05)

Draw = tuple[Tensor, Tensor]


def sines(n_tasks: int, n_points: int, source: torch.Generator) -> tuple[Draw, Draw]:
    """Draw waves, and points of each to learn from and to be judged by: x and y (n_tasks, n_points, 1)."""
    size = 0.1 + 4.9 * torch.rand(n_tasks, 1, 1, generator=source)
    phase = math.pi * torch.rand(n_tasks, 1, 1, generator=source)
    x = 10.0 * torch.rand(2, n_tasks, n_points, 1, generator=source) - 5.0
    y = size * torch.sin(x - phase)
    return (x[0], y[0]), (x[1], y[1])


def network(source: torch.Generator) -> Weights:
    """Draw the weights of two hidden layers, uniform in plus and minus the root of one over the inputs of each."""
    weights = {}
    for place, (n_in, n_out) in enumerate(((1, UNITS), (UNITS, UNITS), (UNITS, 1))):
        bound = n_in**-0.5
        for name, shape in ((f"w{place}", (1, n_in, n_out)), (f"b{place}", (1, 1, n_out))):
            weights[name] = (bound * (2 * torch.rand(shape, generator=source) - 1)).requires_grad_()
    return weights


def say(weights: Weights, x: Tensor) -> Tensor:
    """Map x (n_tasks, n_points, 1) through weights of one network, or of one for each task."""
    hidden = torch.relu(x @ weights["w0"] + weights["b0"])
    return torch.relu(hidden @ weights["w1"] + weights["b1"]) @ weights["w2"] + weights["b2"]


def errors(weights: Weights, draw: Draw) -> Tensor:
    """Average the squared error of each task (n_tasks,)."""
    return ((say(weights, draw[0]) - draw[1]) ** 2).mean(dim=(1, 2))


def stacked(weights: Weights, n_tasks: int) -> Weights:
    """Give each task weights of its own, all alike."""
    return {name: value.expand(n_tasks, -1, -1) for name, value in weights.items()}


def learn(weights: Weights, iterations: int, source: torch.Generator, loss: Callable[[Weights, Draw, Draw], Tensor]) -> float:
    """Make a loss small over fresh waves, and tell how many seconds it took."""
    began, optimiser = time.perf_counter(), torch.optim.Adam(list(weights.values()), lr=1e-3)
    for _ in range(iterations):
        optimiser.zero_grad(set_to_none=True)
        loss(weights, *sines(TASKS, POINTS, source)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return time.perf_counter() - began


def curve(weights: Weights, rate: float, n_tasks: int, seed: int) -> dict[int, Tensor]:
    """Measure the error of new waves (n_tasks,) after 0, 1, 5 and 10 steps on 10 points, judged on 100 others."""
    source = torch.Generator().manual_seed(seed)
    support, _ = sines(n_tasks, POINTS, source)
    source.manual_seed(seed)  # the same waves, other points
    _, query = sines(n_tasks, 100, source)
    own = {name: value.detach().clone().requires_grad_() for name, value in stacked(weights, n_tasks).items()}
    found, one = {0: errors(own, query).detach()}, Adaptation(shots=POINTS, steps=1, rate=rate)
    for step in range(1, max(SHOWN) + 1):
        own = adapted(lambda moved: errors(moved, support).sum(), own, one, is_learning=False)
        found[step] = errors(own, query).detach()
    return {step: found[step] for step in SHOWN}


def best_rate(weights: Weights, n_tasks: int, seed: int) -> float:
    """Find the step size with the smallest error after 5 steps, on waves that nothing else uses."""
    return min(RATES, key=lambda rate: float(curve(weights, rate, n_tasks, seed)[5].nan_to_num(math.inf).mean()))


def meta_loss(inner: Adaptation) -> Callable[[Weights, Draw, Draw], Tensor]:
    """Make the loss of what weights become after adapting to each wave."""

    def loss(weights: Weights, support: Draw, query: Draw) -> Tensor:
        own = stacked(weights, TASKS)
        return errors(adapted(lambda moved: errors(moved, support).sum(), own, inner, is_learning=True), query).mean()

    return loss


def joint_loss(weights: Weights, support: Draw, query: Draw) -> Tensor:
    """Average the errors of one network over all the points."""
    return (errors(weights, support) + errors(weights, query)).mean() / 2


def measured(loss: Callable[[Weights, Draw, Draw], Tensor], iterations: int, n_tasks: int, seed: int) -> dict[str, Any]:
    """Train with a loss and measure what becomes of new waves: mean error and its standard error after each step shown."""
    source = torch.Generator().manual_seed(seed)
    weights = network(source)
    seconds = learn(weights, iterations, source, loss)
    rate = best_rate(weights, 200, seed + 1_000) if loss is joint_loss else INNER.rate
    found = curve(weights, rate, n_tasks, seed + 2_000)
    told = {step: (float(each.mean()), float(each.std()) / n_tasks**0.5) for step, each in found.items()}
    return {"step": rate, "seconds": seconds, "errors": told}


def main() -> None:
    """Train the three, and print what each makes of new waves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=20_000)
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    kinds = {
        "MAML": meta_loss(INNER),
        "MAML, first order": meta_loss(replace(INNER, is_second_order=False)),
        "learned jointly": joint_loss,
    }
    print(f"{chosen.iterations} iterations; squared error on {chosen.tasks} new waves, by steps on {POINTS} points")
    found: dict[str, Any] = {"iterations": chosen.iterations}
    for name, loss in kinds.items():
        with on_threads(1):
            one = measured(loss, chosen.iterations, chosen.tasks, chosen.seed)
        shown = "  ".join(f"{step}: {mean:.3f} +- {error:.3f}" for step, (mean, error) in one["errors"].items())
        print(f"{name:18} step {one['step']:<5g}  {shown}  [{one['seconds']:.0f} s]", flush=True)
        found[name] = one
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
