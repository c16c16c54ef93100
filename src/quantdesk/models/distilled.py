"""A small network taught by a larger model."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.ports import Model
from quantdesk.models.learning.choices import check_network, check_whole
from quantdesk.models.training import Training

if TYPE_CHECKING:
    from quantdesk.models.learning.distillation import DistilledForecaster
    from quantdesk.models.learning.network import Network


@dataclass(frozen=True)
class Distilled:
    """Teach a small network what a teacher forecasts of what it has not seen (Hinton, Vinyals & Dean 2015).

    The training span is cut into blocks of time. For each block but the first the teacher learns
    from those before it alone, purged, so that what the student imitates is never the teacher's
    memory; in the first block the student has labels only. The teacher that learned from all of
    them is the one the student is compared with, on the validation span.

    Parameters
    ----------
    teacher : Model
        Any model.
    student : Network
        Its choices: any of ``models/networks``.
    temperature : float
        By which log odds of a rise are divided before they are compared; above 1 they are softened.
    alpha : float
        Weight of the teacher's forecasts, from 0 to 1; the labels have the rest.
    training : Training
        How the student is trained.
    blocks : int
        Blocks of time, 2 or more: as many times the teacher is fitted.
    max_samples : int
        About how many samples the student learns from; times are dropped evenly.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    teacher: Model
    student: "Network"
    temperature: float = 2.0
    alpha: float = 0.7
    training: Training = field(default_factory=Training)
    blocks: int = 4
    max_samples: int = 1_000_000

    def __post_init__(self) -> None:
        check_network(self.student, "Distilled")
        check_whole("Distilled", "max_samples", self.max_samples)
        if not self.temperature > 0 or not 0 <= self.alpha <= 1 or self.blocks < 2 or self.training.validation_share == 0:
            raise StrategyError(
                f"Distilled has temperature {self.temperature}, alpha {self.alpha}, {self.blocks} blocks"
                f" and a validation share of {self.training.validation_share}",
                "a positive temperature, an alpha from 0 to 1, 2 blocks or more, a validation share above 0",
                "correct the one outside its range",
            )

    def fit(self, dataset: Dataset, seed: int) -> "DistilledForecaster":
        """Fit the teacher block after block, then the student.

        Raises
        ------
        DataError
            If there are too few samples for the first teacher or for the student, none to validate
            on, or training breaks down.
        """
        from quantdesk.models.learning.distillation import distil

        return distil(self, dataset, seed)
