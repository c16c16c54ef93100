"""What a panel tells beyond its fields: the instruments' sectors, and the sessions in its times."""

from dataclasses import replace

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.panel import Panel
from quantdesk.features.sessions import session_facts


def bars_of(panel: Panel) -> Bars:
    """Adjust a panel's prices, and lay its sectors and sessions beside its facts; a field of the same name wins."""
    bars = Bars.of(panel)
    sessions = {name: np.broadcast_to(values, panel.shape) for name, values in session_facts(panel.times).items()}
    return replace(bars, facts={**sectors(panel), **sessions, **bars.facts})


def fields_of(panel: Panel) -> set[str]:
    """Name what a panel can give: its fields, ``sector`` where known, ``session`` where bars are within days."""
    return {*panel.fields, *sectors(panel), *session_facts(panel.times)}


def sectors(panel: Panel) -> dict[str, Float64]:
    """Number the instruments' sectors in the field ``sector`` (n_times, n_instruments); NaN where unknown.

    Empty where no sector is known. The numbers only tell equal from different.
    """
    names = sorted({instrument.sector for instrument in panel.instruments} - {""})
    if not names:
        return {}
    numbers = [names.index(instrument.sector) if instrument.sector else np.nan for instrument in panel.instruments]
    return {"sector": np.broadcast_to(np.array(numbers, dtype=np.float64), panel.shape)}
