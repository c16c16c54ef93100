"""Say what a source changed about the past: where, by what ratio, and what that looks like."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from quantdesk.data.answers import TOLERANCE, differs
from quantdesk.domain.arrays import Float64, Ints, Times
from quantdesk.domain.panel import Panel

_STEP = 2e-4  # a change of the ratio between neighbouring bars that is no rounding
_FEW = 2
_OURS = frozenset({"delisting"})  # worked out here from the bars: no source's claim
_SHOWN = 6


@dataclass(frozen=True)
class Change:
    """Name one change.

    Parameters
    ----------
    symbol : str
        The instrument; empty where it concerns all.
    field : str
        What differs: a field, ``bars`` or ``instrument``.
    begins, ends : numpy.datetime64
        First and last bar that differ.
    n_bars : int
        How many differ.
    ratio : float
        Median of new over old; NaN where one of the two is missing.
    guess : str
        What it looks like.
    """

    symbol: str
    field: str
    begins: np.datetime64
    ends: np.datetime64
    n_bars: int
    ratio: float
    guess: str

    def line(self) -> str:
        """Write the change for a reader."""
        first, last = (np.datetime_as_string(time, unit="D") for time in (self.begins, self.ends))
        ratio = "" if np.isnan(self.ratio) else f", ratio {self.ratio:.6g}"
        return f"{self.symbol or 'all'} {self.field} {first} to {last}: {self.n_bars} bars{ratio}: {self.guess}"


def difference(old: Panel, new: Panel) -> list[Change]:
    """Compare two versions of a panel over the time that both cover.

    Bars after the old version's end are news, not a change.

    Parameters
    ----------
    old, new : Panel
        As kept, and as the source gives it now.
    """
    changes = list(_membership(old, new))
    span = (max(old.times[0], new.times[0]), min(old.times[-1], new.times[-1]))
    for symbol in old.symbols:
        if symbol in new.symbols:
            before, after = _column(old, symbol), _column(new, symbol)
            changes += _bars(symbol, before["close"], after["close"], old.times, new.times, span)
            changes += _values(symbol, before, after, old.times, new.times)
    return changes


def _column(panel: Panel, symbol: str) -> dict[str, Float64]:
    place = panel.symbols.index(symbol)
    return {name: values[:, place] for name, values in panel.fields.items()}


def _membership(old: Panel, new: Panel) -> Iterator[Change]:
    for symbol in sorted(set(old.symbols) ^ set(new.symbols)):
        here, guess = (old, "gone from the source") if symbol in old.symbols else (new, "new")
        held = here.times[np.isfinite(_column(here, symbol)["close"])]
        yield Change(symbol, "instrument", held[0], held[-1], len(held), np.nan, guess)
    for name in sorted((set(old.fields) ^ set(new.fields)) - _OURS):
        here, guess = (old, "no longer given") if name in old.fields else (new, "given now, not before")
        yield Change("", name, here.times[0], here.times[-1], len(here.times), np.nan, f"the field is {guess}")


def _bars(
    symbol: str,
    old: Float64,
    new: Float64,
    old_times: Times,
    new_times: Times,
    span: tuple[np.datetime64, np.datetime64],
) -> Iterator[Change]:
    before, after = old_times[np.isfinite(old)], new_times[np.isfinite(new)]
    for times, guess in (
        (np.setdiff1d(before, after), "bars are gone"),
        (np.setdiff1d(after, before), "bars were put in"),
    ):
        inside = times[(times >= span[0]) & (times <= span[1])]
        if len(inside):
            yield Change(symbol, "bars", inside[0], inside[-1], len(inside), np.nan, guess)


def _values(
    symbol: str, old: dict[str, Float64], new: dict[str, Float64], old_times: Times, new_times: Times
) -> Iterator[Change]:
    _, before, after = np.intersect1d(
        old_times[np.isfinite(old["close"])], new_times[np.isfinite(new["close"])], return_indices=True
    )
    before = np.flatnonzero(np.isfinite(old["close"]))[before]
    after = np.flatnonzero(np.isfinite(new["close"]))[after]
    times = old_times[before]
    pairs = {name: (old[name][before], new[name][after]) for name in old if name in new and name not in _OURS}
    guess = _guess(times, pairs)
    for name, (was, now) in pairs.items():
        bad = np.flatnonzero(differs(was, now))
        if bad.size:
            with np.errstate(invalid="ignore", divide="ignore"):
                ratios = now[bad] / was[bad]
            ratio = float(np.nanmedian(ratios)) if np.isfinite(ratios).any() else np.nan
            said = guess if name in ("open", "high", "low", "close", "volume") else _event_guess(was[bad], now[bad])
            yield Change(symbol, name, times[bad[0]], times[bad[-1]], len(bad), ratio, said)


def _event_guess(was: Float64, now: Float64) -> str:
    if np.isnan(was).all():
        return "events were put in"
    return "events are gone" if np.isnan(now).all() else "events were restated"


def _guess(times: Times, pairs: dict[str, tuple[Float64, Float64]]) -> str:
    was, now = pairs["close"]
    bad = np.flatnonzero(differs(was, now))
    if bad.size == 0:
        return "volumes were restated" if "volume" in pairs else "restated"
    ratio = now / was
    steps = np.flatnonzero(np.abs(np.diff(np.log(ratio))) > _STEP) + 1
    if bad.size <= _FEW and len(ratio) > 2 * _FEW:
        return "single bars were corrected"
    is_inverse = _is_inverse(ratio, pairs)
    if not steps.size:
        return _constant(float(np.median(ratio)), is_inverse)
    return _stepped(times, was, now, steps, is_inverse)


def _is_inverse(ratio: Float64, pairs: dict[str, tuple[Float64, Float64]]) -> bool:
    if "volume" not in pairs:
        return False
    was, now = pairs["volume"]
    is_telling = (was > 0) & (now > 0) & (np.abs(ratio - 1.0) > 0.05)
    return bool(is_telling.any() and np.median(np.abs(now[is_telling] / was[is_telling] * ratio[is_telling] - 1.0)) < 0.01)


def _constant(ratio: float, is_inverse: bool) -> str:
    if is_inverse:
        return f"split-adjusted now, for a split by {1.0 / ratio:.4g} after the last bar compared"
    return f"every price times {ratio:.6g}: another unit or currency, or adjusted for something after the last bar compared"


def _stepped(times: Times, was: Float64, now: Float64, steps: Ints, is_inverse: bool) -> str:
    shown = ", ".join(str(np.datetime_as_string(times[step], unit="D")) for step in steps[:_SHOWN])
    dates = shown + (f" and {len(steps) - _SHOWN} more" if len(steps) > _SHOWN else "")
    rises = np.diff(np.log(now / was))[steps - 1]
    ends_at_one = abs(float(now[-1] / was[-1]) - 1.0) < TOLERANCE
    if is_inverse and ends_at_one:
        # Of the two versions, the one without a jump at the split is the adjusted one.
        jumps = [np.abs(np.diff(np.log(closes))[steps - 1]).sum() for closes in (was, now)]
        return f"split-adjusted {'now' if jumps[1] < jumps[0] else 'no longer'}: the ratio steps at {dates}"
    if ends_at_one and (rises > 0).all() and rises.max() < 0.2:
        return f"dividend-adjusted now: the ratio steps at {dates}"
    if ends_at_one and (rises < 0).all() and rises.min() > -0.2:
        return f"no longer dividend-adjusted: the ratio steps at {dates}"
    return f"restated: the ratio steps at {dates}"
