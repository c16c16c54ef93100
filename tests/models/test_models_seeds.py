from dataclasses import dataclass, replace

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import LEVELS, Forecasts
from quantdesk.domain.progress import tell_of, telling
from quantdesk.models.seeds import Seeds


@dataclass(frozen=True)
class Drawn:
    """Forecast what the seed says."""

    seed: int = 0
    lookback: int = 1

    def fit(self, dataset: Dataset, seed: int) -> "Drawn":
        """Learn nothing."""
        tell_of()("drawing", 0, 1)
        return replace(self, seed=seed)

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Forecast the seed everywhere, with certainty."""
        quantiles = np.full((*dataset.labels.shape, len(LEVELS)), float(self.seed))
        return Forecasts(dataset.times, dataset.symbols, dataset.horizons, quantiles)

    def contributions(self, dataset: Dataset) -> Float64:
        """Explain all by nothing."""
        return self.forecast(dataset).mean[..., None]

    def importance(self) -> Float64:
        """Read no feature."""
        return np.zeros(0)


def dataset() -> Dataset:
    begins = np.arange(3) + 1
    return Dataset(
        times=np.datetime64("2001-01-01", "ns") + np.arange(3) * np.timedelta64(1, "D"),
        features=np.zeros((3, 2, 0), dtype=np.float32),
        labels=np.zeros((3, 2, 1)),
        begins=begins,
        ends=begins[:, None] + 1,
        scale=np.ones((3, 2)),
        is_valid=np.ones((3, 2), dtype=bool),
        feature_names=(),
        needs_scaling=np.zeros(0, dtype=bool),
        horizons=(1,),
        symbols=("A", "B"),
    )


def test_the_members_are_averaged_and_their_spread_is_known() -> None:
    forecaster = Seeds(Drawn(), n=4).fit(dataset(), seed=0)
    np.testing.assert_allclose(forecaster.forecast(dataset()).quantiles, np.mean([0, 1, 2, 3]))
    spread = forecaster.spread(dataset())
    assert spread.shape == (3, 2, 1)
    np.testing.assert_allclose(spread, np.std([0, 1, 2, 3]))


def test_no_two_seeds_share_a_member() -> None:
    members = [one.seed for seed in range(6) for one in Seeds(Drawn(), n=3).fit(dataset(), seed).forecasters]  # type: ignore[attr-defined]
    assert len(set(members)) == 18


def test_each_member_is_heard_as_one_of_them() -> None:
    heard: list[str] = []
    with telling(lambda what, done, total: heard.append(what)):
        Seeds(Drawn(), n=2).fit(dataset(), seed=0)
    assert heard == ["seed 1 of 2: drawing", "seed 2 of 2: drawing"]


def test_no_members_are_refused() -> None:
    with pytest.raises(StrategyError, match=r"Seeds\.n is 0"):
        Seeds(Drawn(), n=0)
