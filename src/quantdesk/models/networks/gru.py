"""Gated recurrent units that read the window on several time frames at once."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quantdesk.models.learning.choices import BELOW_1, check_choices
from quantdesk.models.learning.dropout import Dropout


@dataclass(frozen=True)
class GRU:
    """Read the window at every bar, every third and every twelfth (Cho et al. 2014), and join what was read.

    On 5-minute bars the frames are 5, 15 and 60 minutes. A coarser frame holds the mean of its
    bars; every frame ends at the present bar.

    Parameters
    ----------
    lookback : int
        Times in a window, a multiple of every frame.
    frames : tuple of int
        Bars in one step of each frame.
    hidden : int
        Units of each frame.
    layers : int
        Layers of each frame.
    dropout : float
        Share of units left out in training, between layers and before the head.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    lookback: int = 60
    frames: tuple[int, ...] = (1, 3, 12)
    hidden: int = 48
    layers: int = 1
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_choices(self, dropout=BELOW_1)

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make one recurrent network a frame, and the head."""
        return _GRU(self, n_features, n_outputs)


class _GRU(nn.Module):
    def __init__(self, choices: GRU, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.frames = choices.frames
        between = choices.dropout if choices.layers > 1 else 0.0
        self.readers = nn.ModuleList(
            nn.GRU(n_features, choices.hidden, choices.layers, batch_first=True, dropout=between) for _ in choices.frames
        )
        size = choices.hidden * len(choices.frames)
        self.head = nn.Sequential(nn.LayerNorm(size), Dropout(choices.dropout), nn.Linear(size, n_outputs))

    def forward(self, windows: Tensor) -> Tensor:
        last = [reader(coarser(windows, frame))[0][:, -1] for reader, frame in zip(self.readers, self.frames, strict=True)]
        out: Tensor = self.head(torch.cat(last, dim=-1))
        return out


def coarser(windows: Tensor, frame: int) -> Tensor:
    """Average runs of ``frame`` bars, the last run ending at the present one (n, lookback // frame, n_features)."""
    n_steps = windows.shape[1] // frame
    recent = windows[:, windows.shape[1] - n_steps * frame :]
    return recent.reshape(windows.shape[0], n_steps, frame, windows.shape[2]).mean(dim=2)
