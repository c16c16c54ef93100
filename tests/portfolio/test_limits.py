"""The limits, each by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import SettingsError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.portfolio.limits import (
    DRIFT,
    VAR_LOOKBACK,
    Allowed,
    DrawdownHalt,
    Limits,
    Sectors,
    apply,
    value_at_risk,
)
from small_worlds import NAN, days, events, panel_of

WIDE = {"gross": 99.0, "per_name": 99.0, "per_sector": 99.0, "daily_var": 99.0}


def quiet(n: int = 4, sectors: tuple[str, ...] = ("x", "x", "y", "")) -> Panel:
    """Prices that never move, so that nothing is at risk."""
    instruments = tuple(Instrument(f"S{i}", sectors[i % len(sectors)]) for i in range(n))
    return Panel(days(40), instruments, {"close": np.full((40, n), 10.0)})


def allowed(weights: list[float], held: list[float] | None = None, panel: Panel | None = None, **limits: float) -> Allowed:
    world = panel or quiet(len(weights))
    chosen = Limits(**{**WIDE, **limits})  # type: ignore[arg-type]
    return apply(chosen, np.array(weights), np.array(held or [0.0] * len(weights)), world, Sectors.of(world.instruments))


def test_nothing_within_the_limits_is_changed() -> None:
    found = allowed([0.2, -0.1, 0.05, NAN], gross=0.35, per_name=0.2, per_sector=0.1, daily_var=1e-6)
    np.testing.assert_array_equal(found.weights, [0.2, -0.1, 0.05, NAN])
    assert found.bounds == ("", "", "", "")


def test_a_name_is_cut_to_its_limit_on_either_side() -> None:
    found = allowed([0.5, -0.5, 0.2, 0.1], per_name=0.2)
    assert found.weights.tolist() == [0.2, -0.2, 0.2, 0.1]
    assert found.bounds == ("per name", "per name", "", "")


def test_gross_is_scaled_down_in_proportion() -> None:
    found = allowed([1.0, -0.6, 0.4, 0.0], gross=1.0)
    assert found.weights.tolist() == [0.5, -0.3, 0.2, 0.0]
    assert found.bounds == ("gross", "gross", "gross", "")


def test_a_sector_is_cut_to_its_limit_and_an_unknown_sector_is_none() -> None:
    found = allowed([0.3, 0.1, 0.4, 0.9], per_sector=0.2)
    assert found.weights.tolist() == pytest.approx([0.15, 0.05, 0.2, 0.9])
    assert found.bounds == ("sector x", "sector x", "sector y", "")


def test_in_a_sector_too_heavy_on_one_side_the_hedge_stays() -> None:
    found = allowed([0.6, -0.1, 0.0, 0.0], per_sector=0.3)
    assert found.weights.tolist() == pytest.approx([0.4, -0.1, 0.0, 0.0])
    assert found.bounds == ("sector x", "", "", "")
    short = allowed([-0.6, 0.1, 0.0, 0.0], per_sector=0.3)
    assert short.weights.tolist() == pytest.approx([-0.4, 0.1, 0.0, 0.0])


def test_limits_follow_one_another_and_each_is_named() -> None:
    found = allowed([0.5, 0.5, 0.3, 0.2], per_name=0.4, per_sector=0.5, gross=0.5)
    # 0.4 0.4 0.3 0.2 by name; 0.25 0.25 by sector; the sum of 1.0 halved
    assert found.weights.tolist() == pytest.approx([0.125, 0.125, 0.15, 0.1])
    assert found.bounds == ("per name, sector x, gross", "per name, sector x, gross", "gross", "gross")


def test_a_position_left_alone_may_drift_to_a_quarter_beyond_the_limit_and_no_further() -> None:
    limit = 0.2
    left = allowed([NAN, NAN, NAN, NAN], [limit * DRIFT, -limit * DRIFT, 0.1, 0.0], per_name=limit)
    assert np.isnan(left.weights).all()
    cut = allowed([NAN, NAN, NAN, NAN], [limit * DRIFT + 1e-9, 0.1, 0.0, 0.0], per_name=limit)
    np.testing.assert_array_equal(cut.weights, [limit, NAN, NAN, NAN])
    assert cut.bounds == ("per name", "", "", "")


def test_a_position_that_is_traded_has_no_slack() -> None:
    assert allowed([0.21, NAN, NAN, NAN], [0.21, 0, 0, 0], per_name=0.2).weights[0] == 0.2


def test_drift_of_the_whole_is_cut_back_to_the_limit_itself() -> None:
    within = allowed([NAN] * 4, [0.5, 0.5, 0.2, 0.05], gross=1.0)
    assert np.isnan(within.weights).all()
    beyond = allowed([NAN] * 4, [0.5, 0.5, 0.2, 0.1], gross=1.0)
    assert np.abs(beyond.weights).sum() == pytest.approx(1.0)
    drifted = allowed([NAN] * 4, [0.3, 0.2, 0.0, 0.0], per_sector=0.4)
    assert np.isnan(drifted.weights).all()


def test_the_slack_ends_where_one_of_the_sector_is_traded() -> None:
    found = allowed([NAN, 0.2, NAN, NAN], [0.3, 0.0, 0.0, 0.0], per_sector=0.4)
    assert found.weights[:2].sum() == pytest.approx(0.4)


def shaking(n: int = 2, n_times: int = 300) -> Panel:
    random = np.random.default_rng(3)
    return panel_of(100 * np.exp(np.cumsum(random.normal(0, [0.03, 0.01, 0.02][:n], (n_times, n)), axis=0)))


def test_value_at_risk_is_the_twentieth_worst_of_the_last_250_outcomes() -> None:
    panel, weights = shaking(), np.array([0.6, -0.4])
    close = panel.fields["close"][-VAR_LOOKBACK:]
    outcomes = (close[1:] / close[:-1] - 1) @ weights
    assert len(outcomes) == 250
    expected = -np.quantile(outcomes, 0.05, method="inverted_cdf")
    assert value_at_risk(weights, panel) == pytest.approx(expected, rel=1e-12)
    assert (outcomes < -value_at_risk(weights, panel)).sum() == 12


def test_value_at_risk_counts_dividends_and_splits_and_no_halts() -> None:
    close = np.full((40, 1), 100.0)
    close[10:] = 50.0
    close[20:] = 45.0
    fields = {"split": events((40, 1), r10c0=2.0), "dividend": events((40, 1), r20c0=5.0)}
    assert value_at_risk(np.ones(1), panel_of(close, **fields)) == 0.0
    assert value_at_risk(np.ones(1), panel_of(close[:30])) == pytest.approx(0.1)
    close[15:18] = NAN
    assert value_at_risk(np.ones(1), panel_of(close, **fields)) == 0.0


def test_under_twenty_moves_nothing_is_at_risk_and_nothing_held_neither() -> None:
    assert value_at_risk(np.ones(1), panel_of(shaking(1).fields["close"][:20])) == 0.0
    assert value_at_risk(np.zeros(2), shaking()) == 0.0


def test_weights_are_scaled_to_the_value_at_risk_allowed() -> None:
    panel = shaking()
    risky = value_at_risk(np.array([0.6, -0.4]), panel)
    found = allowed([0.6, -0.4], panel=panel, daily_var=risky / 2)
    assert found.weights.tolist() == pytest.approx([0.3, -0.2])
    assert found.value_at_risk == pytest.approx(risky / 2)
    assert found.bounds == ("daily VaR", "daily VaR")
    assert allowed([0.6, -0.4], panel=panel, daily_var=risky * 1.001).weights.tolist() == [0.6, -0.4]


@given(
    weights=arrays(np.float64, 6, elements=st.one_of(st.just(NAN), st.floats(-3, 3))),
    held=arrays(np.float64, 6, elements=st.floats(-1, 1)),
)
def test_whatever_is_wanted_the_limits_hold_after_them(weights: Float64, held: Float64) -> None:
    instruments = tuple(Instrument(f"S{i}", ("x", "y", "")[i % 3]) for i in range(6))
    random = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, (80, 6)), axis=0))
    panel, limits = Panel(days(80), instruments, {"close": close}), Limits()
    sectors = Sectors.of(instruments)
    found = apply(limits, weights, held, panel, sectors)
    after = np.where(np.isnan(found.weights), held, found.weights)
    slack = DRIFT if np.isnan(weights).any() else 1.0
    assert (np.abs(after) <= limits.per_name * DRIFT + 1e-9).all()
    assert (np.abs(after[~np.isnan(weights)]) <= limits.per_name + 1e-9).all()
    assert np.abs(after).sum() <= limits.gross * slack + 1e-9
    assert value_at_risk(after, panel) <= limits.daily_var * slack + 1e-9
    assert found.value_at_risk == pytest.approx(value_at_risk(after, panel), abs=1e-12)


def test_the_drawdown_halt_stays_for_the_cooldown_and_then_starts_a_new_peak() -> None:
    limits, halt = Limits(drawdown=0.25, cooldown_bars=2), DrawdownHalt(100.0)
    seen = []
    for equity in (100, 120, 91, 90, 80, 70, 60, 53, 52):
        halt = halt.after(float(equity), limits)
        seen.append((halt.peak, halt.bars_left))
    assert seen == [(100, 0), (120, 0), (120, 0), (120, 2), (120, 1), (70, 0), (70, 0), (70, 0), (70, 2)]
    assert [DrawdownHalt(1.0, bars).is_active for bars in (0, 1)] == [False, True]


def test_a_drawdown_limit_of_one_halts_only_an_account_worth_nothing() -> None:
    limits = Limits(drawdown=1.0)
    assert not DrawdownHalt(100.0).after(1e-9, limits).is_active
    assert DrawdownHalt(100.0).after(0.0, limits).is_active


@pytest.mark.parametrize("name", ["gross", "per_name", "per_sector", "daily_var", "drawdown", "cooldown_bars"])
@pytest.mark.parametrize("value", [0, -1, NAN])
def test_a_limit_that_is_not_positive_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"limit {name} is"):
        Limits(**{name: value})  # type: ignore[arg-type]


def test_sectors_are_read_from_the_instruments_and_none_is_no_sector() -> None:
    sectors = Sectors.of((Instrument("a", "y"), Instrument("b"), Instrument("c", "x"), Instrument("d", "y")))
    assert sectors.names == ("x", "y")
    assert sectors.members.tolist() == [[0, 0, 1, 0], [1, 0, 0, 1]]
    assert Sectors.of((Instrument("a"),)).members.shape == (0, 1)
