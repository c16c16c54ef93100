"""Evidence of a strategy that nothing shakes, for tests of what reads it."""

import math
from dataclasses import replace

import numpy as np

from quantdesk.evaluation.evidence import Evidence, Placebos, Selection, Shuffles
from quantdesk.evaluation.resampling import Interval
from quantdesk.evaluation.robustness.findings import (
    Capacity,
    Change,
    Contribution,
    Delays,
    Neighbour,
    Neighbours,
    Part,
    Periods,
    Robustness,
    Starts,
    Stretch,
    Universe,
)

BEGIN, END = np.datetime64("2023-01-04T21:00", "ns"), np.datetime64("2023-06-01T20:00", "ns")


def sound() -> Robustness:
    """Hold a study of a strategy that nothing shakes."""
    part = Part("NVDA", BEGIN, END, 1000.0, 0.05, 1.15)
    return Robustness(
        sharpe=1.2,
        delays=Delays((0, 1, 2), (1.2, 1.15, 1.1)),
        capacity=Capacity((1e5, 1e6, 1e7, 1e8), (1.2, 1.2, 1.1, 0.7), (1e-4, 1e-3, 1e-2, 0.1), 1e6, 1.5e8, math.inf, False),
        starts=Starts((BEGIN, END), (1.3, 1.1), (1, 2), (1.15, 1.25)),
        universe=Universe(0.2, (1.0, 1.1, 1.2, 1.25, 1.3), (Change("without tech", 1.0),)),
        neighbours=Neighbours(1.21, (Neighbour("Rank.long", 0.15, 0.2, 1.1), Neighbour("horizon", 20, 5, 0.1))),
        periods=Periods(
            tuple(Stretch(str(year), 0.08, 1.2, 250) for year in range(2018, 2024)),
            tuple(Stretch(f"{kind} market", 0.2, 1.1, 400) for kind in ("calm", "usual", "rough")),
            tuple(Stretch(f"{kind} market", 0.2, 1.1, 600) for kind in ("falling", "rising")),
        ),
        contribution=Contribution(20_000.0, 10.0, part, part, replace(part, name="long NVDA"), 500, 0.2),
    )


def with_trip(share: float, without: float, name: str = "long NVDA") -> Robustness:
    of = sound()
    trip = Part(name, BEGIN, END, 1000.0, share, without)
    return replace(of, contribution=replace(of.contribution, trip=trip))


def evidence(selection: Selection | None = None) -> Evidence:
    """Hold all of it, with one trial made so far where no other selection is given."""
    alone = Selection(1, 1.0, Interval(-0.5, 1.0, 2.5, 0.95, 4.0), None, None)
    return Evidence(selection or alone, None, sound(), shuffles(), None)


def shuffles() -> Shuffles:
    """Hold earlier decisions that did worse, all of them."""
    return Shuffles(np.linspace(-1.0, 0.5, 9), np.linspace(-0.02, 0.01, 9), 1.2, 0.03, 0.1, 0.1)


def placebos(*sharpes: float) -> Placebos:
    """Hold what twins earned beside a real run of 1.0."""
    values = np.array(sharpes)
    return Placebos(("resampled prices",) * len(values), values, values, values / 50, 1.0, 1.0, 0.03, 60.0)
