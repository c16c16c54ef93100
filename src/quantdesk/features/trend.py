"""Features of where the price stands against its own recent path."""

from functools import partial

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.columns import close, declare, place_in_range, shared
from quantdesk.features.windows import rows_for, window_ema, window_mean

FAST, SLOW, SMOOTH = 12, 26, 9
"""Spans of the moving average convergence/divergence, in bars."""


@shared
def ma_distance(bars: Bars, window: int) -> Float64:
    """Compute the close over its mean of ``window`` bars, minus 1 (n_times, n_instruments)."""
    return close(bars) / window_mean(close(bars), window) - 1.0


@shared
def macd_line(bars: Bars) -> Float64:
    """Subtract the slow exponential mean of the close from the fast one, in price units."""
    return _span_mean(close(bars), FAST, FAST) - _span_mean(close(bars), SLOW, SLOW)


def macd(bars: Bars) -> Float64:
    """Compute the MACD line as a fraction of the close (n_times, n_instruments)."""
    return macd_line(bars) / close(bars)


def macd_histogram(bars: Bars) -> Float64:
    """Compute the MACD line minus its own exponential mean, as a fraction of the close."""
    return (macd_line(bars) - _span_mean(macd_line(bars), SMOOTH, SMOOTH)) / close(bars)


def _alpha(span: int) -> float:
    return 2.0 / (span + 1.0)


def _span_mean(values: Float64, span: int, min_count: int) -> Float64:
    return window_ema(values, rows_for(_alpha(span)), _alpha(span), min_count)


_LINE_ROWS = rows_for(_alpha(SLOW))

FEATURES = (
    *(
        declare(f"ma_distance_{window}", partial(ma_distance, window=window), window, "close / mean close - 1")
        for window in (7, 30, 90, 180)
    ),
    declare("macd", macd, _LINE_ROWS, "MACD (12, 26) / close: Appel 1979"),
    declare(
        "macd_histogram",
        macd_histogram,
        _LINE_ROWS + rows_for(_alpha(SMOOTH)) - 1,
        "MACD (12, 26, 9) histogram / close: Appel 1979",
    ),
    *(
        declare(
            f"breakout_{window}",
            partial(place_in_range, window=window),
            window,
            "place in the Donchian channel",
            scaling="unit",
        )
        for window in (20, 55)
    ),
)
