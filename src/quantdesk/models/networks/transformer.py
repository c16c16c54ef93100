"""Attention over the window."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quantdesk.models.learning.choices import BELOW_1, check_choices


@dataclass(frozen=True)
class Transformer:
    """Let every time of the window attend to those before it (Vaswani et al. 2017), norms first (Xiong et al. 2020).

    Parameters
    ----------
    lookback : int
        Times in a window.
    width : int
        Size of each time's state, a multiple of ``heads``.
    heads : int
        Attention heads.
    layers : int
        Layers of attention.
    dropout : float
        Share of units left out in training, in every layer.
    is_causal : bool
        Whether a time attends to itself and earlier ones only.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    lookback: int = 60
    width: int = 48
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1
    is_causal: bool = True

    def __post_init__(self) -> None:
        check_choices(self, dropout=BELOW_1)

    def encoder(self, n_features: int) -> tuple[nn.Module, int]:
        """Make the attention: from (n, lookback, n_features) to (n, lookback, width), and the width."""
        return _Encoder(self, n_features), self.width

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the attention and its head."""
        encoder, width = self.encoder(n_features)
        return nn.Sequential(encoder, _Present(), nn.Linear(width, n_outputs))

    def attention(self, module: nn.Module, windows: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Roll the attention of the present out over the layers (n, lookback); there is none over features.

        Each layer's weights, averaged over heads, and what it passes on unchanged count one half each
        (Abnar & Zuidema 2020).
        """
        assert isinstance(module, nn.Sequential)
        encoder = module[0]
        assert isinstance(encoder, _Encoder)
        return encoder.rolled_out(windows)[:, -1], None


class _Present(nn.Module):
    def forward(self, states: Tensor) -> Tensor:
        return states[:, -1]


class _Encoder(nn.Module):
    places: Tensor
    mask: Tensor

    def __init__(self, choices: Transformer, n_features: int) -> None:
        super().__init__()
        self.embed = nn.Linear(n_features, choices.width)
        self.register_buffer("places", positions(choices.lookback, choices.width))
        later = torch.full((choices.lookback, choices.lookback), -math.inf).triu(1)
        self.register_buffer("mask", later if choices.is_causal else torch.zeros_like(later))
        self.is_causal = choices.is_causal
        layer = nn.TransformerEncoderLayer(
            choices.width, choices.heads, 4 * choices.width, choices.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, choices.layers, nn.LayerNorm(choices.width), enable_nested_tensor=False)

    def forward(self, windows: Tensor) -> Tensor:
        out: Tensor = self.encoder(self.embed(windows) + self.places, mask=self.mask, is_causal=self.is_causal)
        return out

    def rolled_out(self, windows: Tensor) -> Tensor:
        """Say how much each time draws from each, through all layers (n, lookback, lookback)."""
        state, rolled = self.embed(windows) + self.places, torch.eye(windows.shape[1], dtype=windows.dtype)
        for layer in self.encoder.layers:
            assert isinstance(layer, nn.TransformerEncoderLayer)
            read = layer.norm1(state)
            _, weights = layer.self_attn(read, read, read, attn_mask=self.mask)
            rolled = (weights @ rolled + rolled) / 2
            state = layer(state, src_mask=self.mask, is_causal=self.is_causal)
        return rolled


def positions(lookback: int, width: int) -> Tensor:
    """Encode places by sines and cosines of falling frequency (lookback, width): Vaswani et al. 2017, section 3.5."""
    place = torch.arange(lookback)[:, None]
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    table = torch.zeros(lookback, width)
    table[:, 0::2], table[:, 1::2] = torch.sin(place * rate), torch.cos(place * rate)[:, : width // 2]
    return table
