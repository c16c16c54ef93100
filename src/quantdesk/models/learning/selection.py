"""Gated residual networks, and the selection of variables that is built of them (Lim et al. 2021, sections 4.1 and 4.2)."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional


class Gate(nn.Module):
    """Add to a state as much of an update as a gate lets through, and normalise: equations (2), (5), (17), (20), (22).

    Parameters
    ----------
    before, after : int
        Sizes of the update and of the state.
    dropout : float
        On the update.
    copies : int
        Independent gates side by side, along the last axis but one; 0 makes a single one without that axis.
    """

    def __init__(self, before: int, after: int, dropout: float, copies: int = 0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = _linear(copies)(before, 2 * after)
        self.norm: _Norms | nn.LayerNorm = _Norms(copies, after) if copies else nn.LayerNorm(after)

    def forward(self, update: Tensor, state: Tensor) -> Tensor:
        """Combine (..., before) and (..., after) into (..., after)."""
        out: Tensor = self.norm(state + functional.glu(self.linear(self.dropout(update)), dim=-1))
        return out


class GatedResidual(nn.Module):
    """Process a state as far as a gate finds it worth while: equations (2) to (4).

    Parameters
    ----------
    before, after, hidden : int
        Sizes of the input, the output, and the layers between; an input of another size than the
        output is brought to it by a linear map.
    dropout : float
        Before the gate.
    context : int
        Size of the context that is added to the first layer; 0 for none.
    copies : int
        Independent networks side by side, as in ``Gate``.
    """

    def __init__(self, before: int, after: int, hidden: int, dropout: float, context: int = 0, copies: int = 0) -> None:
        super().__init__()
        linear = _linear(copies)
        self.skip = nn.Identity() if before == after else linear(before, after)
        self.first, self.second = linear(before, hidden), linear(hidden, hidden)
        self.context = nn.Linear(context, hidden, bias=False) if context else None
        self.gate = Gate(hidden, after, dropout, copies)

    def forward(self, state: Tensor, context: Tensor | None = None) -> Tensor:
        """Map (..., before) to (..., after); the context has as many axes as the state."""
        first = self.first(state)
        if self.context is not None and context is not None:
            first = first + self.context(context)
        out: Tensor = self.gate(self.second(functional.elu(first)), self.skip(state))
        return out


class Selection(nn.Module):
    """Weigh variables by what they hold, and add them up: equations (6) to (8).

    Parameters
    ----------
    sizes : tuple of int
        One a variable: 0 for a number, else how many categories it tells apart.
    width : int
        Size of every state.
    dropout : float
        In every layer.
    has_context : bool
        Whether the weights depend on a context (n, 1, width) too.
    """

    def __init__(self, sizes: tuple[int, ...], width: int, dropout: float, has_context: bool) -> None:
        super().__init__()
        n = len(sizes)
        self.embed = _Embedding(sizes, width)
        self.score = GatedResidual(n * width, n, width, dropout, context=width if has_context else 0)
        self.each = GatedResidual(width, width, width, dropout, copies=n)
        # Weights start even. From uneven ones a variable's signal soon travels in the weights of others, which then lead.
        norm = self.score.gate.norm
        assert isinstance(norm, nn.LayerNorm)
        nn.init.zeros_(norm.weight)

    def forward(self, values: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map (n, steps, n_variables) to a state (n, steps, width) and the weights (n, steps, n_variables)."""
        state = self.embed(values)
        weights = torch.softmax(self.score(state.flatten(-2), context), dim=-1)
        return (weights[..., None] * self.each(state)).sum(dim=-2), weights


class _Embedding(nn.Module):
    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(len(sizes), width).uniform_(-1.0, 1.0))
        self.bias = nn.Parameter(torch.empty(len(sizes), width).uniform_(-1.0, 1.0))
        self.coded = [place for place, size in enumerate(sizes) if size]
        self.sizes = [size for size in sizes if size]
        # Row 0, which stays 0, stands for unknown.
        self.tables = nn.ModuleList(nn.Embedding(size + 1, width, padding_idx=0) for size in self.sizes)

    def forward(self, values: Tensor) -> Tensor:
        states = list((values[..., None] * self.weight + self.bias).unbind(-2))
        for place, size, table in zip(self.coded, self.sizes, self.tables, strict=True):
            code = values[..., place].round()
            is_known = (code >= 0) & (code <= size)
            states[place] = table(torch.where(is_known, code, 0.0).long())
        return torch.stack(states, dim=-2)


def _linear(copies: int) -> Callable[[int, int], nn.Module]:
    return partial(_Linears, copies) if copies else nn.Linear


class _Linears(nn.Module):
    def __init__(self, copies: int, before: int, after: int) -> None:
        super().__init__()
        reach = before**-0.5
        self.weight = nn.Parameter(torch.empty(copies, before, after).uniform_(-reach, reach))
        self.bias = nn.Parameter(torch.empty(copies, after).uniform_(-reach, reach))

    def forward(self, state: Tensor) -> Tensor:
        return torch.einsum("...cb,cba->...ca", state, self.weight) + self.bias


class _Norms(nn.Module):
    def __init__(self, copies: int, width: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(copies, width)), nn.Parameter(torch.zeros(copies, width))

    def forward(self, state: Tensor) -> Tensor:
        return functional.layer_norm(state, state.shape[-1:]) * self.gain + self.shift
