"""A small network taught by a larger model."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.ports import Model
from quantdesk.models.learning.choices import FROM_0_TO_1, FROM_2, check_choices
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
        check_choices(self, alpha=FROM_0_TO_1, blocks=FROM_2)
        if self.training.validation_share == 0:
            raise StrategyError("Distilled has no validation span", "a validation_share above 0", "set it in its training")

    def fit(self, dataset: Dataset, seed: int) -> "DistilledForecaster":
        """Fit the teacher block after block, then the student.

        Raises
        ------
        DataError
            If there are too few samples for the first teacher or for the student, none to validate
            on, or training breaks down.
        """
        from quantdesk.models.learning.distillation import Imitation, distil

        loss = Imitation(self.temperature, self.alpha)
        return distil(self.teacher, self.blocks, self.student, loss, self.training, self.max_samples, dataset, seed)
