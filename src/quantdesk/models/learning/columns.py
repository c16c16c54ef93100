"""Columns that a network calls by name, found in the dataset that it learns from."""

from typing import Protocol, runtime_checkable

import numpy as np

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError, StrategyError
from quantdesk.models.learning.network import Network

Column = str | int
"""A feature, by its name or by its position among the dataset's."""


@runtime_checkable
class NamesColumns(Protocol):
    """A network that treats some features otherwise than the rest, and calls them by name."""

    def placed(self, dataset: Dataset) -> Network:
        """Return the same choices with positions in place of names.

        Raises
        ------
        StrategyError
            If the dataset has no such feature, or it is not declared as the network needs it.
        DataError
            If it holds what the network cannot read.
        """
        ...


def placed(network: Network, dataset: Dataset) -> Network:
    """Find the columns that a network names; one that names none is returned as it is."""
    return network.placed(dataset) if isinstance(network, NamesColumns) else network


def position(dataset: Dataset, column: Column) -> int:
    """Find a feature among a dataset's.

    Raises
    ------
    StrategyError
        If it is not there: a name may be misspelt, or the panel lacks what the feature needs.
    """
    names = dataset.feature_names
    if isinstance(column, int) and 0 <= column < len(names):
        return column
    if column not in names:
        raise StrategyError(
            f"the network reads the feature {column!r}, which the dataset does not hold",
            f"one of {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}",
            "add it to the strategy's features, or correct its name",
        )
    return names.index(column)


def check_categories(dataset: Dataset, column: int, n: int) -> None:
    """Refuse a feature that does not hold categories from 1 to ``n``, 0 or missing for unknown.

    Raises
    ------
    StrategyError
        If models scale it, so that its categories would not reach them.
    DataError
        If a value is none of them.
    """
    name, values = dataset.feature_names[column], dataset.features[:, :, column]
    if dataset.needs_scaling[column]:
        raise StrategyError(f"the feature {name!r} holds categories and is scaled", "scaling 'unit'", "declare it so")
    is_wrong = np.isfinite(values) & ((values != np.round(values)) | (values < 0) | (values > n))
    if is_wrong.any():
        time, instrument = np.argwhere(is_wrong)[0]
        raise DataError(
            f"{name!r} of {dataset.symbols[instrument]} at {dataset.times[time]} is {values[time, instrument]:g}",
            f"a category from 1 to {n}, or 0 for unknown",
            "number the categories from 1, or say how many there are",
        )
