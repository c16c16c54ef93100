"""Corporate actions as dated events beside raw prices, and the adjusted prices that follow from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Times
from quantdesk.domain.bars import carry_forward
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

Kind = Literal["split", "dividend", "ticker", "delisting"]
KINDS = ("split", "dividend", "ticker", "delisting")


@dataclass(frozen=True, slots=True)
class Action:
    """Record one event in an instrument's life.

    Parameters
    ----------
    kind : {"split", "dividend", "ticker", "delisting"}
        What happened.
    symbol : str
        The instrument.
    date : numpy.datetime64
        The ex-date; of a ticker change or delisting the first day without the old ticker.
    value : float
        New units for one old; cash for one new unit; proceeds of one unit. NaN for a ticker change.
    ticker : str
        The new ticker, for a ticker change.

    Raises
    ------
    DataError
        If the kind is unknown or the value impossible.
    """

    kind: Kind
    symbol: str
    date: np.datetime64
    value: float = float("nan")
    ticker: str = ""

    def __post_init__(self) -> None:
        least = {"split": 0.0, "dividend": 0.0, "delisting": -1e-12}.get(self.kind)
        is_possible = bool(self.ticker) if least is None else least < self.value < float("inf")
        if self.kind not in KINDS or not is_possible:
            raise DataError(
                f"{self.kind} of {self.symbol} on {self.date} is {self.ticker or self.value}",
                f"one of {', '.join(KINDS)}, with a ratio above 0, cash above 0, proceeds of 0 or more, or a ticker",
                "correct it at its source",
            )


def event_fields(actions: Iterable[Action], close: Float64, times: Times, symbols: tuple[str, ...]) -> dict[str, Float64]:
    """Place splits, dividends and delistings on bars.

    A split or dividend falls on the instrument's first traded bar on or after its ex-date, and a
    delisting on the first bar of the panel on or after its date. An event before the first bar of
    its instrument, or after the last, has nobody it could happen to and is left out. Two splits
    on one bar multiply; two dividends add up, the earlier one shared out over the units that a
    later split made.

    Parameters
    ----------
    actions : iterable of Action
        The events; those of other symbols are passed over.
    close : Float64
        Raw closes (n_times, n_instruments).
    times : Times
        Bar closes in UTC (n_times,).
    symbols : tuple of str
        Columns.

    Returns
    -------
    dict of str to Float64
        ``split``, ``dividend`` and ``delisting``, those of them that happened: (n_times, n_instruments).
    """
    column = {symbol: i for i, symbol in enumerate(symbols)}
    fields: dict[str, Float64] = {}
    is_traded = np.isfinite(close)
    for action in sorted(actions, key=lambda one: (one.date, one.kind != "split")):
        if action.kind == "ticker" or action.symbol not in column:
            continue
        i = column[action.symbol]
        row = _row(action, is_traded[:, i], times)
        if row is None:
            continue
        if action.kind not in fields:
            fields[action.kind] = np.full(close.shape, np.nan)
        field = fields[action.kind]
        if action.kind == "split" and "dividend" in fields:
            fields["dividend"][row, i] /= action.value
        before = field[row, i]
        joined = before * action.value if action.kind == "split" else before + action.value
        field[row, i] = action.value if np.isnan(before) else joined
    return fields


def _row(action: Action, is_traded: Bools, times: Times) -> int | None:
    first = int(np.searchsorted(times, action.date.astype("datetime64[ns]")))
    if action.kind == "delisting":
        return first if first < len(times) and is_traded[:first].any() else None
    later = np.flatnonzero(is_traded[first:])
    return first + int(later[0]) if later.size and is_traded[:first].any() else None


def back_adjustment(panel: Panel) -> Float64:
    """Compute the factor from a raw price to one adjusted for every later split and dividend.

    1 at the last bar; before an ex-date it is multiplied by (1 - d s / c) / s, with the split
    s, the dividend d on each new unit and the raw close c before the ex-date. It is the convention
    of CRSP and of most vendors, and it is blind to nothing: each factor knows all later events. It
    serves to compare with such vendors and to draw charts; whatever is learned from goes by
    ``domain.bars.adjustment``, which knows the past alone.

    Parameters
    ----------
    panel : Panel
        Raw closes, with the fields ``split`` and ``dividend`` where there were any.

    Returns
    -------
    Float64
        Shape (n_times, n_instruments).

    Raises
    ------
    DataError
        If a dividend is as large as the close before it.
    """
    before = np.full(panel.shape, np.nan)
    before[1:] = carry_forward(panel.fields["close"])[:-1]
    split = panel.get("split")
    ratio = np.where(np.isfinite(split), split, 1.0)
    with np.errstate(invalid="ignore"):
        kept = 1.0 - np.nan_to_num(panel.get("dividend")) * ratio / before
    kept = np.where(np.isnan(kept), 1.0, kept)
    _check_kept(panel, kept)
    steps = kept / ratio
    factors = np.ones(panel.shape)
    factors[:-1] = np.cumprod(steps[:0:-1], axis=0)[::-1]
    return factors


def _check_kept(panel: Panel, kept: Float64) -> None:
    rows, columns = np.nonzero(kept <= 0)
    if rows.size:
        paid = panel.get("dividend")[rows[0], columns[0]]
        raise DataError(
            f"{panel.symbols[columns[0]]} pays {paid:g} at {panel.times[rows[0]]}, its whole price",
            "a dividend below the close before it",
            "check the amount and its currency",
        )
