"""Facts that know the future: fields whose values go with prices that come later."""

import numpy as np

from quantdesk.data.faults.marks import Marks, Severity, of_panel
from quantdesk.data.sequence import median
from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.bars import carry_forward, unit_growth
from quantdesk.domain.panel import FIELDS, Panel

SUSPICIOUS, CERTAIN = 0.9, 0.999
"""Correlation with a later price or return from which a field is doubted, or refused."""

HORIZONS = (1, 2, 3, 4, 5, 6, 10, 15, 19, 20, 21, 40, 60, 63)
"""Bars over which later returns are tried."""

_BASES = (-1, 0, 1, 5, 10)  # bars from the value's own to where the return begins
_PAST = (0, -1, -2)
_BETTER = 0.3  # how much closer to the later price than to the present one
_FEWEST = 30
_SAMPLE = 8_000


def looks_ahead(panel: Panel) -> list[Marks]:
    """Name the fields beyond prices and events that go with later returns, or equal later prices.

    Each new value of a field is set against the returns over 1 to 63 bars that begin at the close
    before it was known, at it, or up to 10 bars after it. As a price, its steps from one value
    to the next are set against those of the later closes: it looks ahead where they fit far
    better than the present ones. No forecast reaches a rank correlation of 0.9.
    """
    marks = []
    for name, values in panel.fields.items():
        if name not in FIELDS:
            marks += _judged(panel, name, values)
    return marks


def _judged(panel: Panel, name: str, values: Float64) -> list[Marks]:
    value, rows, columns = _news(panel, name, values)
    if len(value) < _FEWEST:
        return []
    logs = _log_closes(panel)
    found = [_as_return(logs, value, rows, columns, base) for base in _BASES]
    found.append(_as_price(logs, value, rows, columns))
    strength, bars, what = max(found, key=lambda one: abs(one[0]))
    if abs(strength) <= SUSPICIOUS:
        return []
    words = f"{name} goes with the {what} {bars} bars later (rank correlation {{value:.3f}}): it knows the future"
    severity: Severity = "refuse" if abs(strength) >= CERTAIN else "doubt"
    return [of_panel("looks ahead", severity, int(rows.min()), strength, words)]


def _news(panel: Panel, name: str, values: Float64) -> tuple[Float64, Ints, Ints]:
    # Values that differ from the one above them, with the row from which each is known.
    is_new = np.isfinite(values)
    is_new[1:] &= values[1:] != carry_forward(values)[:-1]
    rows, columns = np.nonzero(is_new)
    step = max(1, len(rows) // _SAMPLE)
    if step > 1:  # whole instruments, so that one value and the next stay together
        kept = np.isin(columns, np.unique(columns)[::step])
        rows, columns = rows[kept], columns[kept]
    value = values[rows, columns]
    if name in panel.known_at:
        stamps = panel.known_at[name][rows, columns]
        rows = np.maximum(rows, np.searchsorted(panel.times, stamps))
    is_ever = rows < panel.shape[0]
    return value[is_ever], rows[is_ever], columns[is_ever]


def _log_closes(panel: Panel) -> Float64:
    close = panel.fields["close"]
    adjusted = close * unit_growth(panel) if "split" in panel.fields else close
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(carry_forward(np.where(close > 0, adjusted, np.nan)))
    return np.asarray(logs)


def _as_return(logs: Float64, value: Float64, rows: Ints, columns: Ints, base: int) -> tuple[float, int, str]:
    start = _picked(logs, rows + base, columns)
    known = _tied(value, _picked(logs, rows, columns) - start) if base < 0 else 0.0
    best = (0.0, 0, "return")
    for bars in HORIZONS:
        tied = _tied(value, _picked(logs, rows + base + bars, columns) - start) if base + bars > 0 else 0.0
        # Where the later return hardly differs from what has happened already, it proves nothing.
        if abs(tied) > abs(best[0]) and abs(tied) > abs(known) + 0.05:
            best = (tied, base + bars, "return to" if base <= 0 else f"return from {base} to")
    return best


def _as_price(logs: Float64, value: Float64, rows: Ints, columns: Ints) -> tuple[float, int, str]:
    # From one value of an instrument to its next, so that a price adjusted otherwise is known too.
    order = np.lexsort((rows, columns))
    value, rows, columns = value[order], rows[order], columns[order]
    is_next = np.append(False, columns[1:] == columns[:-1])
    steps = _steps(np.log(np.where(value > 0, value, np.nan)), is_next)
    apart = {bars: _steps(_picked(logs, rows + bars, columns), is_next) for bars in (*_PAST, *HORIZONS)}
    misfit = {bars: float(np.nan_to_num(median(np.abs(steps - step)), nan=np.inf)) for bars, step in apart.items()}
    best = min(HORIZONS, key=misfit.__getitem__)
    if misfit[best] >= _BETTER * min(misfit[bars] for bars in _PAST):
        return 0.0, best, "price"
    return _tied(steps, apart[best]), best, "price"


def _steps(values: Float64, is_next: Bools) -> Float64:
    return np.where(is_next, np.diff(values, prepend=np.nan), np.nan)


def _picked(logs: Float64, rows: Ints, columns: Ints) -> Float64:
    is_there = (rows >= 0) & (rows < len(logs))
    return np.where(is_there, logs[np.where(is_there, rows, 0), columns], np.nan)


def _tied(one: Float64, other: Float64) -> float:
    # Spearman's rank correlation; ties are broken by position, which only lowers it.
    is_both = np.isfinite(one) & np.isfinite(other)
    n = int(is_both.sum())
    if n < _FEWEST or np.ptp(one[is_both]) == 0 or np.ptp(other[is_both]) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(one[is_both]), _ranks(other[is_both]))[0, 1])


def _ranks(values: Float64) -> Float64:
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks
