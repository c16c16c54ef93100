"""The last known raw close of each instrument, carried through halts and splits."""

from dataclasses import dataclass, field

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.panel import Panel


@dataclass(frozen=True, eq=False)
class Marks:
    """Hold the prices at which positions are valued.

    Parameters
    ----------
    prices : Float64
        Raw closes (n_instruments,), NaN where none is known yet; empty before the first bar.
    """

    prices: Float64 = field(default_factory=lambda: np.empty(0))

    def after(self, panel: Panel) -> "Marks":
        """Return the marks after the panel's last bar (all of its bars, if these are the first)."""
        prices = self.prices
        first = 0 if not prices.size else len(panel.times) - 1
        split = panel.get("split") if "split" in panel.fields else None
        for t in range(first, len(panel.times)):
            close = panel.fields["close"][t]
            if not prices.size:
                prices = np.full(len(close), np.nan)
            if split is not None:
                prices = np.where(split[t] > 0, prices / split[t], prices)
            prices = np.where(np.isfinite(close), close, prices)
        return Marks(prices)
