"""Rules that trade one instrument on its own closes, as data; and the trader that follows one in the loop."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.decision import Target
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.panel import Panel
from quantdesk.execution.lines import Closes, Line
from quantdesk.execution.position import (
    CLOSE,
    DIVIDEND,
    IS_DOWN,
    IS_TRADED,
    IS_UP,
    LEAVE,
    LOT,
    PRICE,
    SPLIT,
    TIE,
    WANT,
    YEARS,
    Levels,
    decide,
)

Side = Literal["long", "short", "both"]
SIDES: dict[Side, int] = {"long": 1, "short": -1, "both": 0}
PRICES = Line("close")


class Rule(Protocol):
    """A signal on one instrument: which line must lie above which.

    Each pair holds where its first line lies above its second; where a line is not known, neither.
    """

    @property
    def side(self) -> Side:
        """Which sides the rule takes; a signal of the other side closes a position."""
        ...

    @property
    def up(self) -> tuple[Line, Line]:
        """Lines that speak for the long side."""
        ...

    @property
    def down(self) -> tuple[Line, Line]:
        """Lines that speak for the short side."""
        ...


@dataclass(frozen=True)
class Crossover:
    """Be long while the fast mean of closes lies above the slow one.

    Parameters
    ----------
    fast, slow : int
        Bars of the two means.
    side : Side
        Which sides are taken.

    Raises
    ------
    StrategyError
        If the fast mean is not the shorter one.
    """

    fast: int
    slow: int
    side: Side = "long"

    def __post_init__(self) -> None:
        _check_bars(self, self.fast)
        if self.fast >= self.slow:
            raise StrategyError(f"{self}: fast is not below slow", "fewer bars in the fast mean", "choose fast < slow")

    @property
    def up(self) -> tuple[Line, Line]:
        """Fast above slow."""
        return Line("mean", self.fast), Line("mean", self.slow)

    @property
    def down(self) -> tuple[Line, Line]:
        """Slow above fast."""
        return Line("mean", self.slow), Line("mean", self.fast)


@dataclass(frozen=True)
class Breakout:
    """Buy above the highest close of the bars before, sell below the lowest (Donchian channel).

    Parameters
    ----------
    high_bars, low_bars : int
        Bars before this one over which the highest and the lowest close are taken.
    side : Side
        Which sides are taken.
    """

    high_bars: int
    low_bars: int
    side: Side = "long"

    def __post_init__(self) -> None:
        _check_bars(self, self.high_bars, self.low_bars)

    @property
    def up(self) -> tuple[Line, Line]:
        """Close above the highest."""
        return PRICES, Line("highest", self.high_bars)

    @property
    def down(self) -> tuple[Line, Line]:
        """Lowest above the close."""
        return Line("lowest", self.low_bars), PRICES


@dataclass(frozen=True)
class Momentum:
    """Follow the sign of the return over some bars.

    Parameters
    ----------
    bars : int
        Bars of the return.
    side : Side
        Which sides are taken.
    """

    bars: int
    side: Side = "long"

    def __post_init__(self) -> None:
        _check_bars(self, self.bars)

    @property
    def up(self) -> tuple[Line, Line]:
        """Close above the close of then."""
        return PRICES, Line("lagged", self.bars)

    @property
    def down(self) -> tuple[Line, Line]:
        """Close of then above this one."""
        return Line("lagged", self.bars), PRICES


@dataclass(frozen=True)
class RelativeStrength:
    """Buy when the relative strength index (Cutler's, of plain sums) is low, sell when it is high.

    Parameters
    ----------
    bars : int
        Changes that the index sums.
    low, high : float
        Thresholds in [0, 100].
    side : Side
        Which sides are taken.
    """

    bars: int
    low: float = 30.0
    high: float = 70.0
    side: Side = "long"

    def __post_init__(self) -> None:
        _check_bars(self, self.bars)

    @property
    def up(self) -> tuple[Line, Line]:
        """Low threshold above the index."""
        return Line("level", 1, self.low), Line("strength", self.bars)

    @property
    def down(self) -> tuple[Line, Line]:
        """Index above the high threshold."""
        return Line("strength", self.bars), Line("level", 1, self.high)


@dataclass(frozen=True)
class Reversion:
    """Buy some way below the mean of closes, sell above it.

    Parameters
    ----------
    bars : int
        Bars of the mean.
    width : float
        How far below, as a fraction of the mean.
    side : Side
        Which sides are taken.
    """

    bars: int
    width: float
    side: Side = "long"

    def __post_init__(self) -> None:
        _check_bars(self, self.bars)

    @property
    def up(self) -> tuple[Line, Line]:
        """Lowered mean above the close."""
        return Line("mean", self.bars, 1.0 - self.width), PRICES

    @property
    def down(self) -> tuple[Line, Line]:
        """Close above the mean."""
        return PRICES, Line("mean", self.bars)


def _check_bars(rule: object, *bars: int) -> None:
    for count in bars:
        if count < 1:
            raise StrategyError(f"{rule} looks over {count} bars", "1 or more", "correct the rule")


@dataclass(frozen=True)
class Exits:
    """Close a position at these levels, whatever the rule says; None: never.

    All are judged at a close and filled at the next bar, as every order of the desk. Prices are
    measured from the market price of the bar of entry, splits and dividends taken out.

    Parameters
    ----------
    stop_loss, take_profit : float or None
        Loss or gain since entry, as a fraction of the entry price.
    trailing_stop : float or None
        Way back from the best close since entry, as a fraction of it.
    bars : int or None
        Bars held, that of entry included.

    Raises
    ------
    StrategyError
        If one is not positive.
    """

    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None
    bars: int | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value > 0:
                raise StrategyError(f"{name} is {value}", "a positive number, or None for never", "correct the exits")

    @property
    def levels(self) -> Levels | None:
        """Return the form that compiled code takes; None where nothing is set."""
        if all(value is None for value in vars(self).values()):
            return None
        stop_loss, take_profit, trailing_stop, bars = (
            np.inf if value is None else float(value)
            for value in (self.stop_loss, self.take_profit, self.trailing_stop, self.bars)
        )
        return Levels(stop_loss, take_profit, trailing_stop, bars)


Made = TypeVar("Made")


def grid(rule: Callable[..., Made], **values: Iterable[object]) -> list[Made]:
    """Make a rule of each combination of values, the last named changing fastest.

    Combinations that the rule itself refuses, such as a fast mean longer than the slow one, are
    left out.

    Examples
    --------
    >>> grid(Crossover, fast=[5, 20], slow=[10, 30])[-1]
    Crossover(fast=20, slow=30, side='long')
    """
    return sifted(rule, **values)[0]


def sifted(rule: Callable[..., Made], **values: Iterable[object]) -> tuple[list[Made], list[StrategyError]]:
    """Make a rule of each combination of values as ``grid`` does, and say why the rule refused the others."""
    made, refused = [], []
    for combination in itertools.product(*values.values()):
        try:
            made.append(rule(**dict(zip(values, combination, strict=True))))
        except StrategyError as error:
            refused.append(error)
    return made, refused


def lookback_of(rule: Rule) -> int:
    """Count the bars, the present one included, on which a rule's signal depends."""
    return 1 + max(line.bars for line in (*rule.up, *rule.down))


def is_above(closes: Closes, pair: tuple[Line, Line]) -> Bools:
    """Tell where the first line of a pair lies above the second (n_instruments, n_times)."""
    return closes.draw(pair[0]) > closes.draw(pair[1]) * TIE


@dataclass(eq=False)
class RuleTrader:
    """Follow a rule in the loop, bar by bar, as the sweep does.

    Each instrument gets an equal share of the weight, sized anew at each entry only. It remembers
    where positions were entered, so it must see every bar from the first on.

    Parameters
    ----------
    rule : Rule
        What speaks for a side.
    exits : Exits
        Levels at which a position is closed whatever the rule says.
    weight : float
        Fraction of net asset value that all instruments together take.
    """

    rule: Rule
    exits: Exits = field(default_factory=Exits)
    weight: float = 1.0
    _states: Float64 = field(default_factory=lambda: np.empty((0, LOT + 1)), init=False, repr=False)

    @property
    def lookback(self) -> int:
        """Bars of history, the present one included, that a decision reads."""
        return lookback_of(self.rule)

    def target(self, panel: Panel, held: Float64) -> Target:
        """Decide at the panel's last close."""
        if len(self._states) != len(held):
            self._states = np.zeros((len(held), LOT + 1))
        closes = Closes.of(panel.rows(max(0, len(panel.times) - self.lookback), len(panel.times)))
        is_up, is_down = (is_above(closes, pair)[:, -1] for pair in (self.rule.up, self.rule.down))
        is_traded = np.isfinite(panel.fields["close"][-1])
        signs = is_traded * (IS_TRADED + IS_UP * is_up + IS_DOWN * is_down)
        bars = _last_bars(panel)
        for i, state in enumerate(self._states):
            decide(state, int(np.sign(held[i])), bars[i], int(signs[i]), SIDES[self.rule.side], self.exits.levels)
        sides = self._states[:, WANT]
        return Target(np.where(sides == LEAVE, np.nan, sides * self.weight / len(held)))


def _last_bars(panel: Panel) -> Float64:
    bars = np.full((len(panel.instruments), YEARS + 1), np.nan)
    close = panel.fields["close"][-1]
    bars[:, PRICE] = np.where(np.isfinite(close), panel.fields["open"][-1] if "open" in panel.fields else close, np.nan)
    bars[:, CLOSE], bars[:, SPLIT], bars[:, DIVIDEND] = close, panel.get("split")[-1], panel.get("dividend")[-1]
    return bars
