"""One network for every instrument, its last layer tuned to each; and a trained network carried to another universe."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError, StrategyError
from quantdesk.models.adaptation import Tuning
from quantdesk.models.deep import Deep
from quantdesk.models.learning.choices import check_choices
from quantdesk.models.training import Training

if TYPE_CHECKING:
    from quantdesk.models.learning.forecaster import DeepForecaster
    from quantdesk.models.learning.individual import IndividualForecaster


@dataclass(frozen=True)
class Tuned:
    """Train one network on every instrument, then tune its last layer to each (Yosinski et al. 2014).

    Each instrument's layer lies between the universal one and its own, for all of them as far
    from one to the other as is best on the validation span; where the layer is linear, as in most
    networks, this averages the two forecasts. The spread stays the universal network's.

    Parameters
    ----------
    model : Deep
        The universal network.
    tuning : Tuning
        How its last layer is tuned.

    Raises
    ------
    StrategyError
        If no validation span is left to choose the weight.
    """

    model: Deep
    tuning: Tuning = field(default_factory=Tuning)

    def __post_init__(self) -> None:
        check_choices(self)
        if self.model.training.validation_share == 0:
            raise StrategyError("Tuned has no validation span", "a validation_share above 0", "set it in the model's training")

    def fit(self, dataset: Dataset, seed: int) -> "IndividualForecaster":
        """Fit the universal network, then tune.

        Raises
        ------
        DataError
            If there are fewer than 30 samples, none of them to validate on, or training breaks down.
        StrategyError
            If the network or the loss needs every instrument of a time.
        """
        from quantdesk.models.learning.tuning import tune

        return tune(self.model, self.tuning, dataset, seed)


def transfer(
    forecaster: "DeepForecaster | IndividualForecaster",
    dataset: Dataset,
    seed: int,
    training: Training | None = None,
    demean: bool = True,
    max_samples: int = 1_000_000,
) -> "DeepForecaster":
    """Continue a trained network on another universe, whose features are standardised by their own span.

    Parameters
    ----------
    forecaster : DeepForecaster or IndividualForecaster
        Where to start; of the latter the shared network.
    dataset : Dataset
        The other universe, with the same features and horizons.
    seed : int
        Seed of the order of samples and of dropout.
    training : Training, optional
        How to go on; 5 epochs at a learning rate of 0.0003 by default.
    demean : bool
        Whether to learn returns relative to the other instruments of the same time.
    max_samples : int
        About how many samples it learns from.

    Raises
    ------
    DataError
        If the features or horizons are not as many as those it was trained on, or there are too few samples.
    """
    from quantdesk.models.learning.fit import fit
    from quantdesk.models.learning.individual import IndividualForecaster
    from quantdesk.models.learning.tuning import Continued

    trained = forecaster.shared if isinstance(forecaster, IndividualForecaster) else forecaster
    found, wanted = (len(dataset.feature_names), len(dataset.horizons)), (len(trained.shares), len(trained.residuals))
    if found != wanted:
        raise DataError(
            f"the other universe has {found[0]} features and {found[1]} horizons",
            f"{wanted[0]} and {wanted[1]}, as the network was trained on",
            "compute the same features and labels",
        )
    knobs = training or Training(epochs=5, learning_rate=3e-4)
    start = Continued(trained.network, trained.weights)
    moved = fit(start, trained.loss, knobs, demean, max_samples, dataset, seed)
    return replace(moved, network=trained.network)
