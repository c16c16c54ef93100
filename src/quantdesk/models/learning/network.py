"""What a network is: choices that build a module."""

from collections.abc import Hashable
from typing import Protocol

from torch import nn


class Network(Hashable, Protocol):
    """Choices, immutable; ``build`` makes the module that they describe."""

    @property
    def lookback(self) -> int:
        """Times in a window, the present one included."""
        ...

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make a module from scaled windows (n, lookback, n_features) to outputs (n, n_outputs)."""
        ...


def needs_times(network: Network) -> bool:
    """Tell whether a network reads the instruments of one time together: those alone make a batch."""
    return bool(getattr(network, "needs_times", False))
