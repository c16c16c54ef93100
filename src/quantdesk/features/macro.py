"""Features of the world that every instrument shares: rates, volatility, oil, the index, bitcoin.

A series enters by its level only where the level keeps returning to a mean: the VIX, and the slope
of the yield curve. Yields and prices wander, and a model that learns a level which never comes
back has learnt a date; they enter by their change over a month. Every one of them
also has its change over a quarter.
"""

from functools import partial

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.columns import logarithm
from quantdesk.features.facts import QUARTER, changing, fact, with_change

MONTH = 21
"""Bars in a month of daily bars."""

YIELDS = ("treasury_2y", "treasury_3y", "treasury_5y", "treasury_10y")
PRICES = ("oil_wti", "oil_brent", "index_level", "bitcoin")


def log_level(bars: Bars, name: str) -> Float64:
    """Take a series' logarithm (n_times, n_instruments); NaN where it is not above zero."""
    return logarithm(fact(bars, name))


def slope(bars: Bars) -> Float64:
    """Subtract the 2-year from the 10-year yield (n_times, n_instruments), in their own unit."""
    return np.subtract(fact(bars, "treasury_10y"), fact(bars, "treasury_2y"))


FEATURES = (
    *with_change("vix", partial(log_level, name="vix"), "log of the VIX", ("close", "vix")),
    *with_change("term_slope", slope, "10-year less 2-year yield", ("close", "treasury_2y", "treasury_10y")),
    *(
        changing(name, partial(fact, name=name), window, "yield", ("close", name))
        for name in YIELDS
        for window in (MONTH, QUARTER)
    ),
    *(
        changing(name, partial(log_level, name=name), window, "log price", ("close", name))
        for name in PRICES
        for window in (MONTH, QUARTER)
    ),
)
