"""The orders and the fills of one moment in columns, each read as the nouns that it stands for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.trade import SCALE, Fill, Order, decimal_of, places_of

Noun = TypeVar("Noun", covariant=True)
Counts = NDArray[np.object_]
"""Whole numbers of 1e-8, of Python's own kind: added and multiplied exactly, and never too large."""


def floats_of(counts: Counts) -> Float64:
    """Turn counts of 1e-8 into the nearest floats."""
    return np.asarray(counts / SCALE, dtype=np.float64)


class Sequenced(Sequence[Noun]):
    """Read as a tuple of nouns that exist only while they are looked at."""

    @overload
    def __getitem__(self, place: int) -> Noun: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Noun, ...]: ...

    def __getitem__(self, place: int | slice) -> Noun | tuple[Noun, ...]:
        return tuple(self)[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Ids(Sequenced[str]):
    """Hold the ids of one decision's orders, each ``decision-symbol``.

    Parameters
    ----------
    decision : str
        Who decides and when, without a hyphen.
    symbols : tuple of str
        Instruments that ``columns`` point into.
    columns : Ints
        Which instrument each is for (n_orders,).
    """

    decision: str
    symbols: tuple[str, ...]
    columns: Ints

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[str]:
        for column in self.columns.tolist():
            yield f"{self.decision}-{self.symbols[column]}"


class Seen:
    """Remember ids, those of one decision as a whole until one of them comes again."""

    def __init__(self) -> None:
        self._known: dict[str, Ids | set[str]] = {}

    def add(self, one: str) -> bool:
        """Remember an id; tell whether it is new."""
        decision = one.partition("-")[0]
        known = self._known.get(decision, set())
        if isinstance(known, Ids):
            known = set(known)
        is_new = one not in known
        known.add(one)
        self._known[decision] = known
        return is_new

    def add_all(self, ids: Sequence[str]) -> list[int] | None:
        """Remember ids; give the places of those that are new, None where all of them are."""
        if isinstance(ids, Ids) and ids.decision not in self._known:
            self._known[ids.decision] = ids
            return None
        return [place for place, one in enumerate(ids) if self.add(one)]


@dataclass(frozen=True, eq=False)
class Orders(Sequenced[Order]):
    """Hold the orders of one decision.

    Parameters
    ----------
    symbols : tuple of str
        Instruments that ``columns`` point into.
    columns : Ints
        Which instrument each is for (n_orders,).
    ids : sequence of str
        One an order.
    quantities : Counts
        Signed, in 1e-8 units (n_orders,).
    created_at : numpy.datetime64
        The decision time, UTC.
    """

    symbols: tuple[str, ...]
    columns: Ints
    ids: Sequence[str]
    quantities: Counts
    created_at: np.datetime64

    @classmethod
    def of(cls, orders: Iterable[Order]) -> "Orders":
        """Take single orders of one moment into columns."""
        if isinstance(orders, Orders):
            return orders
        single = list(orders)
        return cls(
            symbols=tuple(order.symbol for order in single),
            columns=np.arange(len(single)),
            ids=[order.id for order in single],
            quantities=np.array([places_of(order.quantity, f"order {order.id}") for order in single], dtype=np.object_),
            created_at=single[0].created_at if single else np.datetime64("NaT"),
        )

    @property
    def units(self) -> Float64:
        """Give the signed units (n_orders,)."""
        return floats_of(self.quantities)

    def take(self, places: list[int]) -> "Orders":
        """Return the orders at the given places."""
        ids = list(self.ids)
        return Orders(
            self.symbols, self.columns[places], [ids[place] for place in places], self.quantities[places], self.created_at
        )

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Order]:
        for column, order_id, quantity in zip(self.columns.tolist(), self.ids, self.quantities, strict=True):
            yield Order(order_id, self.symbols[column], decimal_of(quantity), self.created_at)


@dataclass(frozen=True, eq=False)
class Fills(Sequenced[Fill]):
    """Hold the fills of one bar.

    Parameters
    ----------
    symbols : tuple of str
        Instruments that ``columns`` point into.
    columns : Ints
        Which instrument each trades (n_fills,).
    order_ids : sequence of str
        The order that each fills.
    quantities : Counts
        Signed, in 1e-8 units (n_fills,).
    prices, fees : Counts
        In 1e-8 of the account currency (n_fills,).
    time : numpy.datetime64
        The bar's close, UTC.
    """

    symbols: tuple[str, ...]
    columns: Ints
    order_ids: Sequence[str]
    quantities: Counts
    prices: Counts
    fees: Counts
    time: np.datetime64

    def take(self, places: list[int]) -> "Fills":
        """Return the fills at the given places."""
        ids, columns = list(self.order_ids), self.columns[places]
        quantities, prices, fees = self.quantities[places], self.prices[places], self.fees[places]
        return Fills(self.symbols, columns, [ids[place] for place in places], quantities, prices, fees, self.time)

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Fill]:
        rows = zip(self.columns.tolist(), self.order_ids, self.quantities, self.prices, self.fees, strict=True)
        for column, order_id, *numbers in rows:
            quantity, price, fee = map(decimal_of, numbers)
            yield Fill(order_id, self.symbols[column], quantity, price, fee, self.time)


class Joined(Sequenced[Noun]):
    """Read several sequences as one, without copying them.

    Parameters
    ----------
    parts : sequences of a noun
        In order.
    """

    def __init__(self, *parts: Sequence[Noun]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[Noun]:
        for part in self.parts:
            yield from part
