"""The signal rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import LEVELS, Forecast
from quantdesk.signals.best_of_basket import BestOfBasket
from quantdesk.signals.catalog import discover, parameters, summary
from quantdesk.signals.rank import Rank
from quantdesk.signals.threshold import Threshold


def forecast_of(means: Float64, widths: Float64 | float = 1.0) -> Forecast:
    spread = (np.array(LEVELS) - 0.5) * np.broadcast_to(widths, means.shape)[:, None]
    symbols = tuple(f"S{place}" for place in range(len(means)))
    return Forecast(np.datetime64("2001-01-01", "ns"), symbols, (5,), (means[:, None] + spread)[:, None])


def rising(probabilities: list[float]) -> Forecast:
    """Give each instrument a probability of a rise: uniform distributions of width 1."""
    return forecast_of(np.array(probabilities) - 0.5)


def leaning(rule: Rank | Threshold | BestOfBasket, forecast: Forecast, held: list[float] | None = None) -> Float64:
    return rule.signal(forecast, np.zeros(len(forecast.symbols)) if held is None else np.array(held)).strength


def test_rank_leans_on_both_ends_graded_by_rank() -> None:
    strength = leaning(Rank(long=0.2, short=0.2), forecast_of(np.arange(10.0)))
    np.testing.assert_allclose(strength, [-1, -1 / 3, 0, 0, 0, 0, 0, 0, 1 / 3, 1])


def test_rank_goes_by_return_over_volatility() -> None:
    strength = leaning(Rank(long=0.25, short=0.25), forecast_of(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, 9, 9])))
    np.testing.assert_array_equal(strength, [0, 1, -1, 0])


def test_rank_without_a_short_share_is_long_only() -> None:
    strength = leaning(Rank(long=0.3, short=0.0), forecast_of(-np.arange(10.0)))
    np.testing.assert_allclose(strength, [1, 0.6, 0.2] + [0] * 7)


def test_rank_picks_at_least_one_a_side() -> None:
    np.testing.assert_array_equal(leaning(Rank(), forecast_of(np.array([3.0, 1.0]))), [1, -1])
    np.testing.assert_array_equal(leaning(Rank(), forecast_of(np.array([3.0, np.nan]))), [0, 0])


def test_rank_gives_equal_scores_equal_strength() -> None:
    strength = leaning(Rank(long=0.4, short=0.0), forecast_of(np.array([0.0, 0, 0, 0, 0, 0, 1, 2, 2, 3])))
    assert strength[7] == strength[8] > 0
    np.testing.assert_array_equal(leaning(Rank(), forecast_of(np.ones(10))), np.zeros(10))


def test_rank_stays_neutral_when_ties_make_one_side_heavier() -> None:
    strength = leaning(Rank(), forecast_of(np.array([0.0, 0, 1, 2, 3, 4, 5, 6, 7, 8])))
    assert strength[0] == strength[1] < 0
    assert strength.sum() == pytest.approx(0.0, abs=1e-12)


def test_rank_keeps_a_held_name_until_it_leaves_the_wider_share() -> None:
    rule, forecast = Rank(long=0.2, short=0.0, keep=0.4), forecast_of(np.arange(10.0))
    assert leaning(rule, forecast)[7] == 0.0
    held = [0.0] * 10
    held[7] = held[5] = 0.1
    kept = leaning(rule, forecast, held)
    assert 0 < kept[7] < kept[8] < kept[9] == 1.0
    assert kept[5] == 0.0
    held[7] = -0.1
    assert leaning(rule, forecast, held)[7] == 0.0, "a short position is no reason to be long"


def test_rank_keeps_a_held_short_too() -> None:
    held = [0.0, 0.0, -0.1] + [0.0] * 7
    assert leaning(Rank(keep=0.4), forecast_of(np.arange(10.0)), held)[2] < 0
    assert leaning(Rank(), forecast_of(np.arange(10.0)), held)[2] == 0


@settings(max_examples=60)
@given(arrays(np.float64, st.integers(0, 30), elements=st.floats(-3, 3) | st.just(np.nan)), st.floats(0.05, 0.5))
def test_rank_is_neutral_bounded_and_monotone_whatever_the_scores(means: Float64, share: float) -> None:
    strength = leaning(Rank(long=share, short=share), forecast_of(means))
    assert abs(strength.sum()) < 1e-9
    known = np.isfinite(means)
    assert (strength[~known] == 0).all()
    order = np.argsort(means[known], kind="stable")
    assert (np.diff(strength[known][order]) >= -1e-12).all()


@pytest.mark.parametrize("wrong", [{"long": 0.6, "short": 0.6}, {"long": -0.1}, {"keep": 1.5}])
def test_rank_refuses_impossible_shares(wrong: dict[str, float]) -> None:
    with pytest.raises(StrategyError, match="Rank"):
        Rank(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "choices"),
    [
        (Rank, {"long": "0.2"}),
        (Rank, {"horizon": 5.0}),
        (Rank, {"keep": float("nan")}),
        (Threshold, {"horizon": 5, "enter": "0.6"}),
        (Threshold, {"horizon": "5"}),
        (BestOfBasket, {"horizon": 5, "n_best": 1.5}),
        (BestOfBasket, {"horizon": 5, "n_best": True}),
        (BestOfBasket, {"horizon": 5, "minimum": "0"}),
    ],
)
def test_a_choice_of_the_wrong_kind_is_refused_by_name_when_it_is_written_down(rule: type, choices: dict[str, object]) -> None:
    name = list(choices)[-1]
    with pytest.raises(StrategyError, match=f"{rule.__name__} has {name} = {choices[name]!r}"):
        rule(**choices)
    assert Rank(horizon=int(np.int64(3)), long=np.float64(0.1)).long == 0.1


def test_threshold_enters_strongly_and_leaves_weakly() -> None:
    forecast = rising([0.6, 0.55001, 0.52, 0.50001, 0.49, 0.3])
    flat = leaning(Threshold(5), forecast)
    np.testing.assert_array_equal(flat > 0, [True, True, False, False, False, False])
    held = leaning(Threshold(5), forecast, [0.1] * 6)
    np.testing.assert_array_equal(held > 0, [True, True, True, True, False, False])
    assert (np.diff(held[:4]) < 0).all(), "strength grows with confidence"


def test_threshold_gives_half_strength_at_leaving_and_full_at_twice_the_distance() -> None:
    held = leaning(Threshold(5, enter=0.6, leave=0.5), rising([0.5, 0.6, 0.7, 0.8]), [0.1] * 4)
    np.testing.assert_allclose(held, [0.5, 0.75, 1.0, 1.0], atol=1e-6)
    np.testing.assert_array_equal(leaning(Threshold(5, enter=0.6, leave=0.6), rising([0.61, 0.59])), [1.0, 0.0])


def test_threshold_goes_short_only_when_allowed() -> None:
    forecast = rising([0.3, 0.45001, 0.48, 0.7])
    assert (leaning(Threshold(5), forecast, [-0.1] * 4) >= 0).all()
    both = leaning(Threshold(5, allow_short=True), forecast, [-0.1] * 4)
    np.testing.assert_array_equal(np.sign(both), [-1, -1, -1, 1])
    np.testing.assert_array_equal(np.sign(leaning(Threshold(5, allow_short=True), forecast)), [-1, 0, 0, 1])


def test_threshold_turns_when_the_other_side_is_entered() -> None:
    rule = Threshold(5, enter=0.55, leave=0.4, allow_short=True)
    assert leaning(rule, rising([0.42]), [0.1])[0] < 0
    assert leaning(rule, rising([0.47]), [0.1])[0] > 0


@pytest.mark.parametrize("wrong", [{"enter": 0.5, "leave": 0.6}, {"enter": 1.0}, {"enter": 0.5, "allow_short": True}])
def test_threshold_refuses_levels_that_contradict(wrong: dict[str, float]) -> None:
    with pytest.raises(StrategyError, match="Threshold"):
        Threshold(5, **wrong)  # type: ignore[arg-type]


def test_the_best_of_the_basket_gets_everything() -> None:
    means = np.array([0.01, 0.03, np.nan, 0.02])
    np.testing.assert_array_equal(leaning(BestOfBasket(5), forecast_of(means)), [0, 1, 0, 0])
    np.testing.assert_array_equal(leaning(BestOfBasket(5, n_best=2), forecast_of(means)), [0, 1, 0, 1])
    np.testing.assert_array_equal(leaning(BestOfBasket(5, n_best=9, minimum=0.015), forecast_of(means)), [0, 1, 0, 1])


def test_a_basket_without_promise_is_left_for_cash() -> None:
    np.testing.assert_array_equal(leaning(BestOfBasket(5), forecast_of(np.array([-0.01, -0.02]))), [0, 0])
    with pytest.raises(StrategyError, match="n_best = 0"):
        BestOfBasket(5, n_best=0)


def test_the_catalogue_names_every_file_with_a_rule() -> None:
    assert {"best_of_basket", "rank", "threshold"} <= set(discover())
    assert "catalog" not in discover()
    assert parameters(BestOfBasket) == {"horizon": "required", "n_best": "1", "minimum": "0.0"}
    for kind in discover().values():
        assert summary(kind).endswith(".")
