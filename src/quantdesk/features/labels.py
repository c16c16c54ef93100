"""What came after a decision: returns between prices a fill could get, and barriers touched."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.bars import adjustment
from quantdesk.domain.compiled import compiled
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

TOTAL_LOSS = float(np.log(1e-3))
"""The lowest log return of a delisting: proceeds of nothing count as a loss of 99.9 %."""


@dataclass(frozen=True, eq=False)
class _Fills:
    """Total-return-adjusted prices of shape (n_times, n_instruments) at which trades could happen."""

    price: Float64  # at the open, or at the close where the data has no open
    high: Float64
    low: Float64
    proceeds: Float64  # of a delisting on that bar
    is_open: bool

    @classmethod
    def of(cls, panel: Panel) -> "_Fills":
        index = adjustment(panel)
        is_open = "open" in panel.fields
        close = panel.fields["close"] * index
        return cls(
            price=panel.fields["open"] * index if is_open else close,
            high=panel.fields["high"] * index if "high" in panel.fields else close,
            low=panel.fields["low"] * index if "low" in panel.fields else close,
            proceeds=panel.get("delisting") * index,
            is_open=is_open,
        )


def forward_returns(panel: Panel, horizons: Sequence[int]) -> tuple[Float64, Ints, Ints]:
    """Compute log total returns from the bar after each decision to ``horizon`` bars later.

    Entry and exit are at the open, or at the close where the data has no ``open``. Splits, and
    dividends with an ex-date after the entry bar up to the exit bar, are included. A holder at a
    delisting gets its proceeds. NaN where the entry or the exit has no price and there was no
    delisting between, and where the span ends beyond the panel.

    Parameters
    ----------
    panel : Panel
        Raw prices and events.
    horizons : sequence of int
        Bars held, each 1 or more.

    Returns
    -------
    labels : Float64
        Shape (n_times, n_instruments, n_horizons), log return.
    begins : Ints
        Entry bar's position on the panel's axis (n_times,).
    ends : Ints
        Exit bar's position (n_times, n_horizons).

    Raises
    ------
    DataError
        If a horizon is under one bar.
    """
    _check_horizons(horizons)
    fills = _Fills.of(panel)
    entry = _ahead(fills.price, 1)
    delisted_at, proceeds = _delistings(fills)
    labels = np.full((*panel.shape, len(horizons)), np.nan)
    begins: Ints = np.arange(len(panel.times), dtype=np.int64) + 1
    ends: Ints = begins[:, None] + np.asarray(horizons, dtype=np.int64)
    for column in range(len(horizons)):
        end = ends[:, column, None]
        held = _log_ratio(_ahead(fills.price, 1 + horizons[column]), entry)
        paid = np.maximum(_log_ratio(proceeds, entry), TOTAL_LOSS)
        is_paid: Bools = (delisted_at < end) | ((delisted_at == end) & np.isnan(held))
        is_over: Bools = end < len(panel.times)
        labels[:, :, column] = np.where(is_over, np.where(is_paid, paid, held), np.nan)
    return labels, begins, ends


def directions(labels: Float64) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    """Return the sign of each label, in its shape: 1 up, -1 down, 0 unchanged or unknown."""
    return np.sign(np.nan_to_num(labels)).astype(np.int8)


def triple_barrier(panel: Panel, scale: Float64, horizon: int, width: float) -> tuple[Float64, Ints]:
    """Find which barrier the price touches first: above, below, or the end of the time.

    The barriers lie at the entry price times exp(+- width * scale * sqrt(horizon)); the time ends
    at the fill price ``horizon`` bars after entry. Highs and lows are watched where the data has
    them, else closes. A bar that opens beyond a barrier has touched it; where one bar spans both
    barriers, which came first cannot be known.

    Parameters
    ----------
    panel : Panel
        Raw prices and events.
    scale : Float64
        Volatility of one bar's log return, as known at the decision (n_times, n_instruments).
    horizon : int
        Bars held at most, 1 or more.
    width : float
        Distance of the barriers, in standard deviations over the horizon; above 0.

    Returns
    -------
    outcomes : Float64
        Shape (n_times, n_instruments): 1 above, -1 below, 0 neither; NaN where unknown: no entry
        price, no scale, a span beyond the panel, or both barriers within one bar.
    ends : Ints
        Position of the bar of the first touch, else of the last bar; at least one after entry.

    Raises
    ------
    DataError
        If the horizon is under one bar or the width not above 0.

    Notes
    -----
    López de Prado (2018), Advances in Financial Machine Learning, section 3.4.
    """
    _check_horizons((horizon,))
    if not width > 0:
        raise DataError(f"the barriers' width is {width}", "a number above 0", "give it in standard deviations")
    fills = _Fills.of(panel)
    reach = np.exp(width * scale * np.sqrt(horizon))
    arrays = (fills.price, fills.high, fills.low, fills.proceeds, reach)
    price, high, low, proceeds, reach = (np.require(array, np.float64, ["C", "W"]) for array in arrays)
    return _first_touches(price, high, low, proceeds, reach, horizon, fills.is_open)


def _check_horizons(horizons: Sequence[int]) -> None:
    for horizon in horizons:
        if horizon < 1:
            raise DataError(f"a label's horizon is {horizon} bars", "1 bar or more", "change the horizons")


def _ahead(values: Float64, bars: int) -> Float64:
    later = np.full(values.shape, np.nan)
    later[: max(0, len(values) - bars)] = values[bars:]
    return later


def _log_ratio(later: Float64, earlier: Float64) -> Float64:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(later / earlier)


def _delistings(fills: _Fills) -> tuple[Ints, Float64]:
    # The next delisting that a holder since each entry meets: its position, or one beyond every span.
    n_times = len(fills.proceeds)
    never = np.iinfo(np.int64).max
    row: Ints = np.where(np.isfinite(fills.proceeds), np.arange(n_times, dtype=np.int64)[:, None], never)
    upcoming: Ints = np.minimum.accumulate(row[::-1], axis=0)[::-1]
    at: Ints = np.full(row.shape, never)
    after = 1 if fills.is_open else 2
    at[: max(0, n_times - after)] = upcoming[after:]
    proceeds = np.take_along_axis(fills.proceeds, np.minimum(at, n_times - 1), axis=0)
    return at, proceeds


@compiled
def _first_touches(
    price: Float64, high: Float64, low: Float64, proceeds: Float64, reach: Float64, horizon: int, is_open: bool
) -> tuple[Float64, Ints]:
    n_times, n_instruments = price.shape
    outcomes = np.full((n_times, n_instruments), np.nan)
    ends = np.empty((n_times, n_instruments), np.int64)
    for t in range(n_times):
        last = t + 1 + horizon
        ends[t] = last
        for i in range(n_instruments):
            if last >= n_times or not (np.isfinite(price[t + 1, i]) and reach[t, i] > 1.0):
                continue
            upper = price[t + 1, i] * reach[t, i]
            lower = price[t + 1, i] / reach[t, i]
            # Bought at the close, the entry bar's own range is past.
            for s in range(t + 1 if is_open else t + 2, last + 1):
                outcome = _touch(price[s, i], high[s, i], low[s, i], upper, lower, is_open, s == last)
                is_delisted = np.isfinite(proceeds[s, i]) and (s < last or np.isnan(price[s, i]))
                if outcome == 0.0 and is_delisted:
                    outcome = 1.0 * (proceeds[s, i] >= upper) - 1.0 * (proceeds[s, i] <= lower)
                if outcome != 0.0 or is_delisted or s == last:
                    is_known = s < last or is_delisted or np.isfinite(price[s, i])
                    outcomes[t, i] = outcome if is_known else np.nan
                    ends[t, i] = max(s, t + 2)
                    break
    return outcomes, ends


@compiled
def _touch(price: float, high: float, low: float, upper: float, lower: float, is_open: bool, is_last: bool) -> float:
    # 1, -1 or 0, and NaN where the bar spans both barriers; the last bar is left at its open.
    if is_open and price >= upper:
        return 1.0
    if is_open and price <= lower:
        return -1.0
    if is_open and is_last:
        return 0.0
    if high >= upper and low <= lower:
        return np.nan
    return 1.0 * (high >= upper) - 1.0 * (low <= lower)
