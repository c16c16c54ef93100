"""Forecast again with the future cut off: a forecast that changes has seen it."""

import numpy as np

from quantdesk.domain.errors import StrategyError
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.splits import Split
from quantdesk.evaluation.walk_forward import OutOfSample
from quantdesk.strategy import FittedStrategy

N_MOMENTS = 3
"""Moments of the last fold at which the forecast is made again."""

TOLERANCE = 1e-3
"""Largest difference allowed, in units of the forecast's own width. Adjusted prices differ in their last bit
with the bar at which the adjustment begins, and features are float32: that much is rounding."""


def check_blindness(fitted: FittedStrategy, panel: Panel, learned: OutOfSample, split: Split) -> None:
    """Compare forecasts made in one batch with forecasts from a panel that ends at the decision.

    Raises
    ------
    StrategyError
        If one differs: something in the strategy reads what was not known yet.
    """
    for row in np.linspace(split.test[0], split.test[-1], N_MOMENTS).round().astype(np.int64):
        made = learned.forecasts.at(int(np.searchsorted(learned.rows, row)))
        again = fitted.forecast(panel.rows(max(0, int(row) + 1 - fitted.lookback), int(row) + 1))
        width = made.quantiles[..., -1:] - made.quantiles[..., :1]
        apart = ~(np.abs(made.quantiles - again.quantiles) <= TOLERANCE * width)
        apart &= ~(np.isnan(made.quantiles) & np.isnan(again.quantiles))
        if apart.any():
            i, h, level = (int(where[0]) for where in np.nonzero(apart))
            raise StrategyError(
                f"the forecast for {made.symbols[i]} at {made.time}, {made.horizons[h]} bars ahead, is "
                f"{made.quantiles[i, h, level]:.6g} with the future at hand and {again.quantiles[i, h, level]:.6g} without it",
                "the same forecast: nothing after the decision may be read",
                "look for labels, shifts or fits over all times in the strategy's model or features",
            )
