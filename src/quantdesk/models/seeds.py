"""One model fitted from several seeds, and averaged: what is left when chance in learning is taken out."""

from dataclasses import dataclass

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.ports import Model
from quantdesk.domain.progress import part
from quantdesk.models.average import AverageForecaster
from quantdesk.models.learning.choices import check_choices


@dataclass(frozen=True)
class Seeds:
    """Fit a model from several seeds and average the quantiles (deep ensembles; Lakshminarayanan et al. 2017).

    Parameters
    ----------
    model : Model
        Any model that learns by chance; of another, all members are the same.
    n : int
        Members. No two seeds of this model share one.

    Raises
    ------
    StrategyError
        If there are none.
    """

    model: Model
    n: int = 5

    def __post_init__(self) -> None:
        check_choices(self)

    def fit(self, dataset: Dataset, seed: int) -> AverageForecaster:
        """Fit every member on the same data.

        Raises
        ------
        DataError
            If there are too few samples.
        """
        members = []
        for place in range(self.n):
            with part("seed", place, self.n):
                members.append(self.model.fit(dataset, seed * self.n + place))
        return AverageForecaster(tuple(members))
