"""Convolutions over time that see further at every layer, and never ahead."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from quantdesk.models.learning.choices import BELOW_1, check_choices
from quantdesk.models.learning.dropout import Dropout


@dataclass(frozen=True)
class TCN:
    """Stack dilated causal convolutions with residual paths (Bai, Kolter & Koltun 2018).

    Parameters
    ----------
    lookback : int
        Times in a window.
    channels : int
        Channels of every layer.
    kernel : int
        Times that one convolution reads.
    layers : int
        Blocks; the dilation doubles from one to the next.
    dropout : float
        Share of units left out in training, after each convolution.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    lookback: int = 60
    channels: int = 48
    kernel: int = 3
    layers: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_choices(self, dropout=BELOW_1)

    def encoder(self, n_features: int) -> tuple[nn.Module, int]:
        """Make the blocks: from (n, lookback, n_features) to (n, lookback, channels), and the channels."""
        sizes = [n_features, *[self.channels] * self.layers]
        blocks = [_Block(sizes[i], sizes[i + 1], self.kernel, 2**i, self.dropout) for i in range(self.layers)]
        return nn.Sequential(_Turned(), *blocks, _Turned()), self.channels

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the blocks and the head."""
        encoder, width = self.encoder(n_features)
        return nn.Sequential(encoder, _Present(), nn.Linear(width, n_outputs))


class _Turned(nn.Module):
    def forward(self, windows: Tensor) -> Tensor:
        return windows.transpose(1, 2)


class _Present(nn.Module):
    def forward(self, states: Tensor) -> Tensor:
        return states[:, -1]


class _Block(nn.Module):
    def __init__(self, before: int, after: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.first = nn.Conv1d(before, after, kernel, dilation=dilation)
        self.second = nn.Conv1d(after, after, kernel, dilation=dilation)
        self.dropout = Dropout(dropout)
        self.path = nn.Identity() if before == after else nn.Conv1d(before, after, 1)

    def forward(self, series: Tensor) -> Tensor:
        out = self.dropout(functional.relu(self.first(functional.pad(series, (self.reach, 0)))))
        out = self.dropout(functional.relu(self.second(functional.pad(out, (self.reach, 0)))))
        return functional.relu(out + self.path(series))
