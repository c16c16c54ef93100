"""Bars that are not there: for one instrument by its peers, for the whole panel by its exchange's calendar."""

import numpy as np

from quantdesk.data.faults.block import Block
from quantdesk.data.faults.exchanges import EXCHANGES, days_and_minutes, is_daily, sessions
from quantdesk.data.faults.marks import Marks, of_panel
from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.panel import Panel

_MOST = 0.5  # share of peers with a bar that makes a bar due
_FEW = 0.1  # share below which a row is nobody's session
_CHANCE = 0.01  # expected number of such gaps in the panel, if bars were lost one by one
_OFTEN = 0.02  # share of due bars an instrument may lack before its gaps are its nature


def missing_bars(block: Block) -> list[Marks]:
    """Doubt gaps where most peers have bars; note instruments that have many such gaps by nature."""
    presence = block.peers.presence
    is_due = np.where(np.isfinite(presence), presence, 1.0) >= _MOST
    rows, columns = block.bars.rows, block.bars.columns
    n_columns = block.panel.shape[1]
    n_due = np.concatenate([[0], np.cumsum(is_due)])
    before = np.where(block.bars.is_first, rows - 1, np.append(0, rows)[:-1])
    lacking = n_due[rows] - n_due[before + 1]
    at = np.flatnonzero(lacking > 0)
    lost, gaps = np.bincount(columns[at], lacking[at], n_columns), np.bincount(columns[at], minlength=n_columns)
    had = np.bincount(columns, minlength=n_columns)
    share = (lost + 1) / (had + lost + 2)
    is_patchy = (gaps > 3) & ((share > _OFTEN) | (not block.is_daily))
    # What often does not trade for a bar may still lack a whole stretch that chance does not explain.
    is_odd = block.n_bars * share[columns[at]] ** lacking[at] < _CHANCE
    told = at[~is_patchy[columns[at]] | is_odd]
    words = "{value:.0f} bars are missing from here on"
    doubts = Marks(
        "missing bars", "doubt", before[told] + 1, columns[told], lacking[told].astype(np.float64), words, ends=rows[told] - 1
    )
    patchy = np.flatnonzero(is_patchy)
    first = np.array([before[at[columns[at] == column][0]] + 1 for column in patchy], dtype=np.int64)
    words = "the first of {value:.0f} bars that it lacks and others have: it often does not trade"
    return [doubts, Marks("patchy", "note", first, patchy, lost[patchy].astype(np.float64), words)]


def stray_bars(block: Block) -> list[Marks]:
    """Doubt daily bars where hardly any other instrument has one; note such bars within a day, once a symbol."""
    presence = block.peers.presence[block.bars.rows]
    at = np.flatnonzero(presence < _FEW)
    rows, columns = block.bars.rows[at], block.bars.columns[at]
    if block.is_daily:
        return [Marks("stray bar", "doubt", rows, columns, presence[at], "a bar where only {value:.1%} of its peers have one")]
    which, first, counts = np.unique(columns, return_index=True, return_counts=True)
    words = "the first of {value:.0f} bars at times when few of its peers have one: outside the session?"
    return [Marks("outside the session", "note", rows[first], which, counts.astype(np.float64), words)]


def calendar(panel: Panel) -> list[Marks]:
    """Doubt sessions that the whole panel lacks, and rows on days without a session, by an exchange's calendar.

    Only daily bars stamped at a known exchange's close are judged, and only where 98 % of the days
    are that exchange's sessions and the reverse.
    """
    if not is_daily(panel.times) or panel.shape[0] < 20:
        return []
    for exchange in EXCHANGES:
        days, minutes = days_and_minutes(panel.times, exchange.zone)
        if not exchange.calendar or np.mean(minutes == exchange.closes) < 0.9:
            continue
        if len(days) == np.busday_count(*days[[0, -1]].astype("datetime64[D]") + np.array([0, 1])):
            return []  # it keeps no holidays, as simulated markets do
        due = sessions(exchange, int(days[0]), int(days[-1]))
        n_common = len(np.intersect1d(days, due))
        if n_common >= 0.98 * max(len(days), len(due)):
            return _against(panel, days, due, exchange.name)
    return []


def _against(panel: Panel, days: Ints, due: Ints, name: str) -> list[Marks]:
    lacking, stray = np.setdiff1d(due, days), np.flatnonzero(~np.isin(days, due))
    marks = []
    for day in lacking.tolist():
        row = int(np.searchsorted(days, day))
        words = f"no bar of any symbol on {np.datetime64(day, 'D')}, a session of {name}"
        marks.append(of_panel("missing session", "doubt", row, 1.0, words))
    for row in stray.tolist():
        n_bars = float(np.isfinite(panel.fields["close"][row]).sum())
        words = f"{{value:.0f}} bars on {np.datetime64(int(days[row]), 'D')}, no session of {name}"
        marks.append(of_panel("stray session", "doubt", row, n_bars, words))
    return marks


def clocks(panel: Panel) -> list[Marks]:
    """Doubt stamps at the open: daily bars at midnight on trading days, intraday bars from a session's first minute."""
    if panel.shape[0] < 20:
        return []
    return _midnight(panel) if is_daily(panel.times) else _first_minute(panel)


def _midnight(panel: Panel) -> list[Marks]:
    for zone in ("UTC", *dict.fromkeys(exchange.zone for exchange in EXCHANGES)):
        days, minutes = days_and_minutes(panel.times, zone)
        weekday = (days + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
        if (minutes == 0).all() and (weekday == 0).any() and not (weekday >= 5).any():
            words = f"every bar is stamped at midnight in {zone}, before its session begins"
            return [of_panel("stamped at midnight", "doubt", 0, 0.0, words)]
    return []


def _first_minute(panel: Panel) -> list[Marks]:
    gaps = np.diff(panel.times).astype("timedelta64[m]").astype(np.int64)
    values, counts = np.unique(gaps[gaps > 0], return_counts=True)
    step = int(values[counts.argmax()]) if len(values) else 0
    for exchange in EXCHANGES if step else ():
        days, minutes = days_and_minutes(panel.times, exchange.zone)
        usual = _usual(days, minutes, np.isfinite(panel.fields["close"]).mean(axis=1))
        if not len(usual):
            continue
        first, last = int(usual[0]), int(usual[-1])
        if (first, last) == (exchange.opens, exchange.closes - step):
            words = (
                f"the session's first bar is stamped {_clock(first)} and its last {_clock(last)}: bars of {exchange.name} "
                f"of {step} minutes stamped at their open, so that each is known {step} minutes before it ends"
            )
            return [of_panel("stamped at the open", "doubt", 0, float(step), words)]
        if (first, last) == (exchange.opens + step, exchange.closes):
            return []
    return []


def _usual(days: Ints, minutes: Ints, filled: Float64) -> Ints:
    # Minutes of the day at which most instruments have a bar on most days.
    n_days = len(np.unique(days))
    share = np.bincount(minutes, filled, 24 * 60) / n_days
    is_usual: Bools = share > 0.5
    return np.flatnonzero(is_usual).astype(np.int64)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
