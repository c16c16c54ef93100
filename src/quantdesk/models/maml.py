"""A network that starts where a few days of one instrument's data are enough to learn it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.models.adaptation import Adaptation
from quantdesk.models.learning.choices import check_choices
from quantdesk.models.training import Training

if TYPE_CHECKING:
    from quantdesk.models.learning.losses import Loss
    from quantdesk.models.learning.meta_forecaster import MetaForecaster
    from quantdesk.models.learning.network import Network


@dataclass(frozen=True)
class MetaLearned:
    """Learn weights from which a few steps on an instrument's last labels go far (MAML; Finn, Abbeel & Levine 2017).

    A task is one instrument at one moment: adapt on its last ``shots`` labels known then, and be
    judged on the next. Instruments of the training span are adapted once, on their last labels in
    it. One that comes later is adapted at every forecast, on the labels that have ended by then.

    Parameters
    ----------
    network : Network
        Its choices: any of ``models/networks``.
    loss : Loss or None
        What is made small; None takes Huber's. It must not need whole times: a task has one instrument.
    training : Training
        Of the shared weights: ``batch`` counts the labels of all the tasks of a step; checkpoint,
        accumulation and low precision are not used.
    adaptation : Adaptation
        How the shared weights are adapted.
    demean : bool
        Whether to learn returns relative to the other instruments of the same time.
    max_samples : int
        About how many samples it learns from; times are dropped evenly.

    Raises
    ------
    StrategyError
        If the network's choices are outside their range, no validation span is left to choose the epoch, or several
        processes are to learn.
    """

    network: "Network"
    loss: "Loss | None" = None
    training: Training = field(default_factory=Training)
    adaptation: Adaptation = field(default_factory=Adaptation)
    demean: bool = True
    max_samples: int = 1_000_000

    def __post_init__(self) -> None:
        check_choices(self)
        if self.training.validation_share == 0:
            raise StrategyError("MetaLearned has no validation span", "a validation_share above 0", "set it in its training")
        if self.training.n_processes > 1:
            raise StrategyError(
                f"MetaLearned was given {self.training.n_processes} processes",
                "one: tasks are not shared",
                "set n_processes to 1",
            )

    def fit(self, dataset: Dataset, seed: int) -> "MetaForecaster":
        """Learn the shared weights, then adapt them to every instrument.

        Raises
        ------
        DataError
            If there are fewer than 30 samples, none of them to validate on, or training breaks down.
        StrategyError
            If the loss needs whole times.
        """
        from quantdesk.models.learning.losses import Huber
        from quantdesk.models.learning.meta_fit import fit

        loss = self.loss or Huber()
        return fit(self.network, loss, self.training, self.adaptation, self.demean, self.max_samples, dataset, seed)
