"""A transformer that reads patches of each series by itself."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from quantdesk.models.learning.choices import BELOW_1, check_choices
from quantdesk.models.learning.dropout import Dropout


@dataclass(frozen=True)
class PatchTST:
    """Cut each channel into patches and encode them with shared weights (Nie et al. 2023).

    Parameters
    ----------
    lookback : int
        Times in a window.
    patch : int
        Times in a patch.
    stride : int
        Times from one patch to the next; the end of the window is repeated to fill a last one.
    width : int
        Size of each patch's state, a multiple of ``heads``.
    heads : int
        Attention heads.
    layers : int
        Layers of the encoder.
    inner : int
        Units of each layer's feed-forward part.
    dropout : float
        Share of units left out in training, in every layer.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    lookback: int = 60
    patch: int = 12
    stride: int = 6
    width: int = 32
    heads: int = 4
    layers: int = 2
    inner: int = 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_choices(self, dropout=BELOW_1)

    @property
    def n_patches(self) -> int:
        """Patches of one channel."""
        return (self.lookback - self.patch) // self.stride + 2

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the encoder and its head."""
        return _PatchTST(self, n_features, n_outputs)

    def attention(self, module: nn.Module, windows: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Roll attention out over the layers (n, lookback); there is none over features.

        As in ``Transformer``; averaged over the patches, all of which the head reads, and over the features,
        with each patch's weight spread evenly over its bars.
        """
        assert isinstance(module, _PatchTST)
        by_patch = module.rolled_out(windows).mean(dim=1)
        return by_patch @ self._bars().to(by_patch.dtype), None

    def _bars(self) -> Tensor:
        # Share of each bar in a patch (n_patches, lookback); the repeated end counts as the last bar.
        begins = torch.arange(self.n_patches)[:, None] * self.stride
        bars = (begins + torch.arange(self.patch)).clamp(max=self.lookback - 1)
        return nn.functional.one_hot(bars, self.lookback).double().mean(dim=1)


class _PatchTST(nn.Module):
    def __init__(self, choices: PatchTST, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.choices = choices
        self.embed = nn.Linear(choices.patch, choices.width)
        self.places = nn.Parameter(torch.empty(choices.n_patches, choices.width).uniform_(-0.02, 0.02))
        self.dropout = Dropout(choices.dropout)
        self.layers = nn.ModuleList(_Layer(choices) for _ in range(choices.layers))
        self.head = nn.Linear(n_features * choices.n_patches * choices.width, n_outputs)

    def forward(self, windows: Tensor) -> Tensor:
        state = self.encode_patches(self.patches(windows.transpose(1, 2)))
        out: Tensor = self.head(state.reshape(windows.shape[0], -1))
        return out

    def encode_patches(self, patches: Tensor) -> Tensor:
        """Encode (n * n_features, n_patches, patch) to (n * n_features, n_patches, width)."""
        return self.attend(self.dropout(self.embed(patches) + self.places))

    def rolled_out(self, windows: Tensor) -> Tensor:
        """Say how much the patches draw from each, on average through all layers (n, n_features, n_patches)."""
        series = windows.transpose(1, 2)
        state, scores = self.embed(self.patches(series)) + self.places, None
        rolled = torch.eye(self.choices.n_patches, dtype=state.dtype)
        for layer in self.layers:
            state, scores = layer(state, scores)
            rolled = (torch.softmax(scores, dim=-1).mean(dim=1) @ rolled + rolled) / 2
        drawn: Tensor = rolled.mean(dim=1).reshape(len(windows), -1, self.choices.n_patches)
        return drawn

    def patches(self, series: Tensor) -> Tensor:
        """Cut (n, n_features, lookback) into (n * n_features, n_patches, patch)."""
        filled = functional.pad(series, (0, self.choices.stride), mode="replicate")
        return filled.unfold(-1, self.choices.patch, self.choices.stride).flatten(0, 1)

    def attend(self, state: Tensor) -> Tensor:
        """Run the layers, each adding the one before's scores to its own (He et al. 2021)."""
        scores: Tensor | None = None
        for layer in self.layers:
            state, scores = layer(state, scores)
        return state


class _Layer(nn.Module):
    def __init__(self, choices: PatchTST) -> None:
        super().__init__()
        self.heads = choices.heads
        self.read = nn.Linear(choices.width, 3 * choices.width)
        self.write = nn.Linear(choices.width, choices.width)
        self.inner = nn.Sequential(
            nn.Linear(choices.width, choices.inner),
            nn.GELU(),
            Dropout(choices.dropout),
            nn.Linear(choices.inner, choices.width),
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(choices.width) for _ in range(2))
        # The authors leave out twice on the way out of the attention; two masks are one of a larger share.
        self.dropouts = nn.ModuleList(Dropout(share) for share in (1 - (1 - choices.dropout) ** 2, choices.dropout))

    def forward(self, state: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.read(state).chunk(3, dim=-1))
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        if before is not None:
            scores = scores + before
        mixed = (torch.softmax(scores, dim=-1) @ value).transpose(1, 2).flatten(2)
        state = self._normal(0, state + self.dropouts[0](self.write(mixed)))
        return self._normal(1, state + self.dropouts[1](self.inner(state))), scores

    def _normal(self, which: int, state: Tensor) -> Tensor:
        out: Tensor = self.norms[which](state.transpose(1, 2)).transpose(1, 2)
        return out
