"""What the panel's other instruments did at each bar: the measure for what one of them did."""

from dataclasses import dataclass

import numpy as np

from quantdesk.data.sequence import median
from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import log_changes, unit_growth
from quantdesk.domain.panel import Panel

FEWEST = 10
"""Fewer instruments than this say nothing about each other."""

_ASKED = 400  # more of them move the median no further


@dataclass(frozen=True, eq=False)
class Peers:
    """Hold what is common at each bar; all arrays have shape (n_times,).

    Parameters
    ----------
    market : Float64
        Median log change from the bar before; 0 where fewer than ten instruments have one.
    spread : Float64
        Median distance of an instrument's change from it; 0 likewise.
    presence : Float64
        Share with a bar among those with an earlier and a later one; NaN below ten of them.
    """

    market: Float64
    spread: Float64
    presence: Float64

    @classmethod
    def of(cls, panel: Panel) -> "Peers":
        """Ask every instrument, or of very many an even choice."""
        step = max(1, panel.shape[1] // _ASKED)
        close = panel.fields["close"][:, ::step]
        if "split" in panel.fields:
            split = {"close": close, "split": panel.fields["split"][:, ::step]}
            close = close * unit_growth(Panel(panel.times, panel.instruments[::step], split))
        change = log_changes(np.where(close > 0, close, np.nan))
        is_told = np.isfinite(change).sum(axis=1) >= FEWEST
        market = np.where(is_told, median(change), 0.0)
        spread = np.where(is_told, median(np.abs(change - market[:, None])), 0.0)
        return cls(market, spread, _presence(close))

    def path(self) -> Float64:
        """Add the market's changes up (n_times,)."""
        return np.cumsum(self.market)


def _presence(close: Float64) -> Float64:
    has_bar = np.isfinite(close)
    is_between = np.logical_or.accumulate(has_bar, axis=0) & np.logical_or.accumulate(has_bar[::-1], axis=0)[::-1]
    n_between = is_between.sum(axis=1)
    share = np.full(len(close), np.nan)
    np.divide(has_bar.sum(axis=1), n_between, out=share, where=n_between >= FEWEST)
    return share
