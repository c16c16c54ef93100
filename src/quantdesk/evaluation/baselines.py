"""What costs nothing to beat: held, equally weighted, persistence and a linear model."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.progress import Tell, silent
from quantdesk.evaluation.backtest import Setting, backtest, track_of
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.rivals import Expects
from quantdesk.evaluation.splits import Split
from quantdesk.evaluation.walk_forward import walk_forward
from quantdesk.models.persistence import Persistence
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.limits import Limits
from quantdesk.strategy import Rehearsed, Strategy

RECENT = np.timedelta64(7, "D")
"""A name that traded within this long is alive."""

UNLIMITED = Limits(gross=1.0, per_name=1.0, per_sector=1.0, daily_var=1.0, drawdown=1.0)
"""Passive baselines follow no limits: that is what holding means."""


@dataclass(frozen=True, eq=False)
class Means:
    """Hold what a model expected.

    Parameters
    ----------
    horizons : tuple of int
        Bars ahead.
    mean : Float64
        Mean log return (n_times, n_instruments, n_horizons).
    """

    horizons: tuple[int, ...]
    mean: Float64


@dataclass(frozen=True, eq=False)
class Baselines:
    """Hold what simpler things did over the same bars.

    Parameters
    ----------
    tracks : dict of str to Track
        What each earned.
    forecasts : dict of str to Expects
        What those expected that forecast, at the horizon traded.
    """

    tracks: dict[str, Track]
    forecasts: dict[str, Expects]


def baselines(
    strategy: Strategy, dataset: Dataset, splits: list[Split], setting: Setting, seed: int, tell: Tell = silent
) -> Baselines:
    """Trade each baseline over the same bars at the same costs.

    ``persistence`` and ``linear`` follow the strategy's own rule, sizing, calendar and limits,
    fed with the forecasts of a simpler model.
    """
    passive = setting.under(limits=UNLIMITED)
    tracks = {
        "buy and hold": track_of(buy_and_hold(passive), passive),
        "equal weight": track_of(equal_weight(passive), passive),
    }
    forecasts: dict[str, Expects] = {}
    for name, model in (("persistence", Persistence()), ("linear", Ridge())):
        simpler = replace(strategy, name=name, model=model)
        tracks[name], forecasts[name] = _traded(simpler, dataset, splits, setting, seed, tell)
    return Baselines(tracks, forecasts)


def _traded(
    strategy: Strategy, dataset: Dataset, splits: list[Split], setting: Setting, seed: int, tell: Tell
) -> tuple[Track, Means]:
    # The forecasts themselves are let go: those of a large market must not lie beside the strategy's own.
    forecasts = walk_forward(strategy.model, dataset, splits, seed, silent).forecasts
    track = backtest(strategy.name, Rehearsed(strategy, forecasts), setting, tell).track
    column = forecasts.horizons.index(strategy.horizon)
    return track, Means((strategy.horizon,), forecasts.mean[:, :, column : column + 1].copy())


def buy_and_hold(setting: Setting) -> Float64:
    """Spread the capital equally over what is alive at the first bar, each at its first chance, then leave it."""
    n_bars = len(setting.panel.times) - setting.start
    return _spread(setting, [0, n_bars])


def equal_weight(setting: Setting) -> Float64:
    """Return to equal weights each month, each name at its first chance."""
    months = setting.panel.times[setting.start :].astype("datetime64[M]")
    begins = [0, *(np.flatnonzero(months[1:] != months[:-1]) + 1).tolist()]
    return _spread(setting, [*begins, len(months)])


def _spread(setting: Setting, edges: list[int]) -> Float64:
    # Not every name trades in the bar that opens a period: the others follow when they do.
    is_traded = np.isfinite(setting.panel.fields["close"])
    targets = np.full((len(is_traded) - setting.start, is_traded.shape[1]), np.nan)
    for begin, end in pairwise(edges):
        t = setting.start + begin
        recent = setting.panel.times[: t + 1] > setting.panel.times[t] - RECENT
        alive = np.flatnonzero(is_traded[: t + 1][recent].any(axis=0))
        for i in alive:
            chances = np.flatnonzero(is_traded[t : setting.start + end, i])
            if chances.size:
                targets[begin + chances[0], i] = 1.0 / len(alive)
    return targets
