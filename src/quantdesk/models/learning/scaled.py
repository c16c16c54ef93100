"""A network with its scaling before it, so that features are scaled as they are gathered and never beside."""

import torch
from torch import Tensor, nn

from quantdesk.models.fitting import Scaler
from quantdesk.models.learning.network import Network


class Scaled(nn.Module):
    """Scale windows, fill what is missing with the training mean, and shape the outputs.

    Parameters
    ----------
    network : Network
        Choices of the module within.
    scaler : Scaler
        Fitted on the training span.
    n_horizons, width : int
        Outputs are (n, n_horizons, width).
    start : Tensor, optional
        What the network's outputs are added to (n_horizons, width); 0 by default. Kept with the weights.
    """

    centre: Tensor
    spread: Tensor
    limit: Tensor
    start: Tensor

    def __init__(self, network: Network, scaler: Scaler, n_horizons: int, width: int, start: Tensor | None = None) -> None:
        super().__init__()
        self.n_horizons, self.width = n_horizons, width
        for name, values in (("centre", scaler.centre), ("spread", scaler.width), ("limit", scaler.limit)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        self.register_buffer("start", torch.zeros(n_horizons, width) if start is None else start.float())
        self.inner = network.build(len(scaler.centre), n_horizons * width)

    def scale(self, windows: Tensor) -> Tensor:
        """Scale raw windows; what is missing becomes 0."""
        # In place: each pass over a batch that makes another costs as much as gathering it.
        scaled = torch.sub(windows, self.centre).div_(self.spread)
        return scaled.nan_to_num_(0.0, 0.0, 0.0).clamp_(-self.limit, self.limit)

    def forward(self, windows: Tensor) -> Tensor:
        """Map raw windows (n, lookback, n_features) to (n, n_horizons, width)."""
        return self.answer(self.scale(windows))

    def answer(self, scaled: Tensor) -> Tensor:
        """Map scaled windows to (n, n_horizons, width)."""
        outputs: Tensor = self.inner(scaled)
        return outputs.reshape(-1, self.n_horizons, self.width) + self.start
