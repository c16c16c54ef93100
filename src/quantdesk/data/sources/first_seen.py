"""A crawl of daily prices as they were first seen, with what the vendor restated afterwards."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quantdesk.data.actions import event_fields
from quantdesk.data.attach import new_york
from quantdesk.data.restatements import Restatements, read_restatements
from quantdesk.data.sources.file import File
from quantdesk.data.stray import stray_days
from quantdesk.domain.panel import Panel


@dataclass(frozen=True)
class FirstSeen:
    """Read prices as first seen, unadjusted, and take splits and dividends from the restatements.

    A vendor that restates yesterday's adjusted close by a factor says that today is an ex-date.
    A restatement becomes a split or a dividend only where the prices bear it out; the others are
    left as doubts, and counted in a caveat.

    Parameters
    ----------
    path : Path
        Parquet or CSV: symbol, date, open, high, low, close, volume.
    restatements : Path or None
        Parquet or CSV: symbol, date, adj_close_first, ratio. None: no events are known.
    name : str
        What the panel is called; the file's stem where it is empty.
    haircut : float
        Fraction of the last close that is lost when an instrument vanishes.
    """

    path: Path
    restatements: Path | None = None
    name: str = ""
    haircut: float = 0.3

    def fetch(self) -> Panel:
        """Return the panel as it was seen, faults included; ``admission.admit`` sets those aside.

        Raises
        ------
        DataError
            If a file is missing, unreadable or lacks a column.
        """
        panel = File(self.path, self.name, {"adj_close": ""}, sort=True, haircut=self.haircut).fetch()
        caveat = "bars count as known at their close, when they were public, whenever they were collected"
        panel = replace(panel, caveats=(*panel.caveats, caveat))
        return panel if self.restatements is None else _with_events(panel, read_restatements(self.restatements))


def _with_events(panel: Panel, told: Restatements) -> Panel:
    # An event must not fall on a stray bar of a holiday, which is set aside later.
    close = np.where(stray_days(panel)[:, None], np.nan, panel.fields["close"])
    actions, n_doubted = told.actions(close, panel.times, panel.symbols, new_york(told.days, "16:00"))
    fields = {**panel.fields, **event_fields(actions, close, panel.times, panel.symbols)}
    n_splits = sum(action.kind == "split" for action in actions)
    caveat = (
        f"{n_splits} splits and {len(actions) - n_splits} dividends are inferred from restated prices; "
        f"{n_doubted} restatements are not borne out by the closes and left as doubts; "
        f"{len(told.ratios) - len(actions) - n_doubted} correct a close or repeat an event"
    )
    return replace(panel, fields=fields, caveats=(*panel.caveats, caveat))
