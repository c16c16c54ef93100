"""A network whose windows are standardised each by itself, and its answers brought back to their units."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.models.learning.choices import check_choices
from quantdesk.models.learning.columns import placed
from quantdesk.models.learning.network import Network


@dataclass(frozen=True)
class Reversible:
    """Standardise every feature of each window by itself, and undo it in the outputs (Kim et al. 2022).

    Right where series forecast themselves: outputs are then futures of the features, feature by feature, and as many
    for each. Wrong where features forecast something else.

    Parameters
    ----------
    network : Network
        What reads the standardised windows.
    """

    network: Network

    def __post_init__(self) -> None:
        check_choices(self)

    @property
    def lookback(self) -> int:
        """Times in a window."""
        return self.network.lookback

    def placed(self, dataset: Dataset) -> "Reversible":
        """Return the same choices with positions in place of the columns that the network names."""
        return replace(self, network=placed(self.network, dataset))

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the network between the two steps.

        Raises
        ------
        StrategyError
            If the outputs cannot be shared out among the features.
        """
        if n_outputs % n_features:
            raise StrategyError(
                f"Reversible has {n_outputs} outputs for {n_features} features",
                "as many outputs for each feature",
                "let every series forecast itself, or leave Reversible out",
            )
        return _Reversible(self.network.build(n_features, n_outputs))


class _Reversible(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, windows: Tensor) -> Tensor:
        middle = windows.mean(dim=1, keepdim=True).detach()
        spread = torch.sqrt(windows.var(dim=1, keepdim=True, unbiased=False) + 1e-5).detach()
        said: Tensor = self.inner((windows - middle) / spread)
        futures = said.reshape(windows.shape[0], windows.shape[-1], -1)
        out: Tensor = futures * spread.transpose(1, 2) + middle.transpose(1, 2)
        return out.flatten(1)
