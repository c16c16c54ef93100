"""Check what a source answered before it is kept: what was asked for, whole, once, and not from the future."""

from dataclasses import dataclass

import numpy as np

from quantdesk.data.history import MINUTE, PRICES, History
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError

TOLERANCE = 1e-4
"""Prices of one bar that differ by more than this fraction are two different claims about the past."""

_TELLING_SPLIT = np.log(1.4)
_SKEW = 5 * MINUTE


@dataclass(frozen=True)
class Asked:
    """Say what was asked of a source.

    Parameters
    ----------
    source : str
        For naming in errors.
    symbol : str
        The instrument.
    begins, ends, now : numpy.datetime64
        Bars closing after ``begins`` and not after ``ends`` are wanted; ``now`` is when it was asked.
    """

    source: str
    symbol: str
    begins: np.datetime64
    ends: np.datetime64
    now: np.datetime64


def checked(history: History, asked: Asked) -> History:
    """Return the bars wanted, without a last one that has not closed yet.

    Raises
    ------
    DataError
        If the answer is empty, about another symbol, repeats a bar, holds one of the future, has
        adjusted prices, or tells of a split that its prices do not show.
    """
    _check_symbol(history, asked)
    _check_repeats(history, asked)
    _check_future(history, asked)
    if history.is_adjusted:
        raise DataError(
            f"{asked.source} says that the prices of {asked.symbol} are adjusted",
            "raw prices, as asked for",
            "try later, or use another source; nothing was kept",
        )
    _check_splits(history, asked)
    wanted = history.where(
        (history.times > asked.begins) & (history.times <= min(asked.ends, asked.now)) & np.isfinite(history.fields["close"])
    )
    if len(wanted) == 0:
        raise DataError(
            f"{asked.source} has no bar of {asked.symbol} that closed after {_text(asked.begins)} and by {_text(asked.ends)}",
            "bars in that span",
            "check the symbol and the dates",
        )
    return wanted


def _check_symbol(history: History, asked: Asked) -> None:
    if history.symbol.upper() != asked.symbol.upper():
        raise DataError(
            f"{asked.source} was asked for {asked.symbol} and answered with {history.symbol!r}",
            f"bars of {asked.symbol}",
            f"it may have been renamed: ask for {history.symbol} if that is what you mean; nothing was kept",
        )


def _check_repeats(history: History, asked: Asked) -> None:
    repeated = np.flatnonzero(np.diff(history.opens_at) <= np.timedelta64(0))
    if repeated.size:
        raise DataError(
            f"{asked.source} gives the bar of {asked.symbol} at {_text(history.opens_at[repeated[0]])} twice "
            f"({repeated.size} such)",
            "each bar once",
            "try later, or use another source; nothing was kept",
        )


def _check_future(history: History, asked: Asked) -> None:
    early = np.flatnonzero(history.opens_at > asked.now + _SKEW)
    if early.size:
        raise DataError(
            f"{asked.source} gives a bar of {asked.symbol} that begins at {_text(history.opens_at[early[0]])}; "
            f"it is {_text(asked.now)}",
            "bars that have begun",
            "check this machine's clock; nothing was kept",
        )


def _check_splits(history: History, asked: Asked) -> None:
    # At a split of 2:1 a raw close halves. One that does not step was adjusted; one that steps
    # without an event is only doubted, by the quality check.
    if "split" not in history.fields or len(history) < 2:
        return
    close, split = history.fields["close"], history.fields["split"]
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = -np.log(split[1:])
        steps = [np.log(history.fields[name][1:] / close[:-1]) for name in ("open", "close") if name in history.fields]
    nearest = np.min([np.abs(step - wanted) for step in steps], axis=0)
    bad = np.flatnonzero((np.abs(wanted) > _TELLING_SPLIT) & (nearest > 0.5 * np.abs(wanted))) + 1
    if bad.size:
        bar = bad[0]
        raise DataError(
            f"{asked.source} tells of a split of {asked.symbol} by {split[bar]:g} at {_text(history.times[bar])}, "
            f"and its close goes from {close[bar - 1]:g} to {close[bar]:g}",
            f"a raw close near {close[bar - 1] / split[bar]:g}: these prices are adjusted, or the split is wrong",
            "try later, or use another source; nothing was kept",
        )


def check_overlap(kept: History, fresh: History, asked: Asked) -> None:
    """Compare the bars that both hold.

    Raises
    ------
    DataError
        If none is in both, or prices, splits or dividends differ by more than ``TOLERANCE``: the
        source changed what it says about the past.
    """
    _, old, new = np.intersect1d(kept.times, fresh.times, return_indices=True)
    if old.size == 0:
        raise DataError(
            f"{asked.source} left out the bars of {asked.symbol} that it was asked to repeat, from {_text(fresh.times[0])} on",
            f"the bars kept, to {_text(kept.times[-1])}",
            "pass --accept-revision to ask for all of it again",
        )
    for name in (*PRICES, "split", "dividend"):
        if name in kept.fields and name in fresh.fields:
            # An event may belong to a session before the first bar asked for again.
            skip = 0 if name in PRICES else 1
            _compare(name, kept.fields[name][old[skip:]], fresh.fields[name][new[skip:]], kept.times[old[skip:]], asked)


def _compare(
    name: str, old: Float64, new: Float64, times: "np.ndarray[tuple[int], np.dtype[np.datetime64]]", asked: Asked
) -> None:
    bad = np.flatnonzero(differs(old, new))
    if bad.size:
        bar = bad[0]
        raise DataError(
            f"{asked.source} changed what it says about the past: {name} of {asked.symbol} at {_text(times[bar])} was "
            f"{old[bar]:g} and is {new[bar]:g}, ratio {new[bar] / old[bar]:.6g} "
            f"({bad.size} of {len(old)} bars compared differ)",
            f"a ratio within {TOLERANCE:g} of 1",
            "look at it with `desk data diff`; to take the new version as a whole, pass --accept-revision",
        )


def differs(old: Float64, new: Float64) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Tell where two versions of one value differ: by more than ``TOLERANCE``, or one is missing."""
    is_one_missing = np.isnan(old) != np.isnan(new)
    with np.errstate(invalid="ignore"):
        return np.asarray(is_one_missing | (np.abs(new - old) > TOLERANCE * np.abs(old)))


def _text(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, unit="m"))
