"""The fast path, against sums done by hand."""

import numpy as np
import pytest

from quantdesk.execution.costs import Costs, Market
from quantdesk.execution.kernel import Halt, simulate
from quantdesk.execution.marks import Marks
from small_worlds import NAN, events, panel_of

NEVER = Halt(1.0, 1)


def test_two_bars_by_hand() -> None:
    panel = panel_of([[100.0], [110.0]], open=np.array([[99.0], [102.0]]))
    path = simulate(np.array([[0.5], [NAN]]), Market.of(panel, Costs(multiplier=0)), Costs(multiplier=0).rates, NEVER, 1000.0)
    # 5 units at 102.00, worth 110.00
    assert path.equity.tolist() == [1000.0, 1040.0]
    assert path.traded.tolist() == [0.0, 510.0]
    assert path.gross_exposure.tolist() == pytest.approx([0.0, 550 / 1040])
    assert path.units.tolist() == [5.0]


def test_nothing_wanted_nothing_done() -> None:
    panel = panel_of(np.full((5, 2), 100.0))
    path = simulate(np.full((5, 2), NAN), Market.of(panel, Costs()), Costs().rates, NEVER, 777.0)
    assert path.equity.tolist() == [777.0] * 5
    assert path.costs.sum() == 0.0


def test_the_halt_sells_everything_waits_and_starts_from_a_new_peak() -> None:
    close = np.array([[100.0], [100.0], [70.0], [70.0], [70.0], [70.0], [70.0], [60.0]])
    market, rates = Market.of(panel_of(close), Costs(multiplier=0)), Costs(multiplier=0).rates
    path = simulate(np.ones((8, 1)), market, rates, Halt(0.25, 2), 1000.0)
    # 10 bought at bar 1, worth 700 at bar 2: halted, sold at bar 3, flat at 3 and 4, bought again at 5
    assert path.equity.tolist() == [1000, 1000, 700, 700, 700, 700, 700, 600]
    assert path.gross_exposure.round(3).tolist() == [0, 1, 1, 0, 0, 1, 1, 1]


def test_a_drawdown_of_exactly_the_limit_halts() -> None:
    market, rates = Market.of(panel_of([[100.0], [100.0], [75.0], [75.0]]), Costs(multiplier=0)), Costs(multiplier=0).rates
    assert simulate(np.ones((4, 1)), market, rates, Halt(0.25, 5), 1000.0).gross_exposure.tolist() == [0, 1, 1, 0]
    assert simulate(np.ones((4, 1)), market, rates, Halt(0.26, 5), 1000.0).gross_exposure.tolist() == [0, 1, 1, 1]


def test_costs_are_commission_spread_and_borrow() -> None:
    panel = panel_of([[100.0]] * 3)
    costs = Costs(commission_bps=10, half_spread_bps=100, impact=0, borrow_bps=3650)
    path = simulate(np.array([[-1.0], [NAN], [NAN]]), Market.of(panel, costs), costs.rates, NEVER, 10_000.0)
    # 100 sold at 99.00: 100.00 of spread and 9.90 of commission; then 10,000 x 36.5 % / 365
    assert path.costs.tolist() == pytest.approx([0.0, 109.9, 10.0])
    assert path.equity.tolist() == pytest.approx([10_000, 9_890.1, 9_880.1])


def test_marks_are_carried_through_halts_and_divided_by_splits() -> None:
    panel = panel_of([[NAN], [100.0], [NAN], [NAN], [NAN], [26.0]], split=events((6, 1), r3c0=4.0))
    marks = Marks()
    seen = []
    for row in range(6):
        marks = marks.after(panel.rows(0, row + 1))
        seen.append(float(marks.prices[0]))
        assert Marks().after(panel.rows(0, row + 1)).prices.tolist() == pytest.approx([seen[-1]], nan_ok=True)
    assert seen == pytest.approx([NAN, 100.0, 100.0, 25.0, 25.0, 26.0], nan_ok=True)
