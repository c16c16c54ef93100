"""Explain forecasts where nothing can be forecast, and where one feature can, and count what is said.

Run: ``python benchmarks/explanations_on_noise.py --worlds 200``. Prints, for each kind of world without anything to
find, how the p-values of the furthest feature or family lie (at most one in twenty should be 0.05 or less), and otherwise
how often the feature that was planted leaves its band. Leaving a useless column out truly helps a little, so that what is
ablated may leave its band downward more often.
"""

import argparse
import json
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.ports import Model
from quantdesk.evaluation.explanation.findings import Explanation, Fall
from quantdesk.evaluation.explanation.study import Taught, explain
from quantdesk.evaluation.splits import WalkForward
from quantdesk.models.lightgbm import LightGBM
from quantdesk.models.ridge import Ridge


class World(NamedTuple):
    """How a world is drawn: its size, and the correlation of the first feature with what follows."""

    n_times: int = 760
    n_instruments: int = 20
    horizon: int = 5
    planted: float = 0.0
    n_features: int = 10


FALLS = ("shuffled_skill", "shuffled_loss", "ablated_skill", "ablated_loss")
LEVELS = (0.05, 0.2, 0.5)

KINDS = {
    "daily, five bars ahead": World(),
    "short, twenty bars ahead": World(n_times=620, horizon=20),
    "three instruments": World(n_instruments=3),
    "planted, IC about 0.05": World(planted=0.05),
    "planted, IC about 0.1": World(planted=0.1),
}


def dataset(of: World, seed: int) -> Dataset:
    """Draw features that linger and resemble one another, and returns with a common factor and stormy times.

    Feature 0 forecasts as planted; features 1 and 2 are nearly the same; the last one all instruments share.
    """
    random = np.random.default_rng(seed)
    shape = (of.n_times, of.n_instruments)
    features = _lingering(random, (*shape, of.n_features), 0.9)
    features[..., 2] = 0.95 * features[..., 1] + 0.31 * features[..., 2]
    features[..., -1] = features[:, :1, -1]
    storm = np.exp(0.4 * _lingering(random, (of.n_times, 1), 0.95))
    alone, common = random.standard_t(5, shape), random.standard_t(5, (of.n_times, 1))
    betas = 0.5 + random.random(of.n_instruments)
    returns = 0.01 * storm * (0.8 * alone + 0.6 * betas * common) / 1.3
    returns[1:] += 0.01 * of.planted * np.sqrt(of.horizon) / 3.0 * features[:-1, :, 0]
    return _laid(features, returns, of.horizon)


def _lingering(random: np.random.Generator, shape: tuple[int, ...], keeps: float) -> Float64:
    values = random.normal(size=shape)
    for row in range(1, shape[0]):
        values[row] = keeps * values[row - 1] + np.sqrt(1 - keeps**2) * values[row]
    return values


def _laid(features: Float64, returns: Float64, horizon: int) -> Dataset:
    n_times, n_instruments = returns.shape
    total = np.vstack([np.zeros(n_instruments), np.cumsum(returns, axis=0)])
    labels, rows = np.full((n_times, n_instruments, 1), np.nan), np.arange(n_times - horizon - 1)
    labels[rows, :, 0] = total[rows + horizon + 1] - total[rows + 1]
    begins = np.arange(n_times) + 1
    day = np.datetime64("2018-01-01T21:00", "ns")
    return Dataset(
        times=day + np.arange(n_times) * np.timedelta64(1, "D"),
        features=features.astype(np.float32),
        labels=labels,
        begins=begins,
        ends=(begins + horizon)[:, None],
        scale=np.full((n_times, n_instruments), 0.01),
        is_valid=np.ones((n_times, n_instruments), dtype=np.bool_),
        feature_names=tuple(f"feature {place}" for place in range(features.shape[2])),
        needs_scaling=np.ones(features.shape[2], dtype=np.bool_),
        horizons=(horizon,),
        symbols=tuple(f"S{place}" for place in range(n_instruments)),
    )


def explained(of: World, seed: int, model: Model) -> Explanation:
    """Learn fold by fold, and explain what was learned on the rows after it."""
    drawn = dataset(of, seed)
    splits = WalkForward(of.n_times // 2, of.n_times // 4, True, 5).splits(drawn)
    taught = [Taught(model.fit(drawn.take(split.train), seed), split.test) for split in splits]
    found = explain(taught, drawn, 0, seed)
    assert found is not None
    return found


def counted(found: list[Explanation], fall: str, is_planted: bool) -> dict[str, float]:
    """Count the worlds in which a column left its band, and lay the p-values of the furthest beside even ones.

    Where nothing is planted the p-value of the furthest column is even between 0 and 1, and so is that of all
    features together: their shares at or below 0.05, 0.2 and 0.5 should be those numbers, or less.
    """
    falls: list[Fall] = [getattr(one, fall) for one in found]
    if is_planted:
        others = [
            (each.is_more | each.is_harm)[1 : len(one.feature_names)].any() for one, each in zip(found, falls, strict=True)
        ]
        return {"planted found": _share([each.is_more[0] for each in falls]), "another outside": _share(others)}
    furthest = np.array([each.p_values[:-1].min() for each in falls])
    whole = np.array([each.p_values[-1] for each in falls])
    shares = {f"furthest p <= {level}": _share((furthest <= level).tolist()) for level in LEVELS}
    return shares | {f"all features p <= {level}": _share((whole <= level).tolist()) for level in LEVELS}


def _share(values: Sequence[object]) -> float:
    return round(float(np.mean(np.array(values, dtype=np.float64))), 3)


def main() -> None:
    """Draw worlds of each kind, and print what was said of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--trees", action="store_true", help="learn by LightGBM rather than by ridge regression")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    asked = parser.parse_args()
    model: Model = LightGBM(n_trees=30, min_leaf=50) if asked.trees else Ridge()
    for kind in asked.kinds:
        began, of = time.perf_counter(), KINDS[kind]
        found = [explained(of, seed, model) for seed in range(asked.worlds)]
        line: dict[str, object] = {"world": kind, "worlds": asked.worlds, "times": len(found[0].times)}
        line |= {fall: counted(found, fall, of.planted > 0) for fall in FALLS}
        print(json.dumps(line | {"seconds": round(time.perf_counter() - began, 1)}), flush=True)


if __name__ == "__main__":
    main()
