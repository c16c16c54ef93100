"""The plain network: layers one after another on the flattened window."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from quantdesk.models.learning.choices import BELOW_1, check_choices
from quantdesk.models.learning.dropout import Dropout

Head = Literal["linear", "tanh", "sigmoid"]
_HEADS: dict[str, Callable[[], nn.Module]] = {"linear": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@dataclass(frozen=True)
class MLP:
    """Stack fully connected layers (Rumelhart, Hinton & Williams 1986).

    Parameters
    ----------
    lookback : int
        Times in a window.
    width : int
        Units of the first layer.
    depth : int
        Hidden layers.
    narrowing : float
        Units of each layer over those of the one before; 0.5 halves them, 1 keeps them. Never under 4.
    dropout : float
        Share of units left out in training.
    head : {"linear", "tanh", "sigmoid"}
        What bounds the outputs; linear: nothing.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    lookback: int = 1
    width: int = 64
    depth: int = 2
    narrowing: float = 1.0
    dropout: float = 0.1
    head: Head = "linear"

    def __post_init__(self) -> None:
        check_choices(self, dropout=BELOW_1)

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the layers."""
        layers: list[nn.Module] = [nn.Flatten()]
        before, units = self.lookback * n_features, float(self.width)
        for _ in range(self.depth):
            after = max(4, round(units))
            layers += [nn.Linear(before, after), nn.GELU(), Dropout(self.dropout)]
            before, units = after, units * self.narrowing
        return nn.Sequential(*layers, nn.Linear(before, n_outputs), _HEADS[self.head]())
