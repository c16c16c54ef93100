"""Lay out announcements of earnings as rows: what was known before each, and what it turned out to be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.domain.records import Names, Records
from quantdesk.features.earnings_history import MARKET, OWN, PRICE, STALE, Told, own_history, price_history, season

MISS, MEET, BEAT, UNREPORTED = 0, 1, 2, -1

MEET_CENTS, MEET_SHARE = 0.01, 0.01
"""Earnings within a cent, or within 1 % of the estimate where that is more, meet it."""

RECORD_FEATURES = (*OWN, *MARKET)
"""Features that need no prices."""

FORBIDDEN = ("price_*", "earn_ret_*")
"""Columns that some files of earnings carry beside the facts: prices and returns of after the announcement."""

_ROUNDING = 1e-9
_INSTANT = np.timedelta64(1, "ns")


@dataclass(frozen=True, eq=False)
class Announcements:
    """Hold one row an announcement; no feature was known later than ``decided_at``.

    Parameters
    ----------
    told : Told
        The announcements (n,).
    decided_at : Times
        When each can be predicted (n,): the last close before it, or the moment before it where
        there are no prices.
    feature_names : tuple of str
        Names in column order.
    features : Float64
        Shape (n, n_features); NaN where not known.
    n_past : Ints
        The company's earlier announcements known by then (n,).
    outcomes : Ints
        0 miss, 1 meet, 2 beat, -1 not reported yet (n,).
    bars : Ints
        The panel's bar that closed last before it (n,); -1 where there is none.
    moves : Float64
        Log total return from that close to the next (n,); NaN where not known.
    settled_at : Times
        When outcome and move were both known (n,); NaT where it is not reported.
    caveats : tuple of str
        What limits any conclusion.

    Raises
    ------
    DataError
        If a feature's name is that of a return of after the announcement.
    """

    told: Told
    decided_at: Times
    feature_names: tuple[str, ...]
    features: Float64
    n_past: Ints
    outcomes: Ints
    bars: Ints
    moves: Float64
    settled_at: Times
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_outcomes(self.feature_names)

    def __len__(self) -> int:
        return len(self.told)

    @property
    def announced_at(self) -> Times:
        """Say when each became, or becomes, known (n,)."""
        return self.told.announced_at

    @property
    def volatility(self) -> Float64:
        """Give the standard deviation of one bar's log return before each (n,); NaN without prices."""
        return self.features[:, self.feature_names.index(PRICE[-1])]

    def where(self, keep: Bools | Ints) -> "Announcements":
        """Return the chosen rows."""
        told = Told(*(getattr(self.told, name)[keep] for name in Told.__dataclass_fields__))
        columns = ("decided_at", "features", "n_past", "outcomes", "bars", "moves", "settled_at")
        return replace(self, told=told, **{name: getattr(self, name)[keep] for name in columns})

    def settled_by(self, moment: np.datetime64) -> "Announcements":
        """Return what one could have learned from at a moment: outcomes and moves known by then."""
        return self.where(self.settled_at <= moment)


def announcements(
    records: Records,
    panel: Panel | None = None,
    facts: Sequence[str] = (),
    reported: str = "eps_reported",
    estimate: str = "eps_estimated",
) -> Announcements:
    """Lay out a row for each announcement that had an estimate, reported or still to come.

    An announcement is a subject and period; it counts as made when its first report became known, and
    restatements change nothing. Released before a session (``known_at`` at its open) it is in that
    session's close; after it (``known_at`` past the close) in the next one's. One without a report
    is expected at its period. The estimate is the newest vintage known at the decision. Many files
    date it with the announcement itself; it is then taken as published before, and a caveat says so.

    Parameters
    ----------
    records : Records
        Facts, with names ``reported`` and ``estimate``.
    panel : Panel, optional
        Prices; without them the price features, moves and bars are missing.
    facts : sequence of str
        Further records to use as features, each as last known at the decision.
    reported, estimate : str
        Names of earnings a share, and of what was expected.

    Raises
    ------
    DataError
        If a fact is a return of after the announcement (``price_*``, ``earn_ret_*``), or is not recorded.
    """
    refuse_outcomes(facts)
    told, n_late = _told(records, panel, reported, estimate)
    decided_at = _decisions(told.announced_at, panel)
    outcomes = outcome(told.reported, told.estimates)
    own, n_past = own_history(told, decided_at, outcomes)
    bars, moves = np.full(len(told), -1), np.full(len(told), np.nan)
    price, settled_at = np.full((len(told), len(PRICE)), np.nan), told.announced_at.copy()
    if panel is not None and len(panel.times):
        bars, price, moves = price_history(panel, told)
        settled_at[np.isfinite(moves)] = panel.times[bars[np.isfinite(moves)] + 1]
    settled_at[outcomes == UNREPORTED] = np.datetime64("NaT")
    extra = [_latest(records, name, told.symbols, decided_at) for name in facts]
    columns = np.column_stack([own, season(told.announced_at, outcomes, decided_at), price, *extra])
    late = (f"{n_late} estimates are dated with the announcement itself and taken as published before it",) if n_late else ()
    names = (*RECORD_FEATURES, *PRICE, *facts)
    caveats = (*records.caveats, *late)
    return Announcements(told, decided_at, names, columns, n_past, outcomes, bars, moves, settled_at, caveats)


def outcome(reported: Float64, estimates: Float64) -> Ints:
    """Sort announcements into 0 miss, 1 meet and 2 beat (n,); -1 where either amount is missing.

    Within ``MEET_CENTS``, or ``MEET_SHARE`` of the estimate where that is more, is a meet.
    """
    gap = reported - estimates
    band = np.maximum(MEET_CENTS, MEET_SHARE * np.abs(estimates)) + _ROUNDING
    found = np.where(gap > band, BEAT, np.where(gap < -band, MISS, MEET))
    return np.where(np.isfinite(gap), found, UNREPORTED).astype(np.int64)


def refuse_outcomes(names: Sequence[str]) -> None:
    """Refuse names of what happened after the announcement.

    Raises
    ------
    DataError
        If a name matches ``FORBIDDEN``.
    """
    bad = [name for name in names if any(fnmatchcase(name.lower(), pattern) for pattern in FORBIDDEN)]
    if bad:
        raise DataError(
            f"{', '.join(bad)} asked for as a feature of an announcement: a price or return of after it",
            "what was known before the announcement, such as revenue",
            "leave it out; returns across the announcement come from the panel, as what is predicted",
        )


def _told(records: Records, panel: Panel | None, reported: str, estimate: str) -> tuple[Told, int]:
    chosen = records.where((records.names == reported) | (records.names == estimate))
    chosen = chosen.where(np.argsort(chosen.known_at, kind="stable"))
    subjects, code = np.unique(chosen.subjects, return_inverse=True)
    pairs, key = np.unique(np.column_stack([code, chosen.periods.astype(np.int64)]), axis=0, return_inverse=True)
    periods = pairs[:, 1].astype("datetime64[ns]")
    is_report = (chosen.names == reported) & np.isfinite(chosen.values)
    first_rows = np.flatnonzero(is_report)[::-1]  # backwards, so that the first vintage stays
    values, announced_at = np.full(len(pairs), np.nan), np.full(len(pairs), np.datetime64("NaT", "ns"))
    values[key[first_rows]], announced_at[key[first_rows]] = chosen.values[first_rows], chosen.known_at[first_rows]
    is_estimate = (chosen.names == estimate) & np.isfinite(chosen.values)
    expected = periods.copy()
    np.maximum.at(expected, key[is_estimate], chosen.known_at[is_estimate])
    announced_at = np.where(np.isnat(announced_at), expected, announced_at)
    estimates, is_late = _estimates(chosen.where(is_estimate), key[is_estimate], announced_at, panel)
    order = np.lexsort((pairs[:, 0], announced_at))
    order = order[np.isfinite(estimates[order])]
    told = Told(subjects[pairs[order, 0]], periods[order], announced_at[order], estimates[order], values[order])
    return told, int(is_late[order].sum())


def _estimates(told: Records, key: Ints, announced_at: Times, panel: Panel | None) -> tuple[Float64, Bools]:
    decided_at = _decisions(announced_at, panel)
    estimates, is_late = np.full(len(announced_at), np.nan), np.zeros(len(announced_at), dtype=np.bool_)
    late = np.flatnonzero((told.known_at > decided_at[key]) & (told.known_at <= announced_at[key]))[::-1]
    estimates[key[late]], is_late[key[late]] = told.values[late], True
    known = np.flatnonzero(told.known_at <= decided_at[key])
    estimates[key[known]], is_late[key[known]] = told.values[known], False
    return estimates, is_late


def _decisions(announced_at: Times, panel: Panel | None) -> Times:
    moment_before = announced_at - _INSTANT
    if panel is None or not len(panel.times):
        return moment_before
    before = np.searchsorted(panel.times, announced_at, side="left") - 1
    close = panel.times[np.maximum(before, 0)]
    return np.where((before >= 0) & (announced_at - close <= STALE), close, moment_before)


def _latest(records: Records, name: str, symbols: Names, decided_at: Times) -> Float64:
    own = records.where(records.names == name)
    if not len(own):
        raise DataError(f"no record is called {name!r}", "a name that the records carry", "check the spelling")
    own = own.where(np.lexsort((own.periods, own.known_at, own.subjects)))
    values = np.full(len(symbols), np.nan)
    for symbol in np.unique(symbols):
        rows, one = symbols == symbol, own.where(own.subjects == symbol)
        last = np.searchsorted(one.known_at, decided_at[rows], side="right") - 1
        values[rows] = np.where(last >= 0, one.values[np.maximum(last, 0)], np.nan) if len(one) else np.nan
    return values
