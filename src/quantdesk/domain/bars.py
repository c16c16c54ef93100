"""Bars adjusted for splits and dividends, computed from raw prices and known events only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Times
from quantdesk.domain.compiled import compiled
from quantdesk.domain.panel import FIELDS, Panel


@dataclass(frozen=True, eq=False)
class Bars:
    """Hold total-return-adjusted bars; all arrays have shape (n_times, n_instruments).

    The adjustment runs forward from the first bar of the panel, so a later split or dividend
    changes no earlier value. Levels are therefore comparable within one ``Bars`` only: features
    must not depend on them.

    Parameters
    ----------
    times : Times
        Bar closes (n_times,).
    open, high, low, close : Float64
        Adjusted prices, NaN where the instrument did not trade (``close`` carries the last one).
    volume : Float64
        Split-adjusted units.
    returns : Float64
        Log total return from the last close to this one; NaN before the second close.
    is_traded : Bools
        Whether a bar exists.
    fields : frozenset of str
        The fields that the data really carries.
    facts : mapping of str to Float64
        Fields beyond prices and events, such as fundamentals, as known at each bar; unadjusted.
        Where the data carries splits, ``unit_growth`` tells what one unit of the first bar has become.
    """

    times: Times
    open: Float64
    high: Float64
    low: Float64
    close: Float64
    volume: Float64
    returns: Float64
    is_traded: Bools
    fields: frozenset[str]
    facts: Mapping[str, Float64] = field(default_factory=dict)

    @classmethod
    def of(cls, panel: Panel) -> "Bars":
        """Adjust a panel's raw prices for the splits and dividends in it."""
        close = panel.fields["close"]
        index = adjustment(panel)
        carried = carry_forward(close * index)
        return cls(
            times=panel.times,
            open=panel.get("open") * index,
            high=panel.get("high") * index,
            low=panel.get("low") * index,
            close=carried,
            volume=panel.get("volume") / unit_growth(panel),
            returns=log_changes(carried),
            is_traded=np.isfinite(close),
            fields=frozenset(panel.fields),
            facts=_facts(panel),
        )


def _facts(panel: Panel) -> dict[str, Float64]:
    facts = {name: values for name, values in panel.fields.items() if name not in FIELDS}
    return {**facts, "unit_growth": unit_growth(panel)} if "split" in panel.fields else facts


def unit_growth(panel: Panel) -> Float64:
    """Count the units that one unit held at the first bar has become by splits."""
    return _growth(panel.fields["split"]) if "split" in panel.fields else np.ones(panel.shape)


def adjustment(panel: Panel) -> Float64:
    """Compute the factor from a raw price to a total-return price, 1 at the first bar.

    On an ex-date the holder of one old unit has ``split`` new ones, each with ``dividend`` in
    cash, reinvested at that bar's close.
    """
    growth = unit_growth(panel)
    if "dividend" not in panel.fields:
        return growth
    return growth * _reinvested(carry_forward(panel.fields["close"]), panel.fields["dividend"])


@compiled
def carry_forward(values: Float64) -> Float64:
    """Fill each NaN with the last finite value above it in its column; leading NaN remain."""
    carried = values.copy()
    for t in range(1, carried.shape[0]):
        for i in range(carried.shape[1]):
            if not np.isfinite(carried[t, i]):
                carried[t, i] = carried[t - 1, i]
    return carried


@compiled
def _growth(split: Float64) -> Float64:
    grown = np.ones(split.shape)
    for t in range(split.shape[0]):
        for i in range(split.shape[1]):
            ratio = split[t, i]
            before = grown[t - 1, i] if t > 0 else 1.0
            grown[t, i] = before * ratio if np.isfinite(ratio) and ratio > 0.0 else before
    return grown


@compiled
def _reinvested(close: Float64, dividend: Float64) -> Float64:
    units = np.ones(close.shape)
    for t in range(1, close.shape[0]):
        for i in range(close.shape[1]):
            paid, price = dividend[t, i], close[t, i]
            is_paid = not np.isnan(paid) and np.isfinite(price) and price > 0.0
            units[t, i] = units[t - 1, i] * (1.0 + paid / price) if is_paid else units[t - 1, i]
    return units


def log_changes(levels: Float64) -> Float64:
    """Compute log(levels[t] / levels[t - 1]); the first row is NaN."""
    changes = np.full(levels.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        changes[1:] = np.log(levels[1:] / levels[:-1])
    return changes
