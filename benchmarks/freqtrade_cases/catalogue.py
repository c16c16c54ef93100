"""Every case that a strategy on one pair's candles can express, and why the others cannot."""

from freqtrade_cases import beside, candles, learned
from freqtrade_cases.case import Case, Frame, Values

PUBLIC = beside.PUBLIC
"""The two misses that freqtrade's own users reported and its authors confirmed."""

CASES: tuple[Case, ...] = (*candles.CASES, *beside.CASES, *learned.CASES, *PUBLIC)

CANNOT = {
    "a choice among names; each pair is analysed by itself, on the pair list it is given": (
        "rank over names that list later",
        "today's index members",
        "today's sectors",
        "survivors only",
        "incomplete columns dropped",
        "chosen by later return",
        "liquid by the whole history",
        "target encoding",
    ),
    "which samples teach and which judge; the analysis knows of neither": (
        "shuffled split",
        "no purge",
        "label without embargo",
        "the same names in both lists",
        "other names, the same days",
        "label from the close that decides",
        "label longer than its span",
    ),
    "fills; the program makes them itself, at the next open": (
        "fill at the close that decides",
        "fill at the low",
        "fill before the order",
    ),
    "stamps; the exchange gives them, and its days do not end": (
        "daily bars stamped at the open",
        "daily bars stamped at midnight",
        "hourly bars stamped at the open",
    ),
    "a column of the candles with a time of its own; candles have none": ("field known later",),
    "splits of a share; a pair has none": ("adjusted price levels",),
    "position sizes; only entries and exits are compared": ("weights from the whole history",),
}
"""Plants of our gauntlet that cannot be written as such a strategy, by the reason."""


def find(name: str) -> Case:
    """Find a case by name."""
    return next(case for case in CASES if case.name == name)


def compute(name: str, is_leaky: bool, table: Frame, other: Frame) -> Values:
    """Compute a case's number for each candle (n_candles,)."""
    case = find(name)
    return (case.leaky if is_leaky else case.clean)(table, other)
