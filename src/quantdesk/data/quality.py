"""Judge a panel: what is impossible is refused, what is odd is doubted, nothing is repaired."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantdesk.data.sequence import Sequence, runs
from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.bars import carry_forward
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

Severity = Literal["refuse", "doubt"]

OUTSIDE_RANGE = 0.005
"""An open or close this fraction outside [low, high] is refused; less is doubted."""
LARGE_MOVE = 0.4
STALE_BARS = 10
SPIKE, IMPOSSIBLE_SPIKE = 3.0, 10.0
SPLIT_RATIOS = (2.0, 3.0, 4.0, 5.0, 10.0, 20.0)
_NAMED = 200  # findings of one kind that are kept one by one


@dataclass(frozen=True)
class Finding:
    """Name one fault.

    Parameters
    ----------
    kind : str
        What is wrong, in a word or two.
    severity : {"refuse", "doubt"}
        Whether the data cannot be used with it.
    symbol : str
        The instrument.
    time : numpy.datetime64
        The bar's close, UTC.
    value : float
        The value at fault, in the unit that the message gives.
    message : str
        The fault in words.
    """

    kind: str
    severity: Severity
    symbol: str
    time: np.datetime64
    value: float
    message: str


@dataclass(frozen=True)
class QualityReport:
    """Hold what was found in a panel.

    Parameters
    ----------
    name : str
        The panel's.
    findings : tuple of Finding
        Refusals first; of each kind the first 200.
    counts : mapping of str to int
        How many of each kind there are in all.
    n_refused : int
        How many findings, named or not, refuse the panel.
    score : float
        Share of traded bars that no finding names, in [0, 1].
    """

    name: str
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    n_refused: int
    score: float

    @property
    def refused(self) -> tuple[Finding, ...]:
        """List the findings for which the panel is refused."""
        return tuple(finding for finding in self.findings if finding.severity == "refuse")


@dataclass(frozen=True, eq=False)
class _Marks:
    """Bars of one kind of fault: rows, columns and values (n_found,)."""

    kind: str
    severity: Severity
    rows: Ints
    columns: Ints
    values: Float64
    words: str


def check(panel: Panel) -> QualityReport:
    """Look for impossible and odd values.

    Refused: prices, splits or delisting proceeds that are not positive, infinite values, negative
    volumes, a high below the low, an open or close outside the bar's range by more than 0.5 %, and
    a close that jumps more than tenfold and is back within two bars. Doubted: lesser cases of
    these, moves over 40 %, ten equal closes in a row, bars that are missing or have no volume, and
    moves that look like a split without a split event, or the reverse.
    """
    sequence = Sequence.of(panel)
    marks = [mark for look in _LOOKS for mark in look(panel, sequence) if len(mark.rows)]
    marks.sort(key=lambda mark: mark.severity == "doubt")
    counts: Counter[str] = Counter()
    is_touched = np.zeros(panel.shape, dtype=np.bool_)
    for mark in marks:
        counts[mark.kind] += len(mark.rows)
        is_touched[mark.rows, mark.columns] = True
    is_traded = np.isfinite(panel.fields["close"])
    clean = float((is_traded & ~is_touched).sum()) / max(1, int((is_traded | is_touched).sum()))
    n_refused = sum(len(mark.rows) for mark in marks if mark.severity == "refuse")
    found = tuple(finding for mark in marks for finding in _findings(panel, mark))
    return QualityReport(panel.name, found, dict(counts), n_refused, clean)


def gate(panel: Panel) -> Panel:
    """Return the panel as it is, or refuse it.

    Raises
    ------
    DataError
        If it holds impossible values; names the first three and counts the rest.
    """
    report = check(panel)
    if report.n_refused == 0:
        return panel
    shown = report.refused[:3]
    rest = report.n_refused - len(shown)
    raise DataError(
        "; ".join(finding.message for finding in shown) + (f"; and {rest} more" if rest else ""),
        f"possible prices in {panel.name!r}",
        "correct or remove these bars at their source, then bring the data in again",
    )


def _findings(panel: Panel, mark: _Marks) -> list[Finding]:
    found = []
    for row, column, value in zip(mark.rows[:_NAMED], mark.columns[:_NAMED], mark.values[:_NAMED], strict=True):
        symbol, time = panel.symbols[column], panel.times[row]
        at = np.datetime_as_string(time, unit="m")
        message = f"{symbol} at {at} UTC: " + mark.words.format(value=value)
        found.append(Finding(mark.kind, mark.severity, symbol, time, float(value), message))
    return found


def _marked(kind: str, severity: Severity, where: Bools, values: Float64, words: str) -> _Marks:
    rows, columns = np.nonzero(where)
    return _Marks(kind, severity, rows, columns, values[rows, columns], words)


def _lined(kind: str, severity: Severity, sequence: Sequence, at: Ints, values: Float64, words: str) -> _Marks:
    return _Marks(kind, severity, sequence.rows[at], sequence.columns[at], values, words)


def _impossible_values(panel: Panel, sequence: Sequence) -> list[_Marks]:
    marks = []
    for name, values in panel.fields.items():
        marks.append(_marked("infinite", "refuse", np.isinf(values), values, f"{name} is {{value}}"))
        if name in ("open", "high", "low", "close", "split"):
            marks.append(_marked("not positive", "refuse", values <= 0, values, f"{name} is {{value:g}}, not above 0"))
        if name in ("volume", "delisting", "dividend"):
            marks.append(_marked("negative", "refuse", values < 0, values, f"{name} is {{value:g}}, below 0"))
    return marks


def _bar_shape(panel: Panel, sequence: Sequence) -> list[_Marks]:
    low, high = panel.get("low"), panel.get("high")
    marks = []
    with np.errstate(invalid="ignore", divide="ignore"):
        inverted = (low - high) / np.abs(low)
        for severity, where in _by_size(inverted):
            marks.append(_marked("high below low", severity, where, inverted, "high is {value:.3%} below the low"))
        for name in ("open", "close"):
            price = panel.get(name)
            outside = np.maximum(price - high, low - price) / np.abs(low)
            for severity, where in _by_size(outside):
                words = f"{name} is {{value:.3%}} outside the bar's range"
                marks.append(_marked("outside range", severity, where, outside, words))
    return marks


def _by_size(excess: Float64) -> tuple[tuple[Severity, Bools], ...]:
    # Prices stored in single precision are off by a part in ten million.
    return ("refuse", excess > OUTSIDE_RANGE), ("doubt", (excess > 1e-6) & (excess <= OUTSIDE_RANGE))


def _moves(panel: Panel, sequence: Sequence) -> list[_Marks]:
    change = np.expm1(sequence.log_change(1))
    at = np.flatnonzero(np.abs(change) > LARGE_MOVE)
    return [_lined("large move", "doubt", sequence, at, change[at], "close moves {value:+.1%} in one bar")]


def _spikes(panel: Panel, sequence: Sequence) -> list[_Marks]:
    jump = sequence.log_change(1)
    away = np.full(len(jump), np.inf)
    for bars in (1, 2):
        # Distance from the close before the jump to the one `bars` after it.
        net = np.abs(sequence.log_change(bars + 1))
        away[: len(jump) - bars] = np.fmin(away[: len(jump) - bars], net[bars:])
    is_back = away < np.abs(jump) / 4
    is_impossible = is_back & (np.abs(jump) > np.log(IMPOSSIBLE_SPIKE))
    is_odd = is_back & (np.abs(jump) > np.log(SPIKE)) & ~is_impossible
    words = "close of {value:g} lies far from the closes before and after it"
    close = sequence.gather(panel.fields["close"])
    refused, doubted = np.flatnonzero(is_impossible), np.flatnonzero(is_odd)
    return [
        _lined("spike", "refuse", sequence, refused, close[refused], words),
        _lined("spike", "doubt", sequence, doubted, close[doubted], words),
    ]


def _stale(panel: Panel, sequence: Sequence) -> list[_Marks]:
    is_same = sequence.log_change(1) == 0.0
    if "volume" in panel.fields:
        is_same &= sequence.gather(panel.fields["volume"]) > 0
    starts, lengths = runs(is_same, sequence.is_first)
    is_long = lengths + 1 >= STALE_BARS
    words = "{value:.0f} bars in a row have one close though it traded"
    return [_lined("stale", "doubt", sequence, starts[is_long], (lengths[is_long] + 1).astype(np.float64), words)]


def _missing(panel: Panel, sequence: Sequence) -> list[_Marks]:
    skipped = np.zeros(len(sequence.rows))
    skipped[1:] = np.where(sequence.is_first[1:], 0, np.diff(sequence.rows) - 1)
    at = np.flatnonzero(skipped > 0)
    return [_lined("missing bars", "doubt", sequence, at, skipped[at], "{value:.0f} bars before it are missing")]


def _idle(panel: Panel, sequence: Sequence) -> list[_Marks]:
    close, volume = panel.fields["close"], panel.get("volume")
    is_idle = np.isfinite(close) & (volume == 0)
    is_first = is_idle & (np.cumsum(is_idle, axis=0) == 1)
    total = np.broadcast_to(is_idle.sum(axis=0).astype(np.float64), close.shape)
    marks = [_marked("no volume", "doubt", is_first, total, "the first of {value:.0f} bars without volume")]
    for name in ("open", "high", "low"):
        lone = np.isfinite(panel.get(name)) & np.isnan(close)
        marks.append(_marked("no close", "doubt", lone, panel.get(name), f"a bar with {name} {{value:g}} but no close"))
    return marks


def _splits(panel: Panel, sequence: Sequence) -> list[_Marks]:
    change = sequence.log_change(1)
    at_open = change if "open" not in panel.fields else _overnight(panel, sequence)
    nearest = np.abs(np.abs(change)[:, None] - np.log(SPLIT_RATIOS)).min(axis=1, initial=np.inf)
    ratio = sequence.gather(panel.get("split"))
    ratio = np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0)
    at = np.flatnonzero((nearest < 0.03) & (np.abs(at_open - change) < 0.06) & (ratio == 1.0))
    suspects = _lined(
        "split suspected", "doubt", sequence, at, np.exp(-change[at]), "price changes as in a split of {value:.2f}:1"
    )
    unseen = np.flatnonzero((np.abs(np.log(ratio)) > 0.3) & (np.abs(change - np.log(ratio)) < 0.1))
    words = "a split of {value:g}:1 is not seen in the price, which may be adjusted for it already"
    return [suspects, _lined("split unseen", "doubt", sequence, unseen, ratio[unseen], words)]


def _overnight(panel: Panel, sequence: Sequence) -> Float64:
    close = panel.fields["close"]
    with np.errstate(invalid="ignore", divide="ignore"):
        daytime = np.log(close / panel.fields["open"])
    return sequence.log_change(1) - sequence.gather(carry_forward(daytime))


_LOOKS: tuple[Callable[[Panel, Sequence], list[_Marks]], ...] = (
    _impossible_values,
    _bar_shape,
    _spikes,
    _moves,
    _stale,
    _missing,
    _idle,
    _splits,
)
