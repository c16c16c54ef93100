"""Several networks as one: side by side, or one after another."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.models.learning.choices import BELOW_1, check_choices, check_network
from quantdesk.models.learning.columns import placed
from quantdesk.models.learning.dropout import Dropout
from quantdesk.models.learning.network import Network


@runtime_checkable
class Encodes(Protocol):
    """A network that can say what it saw at every time of its window."""

    def encoder(self, n_features: int) -> tuple[nn.Module, int]:
        """Make a module from (n, lookback, n_features) to (n, lookback, width), and give that width."""
        ...


@dataclass(frozen=True)
class Concatenated:
    """Let several networks read the same window, and one layer read what they say together.

    Parameters
    ----------
    parts : tuple of Network
        Each reads the last part of the window that it needs.
    width : int
        Numbers that each part says.
    dropout : float
        Share of units left out in training, before the layer.

    Raises
    ------
    StrategyError
        If there is no part, or one is not a network that can be built.
    """

    parts: tuple[Network, ...]
    width: int = 32
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_choices(self, dropout=BELOW_1)
        _require_parts(self.parts, "Concatenated")

    @property
    def lookback(self) -> int:
        """Times in a window: as many as the part that looks back furthest reads."""
        return max(part.lookback for part in self.parts)

    @property
    def needs_times(self) -> bool:
        """Whether a part reads the instruments of one time together."""
        return any(getattr(part, "needs_times", False) for part in self.parts)

    def placed(self, dataset: Dataset) -> "Concatenated":
        """Return the same choices with positions in place of the columns that parts name."""
        return replace(self, parts=tuple(placed(part, dataset) for part in self.parts))

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make every part, and the layer."""
        return _Concatenated(self, n_features, n_outputs)


class _Concatenated(nn.Module):
    def __init__(self, choices: Concatenated, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.lookbacks = [part.lookback for part in choices.parts]
        self.parts = nn.ModuleList(part.build(n_features, choices.width) for part in choices.parts)
        size = choices.width * len(choices.parts)
        self.head = nn.Sequential(nn.GELU(), Dropout(choices.dropout), nn.Linear(size, n_outputs))

    def forward(self, windows: Tensor) -> Tensor:
        said = [part(windows[:, -lookback:]) for part, lookback in zip(self.parts, self.lookbacks, strict=True)]
        out: Tensor = self.head(torch.cat(said, dim=-1))
        return out


@dataclass(frozen=True)
class Stacked:
    """Let each network read what the one before saw at every time of the window.

    Parameters
    ----------
    parts : tuple of Network
        In order, with one lookback; all but the last have an ``encoder``.

    Raises
    ------
    StrategyError
        If there is no part, one cannot be built, their lookbacks differ, or one before the last has no ``encoder``.
    """

    parts: tuple[Network, ...]

    def __post_init__(self) -> None:
        check_choices(self)
        _require_parts(self.parts, "Stacked")
        lookbacks = [part.lookback for part in self.parts]
        if len(set(lookbacks)) > 1:
            raise StrategyError(f"Stacked has parts with lookbacks of {lookbacks}", "one lookback", "make them equal")
        for part in self.parts[:-1]:
            if not isinstance(part, Encodes):
                raise StrategyError(
                    f"Stacked has {type(part).__name__} before another part",
                    "a network that says something at every time, such as TCN, LSTM, Transformer or TSMixer",
                    f"put {type(part).__name__} last, or use Concatenated",
                )

    @property
    def lookback(self) -> int:
        """Times in a window."""
        return self.parts[0].lookback

    @property
    def needs_times(self) -> bool:
        """Whether the last part reads the instruments of one time together."""
        return bool(getattr(self.parts[-1], "needs_times", False))

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the encoders of all parts but the last, and the last part."""
        layers, width = [], n_features
        for part in self.parts[:-1]:
            assert isinstance(part, Encodes)
            encoder, width = part.encoder(width)
            layers.append(encoder)
        return nn.Sequential(*layers, self.parts[-1].build(width, n_outputs))


def _require_parts(parts: tuple[Network, ...], name: str) -> None:
    if not parts:
        raise StrategyError(f"{name} has no parts", "at least one network", "name the networks to combine")
    for part in parts:
        check_network(part, name)
