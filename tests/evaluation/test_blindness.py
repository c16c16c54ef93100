"""The check that forecasts are blind: rounding passes, knowledge does not."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest

from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import LEVELS, Forecast, Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.blindness import check_blindness
from quantdesk.evaluation.splits import Split
from quantdesk.evaluation.walk_forward import OutOfSample
from quantdesk.strategy import FittedStrategy
from small_worlds import panel_of

PANEL = panel_of(np.full((40, 2), 100.0))
QUANTILES = np.broadcast_to(np.linspace(-0.05, 0.05, len(LEVELS)), (40, 2, 1, len(LEVELS))).copy()


@dataclass(frozen=True)
class Live:
    """Forecast as in the batch, shifted."""

    shift: float
    lookback: int = 5

    def forecast(self, panel: Panel) -> Forecast:
        return Forecast(panel.now, PANEL.symbols, (5,), QUANTILES[0] + self.shift)


def check(shift: float) -> None:
    learned = OutOfSample(Forecasts(PANEL.times, PANEL.symbols, (5,), QUANTILES), np.arange(40), np.zeros(1), ())
    check_blindness(cast(FittedStrategy, Live(shift)), PANEL, learned, Split(np.arange(10), np.arange(10, 40)))


@pytest.mark.parametrize("shift", [0.0, 2e-7, 5e-5])
def test_what_rounding_moves_passes(shift: float) -> None:
    check(shift)


@pytest.mark.parametrize("shift", [5e-4, -0.01, np.nan])
def test_what_the_future_moves_is_refused_with_instrument_time_and_both_values(shift: float) -> None:
    with pytest.raises(StrategyError, match="with the future at hand and") as caught:
        check(shift)
    assert "A at" in caught.value.what
