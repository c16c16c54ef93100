"""What costs nothing to beat: held, equally weighted, persistence and a linear model."""

from dataclasses import replace

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.evaluation.backtest import Setting, backtest, track_of
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.splits import Split
from quantdesk.evaluation.walk_forward import Tell, silent, walk_forward
from quantdesk.models.persistence import Persistence
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.limits import Limits
from quantdesk.strategy import Rehearsed, Strategy

UNLIMITED = Limits(gross=1.0, per_name=1.0, per_sector=1.0, daily_var=1.0, drawdown=1.0)
"""Passive baselines follow no limits: that is what holding means."""


def baselines(
    strategy: Strategy, dataset: Dataset, splits: list[Split], setting: Setting, seed: int, tell: Tell = silent
) -> dict[str, Track]:
    """Trade each baseline over the same bars at the same costs.

    ``persistence`` and ``linear`` follow the strategy's own rule, sizing, calendar and limits,
    fed with the forecasts of a simpler model.
    """
    passive = replace(setting, limits=UNLIMITED)
    found = {
        "buy and hold": track_of(buy_and_hold(passive), passive),
        "equal weight": track_of(equal_weight(passive), passive),
    }
    for name, model in (("persistence", Persistence()), ("linear", Ridge())):
        simpler = replace(strategy, name=name, model=model)
        forecasts = walk_forward(model, dataset, splits, seed).forecasts
        found[name] = backtest(name, Rehearsed(simpler, forecasts), setting, tell).track
    return found


def buy_and_hold(setting: Setting) -> Float64:
    """Spread the capital equally over what trades at the first bar, then leave it."""
    targets = np.full((len(setting.panel.times) - setting.start, setting.panel.shape[1]), np.nan)
    targets[0] = _equal(setting, setting.start)
    return targets


def equal_weight(setting: Setting) -> Float64:
    """Return to equal weights at the first bar of each month."""
    times = setting.panel.times[setting.start :].astype("datetime64[M]")
    targets = buy_and_hold(setting)
    for row in np.flatnonzero(times[1:] != times[:-1]) + 1:
        targets[row] = _equal(setting, setting.start + int(row))
    return targets


def _equal(setting: Setting, t: int) -> Float64:
    is_traded = np.isfinite(setting.panel.fields["close"][t])
    return np.where(is_traded, 1.0 / max(1, int(is_traded.sum())), np.nan)
