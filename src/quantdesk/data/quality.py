"""Judge a panel: what is impossible is refused, what is odd is doubted, what is rare but real is noted."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from quantdesk.data.faults import ahead, lags, levels, repeats, sessions, ticks, values
from quantdesk.data.faults.agreement import compare
from quantdesk.data.faults.block import Block, blocks
from quantdesk.data.faults.marks import EVERY_SYMBOL, Marks, Severity
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

__all__ = ["Finding", "QualityReport", "Severity", "check", "compare", "gate", "refusals"]

_NAMED = 200  # findings of one kind that are kept one by one
_GRAVITY: Mapping[Severity, int] = {"refuse": 0, "doubt": 1, "note": 2}

_REFUSING: tuple[Callable[[Block], list[Marks]], ...] = (values.impossible_values, values.bar_shape, ticks.spikes)
_DOUBTING: tuple[Callable[[Block], list[Marks]], ...] = (
    values.lone_prices,
    ticks.lone_extremes,
    ticks.unconfirmed_last,
    levels.splits,
    levels.units,
    repeats.stale,
    repeats.repeated_bars,
    lags.shifted,
    sessions.missing_bars,
    sessions.stray_bars,
    values.idle_bars,
    ticks.large_moves,
)
_LEAPS = ("split suspected", "unit change", "unconfirmed move")
_WHOLE: tuple[Callable[[Panel], list[Marks]], ...] = (sessions.calendar, sessions.clocks, ahead.looks_ahead)


@dataclass(frozen=True)
class Finding:
    """Name one fault.

    Parameters
    ----------
    kind : str
        What is wrong, in a word or two.
    severity : {"refuse", "doubt", "note"}
        Impossible, so that the data cannot be used with it; not to be relied on; rare but real.
    symbol : str
        The instrument; ``every symbol`` where the whole panel is meant.
    time : numpy.datetime64
        Close of the first bar, UTC.
    value : float
        The value at fault, in the unit that the message gives.
    message : str
        The fault in words.
    until : numpy.datetime64
        Close of the last bar, UTC: ``time`` where it is one bar.
    """

    kind: str
    severity: Severity
    symbol: str
    time: np.datetime64
    value: float
    message: str
    until: np.datetime64


@dataclass(frozen=True, eq=False)
class QualityReport:
    """Hold what was found in a panel.

    Parameters
    ----------
    name : str
        The panel's.
    findings : tuple of Finding
        Refusals first, notes last; of each kind the first 200.
    counts : mapping of str to int
        How many of each kind there are in all.
    n_refused : int
        How many findings, named or not, refuse the panel.
    n_flagged : int
        How many bars, present or missing, a refusal or doubt of its own symbol names.
    score : float
        Share of traded bars that are refused or doubted by no finding, in [0, 1].
    marks : tuple of Marks
        Where every finding is, named or not.
    is_traded : Bools
        Where the panel has a close (n_times, n_instruments).
    """

    name: str
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    n_refused: int
    n_flagged: int
    score: float
    marks: tuple[Marks, ...]
    is_traded: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]"

    @property
    def refused(self) -> tuple[Finding, ...]:
        """List the findings for which the panel is refused."""
        return tuple(finding for finding in self.findings if finding.severity == "refuse")

    @cached_property
    def scores(self) -> Float64:
        """Score each bar (n_times, n_instruments): 1 sound, 0.5 doubted, 0 refused; NaN where there is none.

        A bar that is missing where it was due counts as doubted.
        """
        scores = np.where(self.is_traded, 1.0, np.nan)
        for severity, score in (("doubt", 0.5), ("refuse", 0.0)):
            for mark in self.marks:
                if mark.severity == severity:
                    scores[mark.bars()] = score
        return scores

    @property
    def symbol_scores(self) -> Float64:
        """Average the scores of each instrument's bars (n_instruments,); NaN where it has none."""
        is_scored = np.isfinite(self.scores)
        n_scored = is_scored.sum(axis=0)
        return np.where(n_scored > 0, np.nansum(self.scores, axis=0) / np.maximum(n_scored, 1), np.nan)


def check(panel: Panel) -> QualityReport:
    """Look for the impossible, the odd and the rare.

    Refused: prices, splits or delisting proceeds that are not positive, infinite values, negative
    volumes, a high below the low, an open or close outside the bar's range by more than 0.5 %, a
    close that jumps more than tenfold and is back within two bars, and a further field that
    equals a later price or return. Doubted: lesser cases of these, prices that stand alone
    without the volume of news, runs of equal closes, copied bars and stretches, missing bars and
    sessions, splits without an event or the reverse, units that change, dates off by one and
    stamps at the open. Noted: moves over 40 % and bars without volume.
    """
    parts = blocks(panel)
    marks: list[Marks] = []
    digests = []
    for part in parts:
        marks += _judged(part, _REFUSING + _DOUBTING)
        digests.append(repeats.digests(part))
        part.forget()
    marks += repeats.copies(panel, parts, digests)
    marks = _without_echoes(panel, marks) + [mark for look in _WHOLE for mark in look(panel)]
    return _report(panel, marks)


def gate(panel: Panel) -> Panel:
    """Return the panel as it is, or refuse it.

    Raises
    ------
    DataError
        If it holds impossible values; names the first three and counts the rest.
    """
    report = refusals(panel)
    if report.n_refused == 0:
        return panel
    shown = report.refused[:3]
    rest = report.n_refused - len(shown)
    raise DataError(
        "; ".join(finding.message for finding in shown) + (f"; and {rest} more" if rest else ""),
        f"possible prices in {panel.name!r}",
        "correct these bars at their source, or set them aside with `desk ingest --quarantine`",
    )


def refusals(panel: Panel) -> QualityReport:
    """Look for the impossible only, which is quicker than ``check``."""
    marks = [mark for part in blocks(panel) for mark in _judged(part, _REFUSING)] + ahead.looks_ahead(panel)
    return _report(panel, [mark for mark in marks if mark.severity == "refuse"])


def _judged(part: Block, looks: Iterable[Callable[[Block], list[Marks]]]) -> list[Marks]:
    """Apply looks to a block and place what they mark in the whole panel."""
    found = (mark for look in looks for mark in look(part) if len(mark))
    return [replace(mark, columns=mark.columns + part.first_column) for mark in found]


def _without_echoes(panel: Panel, marks: list[Marks]) -> list[Marks]:
    # The way back from a wrong price is no fault of the bar that is right again.
    is_after = np.zeros(panel.shape, dtype=np.bool_)
    for mark in marks:
        if mark.severity != "note" and mark.kind not in _LEAPS:
            after = mark.last() + 1
            is_inside = after < panel.shape[0]
            is_after[after[is_inside], mark.columns[is_inside]] = True
    return [mark.where(~is_after[mark.rows, mark.columns]) if mark.kind in _LEAPS else mark for mark in marks]


def _report(panel: Panel, marks: list[Marks]) -> QualityReport:
    found = sorted((mark for mark in marks if len(mark)), key=lambda mark: (_GRAVITY[mark.severity], mark.kind))
    counts: Counter[str] = Counter()
    named: list[Finding] = []
    is_flagged = np.zeros(panel.shape, dtype=np.bool_)
    for mark in found:
        named += _findings(panel, mark, max(0, _NAMED - counts[mark.kind]))
        counts[mark.kind] += len(mark)
        if mark.severity != "note":
            is_flagged[mark.bars()] = True
    is_traded = np.isfinite(panel.fields["close"])
    n_clean, n_all = int(np.sum(is_traded & ~is_flagged)), int(np.sum(is_traded | is_flagged))
    return QualityReport(
        name=panel.name,
        findings=tuple(named),
        counts=dict(counts),
        n_refused=sum(len(mark) for mark in found if mark.severity == "refuse"),
        n_flagged=int(np.count_nonzero(is_flagged)),
        score=n_clean / max(1, n_all),
        marks=tuple(found),
        is_traded=is_traded,
    )


def _findings(panel: Panel, mark: Marks, n_most: int) -> list[Finding]:
    found = []
    symbols, last = panel.symbols, mark.last()
    for at in range(min(n_most, len(mark))):
        column, time, until = int(mark.columns[at]), panel.times[mark.rows[at]], panel.times[last[at]]
        symbol = "every symbol" if column == EVERY_SYMBOL else symbols[column]
        message = f"{symbol} at {np.datetime_as_string(time, unit='m')} UTC: {mark.say(at)}"
        found.append(Finding(mark.kind, mark.severity, symbol, time, float(mark.values[at]), message, until))
    return found
