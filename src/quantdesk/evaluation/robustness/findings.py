"""What the robustness study found: the result nouns, every Sharpe ratio annual and net of costs."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Change:
    """Say what a Sharpe ratio becomes under one change.

    Parameters
    ----------
    name : str
        What was changed, and to what.
    sharpe : float
        Net, annual; NaN where it has no meaning.
    """

    name: str
    sharpe: float


@dataclass(frozen=True)
class Delays:
    """Trade the same decisions later than they were traded.

    Parameters
    ----------
    bars : tuple of int
        Bars of delay; 0 is as traded: decided at a close, filled in the next bar.
    sharpes : tuple of float
        One a delay.
    """

    bars: tuple[int, ...]
    sharpes: tuple[float, ...]


@dataclass(frozen=True)
class Capacity:
    """Trade the same decisions with more and less capital.

    The square-root impact is capped at a whole day's volume, beyond which larger orders would
    seem free: the curve ends before the first capital that needs it.

    Parameters
    ----------
    capitals : tuple of float
        Account currency, rising.
    sharpes : tuple of float
        One a capital.
    shares : tuple of float
        Largest order as a share of its instrument's daily volume, one a capital.
    traded : float
        The capital of the evaluation.
    half_at, zero_at : float
        Capital at which the Sharpe ratio has fallen to half of the evaluation's and to zero,
        interpolated; infinite where the curve ends before, NaN where it never was positive.
    is_cut : bool
        Whether the curve ends at the cap.
    """

    capitals: tuple[float, ...]
    sharpes: tuple[float, ...]
    shares: tuple[float, ...]
    traded: float
    half_at: float
    zero_at: float
    is_cut: bool

    @property
    def share_traded(self) -> float:
        """Give the evaluation's own largest order as a share of daily volume."""
        return self.shares[self.capitals.index(self.traded)]


@dataclass(frozen=True)
class Starts:
    """Begin later, or decide on other bars of the period.

    Parameters
    ----------
    times : tuple of numpy.datetime64
        Later beginnings of the track, without learning anew.
    sharpes : tuple of float
        From each to the end.
    shifts : tuple of int
        Bars by which the calendar of decisions is shifted; empty where it decides at every bar.
    shifted : tuple of float
        One a shift.
    """

    times: tuple[np.datetime64, ...]
    sharpes: tuple[float, ...]
    shifts: tuple[int, ...]
    shifted: tuple[float, ...]


@dataclass(frozen=True)
class Universe:
    """Forbid instruments: their weights become 0 and nothing is rescaled.

    Parameters
    ----------
    share : float
        Share of the instruments forbidden in a draw.
    sharpes : tuple of float
        One a draw; empty where there are too few instruments to leave any out.
    sectors : tuple of Change
        Each known sector left out in turn.
    """

    share: float
    sharpes: tuple[float, ...]
    sectors: tuple[Change, ...]

    @property
    def median(self) -> float:
        """Give the median draw."""
        return self._at(0.5)

    @property
    def low(self) -> float:
        """Give the draw below which 5 % fall."""
        return self._at(0.05)

    @property
    def high(self) -> float:
        """Give the draw above which 5 % fall."""
        return self._at(0.95)

    def _at(self, level: float) -> float:
        known = [value for value in self.sharpes if math.isfinite(value)]
        return float(np.quantile(known, level)) if known else math.nan


@dataclass(frozen=True)
class Neighbour:
    """Change one choice of the signal or the sizing, or the horizon that is traded.

    Parameters
    ----------
    choice : str
        Such as ``Rank.long``; ``horizon`` changes it in every part that names it.
    value, chosen : float
        Tried, and in the strategy.
    sharpe : float
        Of what was decided anew from the same forecasts.
    """

    choice: str
    value: float
    chosen: float
    sharpe: float


@dataclass(frozen=True)
class Neighbours:
    """Decide anew from the same forecasts with other choices.

    What is held at a decision is taken to be what was decided last, so prices move it not at all
    and positions are not cut back between decisions. ``unchanged`` is decided in that way too: it
    is what the others are to be held against.

    Parameters
    ----------
    unchanged : float
        Sharpe ratio of the strategy's own choices.
    tried : tuple of Neighbour
        One a change.
    """

    unchanged: float
    tried: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Stretch:
    """Score some of the bars.

    Parameters
    ----------
    name : str
        Which.
    net_return : float
        Compounded over these bars, simple, not annual.
    sharpe : float
        Of these bars.
    n_bars : int
        How many.
    """

    name: str
    net_return: float
    sharpe: float
    n_bars: int


@dataclass(frozen=True)
class Periods:
    """Split the bars by year, and by what the market had been before each of them.

    Parameters
    ----------
    years, volatility, trend : tuple of Stretch
        By calendar year; by tercile of the market's volatility; by the sign of its trend.
    """

    years: tuple[Stretch, ...]
    volatility: tuple[Stretch, ...]
    trend: tuple[Stretch, ...]


@dataclass(frozen=True)
class Part:
    """Say what one instrument, day or round trip gave.

    Parameters
    ----------
    name : str
        ``NVDA``, a date, or ``long NVDA``.
    begins_at, ends_at : numpy.datetime64
        From the close of the first bar to that of the last one in which it gave or took.
    profit : float
        Account currency, after costs, borrowing apart.
    share : float
        Of the total profit; NaN where there was none.
    sharpe_without : float
        Sharpe ratio had its weight been 0; NaN for a day, which no one could have known.
    """

    name: str
    begins_at: np.datetime64
    ends_at: np.datetime64
    profit: float
    share: float
    sharpe_without: float


@dataclass(frozen=True)
class Contribution:
    """Say where the profit came from.

    Parameters
    ----------
    profit : float
        Change of the net asset value, account currency.
    borrow : float
        Paid to borrow, account currency; no instrument bears it.
    instrument, day, trip : Part or None
        The one of each that gave the most; None where nothing was traded.
    n_trips : int
        Round trips, those still open at the end included.
    best_days : float
        Share of the profit that the best 1 % of days gave; NaN where there was no profit.
    """

    profit: float
    borrow: float
    instrument: Part | None
    day: Part | None
    trip: Part | None
    n_trips: int
    best_days: float


@dataclass(frozen=True)
class Robustness:
    """Hold the whole study.

    Parameters
    ----------
    sharpe : float
        The evaluation's own net Sharpe ratio.
    delays, capacity, starts, universe, neighbours, periods, contribution
        The parts.
    """

    sharpe: float
    delays: Delays
    capacity: Capacity
    starts: Starts
    universe: Universe
    neighbours: Neighbours
    periods: Periods
    contribution: Contribution
