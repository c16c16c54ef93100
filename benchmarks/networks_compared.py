"""Set every network beside ridge regression and boosted trees: the same samples, walk-forward, after costs, several seeds.

Every model reads the same features, learns from the same samples of each fold at the times at which the strategy decides,
and feeds the same rule, sizing, calendar, limits and costs; networks pass over their samples three times. Nothing was
tuned on these markets. All runs count as trials of one search.

Run: ``python benchmarks/networks_compared.py daily --data sp500 --json daily.json --kept DIR`` on a data set of DESK_HOME
(``intraday`` for 5-minute bars); what is finished is kept in DIR, so that a killed run goes on. Then
``python benchmarks/networks_compared.py --page docs/guides/networks-compared.md daily.json intraday.json planted.json``,
the last of ``daily --data synthetic:ic=0.05,seed=1,n_instruments=150,n_days=1509 --seeds 3``.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from networks_page import page

from quantdesk import compute
from quantdesk.compute import Compute
from quantdesk.data import store
from quantdesk.domain.arrays import Bools, Float32, Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import LEVELS, Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Forecaster, Model
from quantdesk.evaluation import scores
from quantdesk.evaluation.backtest import Setting, at_no_cost, backtest, track_of
from quantdesk.evaluation.baselines import UNLIMITED, equal_weight
from quantdesk.evaluation.comparison import model_confidence_set, superiority
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.overfitting import backtest_overfitting, effective_trials
from quantdesk.evaluation.resampling import independent_bars
from quantdesk.evaluation.significance import Significance, alpha, newey_west_t, significance
from quantdesk.evaluation.splits import Split, WalkForward
from quantdesk.evaluation.walk_forward import forecast_rows
from quantdesk.execution.costs import Costs
from quantdesk.models.deep import Deep
from quantdesk.models.learning.network import Network
from quantdesk.models.lightgbm import LightGBM
from quantdesk.models.networks.combined import Concatenated, Stacked
from quantdesk.models.networks.dlinear import DLinear
from quantdesk.models.networks.gru import GRU
from quantdesk.models.networks.lstm import LSTM
from quantdesk.models.networks.market import Market
from quantdesk.models.networks.mlp import MLP
from quantdesk.models.networks.patchtst import PatchTST
from quantdesk.models.networks.tcn import TCN
from quantdesk.models.networks.tft import TFT
from quantdesk.models.networks.transformer import Transformer
from quantdesk.models.networks.tsmixer import TSMixer
from quantdesk.models.ridge import Ridge
from quantdesk.models.training import Training
from quantdesk.portfolio.sizing import VolatilityScaled
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Rehearsed, Strategy

TRAINING = Training(epochs=3, batch=256, patience=0, device="cpu")
DAILY = (
    *("return_1", "return_5", "return_20", "momentum_60", "momentum_252_21", "ma_distance_30", "rsi_14", "overnight_gap"),
    *("volatility_5", "volatility_20", "volatility_60", "volume_ratio_20", "illiquidity_20"),
    *("return_5_rank", "momentum_252_21_rank", "volatility_20_rank"),
)
INTRADAY = (
    *("return_1", "return_5", "return_20", "momentum_60", "ma_distance_30", "rsi_14", "stochastic_14", "macd_histogram"),
    *("volatility_5", "volatility_20", "volatility_60", "volume_ratio_20", "volume_change"),
    *("return_5_rank", "momentum_20_rank", "volatility_20_rank"),
)


@dataclass(frozen=True)
class Contest:
    """Say what is traded on a market, and how history is cut."""

    features: tuple[str, ...]
    horizons: tuple[int, ...]
    horizon: int
    rebalance: Any
    walk: WalkForward
    lookback: int
    samples: int

    def strategy(self, name: str, model: Model) -> Strategy:
        """Choose the parts; only the model differs."""
        rule = Rank(horizon=self.horizon, long=0.2, short=0.2, keep=0.4)
        parts = (self.features, model, rule, VolatilityScaled(), self.horizon, self.horizons, self.rebalance)
        return Strategy(name, "one of a contest", *parts)


CONTESTS = {
    "daily": Contest(DAILY, (1, 5, 10, 20), 5, "weekly", WalkForward(753, 252, embargo_bars=5), 24, 30_000),
    "intraday": Contest(INTRADAY, (1, 3, 12), 12, "hourly", WalkForward(8_800, 4_418, embargo_bars=12), 24, 20_000),
}


def networks(lookback: int) -> dict[str, Network]:
    """Name every network of the library; all are small, as noise of this kind asks for."""
    mixed, read = TCN(lookback, 16, 3, 3), LSTM(lookback, 16, 1)
    return {
        "MLP": MLP(1),
        "DLinear": DLinear(lookback, kernel=5),
        "LSTM": LSTM(lookback, 32, 1),
        "GRU, three frames": GRU(lookback, (1, 3, 12), 24),
        "TCN": TCN(lookback, 24, 3, 3),
        "Transformer": Transformer(lookback, 32, 4, 1),
        "PatchTST": PatchTST(lookback, 6, 6, 16, 2, 2, 32),
        "TSMixer": TSMixer(lookback, 2, 32),
        "TFT": TFT(lookback, 16, 2),
        "TCN beside Transformer": Concatenated((mixed, Transformer(lookback, 16, 2, 1)), 16),
        "TCN before LSTM": Stacked((mixed, read)),
        "MLP, then the market": Market(MLP(1, 32, 1)),
    }


def models(contest: Contest) -> dict[str, Model]:
    """Name every model of the contest, the simple ones first."""
    n = contest.samples
    simple: dict[str, Model] = {"Ridge": Ridge(max_samples=n), "LightGBM": LightGBM(max_samples=n)}
    return simple | {name: Deep(network, None, TRAINING, True, n) for name, network in networks(contest.lookback).items()}


class World(NamedTuple):
    """What all runs share."""

    contest: Contest
    dataset: Dataset
    splits: list[Split]
    setting: Setting


class Task(NamedTuple):
    """One run."""

    name: str
    seed: int


class Run(NamedTuple):
    """What one run gave: mean forecasts at the traded horizon (n_test, n_instruments), and what they earned."""

    forecast: Float32
    track: Track
    gross_sharpe: float
    seconds: float


def decided(panel: Panel, contest: Contest) -> Bools:
    """Tell at which times the calendar decides (n_times,)."""
    strategy, held = contest.strategy("calendar", Ridge()), np.ones(1)
    due = [strategy.is_due(panel.times[max(0, t - 1) : t + 1], held) for t in range(len(panel.times))]
    return np.array(due)


def world(panel: Panel, contest: Contest) -> World:
    """Compute the dataset once; only times of decision teach and are judged."""
    dataset = contest.strategy("world", Ridge()).dataset(panel)
    dataset = replace(dataset, is_valid=dataset.is_valid & decided(panel, contest)[:, None])
    splits = contest.walk.splits(dataset)
    limits = contest.strategy("world", Ridge()).limits
    return World(contest, dataset, splits, Setting(panel, int(splits[0].test[0]), Costs(), limits, 1_000_000.0))


def run(world: World, task: Task) -> Run:
    """Learn fold by fold, then trade."""
    model, began = models(world.contest)[task.name], time.process_time()
    made = [_fold(world, model, task.seed, split) for split in world.splits]
    seconds = time.process_time() - began
    quantiles = np.concatenate(made)
    rows = np.concatenate([split.test for split in world.splits])
    data = world.dataset
    forecasts = Forecasts(data.times[rows], data.symbols, data.horizons, quantiles)
    strategy = world.contest.strategy(task.name, model)
    traded = backtest(task.name, Rehearsed(strategy, forecasts), world.setting)
    gross = scores.performance(track_of(traded.targets, at_no_cost(world.setting))).sharpe
    h = data.horizons.index(world.contest.horizon)
    return Run(forecasts.mean[..., h].astype(np.float32), traded.track, gross, seconds)


def _fold(world: World, model: Model, seed: int, split: Split) -> Float64:
    forecaster: Forecaster = model.fit(world.dataset.take(split.train), seed)
    return forecast_rows(forecaster, world.dataset, split.test).quantiles.reshape(
        len(split.test), len(world.dataset.symbols), -1, len(LEVELS)
    )


def relative_losses(world: World, forecast: Float64) -> tuple[Float64, Float64]:
    """Give the rank IC of each time, and the squared error over volatility, market moves apart (n_decisions,)."""
    rows = np.concatenate([split.test for split in world.splits])
    data, h = world.dataset.take(rows), world.dataset.horizons.index(world.contest.horizon)
    known = data.is_valid & np.isfinite(data.labels[..., h]) & (data.scale > 0)
    times = np.flatnonzero(known.sum(axis=1) >= 10)
    found = [_at(forecast[t][known[t]], data.labels[t, known[t], h], data.scale[t, known[t]]) for t in times]
    return np.array([ic for ic, _ in found]), np.array([loss for _, loss in found]) / world.contest.horizon


def _at(said: Float64, happened: Float64, scale: Float64) -> tuple[float, float]:
    first, second = (np.argsort(np.argsort(values)).astype(np.float64) for values in (said, happened))
    ic = float(np.corrcoef(first, second)[0, 1]) if np.ptp(said) > 0 else 0.0
    apart = (said - said.mean() - happened + happened.mean()) / scale
    return ic, float(np.mean(apart**2))


class Weighed(NamedTuple):
    """What all runs earned beside one another: returns (n_bars, n_runs), and what that many trials amount to."""

    series: Float64
    market: Track
    n_effective: float

    @classmethod
    def of(cls, world: World, runs: list[Run]) -> "Weighed":
        """Set the runs beside the market held equally."""
        series, passive = np.stack([one.track.returns for one in runs], axis=1), replace(world.setting, limits=UNLIMITED)
        market = track_of(equal_weight(passive), passive)
        return cls(series, market, effective_trials(series))

    @property
    def yearly(self) -> float:
        """Bars in a year."""
        return float(scores.performance(self.market).bars_per_year)

    def luck(self, place: int) -> Significance:
        """Weigh one run as one of all."""
        returns, n_runs = self.series[:, place], self.series.shape[1]
        yearly, independent = self.yearly, independent_bars(returns)
        return significance(returns, n_runs, self.n_effective, bars_per_year=yearly, n_independent=independent)


def weigh(world: World, tasks: list[Task], runs: list[Run]) -> dict[str, Any]:
    """Put what all runs gave into numbers for a page."""
    together = Weighed.of(world, runs)
    measured = [relative_losses(world, one.forecast.astype(np.float64)) for one in runs]
    nothing = relative_losses(world, np.zeros(runs[0].forecast.shape))[1]
    own = {
        name: [i for i, task in enumerate(tasks) if task.name == name] for name in dict.fromkeys(task.name for task in tasks)
    }
    losses = {name: np.mean([measured[i][1] for i in places], axis=0) for name, places in own.items()}
    chosen = model_confidence_set(np.stack([nothing, *losses.values()], axis=1))
    rows = []
    for (name, places), is_in in zip(own.items(), chosen.is_in[1:], strict=True):
        said = {"model": name, "seeds": len(places), "in_set": bool(is_in)}
        said |= {"loss_over_nothing": float(losses[name].mean() / nothing.mean())}
        said |= _foresight([measured[i][0] for i in places])
        rows.append(said | _earned(together, runs, places, len(world.splits)))
    return {"models": rows, "nothing_in_set": bool(chosen.is_in[0])} | _search(together, tasks, runs)


def _foresight(ics: list[Float64]) -> dict[str, Any]:
    return {"rank_ic": sorted(float(ic.mean()) for ic in ics), "rank_ic_t": float(newey_west_t(np.mean(ics, axis=0), 2))}


def _earned(together: Weighed, runs: list[Run], places: list[int], n_folds: int) -> dict[str, Any]:
    sharpes = [scores.performance(runs[i].track).sharpe for i in places]
    middle = places[int(np.argsort(sharpes)[len(places) // 2])]
    return {
        "sharpe": sorted(sharpes),
        "gross_sharpe": float(np.median([runs[i].gross_sharpe for i in places])),
        "turnover": float(np.median([runs[i].track.turnover[1:].mean() for i in places]) * together.yearly),
        "deflated_sharpe": together.luck(middle).deflated_sharpe,
        "seconds_a_fold": float(np.median([runs[i].seconds for i in places]) / n_folds),
    }


def _search(together: Weighed, tasks: list[Task], runs: list[Run]) -> dict[str, Any]:
    best = int(np.argmax([scores.performance(one.track).sharpe for one in runs]))
    luck = together.luck(best)
    overfit = backtest_overfitting(together.series, bars_per_year=together.yearly)
    apart = np.stack([alpha(column, together.market.returns)[1] for column in together.series.T], axis=1)
    return {
        "market_sharpe": scores.performance(together.market).sharpe,
        "n_runs": len(runs),
        "n_effective": together.n_effective,
        "best": {"model": tasks[best].name, "seed": tasks[best].seed, "sharpe": luck.sharpe},
        "noise_best": luck.expected_best_from_noise,
        "best_deflated": luck.deflated_sharpe,
        "overfitting": overfit.probability,
        "overfitting_noise": list(overfit.noise),
        "superiority": superiority(apart).reality_check,
    }


def describe(world: World, asked: argparse.Namespace) -> dict[str, Any]:
    """Say on what the contest was held."""
    data, rows = world.dataset, np.concatenate([split.test for split in world.splits])
    return {
        "market": asked.market,
        "data": asked.data,
        "n_instruments": len(data.symbols),
        "n_times": len(data),
        "first": str(data.times[rows[0]])[:10],
        "last": str(data.times[rows[-1]])[:10],
        "n_decisions": int(data.is_valid[rows].any(axis=1).sum()),
        "folds": len(world.splits),
        "horizon": world.contest.horizon,
        "rebalance": world.contest.rebalance,
        "samples": world.contest.samples,
        "epochs": TRAINING.epochs,
        "n_features": len(data.feature_names),
        "lookback": world.contest.lookback,
        "costs": repr(world.setting.costs),
    }


def say(what: str, _done: int, _total: int) -> None:
    """Print which run it is, but not its epochs."""
    if ":" not in what:
        print(what, flush=True)


def main() -> None:
    """Hold a contest, or write the page of earlier ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("market", nargs="?", choices=list(CONTESTS))
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, nargs="+", help="write the first from the others")
    asked = parser.parse_args()
    if asked.page:
        asked.page[0].write_text(page([json.loads(path.read_text()) for path in asked.page[1:]]))
        return
    held = world(store.load(asked.data, Path(os.environ["DESK_HOME"])), CONTESTS[asked.market])
    names = asked.only or list(models(held.contest))
    # A model without chance in it runs once.
    tasks = [Task(name, seed) for seed in range(asked.seeds) for name in names if seed == 0 or name != "Ridge"]
    print(json.dumps(describe(held, asked)), flush=True)
    where = Compute(workers=asked.workers, kept=asked.kept)
    runs = compute.map(run, held, tasks, where, say, "run")
    found = describe(held, asked) | weigh(held, tasks, runs)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
