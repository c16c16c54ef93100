"""What is new in a panel since the one seen before, so that what is kept between bars need not be read again."""

import numpy as np

from quantdesk.domain.panel import Panel


def n_new_bars(before: Panel | None, panel: Panel, names: tuple[str, ...]) -> int:
    """Count the last bars that ``before`` did not show; all of them where anything older may have changed.

    Two views of the same arrays cannot differ in the bars that they share. Whatever was fetched again,
    copied, or masked until it became known, is another array, and is read anew.

    Parameters
    ----------
    before : Panel or None
        What was seen last.
    panel : Panel
        What is seen now.
    names : tuple of str
        The fields that matter.
    """
    if before is None or before.instruments is not panel.instruments:
        return len(panel.times)
    if any(_memory(before, name) is not _memory(panel, name) for name in names):
        return len(panel.times)
    place = int(np.searchsorted(panel.times, before.now))
    is_shown = place < len(panel.times) and panel.times[place] == before.now
    return len(panel.times) - 1 - place if is_shown else len(panel.times)


def _memory(panel: Panel, name: str) -> object:
    values = panel.fields.get(name)
    return values if values is None or values.base is None else values.base
