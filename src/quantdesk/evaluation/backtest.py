"""Run the loop over history, and check the fast path against it every time."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DeskError
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Decides
from quantdesk.domain.progress import Tell, silent
from quantdesk.domain.trade import Fill
from quantdesk.evaluation.outcome import CostCurve, Track
from quantdesk.evaluation.scores import performance
from quantdesk.execution.costs import Costs, Market
from quantdesk.execution.kernel import Halt, Path, simulate
from quantdesk.loop import Replay, Step, fills_of, open_desk
from quantdesk.portfolio.limits import Limits

MULTIPLIERS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Cost levels of the cost curve."""

PARITY = 1e-9
"""Largest relative difference allowed between the loop and the fast path."""


@dataclass(frozen=True, eq=False)
class Setting:
    """Say where and how a backtest runs.

    Parameters
    ----------
    panel : Panel
        History, with the bars before ``start`` that strategies look back on.
    start : int
        Position of the first bar traded on.
    costs : Costs
        What trading costs.
    limits : Limits
        What is allowed.
    capital : float
        Cash at the start, account currency.
    """

    panel: Panel
    start: int
    costs: Costs
    limits: Limits
    capital: float

    @cached_property
    def market(self) -> Market:
        """Read from the panel what the simulated world offers; how dear trading is plays no part in it."""
        return Market.of(self.panel, self.costs).since(self.start)

    def under(self, costs: Costs | None = None, limits: Limits | None = None) -> "Setting":
        """Return the same setting at other costs or within other limits; the market is read once for both."""
        changed = replace(self, costs=costs or self.costs, limits=limits or self.limits)
        if changed.costs.assumed_daily_value == self.costs.assumed_daily_value:
            vars(changed)["market"] = self.market
        return changed


@dataclass(frozen=True, eq=False)
class Backtest:
    """Hold what a backtest gave.

    Parameters
    ----------
    track : Track
        Bar by bar.
    targets : Float64
        Weights decided, limits applied (n_times, n_instruments); NaN left a position.
    steps : tuple of Step
        What each bar brought.
    """

    track: Track
    targets: Float64
    steps: tuple[Step, ...]

    @cached_property
    def fills(self) -> tuple[Fill, ...]:
        """List every trade, in time order."""
        return fills_of(list(self.steps))


def backtest(name: str, strategy: Decides, setting: Setting, tell: Tell = silent) -> Backtest:
    """Trade a strategy through history with the loop.

    Raises
    ------
    DeskError
        If the fast path does not give the same net asset values.
    """
    panel, start = setting.panel, setting.start
    desk = open_desk(name, strategy, setting.costs, setting.limits, setting.capital, panel.times[start])
    n_bars, steps = len(panel.times) - start, []
    for step in desk.run(Replay(panel, start, strategy.lookback)):
        steps.append(step)
        if len(steps) % 50 == 0 or len(steps) == n_bars:
            tell(f"trading {name}", len(steps), n_bars)
    targets = np.stack([step.allowed.weights for step in steps])
    path = replay(targets, setting, setting.costs)
    equity = np.array([step.equity for step in steps])
    _check_parity(equity, path.equity, panel.times[start:])
    return Backtest(_track(path, panel, start), targets, tuple(steps))


def replay(targets: Float64, setting: Setting, costs: Costs) -> Path:
    """Trade given targets through the fast path, at the given costs."""
    halt = Halt(setting.limits.drawdown, setting.limits.cooldown_bars)
    return simulate(targets, setting.market, costs.rates, halt, setting.capital)


def track_of(targets: Float64, setting: Setting) -> Track:
    """Trade given targets through the fast path."""
    return _track(replay(targets, setting, setting.costs), setting.panel, setting.start)


def cost_curve(targets: Float64, setting: Setting) -> CostCurve:
    """Trade the same targets at several cost levels."""
    paths = [replay(targets, setting, setting.costs.times(multiplier)) for multiplier in MULTIPLIERS]
    tracks = [_track(path, setting.panel, setting.start) for path in paths]
    free, paid = tracks[0], paths[MULTIPLIERS.index(1.0)]
    traded = float(paid.traded.sum())
    mean_gross, mean_turnover = float(free.returns.mean()), float(free.turnover[1:].mean())
    return CostCurve(
        multipliers=np.array(MULTIPLIERS),
        sharpes=np.array([performance(track).sharpe for track in tracks]),
        cost_bps=1e4 * float(paid.costs.sum()) / traded if traded else 0.0,
        break_even_bps=max(0.0, 1e4 * mean_gross / mean_turnover) if mean_turnover else np.inf,
    )


def at_no_cost(setting: Setting) -> Setting:
    """Return the same setting in a world without costs."""
    return setting.under(costs=setting.costs.times(0.0))


def _track(path: Path, panel: Panel, start: int) -> Track:
    with np.errstate(invalid="ignore", divide="ignore"):
        turnover = np.where(path.equity > 0, path.traded / path.equity, 0.0)
    return Track(panel.times[start:], path.equity, path.gross_exposure, path.net_exposure, turnover, path.costs)


def _check_parity(loop: Float64, kernel: Float64, times: np.ndarray[tuple[int], np.dtype[np.datetime64]]) -> None:
    # Below a thousandth of a cent the two ways of summing cents are all that differs.
    apart = np.flatnonzero(~(np.abs(loop - kernel) <= np.maximum(PARITY * np.abs(loop), 1e-5)))
    if apart.size:
        t = apart[0]
        raise DeskError(
            f"loop and fast path disagree at {times[t]}: {loop[t]} against {kernel[t]}",
            f"equal net asset values to {PARITY:g}",
            "report this with the data: no number of this run can be trusted",
        )
