"""Work out dividends and delistings that a price table only implies."""

from dataclasses import replace

import numpy as np

from quantdesk.domain.arrays import Float64, Ints, Times
from quantdesk.domain.bars import carry_forward
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

NOISE = 2e-4
"""Implied dividends below this fraction of the price are rounding, not cash."""

GONE_AFTER_SESSIONS = 5
"""An instrument whose last bar is at least this many dates before the panel's end has left the market."""

SURVIVORS_ONLY = "probably survivors only"
"""What a caveat says of data that has lost its losers; a verdict looks for the last two words."""

LEAST_LEAVING, IMPLAUSIBLE = 0.02, 0.05
"""Share of large companies that leave a market or an index in a year, at the very least; and the chance below
which so few departures are no accident."""

FEWEST_TELLING = 5
"""Instruments below which nobody would be expected to leave."""


def implied_dividends(close: Float64, adjusted: Float64, times: Times, symbols: tuple[str, ...]) -> Float64:
    """Derive the cash that makes the total return of ``close`` equal that of ``adjusted``.

    With one unit's cash d reinvested at the close c, the total return is c_t (1 + d_t / c_t) /
    c_{t-1}; setting it equal to a_t / a_{t-1} gives d_t.

    Parameters
    ----------
    close, adjusted : Float64
        Close, and close adjusted for dividends (n_times, n_instruments).
    times : Times
        Bar closes (n_times,), for naming faults.
    symbols : tuple of str
        Columns, for naming faults.

    Returns
    -------
    Float64
        Cash a unit on the ex-date (n_times, n_instruments), NaN where there is none.

    Raises
    ------
    DataError
        If an adjusted close falls against the close by more than 1 %: no dividend does that.
    """
    ratio = carry_forward(np.where(np.isfinite(close) & (close > 0) & (adjusted > 0), adjusted / close, np.nan))
    implied = np.full(close.shape, np.nan)
    implied[1:] = ratio[1:] / ratio[:-1] - 1.0
    implied[~np.isfinite(close)] = np.nan
    _check_falls(implied, times, symbols)
    noise = np.full(close.shape, NOISE)
    if np.array_equal(np.round(adjusted, 2), adjusted, equal_nan=True):
        # Both closes are rounded to the cent, at this bar and at the one before.
        noise = np.maximum(noise, 0.01 / adjusted + 0.01 / close)
    return np.where(implied > noise, implied * close, np.nan)


def _check_falls(implied: Float64, times: Times, symbols: tuple[str, ...]) -> None:
    rows, columns = np.nonzero(implied < -0.01)
    if rows.size:
        row, column = int(rows[0]), int(columns[0])
        raise DataError(
            f"adjusted close of {symbols[column]} falls {-implied[row, column]:.1%} against its close at {times[row]}",
            "a ratio that dividends only raise",
            f"check the split there ({rows.size} such bars), or pass --map adj_close= to leave the adjusted close unread",
        )


def departures(close: Float64, times: Times) -> Ints:
    """Find the first bar after the last one of each instrument that left.

    Parameters
    ----------
    close : Float64
        Shape (n_times, n_instruments).
    times : Times
        Bar closes (n_times,).

    Returns
    -------
    Ints
        Position (n_instruments,); -1 where the instrument is still there near the end or never was.
    """
    is_traded = np.isfinite(close)
    last = len(close) - 1 - np.argmax(is_traded[::-1], axis=0)
    _, session = np.unique(times.astype("datetime64[D]"), return_inverse=True)
    is_gone = is_traded.any(axis=0) & (session[-1] - session[last] >= GONE_AFTER_SESSIONS)
    return np.where(is_gone, last + 1, -1)


def survivorship(close: Float64, times: Times) -> tuple[str, ...]:
    """Say so where fewer instruments leave than is plausible, for then the data has lost its losers.

    Departures are held against a Poisson law of 2 % for each year of each instrument. Where there is too little history
    for that, but more than a year, it is enough that none leaves.

    Parameters
    ----------
    close : Float64
        Shape (n_times, n_instruments).
    times : Times
        Bar closes (n_times,).

    Returns
    -------
    tuple of str
        One caveat, or none.
    """
    from scipy.special import pdtr

    n_gone, n_all = int((departures(close, times) >= 0).sum()), close.shape[1]
    if n_all < FEWEST_TELLING:
        return ()
    years = _instrument_years(close, times)
    expected = LEAST_LEAVING * years
    chance = float(pdtr(n_gone, expected))
    found = f"{n_gone} of {n_all} instruments" if n_gone else "no instrument"
    said = f"{found} {'leave' if n_gone > 1 else 'leaves'} before the end: {SURVIVORS_ONLY}"
    if chance < IMPLAUSIBLE:
        likely = f"a chance of {chance:.1%}" if chance >= 0.0005 else "a chance under 0.1%"
        return (
            f"{said} (large companies leave at {LEAST_LEAVING:.0%} a year at the least, so {expected:.1f} would have in "
            f"{years:.0f} years of instruments; so few have {likely})",
        )
    return (said,) if n_gone == 0 and times[-1] - times[0] > np.timedelta64(365, "D") else ()


def chosen(panel: Panel, symbols: tuple[str, ...]) -> Panel:
    """Select instruments, and hold their departures against what is plausible anew: one may choose survivors.

    Raises
    ------
    DataError
        If a symbol is not in the panel.
    """
    part = panel.select(symbols)
    if panel.name.startswith("synthetic") or any("survivors only" in caveat for caveat in panel.caveats):
        return part
    found = survivorship(part.fields["close"], part.times)
    return replace(part, caveats=(*part.caveats, *(f"of those chosen, {caveat}" for caveat in found)))


def _instrument_years(close: Float64, times: Times) -> float:
    is_traded = np.isfinite(close)
    is_there = is_traded.any(axis=0)
    first, last = np.argmax(is_traded, axis=0), len(close) - 1 - np.argmax(is_traded[::-1], axis=0)
    spans = (times[last] - times[first]) / np.timedelta64(1, "D") / 365.25
    return float(spans[is_there].sum())


def delisting_proceeds(close: Float64, times: Times, haircut: float) -> Float64:
    """Pay whoever still holds an instrument that vanished its last close less a haircut.

    Parameters
    ----------
    close : Float64
        Shape (n_times, n_instruments).
    times : Times
        Bar closes (n_times,).
    haircut : float
        Fraction lost. Shumway (1997), "The delisting bias in CRSP data", finds about 0.3 for
        delistings for cause.

    Returns
    -------
    Float64
        Cash a unit on the first bar after the last (n_times, n_instruments), NaN elsewhere.
    """
    proceeds = np.full(close.shape, np.nan)
    gone = departures(close, times)
    columns = np.flatnonzero(gone >= 0)
    proceeds[gone[columns], columns] = close[gone[columns] - 1, columns] * (1.0 - haircut)
    return proceeds
