"""Which bars may teach and which may judge: purged by label spans, embargoed after them."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Bools, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Name the decision times that train and those that test, as row positions in the dataset."""

    train: Ints
    test: Ints


@dataclass(frozen=True)
class WalkForward:
    """Train on the past, test on the bars that follow, move on.

    Parameters
    ----------
    train_bars : int
        Bars before the first test block, and the window's length when it rolls.
    test_bars : int
        Bars in a test block; the last one may be shorter.
    is_expanding : bool
        Whether training always begins at the first bar, or rolls.
    embargo_bars : int
        Bars left out between the end of the training labels and the test block.

    Raises
    ------
    DataError
        If a length makes no sense.
    """

    train_bars: int
    test_bars: int
    is_expanding: bool = True
    embargo_bars: int = 0

    def __post_init__(self) -> None:
        if self.train_bars < 1 or self.test_bars < 1 or self.embargo_bars < 0:
            raise DataError(f"walk-forward of {self}", "train and test bars of 1 or more", "correct the lengths")

    @classmethod
    def fitting(
        cls, n_times: int, is_expanding: bool = True, embargo_bars: int = 5, train_bars: int = 0, test_bars: int = 0
    ) -> "WalkForward":
        """Choose lengths for a history where they are 0: train on a third (504 to 1,260 bars), refit each 252 bars or more."""
        train_bars = train_bars or int(np.clip(n_times // 3, min(504, n_times // 2), 1260))
        return cls(train_bars, test_bars or max(252, -(-(n_times - train_bars) // 8)), is_expanding, embargo_bars)

    def splits(self, dataset: Dataset) -> list[Split]:
        """List the splits in time order.

        Raises
        ------
        DataError
            If the history is too short for one, or the training span for the labels.
        """
        n_times = len(dataset)
        found = []
        for start in range(self.train_bars, n_times, self.test_bars):
            test = np.arange(start, min(start + self.test_bars, n_times))
            train = np.arange(0 if self.is_expanding else start - self.train_bars, start)
            found.append(Split(train[_ends_before(dataset, train, test[0] - self.embargo_bars)], test))
        if not found or not len(found[0].train):
            raise self._too_short(dataset)
        return found

    def _too_short(self, dataset: Dataset) -> DataError:
        n_times = len(dataset)
        # The bars until the first label has ended, and the embargo after it.
        lost = int(dataset.ends.max(axis=1).min() - dataset.begins[0]) + self.embargo_bars if n_times else 0
        if n_times > max(self.train_bars, lost + 1):
            return DataError(
                f"a training span of {self.train_bars} bars leaves no sample whose label ends in it",
                f"more than {lost} bars",
                "choose more with --train",
            )
        return DataError(
            f"{n_times} bars are too few to train on {self.train_bars} and test after",
            f"more than {max(self.train_bars + max(dataset.horizons), lost + 1)} bars",
            "bring a longer history, or choose fewer training bars (--train)",
        )


@dataclass(frozen=True)
class CombinatorialPurged:
    """Test on every combination of blocks, training on the rest (López de Prado 2018, ch. 12).

    Parameters
    ----------
    n_folds : int
        Blocks of equal length.
    n_test_folds : int
        Blocks tested at a time.
    embargo_bars : int
        Bars after a test block that do not train.
    """

    n_folds: int = 6
    n_test_folds: int = 2
    embargo_bars: int = 5

    def splits(self, dataset: Dataset) -> list[list[Split]]:
        """List, for each combination, one split a test block; the splits of one share their training rows."""
        from skfolio.model_selection import CombinatorialPurgedCV

        combinations = CombinatorialPurgedCV(self.n_folds, self.n_test_folds).split(np.zeros((len(dataset), 1)))
        return [self._purge(dataset, train, blocks) for train, blocks in combinations]

    def path_ids(self) -> Ints:
        """Give the path that each combination's test blocks belong to (n_combinations, n_test_folds)."""
        from skfolio.model_selection import CombinatorialPurgedCV

        return np.asarray(CombinatorialPurgedCV(self.n_folds, self.n_test_folds).get_path_ids(), dtype=np.int64)

    def _purge(self, dataset: Dataset, train: Ints, blocks: list[Ints]) -> list[Split]:
        for block in blocks:
            train = purge(dataset, train, block, self.embargo_bars)
        return [Split(train, block) for block in blocks]


def purge(dataset: Dataset, train: Ints, test: Ints, embargo_bars: int) -> Ints:
    """Drop training rows whose labels overlap those of a test block, or that follow it too soon.

    Parameters
    ----------
    dataset : Dataset
        Whose spans decide.
    train, test : Ints
        Row positions; ``test`` is one contiguous block.
    embargo_bars : int
        Rows after the block's last label that do not train.
    """
    first, last = int(test[0]), int(dataset.ends[test].max() - dataset.begins[0] + 1)
    before = _ends_before(dataset, train, first)
    after = train >= last + embargo_bars
    return train[before | after]


def _ends_before(dataset: Dataset, rows: Ints, row: int) -> Bools:
    # Row i decides at the close before the bar where its labels begin.
    decided_at = dataset.begins[0] - 1 + row
    is_before: Bools = dataset.ends[rows].max(axis=1) <= decided_at
    return is_before
