"""How to evaluate: everything a person chooses beside strategy and data."""

from dataclasses import dataclass, field
from pathlib import Path

from quantdesk.compute import Compute
from quantdesk.evaluation.splits import WalkForward
from quantdesk.execution.costs import Costs


@dataclass(frozen=True)
class Plan:
    """Choose how to evaluate.

    Parameters
    ----------
    home : Path
        Where trials are counted.
    costs : Costs
        What trading costs.
    capital : float
        Cash at the start, account currency.
    seed : int
        Seed of everything random.
    is_expanding : bool
        Whether training always begins at the first bar, or rolls.
    embargo_bars : int
        Bars left out between training and test.
    n_placebos : int
        Twins without an edge on which the whole pipeline runs as well.
    train_bars, test_bars : int
        Bars before the first test, and in each; 0 lets the length of the history decide.
    compute : Compute
        Where what can run side by side does so; it changes no number.
    """

    home: Path
    costs: Costs = field(default_factory=Costs)
    capital: float = 1_000_000.0
    seed: int = 0
    is_expanding: bool = True
    embargo_bars: int = 5
    n_placebos: int = 0
    train_bars: int = 0
    test_bars: int = 0
    compute: Compute = field(default_factory=Compute)

    def walk(self, n_times: int) -> WalkForward:
        """Say how a history of so many bars is cut.

        Raises
        ------
        DataError
            If a length makes no sense.
        """
        return WalkForward.fitting(n_times, self.is_expanding, self.embargo_bars, self.train_bars, self.test_bars)
