"""Features of the price's path over one to twelve weeks: level, line, extremes, order."""

from collections.abc import Iterator

from quantdesk.domain.feature import Feature
from quantdesk.features.algebra import above
from quantdesk.features.quotes import BOTTOM, CLOSE, RETURN, TOP, feature
from quantdesk.features.rolling import (
    deviation,
    fit,
    gains,
    highest,
    lowest,
    mean,
    ordered,
    since_highest,
    slope,
    total,
)
from quantdesk.features.trend import place_in_range

WINDOWS = (5, 10, 20, 30, 60)
"""Bars of the windows."""

LEVEL = 0.8
"""The upper quantile; the lower one is as far from the bottom."""

_CHANGE = CLOSE - CLOSE.lag(1)


def _levels(window: int) -> Iterator[Feature]:
    line = slope(CLOSE, window)
    end_of_line = mean(CLOSE, window) + line * ((window - 1) / 2.0)
    upper, lower, place = ordered(CLOSE, window, LEVEL)
    yield feature(f"past_price_{window}", CLOSE.lag(window) / CLOSE, f"close {window} bars ago / close")
    yield feature(f"mean_price_{window}", mean(CLOSE, window) / CLOSE, "mean close / close")
    yield feature(f"deviation_{window}", deviation(CLOSE, window) / CLOSE, "standard deviation of closes / close")
    yield feature(f"slope_{window}", line / CLOSE, "slope of the least-squares line through closes / close")
    yield feature(f"fit_{window}", fit(CLOSE, window), "share of the closes' variance on that line", "unit")
    yield feature(f"residual_{window}", (CLOSE - end_of_line) / CLOSE, "distance of the close from that line / close")
    yield feature(f"upper_quantile_{window}", upper / CLOSE, "80th percentile of closes / close")
    yield feature(f"lower_quantile_{window}", lower / CLOSE, "20th percentile of closes / close")
    yield feature(f"place_{window}", place, "place of the close among closes, -1 to 1", "unit")


def _extremes(window: int) -> Iterator[Feature]:
    since_high, since_low = (since_highest(column, window) / float(window) for column in (TOP, -BOTTOM))
    yield feature(f"highest_{window}", highest(TOP, window) / CLOSE, "highest high / close")
    yield feature(f"lowest_{window}", lowest(BOTTOM, window) / CLOSE, "lowest low / close")
    yield feature(f"rsv_{window}", (place_in_range(window) + 1.0) / 2.0, "raw stochastic value: Lane 1984", "unit")
    yield feature(f"since_high_{window}", since_high, "bars since the highest high / window: Aroon, Chande 1995", "unit")
    yield feature(f"since_low_{window}", since_low, "bars since the lowest low / window: Aroon, Chande 1995", "unit")
    yield feature(f"low_to_high_{window}", since_low - since_high, "bars from the low to the high / window", "unit")


def _moves(window: int) -> Iterator[Feature]:
    up, down = (total(above(change, 0.0), window) / float(window) for change in (RETURN, -RETURN))
    gain, loss = total(gains(_CHANGE), window), total(gains(-_CHANGE), window)
    gross = gain + loss
    yield feature(f"rising_{window}", up, "share of bars that rose", "unit")
    yield feature(f"falling_{window}", down, "share of bars that fell", "unit")
    yield feature(f"rising_balance_{window}", up - down, "share that rose less share that fell", "unit")
    yield feature(f"gain_share_{window}", gain / gross, "sum of gains / sum of absolute changes", "unit")
    yield feature(f"loss_share_{window}", loss / gross, "sum of losses / sum of absolute changes", "unit")
    yield feature(f"gain_balance_{window}", (gain - loss) / gross, "gains less losses / absolute changes", "unit")


FEATURES = tuple(one for window in WINDOWS for family in (_levels, _extremes, _moves) for one in family(window))
