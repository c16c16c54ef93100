"""The columns that most formulas begin with, and how a feature is declared by its formula.

A bar without a trade repeats the last close, with no range and no volume, for up to ``BRIDGE``
bars; after that there is no price: as in ``columns``, which has the same for whole arrays.
"""

from collections.abc import Iterator

from quantdesk.domain.feature import Feature, Scaling
from quantdesk.features.algebra import Column, given, log, plain, where
from quantdesk.features.columns import BRIDGE
from quantdesk.features.evaluate import PRICES, Formula
from quantdesk.features.program import TRADED
from quantdesk.features.rolling import highest

_traded = given(TRADED)
CLOSE = where(highest(_traded, BRIDGE + 1), given("close"), given("close") * float("nan"))
"""The last close while it is at most ``BRIDGE`` bars old."""

RETURN = log(CLOSE / CLOSE.lag(1))
"""Log return between consecutive closes; 0 on a bridged bar."""

OPEN = where(_traded, given("open"), CLOSE)
"""Opening price; the close where bridged."""

HIGH = where(_traded, given("high"), CLOSE)
LOW = where(_traded, given("low"), CLOSE)
"""Range of the bar; the close where bridged."""

TOP = where(_traded, given("top"), CLOSE)
BOTTOM = where(_traded, given("bottom"), CLOSE)
"""The same, and the close where the data has no range."""

VOLUME = where(_traded, given("volume"), CLOSE * 0.0)
"""Split-adjusted units; 0 where bridged."""

_FIELDS = {
    **{name: name for name in PRICES},
    "sector": "sector",
    "session": "session",
    "same_time": "session",
    "session_hours": "session",
}


def feature(name: str, column: Column, source: str, scaling: Scaling = "standard") -> Feature:
    """Declare a feature by its formula; its lookback and the fields it needs follow from that.

    Parameters
    ----------
    name : str
        Unique name.
    column : Column
        The formula.
    source, scaling
        As in ``Feature``.
    """
    column = plain(column)
    needs = {"close", *(_FIELDS[name] for name in inputs_read(column) if name in _FIELDS)}
    return Feature(name, Formula(column), column.rows, source, tuple(sorted(needs)), scaling)


def inputs_read(column: Column) -> set[str]:
    """Name the inputs that a formula reads."""
    return {leaf.name for leaf in _leaves(column)}


def _leaves(column: Column) -> Iterator[Column]:
    seen, rest = set(), [column]
    while rest:
        one = rest.pop()
        if id(one) not in seen:
            seen.add(id(one))
            rest.extend(one.arguments)
            if one.is_input:
                yield one
