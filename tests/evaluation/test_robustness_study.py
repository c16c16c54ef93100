"""Robustness: small worlds in which the answer is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecast, Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Forecaster
from quantdesk.evaluation.backtest import Backtest, Setting, backtest, track_of
from quantdesk.evaluation.baselines import UNLIMITED
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.robustness.capacity import STEPS, capacity, fall
from quantdesk.evaluation.robustness.contribution import contribution, round_trips, without_trip
from quantdesk.evaluation.robustness.decisions import decide_again, opens_period
from quantdesk.evaluation.robustness.delays import delays
from quantdesk.evaluation.robustness.findings import Robustness
from quantdesk.evaluation.robustness.holdings import follow
from quantdesk.evaluation.robustness.neighbours import neighbours, varied
from quantdesk.evaluation.robustness.periods import WINDOW, market_returns, periods, terciles, trends
from quantdesk.evaluation.robustness.starts import starts
from quantdesk.evaluation.robustness.study import robustness
from quantdesk.evaluation.robustness.universe import forbid, universe
from quantdesk.evaluation.robustness.world import World
from quantdesk.evaluation.scores import performance
from quantdesk.evaluation.walk_forward import OutOfSample
from quantdesk.execution.costs import Costs
from quantdesk.portfolio.limits import Limits
from quantdesk.portfolio.sizing import Equal, VolatilityScaled
from quantdesk.signals.rank import Rank
from quantdesk.signals.threshold import Threshold
from quantdesk.strategy import Rehearsed, Strategy
from small_worlds import panel_of, random_targets, random_world

FREE = Costs(0, 0, 0, 0)
NORMAL = np.array([-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645])
DAY = np.sqrt(365.25)


class Still:
    """Learn nothing."""

    lookback = 1

    def fit(self, dataset: Dataset, seed: int) -> Forecaster:
        raise NotImplementedError

    def forecast(self, dataset: Dataset) -> Forecasts:
        raise NotImplementedError

    def contributions(self, dataset: Dataset) -> Float64:
        raise NotImplementedError

    def importance(self) -> Float64:
        raise NotImplementedError


def strategy_of(signal: Rank | Threshold, sizing: Equal | VolatilityScaled, **chosen: object) -> Strategy:
    made = Strategy("small", "Tries.", ("*",), Still(), signal, sizing, horizon=5, horizons=(1, 5))
    return replace(made, limits=UNLIMITED, **chosen)  # type: ignore[arg-type]


def forecasts_on(panel: Panel, start: int, seed: int = 0) -> Forecasts:
    shape = (len(panel.times) - start, panel.shape[1], 2)
    means = np.random.default_rng(seed).normal(0, 0.01, shape)
    return Forecasts(panel.times[start:], panel.symbols, (1, 5), means[..., None] + 0.02 * NORMAL)


def setting_of(panel: Panel, costs: Costs = FREE, capital: float = 1e6, limits: Limits = UNLIMITED) -> Setting:
    return Setting(panel, 0, costs, limits, capital)


def walk(seed: int, n_times: int, n: int, drift: float = 0.0) -> Float64:
    moves = np.random.default_rng(seed).normal(drift, 0.01, (n_times, n))
    # On the tick grid, so that nothing is lost where nothing is charged.
    return np.asarray(np.round(100 * np.exp(np.cumsum(moves, axis=0)), 4))


def studied(seed: int) -> tuple[Robustness, Backtest, World]:
    panel = random_world(seed, 160, 6)
    strategy = strategy_of(Rank(horizon=5, keep=0.4), VolatilityScaled(lookback_bars=15))
    learned = OutOfSample(forecasts_on(panel, 20), np.arange(20, 160), np.zeros(1), (Still(),))
    setting = Setting(panel, 20, Costs(), strategy.limits, 1e6)
    traded = backtest("small", Rehearsed(strategy, learned.forecasts), setting)
    found = robustness(strategy, learned, traded, setting, Plan(Path("/nowhere"), seed=3))
    return found, traded, World.of(setting)


@pytest.mark.parametrize("seed", range(4))
def test_no_delay_and_the_same_capital_give_the_evaluation_s_own_sharpe_ratio_exactly(seed: int) -> None:
    found, traded, world = studied(seed)
    own = performance(traded.track).sharpe
    assert found.sharpe == own
    assert found.delays.sharpes[0] == own
    assert found.capacity.sharpes[found.capacity.capitals.index(1e6)] == own
    assert world.sharpe(traded.targets) == own == performance(track_of(traded.targets, world.setting)).sharpe


def test_the_same_seed_gives_the_same_study() -> None:
    assert repr(studied(1)[0]) == repr(studied(1)[0])


def test_an_edge_that_lives_one_bar_dies_of_one_bar_s_delay() -> None:
    close = walk(1, 600, 1)
    targets = np.zeros((600, 1))
    # Decided at t, filled at the close of t + 1, earning the bar after it.
    targets[:-2] = np.sign(close[2:] - close[1:-1])
    found = delays(targets, World.of(setting_of(panel_of(close))))
    assert found.sharpes[0] > 15
    assert abs(found.sharpes[1]) < 3
    assert found.bars == (0, 1, 2)


def test_capacity_follows_the_square_root_formula() -> None:
    close = walk(1, 40, 1, drift=0.002)
    close[0] = 100.0
    panel = panel_of(close, volume=np.full((40, 1), 1e6))
    targets = np.full((40, 1), np.nan)
    targets[0] = 1.0
    found = capacity(targets, World.of(setting_of(panel, Costs(0, 0, 1.0, 0))))
    assert found.is_cut
    # 10,000 of a million units a day at the evaluation's capital; a hundred times that is the whole day.
    assert found.shares == pytest.approx([0.01 * step for step in STEPS[:7]], rel=1e-3)
    assert found.share_traded == pytest.approx(0.01)
    for capital, sharpe in zip(found.capitals, found.sharpes, strict=True):
        units = np.rint(capital / 100.0)
        paid = close[1, 0] * (1 + 0.02 * np.sqrt(units / 1e6))
        equity = np.concatenate([[capital], capital - units * paid + units * close[1:, 0]])
        returns = equity[1:] / equity[:-1] - 1
        years = (panel.times[-1] - panel.times[0]) / np.timedelta64(1, "s") / (365.25 * 86400)
        assert sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(39 / years), rel=1e-4)


def test_a_fall_is_found_between_two_capitals_by_their_logarithm() -> None:
    capitals, sharpes = (1.0, 10.0, 100.0), (2.0, 1.5, 0.5)
    assert fall(capitals, sharpes, 1.0, 2.0) == pytest.approx(10**1.5)
    assert fall(capitals, sharpes, 0.0, 2.0) == np.inf
    assert np.isnan(fall(capitals, (-1.0, -2.0, -3.0), -0.5, -1.0))


def test_a_later_start_is_traded_from_cash_at_the_decisions_still_to_come() -> None:
    close = walk(2, 120, 3, drift=0.001)
    world = World.of(setting_of(panel_of(close), Costs()))
    targets = random_targets(5, (120, 3))
    strategy = strategy_of(Rank(horizon=5, keep=0.4), Equal())
    found = starts(strategy, forecasts_on(world.setting.panel, 0), targets, world)
    assert len(found.sharpes) == 8
    assert found.times[-1] == world.setting.panel.times[60]
    late = setting_of(panel_of(close), Costs())
    late = replace(late, start=60)
    assert found.sharpes[-1] == performance(track_of(targets[60:], late)).sharpe
    assert found.shifts == (1, 2, 3, 4)


def test_a_shifted_calendar_decides_on_another_weekday() -> None:
    setting = setting_of(panel_of(walk(2, 40, 3)))
    strategy = strategy_of(Rank(horizon=5), Equal())
    weekdays = np.asarray((setting.panel.times.astype("datetime64[D]").astype(np.int64) + 3) % 7)
    for shift in range(5):
        opened = opens_period(strategy, setting, shift)[5:]
        assert set(weekdays[5:][opened]) == {shift}
        decided = ~np.isnan(decide_again(strategy, forecasts_on(setting.panel, 0), setting, shift)[:, 0])
        np.testing.assert_array_equal(decided[5:], opened)


def test_a_strategy_that_decides_at_every_bar_has_no_other_weekday() -> None:
    world = World.of(setting_of(panel_of(walk(2, 40, 3))))
    strategy = strategy_of(Rank(horizon=5), Equal(), rebalance="bar")
    found = starts(strategy, forecasts_on(world.setting.panel, 0), np.zeros((40, 3)), world)
    assert found.shifts == found.shifted == ()


@pytest.mark.parametrize("rebalance", ["bar", "weekly"])
def test_what_is_decided_again_is_what_the_loop_decided_where_holdings_play_no_part(rebalance: str) -> None:
    panel = panel_of(walk(3, 80, 6))
    strategy = strategy_of(Rank(horizon=5), Equal(), rebalance=rebalance)
    forecasts, setting = forecasts_on(panel, 30), Setting(panel, 30, Costs(), strategy.limits, 1e6)
    traded = backtest("small", Rehearsed(strategy, forecasts), setting)
    np.testing.assert_array_equal(decide_again(strategy, forecasts, setting), traded.targets)


def test_forbidden_names_are_worth_what_they_gave() -> None:
    # A rises, the others fall back and forth: all there is to earn is in A.
    noise = walk(4, 200, 5)
    noise[:, 0] = 100 * 1.002 ** np.arange(200) * (1 + 0.001 * (np.arange(200) % 2))
    world = World.of(setting_of(panel_of(noise)))
    targets = np.full((200, 5), 0.2)
    found = universe(targets, world, seed=0)
    each = [world.sharpe(forbid(targets, np.arange(5) == i)) for i in range(5)]
    assert len(found.sharpes) == 50
    assert set(found.sharpes) == set(each)
    assert found.low == min(each) == each[0]
    assert found.low <= found.median <= found.high
    assert found.sectors == ()


def test_each_sector_is_left_out_in_turn() -> None:
    panel = random_world(5, 60, 6)
    world = World.of(setting_of(panel))
    targets = random_targets(5, (60, 6))
    found = universe(targets, world, seed=0).sectors
    assert [change.name for change in found] == ["without banks", "without tech"]
    banks = targets.copy()
    banks[:, [instrument.sector == "banks" for instrument in panel.instruments]] = 0.0
    assert found[0].sharpe == world.sharpe(banks)


def test_a_single_instrument_cannot_be_left_out() -> None:
    found = universe(np.ones((50, 1)), World.of(setting_of(panel_of(walk(1, 50, 1)))), seed=0)
    assert found.sharpes == ()
    assert np.isnan(found.median)


def test_every_number_of_signal_and_sizing_is_moved_where_its_part_accepts_it() -> None:
    strategy = strategy_of(Threshold(horizon=5, enter=0.5, leave=0.5), VolatilityScaled(gross=1.0, cap=0.2, lookback_bars=2))
    tried = [(choice, value) for choice, value, _, _ in varied(strategy)]
    assert tried == [
        # An entry below the level of leaving is refused, and so is leaving above entering.
        ("Threshold.enter", 0.625),
        ("Threshold.leave", 0.375),
        ("VolatilityScaled.gross", 0.75),
        ("VolatilityScaled.gross", 1.25),
        ("VolatilityScaled.cap", pytest.approx(0.15)),
        ("VolatilityScaled.cap", 0.25),
        ("VolatilityScaled.lookback_bars", 1),
        ("VolatilityScaled.lookback_bars", 3),
        ("horizon", 1),
    ]


def test_another_horizon_is_traded_by_every_part_that_names_it() -> None:
    strategy = strategy_of(Rank(horizon=5), Equal(), rebalance="bar")
    world = World.of(setting_of(random_world(1, 60, 6)))
    forecasts = forecasts_on(world.setting.panel, 0)
    found = neighbours(strategy, forecasts, world)
    by_hand = strategy_of(Rank(horizon=1), Equal(), rebalance="bar")
    traded = backtest("small", Rehearsed(by_hand, forecasts), world.setting)
    (other,) = [one for one in found.tried if one.choice == "horizon"]
    assert other.sharpe == performance(traded.track).sharpe
    assert found.unchanged != other.sharpe


def test_stretches_hold_every_bar_and_compound_to_the_whole() -> None:
    panel = panel_of(walk(3, 700, 3))
    world = World.of(setting_of(panel, Costs()))
    track = world.track(np.full((700, 3), 0.3))
    found = periods(track, panel, 0)
    assert [year.name for year in found.years] == ["2020", "2021", "2022"]
    assert sum(year.n_bars for year in found.years) == 699
    grown = np.prod([1 + year.net_return for year in found.years])
    assert grown == pytest.approx(track.equity[-1] / track.equity[0], rel=1e-12)
    first = track.returns[track.times[1:] < np.datetime64("2021-01-01")]
    rate = performance(track).bars_per_year
    assert found.years[0].sharpe == pytest.approx(first.mean() / first.std(ddof=1) * np.sqrt(rate))


def test_a_strategy_that_holds_in_rising_markets_only_earns_nothing_in_falling_ones() -> None:
    panel = panel_of(walk(8, 500, 2))
    trend = trends(market_returns(panel))
    targets = np.zeros((500, 2))
    targets[:-2] = np.where(trend[2:, None] == 1, 0.5, 0.0)
    track = World.of(setting_of(panel)).track(targets)
    found = periods(track, panel, 0)
    falling, rising = found.trend
    assert falling.n_bars > 50
    assert rising.n_bars > 50
    assert falling.n_bars + rising.n_bars == 499 - WINDOW
    assert falling.net_return == pytest.approx(0.0, abs=1e-12)
    assert rising.net_return == pytest.approx(track.equity[-1] / 1e6 - 1)


def test_a_market_is_judged_by_what_was_known_before_the_bar() -> None:
    market = market_returns(panel_of(walk(9, 300, 4)))
    changed = market.copy()
    changed[200:] += 0.05 * (1 + np.arange(100) % 3)
    for grade in (terciles, trends):
        np.testing.assert_array_equal(grade(changed)[:201], grade(market)[:201])
        assert (grade(changed)[201:] != grade(market)[201:]).any()
        assert (grade(market)[: WINDOW + 1] == -1).all()


def test_a_quiet_market_that_turns_wild_is_rough_and_then_calm_again() -> None:
    noise = np.random.default_rng(0).normal(size=600)
    market = 0.01 * noise * np.where((np.arange(600) > 300) & (np.arange(600) < 400), 5.0, 1.0)
    grades = terciles(market)
    assert (grades[330:400] == 2).all()
    assert (grades[470:600] == 2).mean() < 0.3
    before = [market[t - WINDOW : t].std() for t in range(WINDOW + 1, 600)]
    by_hand = [np.searchsorted(np.quantile(before[:t], [1 / 3, 2 / 3]), before[t]) for t in range(3, len(before))]
    assert grades[WINDOW + 4 :].tolist() == by_hand


def test_one_trade_that_made_everything_is_named_and_left_out() -> None:
    close = np.full((60, 3), 100.0)
    close[10:20, 0] = np.linspace(101, 110, 10)
    close[20:, 0] = 110.0
    targets = np.full((60, 3), np.nan)
    targets[[0, 8, 25], 0] = [0.0, 0.5, 0.0]
    targets[[30, 40], 1] = [0.5, 0.0]
    world = World.of(setting_of(panel_of(close)))
    found = contribution(targets, world.track(targets), world)
    assert found.trip is not None
    assert found.instrument is not None
    assert found.day is not None
    assert (found.trip.name, found.trip.share, found.n_trips) == ("long A", 1.0, 2)
    assert found.trip.profit == found.profit == 5000 * 10.0
    times = world.setting.panel.times
    assert (found.trip.begins_at, found.trip.ends_at) == (times[9], times[26])
    assert (found.instrument.name, found.instrument.share) == ("A", 1.0)
    assert np.isnan(found.trip.sharpe_without)
    assert found.day.profit == 5000 * 1.0
    assert found.best_days == pytest.approx(0.1)


def test_a_turn_from_long_to_short_ends_one_trip_and_begins_another() -> None:
    close = np.array([[100.0], [100.0], [110.0], [120.0], [90.0], [90.0]])
    opened = np.array([[100.0], [100.0], [105.0], [115.0], [100.0], [90.0]])
    targets = np.array([[1.0], [np.nan], [-1.0], [np.nan], [0.0], [np.nan]])
    world = World.of(
        setting_of(panel_of(close, open=opened), Costs(commission_bps=10, half_spread_bps=0, impact=0, borrow_bps=0), 1e4)
    )
    track = world.track(targets)
    trips = round_trips(follow(targets, track, world, 1e4), world)
    # +100 at 100; 10,990 are then worth -100 units at 110, so -200 at 115; +100 at 90.
    assert trips.profit.tolist() == pytest.approx([100 * 15 - 10.0 - 11.5, 100 * 25 - 11.5 - 9.0])
    assert trips.begins.tolist() == [1, 3]
    assert trips.ends.tolist() == [3, 5]
    assert trips.side.tolist() == [1, -1]
    assert trips.profit.sum() == pytest.approx(track.equity[-1] - 1e4)
    kept = without_trip(targets, trips, 0)
    assert kept[:, 0].tolist() == pytest.approx([0.0, 0.0, -1.0, np.nan, 0.0, np.nan], nan_ok=True)


def test_nothing_traded_gives_nothing_to_name() -> None:
    world = World.of(setting_of(panel_of(walk(1, 50, 2))))
    targets = np.zeros((50, 2))
    found = contribution(targets, world.track(targets), world)
    assert found.instrument is found.day is found.trip is None
    assert (found.profit, found.n_trips) == (0.0, 0)


def test_a_forecast_is_asked_for_at_decisions_only() -> None:
    setting = setting_of(panel_of(walk(2, 40, 3)))
    asked: list[np.datetime64] = []

    class Asked(Rank):
        def signal(self, forecast: Forecast, held: Float64):  # type: ignore[no-untyped-def]
            asked.append(forecast.time)
            return super().signal(forecast, held)

    decide_again(strategy_of(Asked(horizon=5), Equal()), forecasts_on(setting.panel, 0), setting)
    assert len(asked) == 8
