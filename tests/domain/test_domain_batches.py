"""Columns that read as nouns, and the ids that are remembered by decision."""

from decimal import Decimal

import numpy as np
import pytest

from quantdesk.domain.batches import Fills, Ids, Joined, Orders, Seen
from quantdesk.domain.errors import LedgerError
from quantdesk.domain.trade import Fill, Order, after_split, decimal_of, places_of

NOW = np.datetime64("2020-01-06T21:00", "ns")
SYMBOLS = ("A", "B", "C")


def counts(*values: int) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    return np.array(values, dtype=np.object_)


def orders() -> Orders:
    columns = np.array([0, 2])
    return Orders(SYMBOLS, columns, Ids("d", SYMBOLS, columns), counts(150_000_000, -(10**19)), NOW)


def test_orders_in_columns_read_as_the_orders_they_hold() -> None:
    single = [Order("d-A", "A", Decimal("1.5"), NOW), Order("d-C", "C", Decimal(-(10**11)), NOW)]
    assert orders() == single
    assert orders()[1] == single[1]
    assert orders()[:1] == tuple(single[:1])
    assert orders() != single[:1]
    assert len(orders()) == 2
    assert orders().units.tolist() == [1.5, -1e11]


def test_single_orders_in_columns_read_as_they_were() -> None:
    single = [Order("x", "B", Decimal("0.00000001"), NOW), Order("y", "A", Decimal("-7"), NOW)]
    assert Orders.of(single) == single
    assert Orders.of(single).take([1]) == single[1:]
    made = orders()
    assert Orders.of(made) is made
    assert Orders.of([]) == []


def test_fills_in_columns_read_as_the_fills_they_hold() -> None:
    columns = np.array([1, 2])
    fills = Fills(SYMBOLS, columns, Ids("d", SYMBOLS, columns), counts(10**8, -(10**8)), counts(5, 10**9), counts(0, 511), NOW)
    second = Fill("d-C", "C", Decimal(-1), Decimal(10), Decimal("0.00000511"), NOW)
    assert fills[1] == second
    assert fills.take([1]) == [second]
    assert Joined[object]([1], fills, [2]) == [1, *fills, 2]
    assert len(Joined([1], fills)) == 3


@pytest.mark.parametrize(
    "text", ["0", "5.11", "-2.0", "1E-8", "70964679.28406767", "92233720368547758.07", "12345678901234567.12345678"]
)
def test_a_decimal_goes_into_places_and_back(text: str) -> None:
    assert decimal_of(places_of(Decimal(text), "x")) == Decimal(text)


def test_a_quantity_between_two_places_is_refused_with_its_owner() -> None:
    with pytest.raises(LedgerError, match=r"order 7: a quantity of 0\.000000015"):
        places_of(Decimal("0.000000015"), "order 7")


def test_a_split_rounds_half_to_even() -> None:
    assert [after_split(places, Decimal("0.5")) for places in (1, 3, -5, 4)] == [0, 2, -2, 2]
    assert after_split(100 * 10**8, Decimal(str(1 / 3))) == 3_333_333_333


def test_an_id_is_new_once_whether_it_comes_alone_or_with_its_decision() -> None:
    ids = Ids("d", SYMBOLS, np.array([0, 2]))
    seen = Seen()
    assert seen.add("d-B")
    assert not seen.add("d-B")
    assert seen.add("d")
    assert seen.add_all(ids) == [0, 1]
    assert seen.add_all(Ids("d", SYMBOLS, np.arange(3))) == []
    assert seen.add_all(Ids("e", SYMBOLS, np.arange(2))) is None
    assert [seen.add(one) for one in ("e-A", "e-C", "e-C", "e")] == [False, True, False, True]
    assert seen.add_all(["f", "f", "e-B"]) == [0]
