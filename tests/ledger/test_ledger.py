"""The ledger: sums, and nothing that is set."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantdesk.domain.batches import Fills, Ids, Joined
from quantdesk.domain.errors import LedgerError
from quantdesk.domain.trade import CashFlow, Fill, Position, Split
from quantdesk.ledger.ledger import Ledger

NOW = np.datetime64("2020-01-06T21:00", "ns")


def fill(order_id: str, quantity: str, price: str, fee: str = "0", symbol: str = "A") -> Fill:
    return Fill(order_id, symbol, Decimal(quantity), Decimal(price), Decimal(fee), NOW)


def flow(amount: str, kind: str = "deposit") -> CashFlow:
    return CashFlow(kind, "", Decimal(amount), NOW)


def test_cash_is_deposits_less_what_was_paid() -> None:
    ledger = Ledger([flow("1000"), fill("1", "3", "100.10", "1.25"), fill("2", "-1", "99.95", "0.01"), flow("-0.37", "borrow")])
    assert ledger.cash == Decimal("1000") - Decimal("300.30") - Decimal("1.25") + Decimal("99.95") - Decimal("0.01") - Decimal(
        "0.37"
    )
    assert ledger.positions == {"A": Position("A", Decimal("2"), Decimal("100.10"))}


def test_a_tenth_and_two_tenths_are_three_tenths() -> None:
    assert Ledger([flow("0.1"), flow("0.2"), flow("-0.3")]).cash == 0


@pytest.mark.parametrize(
    ("trades", "quantity", "average"),
    [
        ([("10", "100"), ("10", "110")], "20", "105"),
        ([("10", "100"), ("-4", "150")], "6", "100"),
        ([("10", "100"), ("-15", "150")], "-5", "150"),
        ([("-10", "100"), ("-10", "80")], "-20", "90"),
        ([("-10", "100"), ("4", "80")], "-6", "100"),
        ([("-10", "100"), ("12", "80")], "2", "80"),
        ([("10", "100"), ("-10", "80"), ("5", "7")], "5", "7"),
    ],
)
def test_the_average_price_is_that_of_the_units_still_open(trades: list[tuple[str, str]], quantity: str, average: str) -> None:
    ledger = Ledger(fill(str(n), *trade) for n, trade in enumerate(trades))
    assert ledger.positions["A"] == Position("A", Decimal(quantity), Decimal(average))


def test_a_closed_position_is_absent() -> None:
    ledger = Ledger([fill("1", "10", "5"), fill("2", "-10", "6")])
    assert ledger.positions == {}
    assert ledger.units(("A", "B")).tolist() == [0.0, 0.0]


def test_a_fill_of_an_order_already_filled_is_a_resend() -> None:
    ledger = Ledger([fill("1", "10", "5", "0.5"), fill("1", "10", "5", "0.5")])
    assert ledger.cash == Decimal("-50.5")
    assert len(ledger.events) == 1


def test_a_split_multiplies_units_and_divides_the_average_price() -> None:
    ledger = Ledger([fill("1", "10", "90"), Split("A", Decimal("3"), NOW), Split("B", Decimal("2"), NOW)])
    assert ledger.positions == {"A": Position("A", Decimal("30"), Decimal("30"))}


def test_a_position_after_a_reverse_split_can_be_closed_to_nothing() -> None:
    ledger = Ledger([fill("1", "100", "1"), Split("A", Decimal(str(1 / 3)), NOW)])
    assert ledger.positions["A"].quantity == Decimal("33.33333333")
    ledger.record([fill("2", "-33.33333333", "3")])
    assert ledger.positions == {}


def test_equity_is_cash_and_units_at_the_close_and_a_missing_close_of_nothing_held_is_no_matter() -> None:
    ledger = Ledger([flow("100"), fill("1", "2", "10"), fill("2", "-1", "20", symbol="B")])
    assert ledger.equity(("A", "B", "C"), np.array([11.0, 19.0, np.nan])) == 100 - 20 + 20 + 22 - 19


@pytest.mark.parametrize("ratio", ["0", "-2"])
def test_a_split_by_nothing_is_refused_and_leaves_no_trace(ratio: str) -> None:
    ledger = Ledger([fill("1", "10", "5")])
    with pytest.raises(LedgerError, match=r"split of A at 2020-01-06.* by"):
        ledger.record([Split("A", Decimal(ratio), NOW)])
    assert ledger.units(("A",)).tolist() == [10.0]


def test_a_negative_price_is_refused_with_its_order() -> None:
    with pytest.raises(LedgerError, match="fill 77 at a price of -1"):
        Ledger([fill("77", "1", "-1")])
    assert Ledger([fill("78", "-1", "0")]).cash == 0


def batch(decision: str, quantities: list[int], prices: list[int], fees: list[int]) -> Fills:
    symbols = tuple("ABCDEFGH"[: len(quantities)])
    columns = np.arange(len(symbols))
    counts = [np.array(column, dtype=np.object_) for column in (quantities, prices, fees)]
    return Fills(symbols, columns, Ids(decision, symbols, columns), counts[0], counts[1], counts[2], NOW)


COUNT = st.integers(-(10**22), 10**22)
ROWS = st.lists(st.tuples(COUNT, st.integers(0, 10**16), st.integers(0, 10**12)), min_size=1, max_size=5)


@given(st.lists(ROWS, max_size=6))
def test_fills_in_columns_are_booked_as_one_by_one_however_large_they_are(rows: list[list[tuple[int, int, int]]]) -> None:
    whole, single = Ledger([flow("1000")]), Ledger([flow("1000")])
    for number, one in enumerate(rows):
        fills = batch(f"d{number}", *(list(column) for column in zip(*one, strict=True)))
        whole.record(Joined([], fills))
        single.record(list(fills))
    assert whole.cash == single.cash
    assert whole.positions == single.positions
    assert whole.events == single.events
    assert whole.units(("H", "B", "A")).tolist() == single.units(("H", "B", "A")).tolist()


def test_a_resend_in_columns_is_ignored_whole_and_in_part() -> None:
    fills = batch("d", [10**8, 2 * 10**8], [5 * 10**8, 7 * 10**8], [0, 0])
    ledger = Ledger([next(iter(fills))])
    for _ in range(2):
        ledger.record(fills)
        ledger.record(list(fills))
    assert ledger.cash == -19
    assert [event.symbol for event in ledger.events] == ["A", "B"]


def test_an_impossible_price_in_columns_is_named() -> None:
    with pytest.raises(LedgerError, match="fill d-B at a price of -7"):
        Ledger().record(batch("d", [10**8, 10**8], [5 * 10**8, -7 * 10**8], [0, 0]))


def test_a_quantity_finer_than_the_desk_keeps_is_refused_with_its_order() -> None:
    with pytest.raises(LedgerError, match=r"fill 5: a quantity of 0\.000000001"):
        Ledger([fill("5", "0.000000001", "1")])
