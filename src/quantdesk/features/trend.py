"""Features of where the price stands against its own recent path."""

from quantdesk.features.algebra import Column, at_most, clipped, where
from quantdesk.features.quotes import BOTTOM, CLOSE, TOP, feature
from quantdesk.features.rolling import exponential, highest, lowest, mean
from quantdesk.features.windows import rows_for

FAST, SLOW, SMOOTH = 12, 26, 9
"""Spans of the moving average convergence/divergence, in bars."""


def span_mean(column: Column, span: int) -> Column:
    """Average exponentially with weight 2 / (span + 1), over as many bars as still count."""
    alpha = 2.0 / (span + 1.0)
    return exponential(column, rows_for(alpha), alpha, span)


def place_in_range(window: int) -> Column:
    """Place the close between the lowest low (-1) and the highest high (1) of the last bars.

    0 where the price stood still. A close outside its own bar's range is taken as being at its edge.
    """
    top, bottom = highest(TOP, window), lowest(BOTTOM, window)
    span = top - bottom
    place = clipped(2.0 * ((CLOSE - bottom) / span) - 1.0, -1.0, 1.0)
    return where(at_most(span, top * 1e-12), span * 0.0, place)


_LINE = span_mean(CLOSE, FAST) - span_mean(CLOSE, SLOW)

FEATURES = (
    *(
        feature(f"ma_distance_{window}", CLOSE / mean(CLOSE, window) - 1.0, "close / mean close - 1")
        for window in (7, 30, 90, 180)
    ),
    feature("macd", _LINE / CLOSE, "MACD (12, 26) / close: Appel 1979"),
    feature("macd_histogram", (_LINE - span_mean(_LINE, SMOOTH)) / CLOSE, "MACD (12, 26, 9) histogram / close: Appel 1979"),
    *(
        feature(f"breakout_{window}", place_in_range(window), "place in the Donchian channel", scaling="unit")
        for window in (20, 55)
    ),
)
