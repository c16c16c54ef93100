"""Features of the shape of one bar."""

from quantdesk.features.algebra import Column, at_most, greater, smaller, where
from quantdesk.features.quotes import CLOSE, HIGH, LOW, OPEN, feature

_RANGE = HIGH - LOW
_UPPER, _LOWER = HIGH - greater(OPEN, CLOSE), smaller(OPEN, CLOSE) - LOW
_SHIFT = 2.0 * CLOSE - HIGH - LOW


def _of_range(part: Column) -> Column:
    # 0 where the bar has no range.
    return where(at_most(_RANGE, CLOSE * 1e-12), part * 0.0, part / _RANGE)


FEATURES = (
    feature("body", (CLOSE - OPEN) / OPEN, "(close - open) / open"),
    feature("bar_range", _RANGE / OPEN, "(high - low) / open"),
    feature("body_share", _of_range(CLOSE - OPEN), "(close - open) / (high - low)"),
    feature("upper_shadow", _UPPER / OPEN, "(high - larger of open and close) / open"),
    feature("upper_shadow_share", _of_range(_UPPER), "upper shadow / (high - low)"),
    feature("lower_shadow", _LOWER / OPEN, "(smaller of open and close - low) / open"),
    feature("lower_shadow_share", _of_range(_LOWER), "lower shadow / (high - low)"),
    feature("close_shift", _SHIFT / OPEN, "(2 close - high - low) / open"),
    feature("close_shift_share", _of_range(_SHIFT), "(2 close - high - low) / (high - low)"),
    feature("open_to_close", OPEN / CLOSE, "open / close"),
    feature("high_to_close", HIGH / CLOSE, "high / close"),
    feature("low_to_close", LOW / CLOSE, "low / close"),
    feature("typical_to_close", (HIGH + LOW + CLOSE) / 3.0 / CLOSE, "mean of high, low and close / close"),
)
