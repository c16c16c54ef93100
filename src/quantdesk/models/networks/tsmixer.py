"""Layers that mix over time, then over features."""

from dataclasses import dataclass

from torch import Tensor, nn

from quantdesk.models.learning.choices import BELOW_1, check_choices
from quantdesk.models.learning.dropout import Dropout


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
        Share of units left out in training, after each layer.
    forecasts_itself : bool
        Whether outputs are futures of the features, feature by feature: then one layer along time is the head of them all,
        as in the paper.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    lookback: int = 60
    blocks: int = 2
    inner: int = 64
    dropout: float = 0.1
    forecasts_itself: bool = False

    def __post_init__(self) -> None:
        check_choices(self, dropout=BELOW_1)

    def encoder(self, n_features: int) -> tuple[nn.Module, int]:
        """Make the blocks: from (n, lookback, n_features) to the same shape, and the features."""
        return nn.Sequential(*[_Block(self, n_features) for _ in range(self.blocks)]), n_features

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the blocks and the head."""
        encoder, width = self.encoder(n_features)
        if self.forecasts_itself:
            return nn.Sequential(encoder, _Turned(), nn.Linear(self.lookback, n_outputs // n_features), nn.Flatten())
        return nn.Sequential(encoder, nn.Flatten(), nn.Linear(self.lookback * width, n_outputs))


class _Turned(nn.Module):
    def forward(self, windows: Tensor) -> Tensor:
        return windows.transpose(1, 2)


class _Block(nn.Module):
    def __init__(self, choices: TSMixer, n_features: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(n_features) for _ in range(2))
        self.time = nn.Sequential(nn.Linear(choices.lookback, choices.lookback), nn.ReLU(), Dropout(choices.dropout))
        self.features = nn.Sequential(
            nn.Linear(n_features, choices.inner),
            nn.ReLU(),
            Dropout(choices.dropout),
            nn.Linear(choices.inner, n_features),
            Dropout(choices.dropout),
        )

    def forward(self, windows: Tensor) -> Tensor:
        windows = windows + self.time(self.norms[0](windows).transpose(1, 2)).transpose(1, 2)
        out: Tensor = windows + self.features(self.norms[1](windows))
        return out
