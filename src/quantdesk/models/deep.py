"""Any network as a model: scaled windows in, a distribution of returns out."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quantdesk.domain.dataset import Dataset
from quantdesk.models.learning.choices import check_choices, refuse
from quantdesk.models.training import Training

if TYPE_CHECKING:
    from quantdesk.models.learning.forecaster import DeepForecaster
    from quantdesk.models.learning.losses import Loss
    from quantdesk.models.learning.network import Network
    from quantdesk.models.learning.pretraining import Pretraining


@dataclass(frozen=True)
class Deep:
    """Train a network on the standardised labels of every horizon at once.

    Parameters
    ----------
    network : Network
        Its choices: any of ``models/networks``.
    loss : Loss or None
        What is made small; None takes Huber's.
    training : Training
        How it is trained.
    demean : bool
        Whether to learn returns relative to the other instruments of the same time.
    max_samples : int
        About how many samples it learns from; times are dropped evenly.
    pretraining : Pretraining or None
        What it learns first from windows without labels; PatchTST only.

    Raises
    ------
    StrategyError
        If a choice is of the wrong kind or outside its range, or the network cannot be pre-trained.
    """

    network: "Network"
    loss: "Loss | None" = None
    training: Training = field(default_factory=Training)
    demean: bool = True
    max_samples: int = 1_000_000
    pretraining: "Pretraining | None" = None

    def __post_init__(self) -> None:
        check_choices(self)
        if self.pretraining is not None:
            if not callable(getattr(self.pretraining, "check", None)):
                refuse("Deep.pretraining", self.pretraining, "a Pretraining, or None")
            self.pretraining.check(self.network)

    def fit(self, dataset: Dataset, seed: int) -> "DeepForecaster":
        """Learn from every sample but those of the validation span, which chooses the epoch.

        Raises
        ------
        DataError
            If there are fewer than 30 samples, or training breaks down.
        StrategyError, ComputeError
            If the window is longer than the history, this machine lacks the device, several processes cannot share the
            training, or one of them died.
        """
        from quantdesk.models.learning.fit import fit
        from quantdesk.models.learning.losses import Huber
        from quantdesk.models.learning.train import train

        learn = self.pretraining or train
        return fit(self.network, self.loss or Huber(), self.training, self.demean, self.max_samples, dataset, seed, learn)
