"""A leak and its clean twin, each a function of one pair's candles."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Values = NDArray[np.float64]
Frame = pd.DataFrame
OnCandles = Callable[[Frame], Values]
Beside = Callable[[Frame, Frame], Values]
CANDLE = np.timedelta64(5, "m")


@dataclass(frozen=True)
class Case:
    """Pair a leak with the same thing done rightly.

    Parameters
    ----------
    name : str
        The plant of our gauntlet that does the same.
    leaky, clean : callable
        Map candles (and what lies beside them) to one number a candle, nan where there is none.
    beside : str
        What the functions need besides candles: nothing, ``hourly``, ``market`` or ``facts``.
    is_in_rule : bool
        Whether the number stands in the rule for entries only, and in no column of the strategy's table.
    """

    name: str
    leaky: Beside
    clean: Beside
    beside: str = ""
    is_in_rule: bool = False


def on_candles(name: str, leaky: OnCandles, clean: OnCandles) -> Case:
    """Make a case that needs nothing but candles."""
    return Case(name, lambda candles, _: leaky(candles), lambda candles, _: clean(candles))


def values(series: object) -> Values:
    """Give a series as plain numbers (n_candles,)."""
    return np.asarray(series, dtype=np.float64)


def levels(candles: Frame) -> "pd.Series[float]":
    """Give the logarithm of the close (n_candles,)."""
    return pd.Series(np.log(values(candles["close"])), index=candles.index)


def returns(candles: Frame) -> "pd.Series[float]":
    """Give the change of the logarithm of the close, 0 at the first candle (n_candles,)."""
    return levels(candles).diff().fillna(0.0)


def opens_at(frame: Frame, column: str = "date") -> NDArray[np.datetime64]:
    """Give times as plain UTC (n_rows,); a candle carries the time at which it opens."""
    return pd.to_datetime(frame[column], utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[ns]")
