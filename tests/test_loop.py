"""The loop: what it records, wants, allows and submits, bar by bar."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.decision import Target
from quantdesk.domain.panel import Panel
from quantdesk.domain.trade import CashFlow, Fill
from quantdesk.execution.costs import CONDITIONS_LOOKBACK, Costs
from quantdesk.ledger.journal import Journal
from quantdesk.loop import Replay, Step, fills_of, open_desk, resume_desk, weights_of
from quantdesk.portfolio.limits import VAR_LOOKBACK, Limits
from small_worlds import NAN, Scripted, events, panel_of

FREE = Costs(multiplier=0.0)
WIDE = Limits(gross=9, per_name=9, per_sector=9, daily_var=9, drawdown=1)


def run(panel: Panel, weights: list[list[float]], limits: Limits = WIDE, costs: Costs = FREE) -> list[Step]:
    desk = open_desk("test", Scripted(panel.times, np.array(weights)), costs, limits, 1000.0, panel.times[0])
    return list(desk.run(Replay(panel, 0, 1)))


def test_a_target_decided_at_one_close_is_traded_at_the_next_open() -> None:
    panel = panel_of([[100.0], [110.0], [120.0]], open=np.array([[1.0], [104.0], [1.0]]))
    steps = run(panel, [[0.5], [NAN], [NAN]])
    assert [len(step.orders) for step in steps] == [1, 0, 0]
    (fill,) = fills_of(steps)
    assert (fill.price, fill.quantity, fill.time) == (Decimal("104"), Decimal("5"), panel.times[1])
    assert [step.equity for step in steps] == [1000.0, 1030.0, 1080.0]
    assert [float(step.held[0]) for step in steps] == pytest.approx([0.0, 550 / 1030, 600 / 1080])


def test_a_lapsed_order_is_wanted_again_and_traded_when_the_halt_is_over() -> None:
    steps = run(panel_of([[100.0], [NAN], [100.0], [100.0]]), [[0.5]] * 4)
    assert [len(step.orders) for step in steps] == [1, 0, 1, 0]
    assert [fill.time for fill in fills_of(steps)] == [steps[3].time]


def test_what_is_held_is_known_to_the_strategy_as_weights() -> None:
    seen: list[Float64] = []

    class Watching(Scripted):
        def target(self, panel: Panel, held: Float64) -> Target:
            seen.append(held)
            return super().target(panel, held)

    panel = panel_of([[100.0, 10.0], [100.0, 10.0], [50.0, 10.0]])
    strategy = Watching(panel.times, np.array([[0.5, -0.2], [NAN, NAN], [NAN, NAN]]))
    list(open_desk("test", strategy, FREE, WIDE, 1000.0, panel.times[0]).run(Replay(panel, 0, 1)))
    assert np.round(seen, 6).tolist() == [[0, 0], [0.5, -0.2], [round(250 / 750, 6), round(-200 / 750, 6)]]


def test_no_strategy_can_skip_the_limits() -> None:
    steps = run(panel_of([[100.0]] * 3), [[5.0]] * 3, Limits(per_name=0.2))
    assert steps[0].allowed.weights.tolist() == [0.2]
    assert steps[0].allowed.bounds == ("per name",)
    assert [str(order.quantity) for order in steps[0].orders] == ["2.0"]


def test_the_drawdown_halt_closes_everything_whatever_is_wanted() -> None:
    limits = Limits(gross=9, per_name=9, per_sector=9, daily_var=9, drawdown=0.2, cooldown_bars=2)
    steps = run(panel_of([[100.0], [100.0], [70.0], [70.0], [70.0], [70.0]]), [[1.0]] * 6, limits)
    assert [step.is_halted for step in steps] == [False, False, True, True, False, False]
    assert [float(step.held[0] > 0) for step in steps] == [0, 1, 1, 0, 0, 1]


def test_a_bar_is_seen_with_the_history_that_strategy_limits_and_broker_read() -> None:
    panel = panel_of(np.full((400, 1), 100.0))
    views = list(Replay(panel, 300, 5))
    assert [len(view.times) for view in views[:2]] == [max(VAR_LOOKBACK, CONDITIONS_LOOKBACK)] * 2
    assert [view.now for view in views] == list(panel.times[300:])
    assert len(next(iter(Replay(panel, 300, 280))).times) == 280
    assert len(next(iter(Replay(panel, 3, 280))).times) == 4


def test_the_feed_shows_nothing_that_was_not_known_yet() -> None:
    panel = panel_of([[100.0], [101.0], [102.0]])
    known_at = {
        "close": panel.times[:, None] + np.array([np.timedelta64(0), np.timedelta64(36, "h"), np.timedelta64(0)])[:, None]
    }
    late = Panel(panel.times, panel.instruments, panel.fields, known_at)
    views = [view.fields["close"][:, 0].tolist() for view in Replay(late, 0, 9)]
    np.testing.assert_array_equal(views[1], [100.0, NAN])
    np.testing.assert_array_equal(views[2], [100.0, NAN, 102.0])


def test_weights_of_nothing_are_nothing() -> None:
    assert weights_of(np.array([5.0, 0.0]), np.array([10.0, NAN]), 100.0).tolist() == [0.5, 0.0]
    assert weights_of(np.array([5.0]), np.array([10.0]), 0.0).tolist() == [0.0]
    assert weights_of(np.array([5.0]), np.array([10.0]), -5.0).tolist() == [0.0]


def test_orders_carry_the_desks_name_so_that_two_desks_never_share_an_id() -> None:
    panel = panel_of([[100.0], [100.0]])
    ids = set()
    for name in ("one", "two"):
        desk = open_desk(name, Scripted(panel.times, np.ones((2, 1))), FREE, WIDE, 1000.0, panel.times[0])
        ids.add(next(iter(desk.run(Replay(panel, 0, 1)))).orders[0].id)
    assert len(ids) == 2


def test_a_desk_without_a_journal_resumes_as_new(tmp_path: Path) -> None:
    panel = panel_of([[100.0], [100.0]])
    fresh = open_desk("test", Scripted(panel.times, np.ones((2, 1))), FREE, WIDE, 1000.0, panel.times[0])
    desk, done = resume_desk(fresh, FREE, Journal(tmp_path / "journal"))
    assert done is None
    assert desk.ledger.cash == Decimal("1000.0")


def test_a_page_holds_the_bar_it_was_written_for(tmp_path: Path) -> None:
    panel = panel_of([[100.0], [50.0], [50.0]], split=events((3, 1), r1c0=2.0), dividend=events((3, 1), r2c0=0.5))
    fresh = open_desk("test", Scripted(panel.times, np.array([[0.5], [NAN], [NAN]])), FREE, WIDE, 1000.0, panel.times[0])
    desk, _ = resume_desk(fresh, FREE, Journal(tmp_path / "journal"))
    steps = list(desk.run(Replay(panel, 0, 1)))
    pages = Journal(tmp_path / "journal").pages()
    assert [(page.time, page.equity, page.events, page.orders) for page in pages] == [
        (step.time, step.equity, step.events, step.orders) for step in steps
    ]
    assert isinstance(pages[1].events[0], Fill)
    assert pages[1].events[0].quantity == 10
    assert isinstance(pages[2].events[0], CashFlow)
    assert desk.ledger.cash == Decimal("1000") - 10 * Decimal("50") + Decimal("5")
