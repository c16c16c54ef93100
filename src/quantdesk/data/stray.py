"""Find days on which only a few stray bars lie, such as holidays."""

import numpy as np

from quantdesk.domain.arrays import Bools
from quantdesk.domain.panel import Panel

FEW = 0.05
"""A day with fewer bars than this share of the usual number is no session of the market."""

_LEAST = 20  # instruments; with fewer, a halt of some looks like a holiday


def stray_days(panel: Panel) -> Bools:
    """Say which bars of the panel's axis carry a few stray prices only (n_times,).

    The usual number is the median over all days, so this looks at the whole panel: it judges the
    data and is no rule to trade by.
    """
    n_bars = np.isfinite(panel.fields["close"]).sum(axis=1)
    usual = float(np.median(n_bars)) if len(n_bars) else 0.0
    return np.asarray((n_bars < FEW * usual) & (len(panel.symbols) >= _LEAST))
