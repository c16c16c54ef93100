"""Layers that mix over time, then over features."""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class TSMixer:
    """Alternate fully connected layers along time and along features (Chen et al. 2023).

    Parameters
    ----------
    lookback : int
        Times in a window.
    blocks : int
        Pairs of mixing layers.
    inner : int
        Units of the layers along features.
    dropout : float
        After each layer.
    """

    lookback: int = 60
    blocks: int = 2
    inner: int = 64
    dropout: float = 0.1

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the blocks and the head."""
        blocks = [_Block(self, n_features) for _ in range(self.blocks)]
        return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(self.lookback * n_features, n_outputs))


class _Block(nn.Module):
    def __init__(self, choices: TSMixer, n_features: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(n_features) for _ in range(2))
        self.time = nn.Sequential(nn.Linear(choices.lookback, choices.lookback), nn.ReLU(), nn.Dropout(choices.dropout))
        self.features = nn.Sequential(
            nn.Linear(n_features, choices.inner),
            nn.ReLU(),
            nn.Dropout(choices.dropout),
            nn.Linear(choices.inner, n_features),
            nn.Dropout(choices.dropout),
        )

    def forward(self, windows: Tensor) -> Tensor:
        windows = windows + self.time(self.norms[0](windows).transpose(1, 2)).transpose(1, 2)
        out: Tensor = windows + self.features(self.norms[1](windows))
        return out
