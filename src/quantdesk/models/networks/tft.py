"""The temporal fusion transformer: which inputs matter, and when, told with the forecast."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.models.learning.choices import BELOW_1, check_choices, check_whole, refuse
from quantdesk.models.learning.columns import Column, check_categories, position
from quantdesk.models.learning.scaled import Scaled
from quantdesk.models.learning.selection import Gate, GatedResidual, Selection


@dataclass(frozen=True)
class TFT:
    """Select variables, read them in order, and attend to what was read (Lim, Arik, Loeff & Pfister 2021).

    Gated residual networks are equations (2) to (5), variable selection (6) to (8), attention with
    values that all heads share (13) to (16), and the temporal fusion decoder (17) to (22). Static
    inputs steer the selection, the first state of the LSTM and the enrichment (18).

    Features are the only input, so each kind is a column of the dataset:

    - *past* inputs are all columns that are not named below, read at every time of the window;
    - *static* inputs, such as a sector, are read at the present time only;
    - *known* inputs, such as the day of the week, come with one more column for each step ahead,
      which tells at the present what the calendar will say then. No row after the present is read.

    One departure from the paper: a horizon of ours spans all bars up to its end, so that the head
    (23) reads every step ahead at once, or the present where no input is known ahead; a forecast
    of quantiles comes from the loss ``Quantiles``.

    Parameters
    ----------
    lookback : int
        Times in a window.
    width : int
        Size of every state, a multiple of ``heads``.
    heads : int
        Attention heads.
    dropout : float
        Share of units left out in training, in every layer.
    static : tuple of Column
        Inputs that stay, such as a sector, by name.
    known : tuple of tuple of Column
        Of each known input the column of the present time, then of 1, 2, ... steps ahead.
    categories : tuple of (Column, int)
        Inputs that hold categories, and how many: whole numbers from 1, 0 or missing for unknown, each
        with a learned embedding; their scaling is declared ``unit``. A known input goes by its first column.

    Raises
    ------
    StrategyError
        If choices contradict one another.

    Examples
    --------
    >>> TFT(static=("sector",), known=(("weekday", "weekday_in_1", "weekday_in_2"),), categories=(("sector", 11),)).n_ahead
    2
    """

    lookback: int = 60
    width: int = 32
    heads: int = 4
    dropout: float = 0.1
    static: tuple[Column, ...] = ()
    known: tuple[tuple[Column, ...], ...] = ()
    categories: tuple[tuple[Column, int], ...] = ()

    def __post_init__(self) -> None:
        check_choices(self, dropout=BELOW_1)
        self._check_columns()
        if len({len(columns) for columns in self.known}) > 1 or any(len(columns) < 2 for columns in self.known):
            raise StrategyError(
                f"TFT.known names {', '.join(str(len(columns)) for columns in self.known)} columns an input",
                "the present one and the same number of steps ahead for each",
                "name every step of every known input",
            )
        counts = Counter([*self.static, *(column for columns in self.known for column in columns)])
        for column, count in counts.items():
            if count > 1:
                raise StrategyError(f"TFT names the column {column!r} {count} times", "once", "leave out the others")

    def _check_columns(self) -> None:
        if not all(isinstance(columns, tuple) for columns in self.known):
            refuse("TFT.known", self.known, "a tuple of columns for each input, such as (('weekday', 'weekday_in_1'),)")
        pairs: tuple[object, ...] = self.categories
        if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
            refuse("TFT.categories", self.categories, "a column and how many it holds for each, such as (('sector', 11),)")
        for column, n in self.categories:
            check_whole(f"the number of categories of {column!r}", n)

    @property
    def n_ahead(self) -> int:
        """Steps ahead of which something is known."""
        return len(self.known[0]) - 1 if self.known else 0

    def placed(self, dataset: Dataset) -> "TFT":
        """Return the same choices with positions in place of names.

        Raises
        ------
        StrategyError
            If the dataset has no such feature, or one with categories is scaled.
        DataError
            If a category is not a whole number between 0 and how many there are.
        """
        found = replace(
            self,
            static=tuple(position(dataset, column) for column in self.static),
            known=tuple(tuple(position(dataset, column) for column in columns) for columns in self.known),
            categories=tuple((position(dataset, column), n) for column, n in self.categories),
        )
        ahead = {columns[0]: columns for columns in found.known}
        for first, n in found.categories:
            for column in ahead.get(first, (first,)):
                check_categories(dataset, int(column), n)
        return found

    def build(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make the layers.

        Raises
        ------
        StrategyError
            If a column is still named rather than placed, or is not there, or no past input remains.
        """
        named = [*self.static, *(column for columns in self.known for column in columns), *dict(self.categories)]
        for column in named:
            if not isinstance(column, int) or not 0 <= column < n_features:
                raise StrategyError(
                    f"TFT reads the column {column!r} of {n_features} features",
                    "positions among the features",
                    "call `placed` with the dataset that it will learn from",
                )
        if not self._past(n_features):
            raise StrategyError(f"all {n_features} features of a TFT are static", "a past input or more", "add features")
        return _TFT(self, n_features, n_outputs)

    def attention(self, module: nn.Module, windows: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Give what the steps that the head reads drew from each bar (n, lookback), and the selection (n, n_features).

        The selection is averaged over the window for past inputs and read at the present for the others; both
        kinds of weights are brought to a sum of 1.
        """
        assert isinstance(module, _TFT)
        found = module.looked_at(windows)
        lags = found.attention[:, -max(1, self.n_ahead) :, : self.lookback].mean(dim=1)
        past = found.selection.mean(dim=1)
        elsewhere = torch.cat([module.static_columns, module.ahead_columns])
        past[:, elsewhere] = found.selection[:, -1, elsewhere]
        return lags / lags.sum(dim=-1, keepdim=True), past / past.sum(dim=-1, keepdim=True)

    def _past(self, n_features: int) -> tuple[int, ...]:
        elsewhere = {*self.static, *(column for columns in self.known for column in columns[1:])}
        return tuple(column for column in range(n_features) if column not in elsewhere)


@dataclass(frozen=True, eq=False)
class Weights:
    """Tell what a transformer looked at.

    Parameters
    ----------
    selection : Tensor
        Weight of each feature where it was read (n, lookback, n_features): the past inputs of one time
        sum to 1; at the present time so do the static inputs, and the known ones of each step ahead. 0 elsewhere.
    attention : Tensor
        Mean over heads of what each time (row) drew from itself and those before it (column), rows
        summing to 1: (n, lookback + n_ahead, lookback + n_ahead).
    """

    selection: Tensor
    attention: Tensor


def weights(module: Scaled, windows: Tensor) -> Weights:
    """Ask which inputs a forecast was made of, and which times.

    Parameters
    ----------
    module : Scaled
        A trained transformer in evaluation mode: ``forecaster.module``.
    windows : Tensor
        Features as they are (n, lookback, n_features); missing values are NaN.

    Raises
    ------
    StrategyError
        If the module is of another network.
    """
    inner = module.inner
    if not isinstance(inner, _TFT):
        raise StrategyError(
            f"a network of the kind {type(inner).__name__.strip('_')} has no selection weights",
            "a temporal fusion transformer",
            "ask for the forecaster's importance instead",
        )
    with torch.inference_mode():
        return inner.looked_at(module.scale(windows.to(module.centre.dtype)))


class _Contexts(NamedTuple):
    selection: Tensor | None = None
    start: tuple[Tensor, Tensor] | None = None
    enrichment: Tensor | None = None


class _TFT(nn.Module):
    past_columns: Tensor
    static_columns: Tensor
    ahead_columns: Tensor

    def __init__(self, choices: TFT, n_features: int, n_outputs: int) -> None:
        super().__init__()
        width, dropout, sizes = choices.width, choices.dropout, dict(choices.categories)
        self.n_ahead, self.n_known, self.n_steps = choices.n_ahead, len(choices.known), choices.lookback + choices.n_ahead
        past, has_static = choices._past(n_features), bool(choices.static)
        ahead = tuple(column for step in zip(*(columns[1:] for columns in choices.known), strict=True) for column in step)
        for name, columns in (("past", past), ("static", choices.static), ("ahead", ahead)):
            self.register_buffer(f"{name}_columns", torch.tensor(columns, dtype=torch.int64), persistent=False)

        def selection(columns: tuple[Column, ...], has_context: bool) -> Selection:
            return Selection(tuple(sizes.get(column, 0) for column in columns), width, dropout, has_context)

        def residual(context: int = 0) -> GatedResidual:
            return GatedResidual(width, width, width, dropout, context)

        self.static = selection(choices.static, has_context=False) if has_static else None
        self.past = selection(past, has_static)
        self.ahead = selection(tuple(columns[0] for columns in choices.known), has_static) if choices.known else None
        self.contexts = nn.ModuleList(residual() for _ in range(4 if has_static else 0))
        self.encoder = nn.LSTM(width, width, batch_first=True)
        self.decoder = nn.LSTM(width, width, batch_first=True) if choices.known else None
        self.local, self.attended, self.out = (Gate(width, width, dropout) for _ in range(3))
        self.enrich, self.feed = residual(width if has_static else 0), residual()
        self.attention = _Attention(width, choices.heads, dropout, self.n_steps)
        self.head = nn.Linear(width * max(1, self.n_ahead), n_outputs)

    def forward(self, windows: Tensor) -> Tensor:
        state, *_ = self.fuse(windows, max(1, self.n_ahead))
        out: Tensor = self.head(state.flatten(1))
        return out

    def fuse(self, windows: Tensor, n_last: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Give the last states (n, n_last, width), their attention (n, n_last, n_steps), and the selections by kind."""
        static, selections = self._contexts(windows)
        chosen, selections["past"] = self.past(windows.index_select(-1, self.past_columns), static.selection)
        read, state = self.encoder(chosen, static.start)
        if self.ahead is not None and self.decoder is not None:
            coming = windows[:, -1].index_select(-1, self.ahead_columns).reshape(-1, self.n_ahead, self.n_known)
            expected, selections["ahead"] = self.ahead(coming, static.selection)
            chosen = torch.cat([chosen, expected], dim=1)
            read = torch.cat([read, self.decoder(expected, state)[0]], dim=1)
        local = self.local(read, chosen)
        rich = self.enrich(local, static.enrichment)
        mixed, attention = self.attention(rich, n_last)
        fed = self.feed(self.attended(mixed, rich[:, -n_last:]))
        return self.out(fed, local[:, -n_last:]), attention, selections

    def _contexts(self, windows: Tensor) -> tuple["_Contexts", dict[str, Tensor]]:
        if self.static is None:
            return _Contexts(), {}
        summary, weights = self.static(windows[:, -1:].index_select(-1, self.static_columns))
        selection, hidden, cell, enrichment = (encode(summary) for encode in self.contexts)
        return _Contexts(selection, (hidden.transpose(0, 1), cell.transpose(0, 1)), enrichment), {"static": weights}

    def looked_at(self, windows: Tensor) -> Weights:
        _, attention, selections = self.fuse(windows, self.n_steps)
        laid = torch.zeros_like(windows)
        laid[..., self.past_columns] = selections["past"]
        for kind, columns in (("static", self.static_columns), ("ahead", self.ahead_columns)):
            if kind in selections:
                laid[:, -1, columns] = selections[kind].flatten(1)
        return Weights(laid, attention)


class _Attention(nn.Module):
    mask: Tensor

    def __init__(self, width: int, heads: int, dropout: float, n_steps: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.write = nn.Linear(width, width // heads), nn.Linear(width // heads, width)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mask", torch.full((n_steps, n_steps), -math.inf).triu(1), persistent=False)

    def forward(self, state: Tensor, n_last: int) -> tuple[Tensor, Tensor]:
        """Let the last times attend to all up to themselves; heads differ in their weights alone: equations (13) to (16)."""
        query, key = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query(state[:, -n_last:]), self.key(state))
        )
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5 + self.mask[-n_last:]
        weights = self.dropout(torch.softmax(scores, dim=-1)).mean(dim=1)
        return self.write(weights @ self.value(state)), weights
