"""The linear baseline of sequence forecasting: trend and remainder, a layer each."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from quantdesk.models.learning.choices import check_choices


@dataclass(frozen=True)
class DLinear:
    """Split the window into a moving average and what is left, and map each linearly (Zeng et al. 2023).

    Parameters
    ----------
    lookback : int
        Times in a window.
    kernel : int
        Times in the moving average, odd.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    lookback: int = 60
    kernel: int = 25

    def __post_init__(self) -> None:
        check_choices(self)

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the two layers."""
        return _DLinear(self, n_features, n_outputs)


class _DLinear(nn.Module):
    def __init__(self, choices: DLinear, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.kernel = choices.kernel
        size = choices.lookback * n_features
        self.trend, self.rest = nn.Linear(size, n_outputs), nn.Linear(size, n_outputs)
        for layer in (self.trend, self.rest):
            nn.init.constant_(layer.weight, 1.0 / size)

    def forward(self, windows: Tensor) -> Tensor:
        before = self.kernel // 2
        series = windows.transpose(1, 2)
        padded = torch.cat(
            [series[..., :1].expand(-1, -1, before), series, series[..., -1:].expand(-1, -1, self.kernel - 1 - before)], dim=-1
        )
        trend = functional.avg_pool1d(padded, self.kernel, stride=1)
        out: Tensor = self.trend(trend.flatten(1)) + self.rest((series - trend).flatten(1))
        return out
