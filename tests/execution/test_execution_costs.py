"""What trading costs, to the digit."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantdesk.domain.errors import SettingsError
from quantdesk.execution.costs import (
    CONDITIONS_LOOKBACK,
    Costs,
    Market,
    fill_price,
    to_cents,
    to_grid,
    to_places,
    units_for,
)
from small_worlds import NAN, days, events, panel_of, random_world


def test_a_buyer_pays_half_the_spread_and_the_square_root_of_the_share_of_volume() -> None:
    # 2 bps + 1 x 0.02 x sqrt(100 / 10,000) = 0.0022 on 50.00
    assert fill_price(50.0, 100.0, 0.02, 10_000.0, 2e-4, 1.0, 0.0001) == pytest.approx(50.11, abs=1e-12)
    assert fill_price(50.0, -100.0, 0.02, 10_000.0, 2e-4, 1.0, 0.0001) == pytest.approx(49.89, abs=1e-12)


def test_four_times_the_size_moves_the_price_twice_as_far() -> None:
    small = fill_price(100.0, 100.0, 0.02, 1e6, 0.0, 1.0, 1e-8) - 100.0
    large = fill_price(100.0, 400.0, 0.02, 1e6, 0.0, 1.0, 1e-8) - 100.0
    assert small == pytest.approx(100 * 0.02 * math.sqrt(1e-4), rel=1e-6)
    assert large == pytest.approx(2 * small, rel=1e-6)


def test_beyond_a_days_volume_the_impact_grows_no_more() -> None:
    whole = fill_price(100.0, 1e6, 0.02, 1e6, 0.0, 1.0, 0.01)
    assert whole == 102.0
    assert fill_price(100.0, 5e6, 0.02, 1e6, 0.0, 1.0, 0.01) == whole
    assert fill_price(100.0, 1.0, 0.02, 0.0, 0.0, 1.0, 0.01) == whole


def test_a_price_stands_on_the_tick_grid_and_never_at_nothing() -> None:
    assert fill_price(10.004, 1.0, 0.0, 1e6, 0.0, 0.0, 0.01) == 10.0
    assert fill_price(0.01, -1e9, 5.0, 1.0, 0.9, 1.0, 0.01) == 0.01
    assert fill_price(100.0, -1e9, 5.0, 1.0, 0.9, 1.0, 0.01) == 1.0


def test_commission_is_rounded_to_the_cent_half_to_even() -> None:
    assert [to_cents(x) for x in (0.125, 0.375, 1.004, 1.006, -0.125)] == [0.12, 0.38, 1.0, 1.01, -0.12]
    assert [to_grid(x, 0.5) for x in (0.24, 0.26, -0.26, 0.75)] == [0.0, 0.5, -0.5, 1.0]
    assert [to_places(x) for x in (1 / 3, 0.1 + 0.2, -5.5e-17)] == [0.33333333, 0.3, 0.0]


@given(lots=st.integers(0, 5000), cents=st.integers(100, 90_000), held=st.integers(1, 40), slip=st.integers(-40, 40))
def test_sums_of_the_same_cents_in_another_order_give_the_same_units(lots: int, cents: int, held: int, slip: int) -> None:
    # Equity at which 1/held of it is worth exactly half a lot more than ``lots``.
    equity = held * cents * (2 * lots + 1) / 200
    assert units_for(1 / held, equity, cents / 100, 1.0) == units_for(1 / held, equity + slip * 1e-11, cents / 100, 1.0)


def test_a_weight_becomes_whole_lots_and_nothing_where_nothing_is_left() -> None:
    assert units_for(0.5, 1000.0, 30.0, 1.0) == 17.0
    assert units_for(-0.5, 1000.0, 30.0, 10.0) == -20.0
    assert units_for(0.5, -1000.0, 30.0, 1.0) == 0.0


@pytest.mark.parametrize(
    "name", ["commission_bps", "half_spread_bps", "impact", "borrow_bps", "assumed_daily_value", "multiplier"]
)
def test_a_negative_cost_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is -1"):
        Costs(**{name: -1.0})
    with pytest.raises(SettingsError, match=f"{name} is nan"):
        Costs(**{name: NAN})


def test_rates_are_fractions_times_the_multiplier() -> None:
    rates = Costs(commission_bps=1, half_spread_bps=2, impact=0.5, borrow_bps=50).times(3.0).rates
    assert rates == pytest.approx((3e-4, 6e-4, 1.5, 1.5e-2))
    assert Costs().times(0.0).rates == (0.0, 0.0, 0.0, 0.0)


def test_conditions_are_those_known_before_the_bar() -> None:
    random = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.02, (90, 1)), axis=0))
    volume = random.uniform(1e3, 1e5, (90, 1))
    market = Market.of(panel_of(close, volume=volume), Costs())
    returns = np.diff(np.log(close[:, 0]))
    assert market.volatility[89, 0] == pytest.approx(returns[28:88].std(), rel=1e-9)
    assert market.volume[89, 0] == pytest.approx(volume[69:89].mean())
    assert market.volatility[20, 0] == 0.02
    assert market.volatility[21, 0] == pytest.approx(returns[:20].std(), rel=1e-9)
    later = panel_of(close, volume=np.vstack([volume[:-1], [[1e9]]]))
    assert Market.of(later, Costs()).volume[89, 0] == market.volume[89, 0]


def test_without_volume_units_follow_from_the_assumed_value_and_the_last_close() -> None:
    market = Market.of(panel_of([[100.0], [125.0], [NAN], [NAN]]), Costs(assumed_daily_value=1e6))
    assert market.volume[:, 0].tolist() == [0.0, 10_000.0, 8_000.0, 8_000.0]


def test_units_of_before_a_split_are_counted_as_those_after_it() -> None:
    close, split = np.array([[100.0]] * 4 + [[10.0]]), events((5, 1), r4c0=10.0)
    volume = np.array([[1000.0]] * 4 + [[NAN]])
    assert Market.of(panel_of(close, volume=volume, split=split), Costs()).volume[:, 0].tolist() == [
        0,
        1000,
        1000,
        1000,
        10_000,
    ]
    assumed = Market.of(panel_of(close, split=split), Costs(assumed_daily_value=1e5)).volume[:, 0]
    assert assumed.tolist() == [0, 1000, 1000, 1000, 10_000]


def test_a_split_or_a_dividend_is_no_volatility() -> None:
    n = 40
    plain = Market.of(panel_of(np.full((n, 1), 100.0)), Costs()).volatility[-1, 0]
    close = np.full((n, 1), 100.0)
    close[20:] = 50.0
    close[30:] = 49.0
    fields = {"split": events((n, 1), r20c0=2.0), "dividend": events((n, 1), r30c0=1.0)}
    assert plain == 0.0
    assert Market.of(panel_of(close, **fields), Costs()).volatility[-1, 0] == 0.0
    assert Market.of(panel_of(close), Costs()).volatility[-1, 0] > 0.05


@pytest.mark.parametrize("seed", range(20))
def test_a_view_of_the_last_bars_gives_the_same_conditions_to_the_bit(seed: int) -> None:
    panel = random_world(seed, 150, has_volume=seed % 2 == 0)
    whole = Market.of(panel, Costs())
    for t in range(CONDITIONS_LOOKBACK, 150, 7):
        view = Market.of(panel.rows(t + 1 - CONDITIONS_LOOKBACK, t + 1), Costs())
        for name in ("volatility", "volume", "price"):
            np.testing.assert_array_equal(getattr(view, name)[-1], getattr(whole, name)[t], err_msg=name)


def test_a_split_while_halted_divides_the_price_that_is_carried() -> None:
    panel = panel_of([[100.0], [NAN], [NAN], [26.0]], split=events((4, 1), r2c0=4.0))
    assert Market.of(panel, Costs()).close[:, 0].tolist() == [100.0, 100.0, 25.0, 26.0]


def test_without_opens_orders_fill_at_the_close() -> None:
    close = [[100.0], [101.0]]
    assert Market.of(panel_of(close), Costs()).price[1, 0] == 101.0
    assert Market.of(panel_of(close, open=np.array([[99.0], [100.5]])), Costs()).price[1, 0] == 100.5


def test_the_years_between_bars_count_weekends() -> None:
    panel = panel_of([[1.0]] * 7)
    assert (Market.of(panel, Costs()).years * 365).tolist() == pytest.approx([0, 1, 1, 1, 1, 3, 1])
    moved = replace(panel, times=days(8)[1:])
    assert (Market.of(moved, Costs()).years * 365).tolist() == pytest.approx([0, 1, 1, 1, 3, 1, 1])
