"""The decision card: every number on it follows from the others."""

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from quantdesk.console import show_card
from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.card import N_REASONS, Card, Proposal, card, read_positions
from quantdesk.execution.costs import Costs
from quantdesk.execution.marks import Marks
from quantdesk.loop import Replay, open_desk
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.limits import Limits
from quantdesk.portfolio.sizing import VolatilityScaled
from quantdesk.signals.rank import Rank
from quantdesk.strategy import FittedStrategy, Strategy

COSTS = Costs(commission_bps=3, half_spread_bps=4, impact=0.7, multiplier=1.5)


@lru_cache
def market() -> Panel:
    return Synthetic(n_instruments=12, n_days=460, seed=133).fetch()


@lru_cache
def fitted() -> FittedStrategy:
    strategy = Strategy(
        name="carded",
        description="For the card.",
        features=("momentum_*", "return_*", "volatility_*", "volume_ratio_20"),
        model=Ridge(),
        signal=Rank(horizon=5, long=0.3, short=0.3),
        sizing=VolatilityScaled(),
        limits=Limits(per_name=0.15, gross=0.8),
    )
    return strategy.fit(strategy.dataset(market()), seed=0)


def units() -> Float64:
    held = np.zeros(12)
    held[[0, 3, 7]] = [40.0, -25.0, 300.5]
    return held


@lru_cache
def made() -> Card:
    return card(fitted(), market(), units(), 250_000.0, COSTS)


def proposals() -> list[Proposal]:
    assert len(made().proposals) >= 6
    return list(made().proposals)


def test_equity_is_cash_and_what_is_held_at_the_last_close() -> None:
    prices = np.nan_to_num(Marks().after(market()).prices)
    assert made().equity == pytest.approx(250_000.0 + float(prices @ units()))


def test_contributions_and_the_rest_sum_to_the_mean_in_the_order_of_their_weight() -> None:
    for one in proposals():
        assert sum(one.contributions.values()) + one.contribution_rest == pytest.approx(one.mean, abs=1e-12)
        sizes = [abs(value) for value in one.contributions.values()]
        assert sizes == sorted(sizes, reverse=True)
        assert 1 <= len(sizes) <= N_REASONS
        assert one.low_90 <= one.mean <= one.high_90


def test_target_and_quantity_follow_from_weight_equity_and_close() -> None:
    for one in proposals():
        lots = round(one.weight * made().equity / one.close / one.lot)
        assert one.target_units == lots * one.lot
        assert one.quantity == pytest.approx(one.target_units - one.held_units, abs=1e-8)
        bought = "buy to cover" if one.held_units < 0 else "buy"
        assert one.side == (bought if one.quantity > 0 else "sell" if one.target_units >= 0 else "sell short")


def test_price_and_costs_follow_from_the_rates_on_the_card() -> None:
    assert (made().commission_bps, made().half_spread_bps, made().impact) == pytest.approx((4.5, 6.0, 1.05))
    for one in proposals():
        share = min(abs(one.quantity) / one.daily_units, 1.0)
        move = made().half_spread_bps * 1e-4 + made().impact * one.volatility * math.sqrt(share)
        price = one.close * (1 + math.copysign(move, one.quantity))
        assert one.estimated_price == pytest.approx(price, abs=0.0051)
        commission = made().commission_bps * 1e-4 * abs(one.quantity) * one.estimated_price
        assert one.commission == pytest.approx(commission, abs=0.0051)
        assert one.spread_and_impact == pytest.approx(one.quantity * (one.estimated_price - one.close))
        assert one.spread_and_impact >= 0


def test_an_order_whose_expected_gain_is_below_its_cost_is_counted() -> None:
    first = replace(proposals()[0], quantity=100.0, close=50.0, mean=math.log(1.01), commission=20.0, spread_and_impact=29.0)
    assert first.expected_gain == pytest.approx(50.0)
    assert first.cost == pytest.approx(49.0)
    shorted = replace(first, quantity=-100.0)
    assert shorted.expected_gain == pytest.approx(-50.0)
    idle = replace(shorted, mean=0.0)
    dear = replace(first, commission=22.0)
    assert replace(made(), proposals=(first,)).n_below_cost == 0
    assert replace(made(), proposals=(first, shorted, idle, dear)).n_below_cost == 3


def test_the_card_says_in_one_line_how_many_orders_are_not_worth_their_cost(capsys: pytest.CaptureFixture[str]) -> None:
    free = replace(proposals()[0], quantity=10.0, mean=0.5, commission=0.0, spread_and_impact=0.0)
    idle = replace(free, mean=0.0, commission=1.0)
    for orders, said in (
        ((free, idle), "1 of 2 orders is expected to earn less than it costs"),
        ((idle, free, idle), "2 of 3 orders are expected to earn less than they cost"),
    ):
        show_card(replace(made(), proposals=orders), "", 0)
        assert said in " ".join(capsys.readouterr().out.split())
    show_card(replace(made(), proposals=(free,)), "", 0)
    assert "expected to earn less" not in capsys.readouterr().out


def test_the_weight_is_what_the_limits_left_of_the_wanted_one() -> None:
    for one in proposals():
        assert abs(one.weight) <= min(abs(one.wanted_weight), 0.15) + 1e-12
        assert (one.weight != one.wanted_weight) == bool(one.bound_by)
        assert (one.wanted_weight > 0) == (one.strength > 0)
    assert any("per name" in one.bound_by for one in proposals())
    assert sum(abs(one.weight) for one in proposals()) <= 0.8 + 1e-9


def test_the_largest_order_comes_first() -> None:
    values = [abs(one.quantity) * one.close for one in proposals()]
    assert values == sorted(values, reverse=True)


def test_the_card_proposes_what_the_loop_would_submit() -> None:
    panel = market()
    desk = open_desk("carded", fitted(), COSTS, fitted().strategy.limits, 250_000.0, panel.times[-1])
    (step,) = desk.run(Replay(panel, len(panel.times) - 1, fitted().lookback))
    from_cash = card(fitted(), panel, np.zeros(12), 250_000.0, COSTS)
    submitted = {(order.id, order.symbol, float(order.quantity)) for order in step.orders}
    assert {(one.order_id, one.symbol, one.quantity) for one in from_cash.proposals} == submitted
    assert from_cash.value_at_risk == pytest.approx(step.allowed.value_at_risk)


def test_a_halted_instrument_gets_no_order() -> None:
    close = market().fields["close"].copy()
    busy = market().symbols.index(proposals()[0].symbol)
    close[-1, busy] = np.nan
    halted = replace(market(), fields={**market().fields, "close": close})
    assert proposals()[0].symbol not in {one.symbol for one in card(fitted(), halted, units(), 250_000.0, COSTS).proposals}


@pytest.mark.parametrize("cash", [-1e6, 0.0])
def test_an_account_worth_nothing_has_no_card(cash: float) -> None:
    held = np.zeros(12)
    with pytest.raises(DataError, match="the account is worth"):
        card(fitted(), market(), held, cash, COSTS)


def positions(folder: Path, content: str | bytes) -> Path:
    path = folder / "positions.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_positions_are_summed_by_symbol_in_the_order_of_the_columns(tmp_path: Path) -> None:
    path = positions(tmp_path, "quantity,symbol,note\n5,B,x\n-2.5,A,\n1e1,B,\n")
    assert read_positions(path, ("A", "B", "C")).tolist() == [-2.5, 15.0, 0.0]
    assert read_positions(None, ("A",)).tolist() == [0.0]
    assert read_positions(positions(tmp_path, "symbol,quantity\n"), ("A",)).tolist() == [0.0]


def test_a_file_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    assert read_positions(positions(tmp_path, b"\xef\xbb\xbfsymbol,quantity\r\nA,3\r\n"), ("A",)).tolist() == [3.0]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Z,5", "symbol 'Z', quantity '5'"),
        ("A,five", "symbol 'A', quantity 'five'"),
        ("A,", "symbol 'A', quantity ''"),
        ("A", "symbol 'A', quantity ''"),
        (",5", "symbol '', quantity '5'"),
        ("A,nan", "symbol 'A', quantity 'nan'"),
        ("A,inf", "symbol 'A', quantity 'inf'"),
        ('A,"1,000"', "symbol 'A', quantity '1,000'"),
    ],
)
def test_a_line_that_is_not_a_position_is_refused_with_its_number(line: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"line 3: {found}"):
        read_positions(positions(tmp_path, f"symbol,quantity\nA,1\n{line}\n"), ("A", "B"))


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: symbol ''"):
        read_positions(positions(tmp_path, "ticker,amount\nA,1\n"), ("A",))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.csv cannot be read"):
        read_positions(tmp_path / "none.csv", ("A",))
    with pytest.raises(DataError, match="cannot be read"):
        read_positions(positions(tmp_path, b"symbol,quantity\n\xff\xfe,1\n"), ("A",))
