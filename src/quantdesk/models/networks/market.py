"""Attention over the market: the instruments of one time read one another."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor, nn

from quantdesk.domain.dataset import Dataset
from quantdesk.models.learning.choices import BELOW_1, check_choices
from quantdesk.models.learning.columns import placed
from quantdesk.models.learning.network import Network


@dataclass(frozen=True)
class Market:
    """Let a network read each instrument's window, then each instrument attend to all of its time.

    The attention of Vaswani et al. (2017) without places, as in set transformers (Lee et al. 2019): in
    whatever order the instruments come, each gets the same answer. One of which nothing is known is seen
    by none.

    Parameters
    ----------
    reader : Network
        Reads one instrument's window, with weights that all share.
    width : int
        Size of each instrument's state, a multiple of ``heads``.
    heads : int
        Attention heads.
    layers : int
        Layers of attention.
    dropout : float
        Share of units left out in training, in every layer.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    reader: Network
    width: int = 32
    heads: int = 4
    layers: int = 1
    dropout: float = 0.1

    needs_times: ClassVar[bool] = True
    """A batch is every instrument of one time, and of no other."""

    def __post_init__(self) -> None:
        check_choices(self, dropout=BELOW_1)

    @property
    def lookback(self) -> int:
        """Times in a window."""
        return self.reader.lookback

    def placed(self, dataset: Dataset) -> "Market":
        """Return the same choices with positions in place of the columns that the reader names."""
        return replace(self, reader=placed(self.reader, dataset))

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the reader, the attention and the head."""
        return _Market(self, n_features, n_outputs)


class _Market(nn.Module):
    def __init__(self, choices: Market, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.reader = choices.reader.build(n_features, choices.width)
        layer = nn.TransformerEncoderLayer(
            choices.width, choices.heads, 2 * choices.width, choices.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.attention = nn.TransformerEncoder(layer, choices.layers, nn.LayerNorm(choices.width), enable_nested_tensor=False)
        self.head = nn.Linear(choices.width, n_outputs)

    def forward(self, windows: Tensor) -> Tensor:
        # Missing values arrive as exact zeros; a window of nothing else is of an instrument not there.
        unseen = (windows == 0).flatten(1).all(dim=1)
        state = self.attention(self.reader(windows)[None], src_key_padding_mask=unseen[None])[0]
        out: Tensor = self.head(state)
        return out
