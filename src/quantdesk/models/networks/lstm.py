"""Long short-term memory, with attention over what it has seen."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from quantdesk.models.learning.choices import BELOW_1, check_choices
from quantdesk.models.learning.dropout import Dropout


@dataclass(frozen=True)
class LSTM:
    """Read the window step by step (Hochreiter & Schmidhuber 1997), and pool by attention (Bahdanau et al. 2015).

    Parameters
    ----------
    lookback : int
        Times in a window.
    hidden : int
        Units of each layer.
    layers : int
        Layers, each reading the one below.
    dropout : float
        Share of units left out in training, between the layers and before the head.
    is_residual : bool
        Whether each layer adds to what it read rather than replaces it.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    lookback: int = 60
    hidden: int = 64
    layers: int = 2
    dropout: float = 0.1
    is_residual: bool = True

    def __post_init__(self) -> None:
        check_choices(self, dropout=BELOW_1)

    def encoder(self, n_features: int) -> tuple[nn.Module, int]:
        """Make the layers: from (n, lookback, n_features) to (n, lookback, hidden), and hidden."""
        return _Layers(self, n_features), self.hidden

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the layers, and the attention over what they read."""
        encoder, width = self.encoder(n_features)
        return nn.Sequential(encoder, _Pooled(width, n_outputs))

    def attention(self, module: nn.Module, windows: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Give the weights with which the states of a window are pooled (n, lookback); there are none over features."""
        assert isinstance(module, nn.Sequential)
        encoder, pooled = module
        assert isinstance(pooled, _Pooled)
        return pooled.weights(encoder(windows)).squeeze(-1), None


class _Layers(nn.Module):
    def __init__(self, choices: LSTM, n_features: int) -> None:
        super().__init__()
        self.is_residual = choices.is_residual
        sizes = [n_features, *[choices.hidden] * choices.layers]
        self.layers = nn.ModuleList(nn.LSTM(before, after, batch_first=True) for before, after in pairwise(sizes))
        self.norms = nn.ModuleList(nn.LayerNorm(choices.hidden) for _ in range(choices.layers))
        self.dropout = Dropout(choices.dropout)

    def forward(self, windows: Tensor) -> Tensor:
        state = windows
        for layer, norm in zip(self.layers, self.norms, strict=True):
            out, _ = layer(state)
            is_same = self.is_residual and out.shape == state.shape
            state = self.dropout(norm(out + state if is_same else out))
        return state


class _Pooled(nn.Module):
    def __init__(self, width: int, n_outputs: int) -> None:
        super().__init__()
        self.attention = nn.Linear(width, 1)
        self.head = nn.Linear(2 * width, n_outputs)

    def weights(self, states: Tensor) -> Tensor:
        """Weigh the states of each window (n, lookback, 1)."""
        return torch.softmax(self.attention(states), dim=1)

    def forward(self, states: Tensor) -> Tensor:
        out: Tensor = self.head(torch.cat([(self.weights(states) * states).sum(dim=1), states[:, -1]], dim=-1))
        return out
