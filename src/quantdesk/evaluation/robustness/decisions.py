"""Decide again from the same forecasts, quickly: what is held is taken to be what was decided last."""

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.forecast import Forecasts
from quantdesk.evaluation.backtest import Setting
from quantdesk.portfolio import limits as limit
from quantdesk.portfolio.limits import VAR_LOOKBACK, Sectors
from quantdesk.portfolio.moves import Moves
from quantdesk.strategy import Strategy


def decide_again(strategy: Strategy, forecasts: Forecasts, setting: Setting, shift: int = 0) -> Float64:
    """Decide at each time the calendar opens a period, and whenever nothing is held; limits applied.

    Parameters
    ----------
    strategy : Strategy
        The parts, perhaps other ones than traded.
    forecasts : Forecasts
        One for each bar from the setting's start on.
    shift : int
        Bars by which the calendar is late.

    Returns
    -------
    Float64
        Weights (n_times, n_instruments), NaN where nothing was decided.

    Raises
    ------
    StrategyError
        If the parts ask for a horizon that was not forecast.
    """
    panel, start = setting.panel, setting.start
    opens, sectors, moves = opens_period(strategy, setting, shift), Sectors.of(panel.instruments), Moves()
    depth = max(strategy.lookback, VAR_LOOKBACK)
    targets, held = np.full((len(opens), panel.shape[1]), np.nan), np.zeros(panel.shape[1])
    for row in range(len(opens)):
        if held.any() and not opens[row]:
            continue
        seen = panel.rows(max(0, start + row + 1 - depth), start + row + 1)
        wanted = strategy.decide(forecasts.at(row), seen, held).weights
        targets[row] = limit.apply(setting.limits, wanted, held, seen, sectors, moves).weights
        held = np.where(np.isnan(targets[row]), held, targets[row])
    return targets


def opens_period(strategy: Strategy, setting: Setting, shift: int = 0) -> Bools:
    """Tell at which bars the calendar opens a period, shifted by some bars (n_times,)."""
    times, holding = setting.panel.times, np.ones(1)
    ends = range(setting.start + 1 - shift, len(times) + 1 - shift)
    return np.array([strategy.is_due(times[max(0, end - 2) : max(1, end)], holding) for end in ends], dtype=np.bool_)
