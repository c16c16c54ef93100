"""Change one thing at a time, and see what is left of the Sharpe ratio: no model learns anew."""

from quantdesk.domain.progress import Tell, silent
from quantdesk.evaluation.backtest import Backtest, Setting
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.robustness.capacity import capacity
from quantdesk.evaluation.robustness.contribution import contribution
from quantdesk.evaluation.robustness.delays import delays
from quantdesk.evaluation.robustness.findings import Robustness
from quantdesk.evaluation.robustness.neighbours import neighbours
from quantdesk.evaluation.robustness.periods import periods
from quantdesk.evaluation.robustness.starts import starts
from quantdesk.evaluation.robustness.universe import universe
from quantdesk.evaluation.robustness.world import World
from quantdesk.evaluation.scores import performance
from quantdesk.evaluation.walk_forward import OutOfSample
from quantdesk.strategy import Strategy


def robustness(
    strategy: Strategy, learned: OutOfSample, traded: Backtest, setting: Setting, plan: Plan, tell: Tell = silent
) -> Robustness:
    """Study how much of a backtest's result its choices, its names and its days carry.

    Parameters
    ----------
    strategy : Strategy
        As traded.
    learned : OutOfSample
        The forecasts it traded on.
    traded : Backtest
        What it did with them in ``setting``.
    plan : Plan
        Whose seed draws the forbidden instruments.

    Raises
    ------
    DeskError
        If the gains of the instruments do not sum to the change of the net asset value.
    """
    tell("testing how robust it is", 0, 2)
    world, targets, forecasts = World.of(setting), traded.targets, learned.forecasts
    found = Robustness(
        sharpe=performance(traded.track).sharpe,
        delays=delays(targets, world),
        capacity=capacity(targets, world),
        universe=universe(targets, world, plan.seed),
        periods=periods(traded.track, setting.panel, setting.start),
        contribution=contribution(targets, traded.track, world),
        starts=starts(strategy, forecasts, targets, world),
        neighbours=neighbours(strategy, forecasts, world, tell),
    )
    tell("testing how robust it is", 2, 2)
    return found
