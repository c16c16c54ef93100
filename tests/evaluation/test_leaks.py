"""The checks for leaks: each finds what it is there for, says where, and leaves honest work alone."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from quantdesk import strategy as strategies
from quantdesk.data.sources.file import File
from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.bars import Bars
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Forecaster
from quantdesk.evaluation.leaks import check as checks
from quantdesk.evaluation.leaks.blind import moments
from quantdesk.evaluation.leaks.check import check, check_study
from quantdesk.evaluation.leaks.compare import first_difference
from quantdesk.evaluation.leaks.echoes import ECHO
from quantdesk.evaluation.leaks.gauntlet import gauntlet, plants
from quantdesk.evaluation.leaks.leak import Leak
from quantdesk.evaluation.leaks.plants.ground import lagged, market, strategy, study_of
from quantdesk.evaluation.leaks.plants.joins import filings
from quantdesk.evaluation.leaks.stamps import stamps
from quantdesk.evaluation.leaks.study import Lesson, World, learn_from_training
from quantdesk.strategy import Strategy

REAL = Path(__file__).resolve().parents[2] / "../shared/data/us_daily_sp500_2018_2023/ohlcv.parquet"
NEEDED = {
    "blindness": "shift(-1)",
    "echo": "column stamped a bar early",
    "entry": "label from the close that decides",
    "span": "label longer than its span",
    "overlap": "shuffled split",
    "refit": "global scaler",
    "stamps": "daily bars stamped at the open",
    "same_bar_fills": "fill at the close that decides",
}


def peeking(day: int) -> Feature:
    """Add the next return on one bar only."""

    def compute(bars: Bars) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        values = np.nan_to_num(bars.returns).copy()
        if len(values) > day + 1:
            values[day] += np.nan_to_num(bars.returns[day + 1])
        return values

    return Feature("peeking", compute, 1, "this test")


def test_a_leak_names_the_feature_the_name_the_time_and_both_values() -> None:
    ahead = Feature("ahead", lambda bars: lagged(bars.returns, -1), 1, "this test")
    found = check(strategy(ahead), market(), moments=2)
    leak = found[0]
    assert (leak.check, leak.thing, leak.without) == ("truncation", "feature ahead", "missing")
    row, column = int(np.searchsorted(market().times, leak.time)), market().symbols.index(leak.symbol)
    assert leak.given == f"{np.float32(Bars.of(market()).returns[row + 1, column]):.6g}"
    for part in (leak.thing, leak.symbol, leak.given, "missing without what came later", "2010"):
        assert part in str(leak)


@cache
def leaks_of_one_bar() -> tuple[Leak, ...]:
    return check(strategy(peeking(260)), market(), moments=200)


def test_the_first_value_that_differs_is_the_one_named() -> None:
    assert {leak.time for leak in leaks_of_one_bar()} == {market().times[260]}


def test_each_leak_is_told_once_for_each_check_and_thing() -> None:
    found = leaks_of_one_bar()
    assert len({(leak.check, leak.thing) for leak in found}) == len(found)
    assert {leak.check for leak in found} == {"truncation", "scrambling"}


@pytest.mark.parametrize("name", ["linear", "mean_reversion", "breakout"])
def test_no_shipped_strategy_is_accused(name: str, tmp_path: Path) -> None:
    assert check(strategies.load(name, tmp_path), Synthetic(10, 420).fetch(), moments=3) == ()


@pytest.mark.real_data
def test_no_shipped_strategy_is_accused_on_real_prices(tmp_path: Path) -> None:
    if not REAL.is_file():
        pytest.skip(f"the real data is not at {REAL}")
    panel = File(REAL).fetch()
    some = panel.select(panel.symbols[::50])
    assert check(strategies.load("mean_reversion", tmp_path), some, moments=2) == ()


@pytest.mark.parametrize(("part", "name"), NEEDED.items())
def test_without_a_check_its_leak_goes_unseen(part: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> Iterator[Leak]:
        return iter(())

    plant = next(plant for plant in plants() if plant.name == name)
    assert check_study(plant.leaky(), moments=2) != ()
    for each in ("blindness", "echo") if part == "blindness" else (part,):
        monkeypatch.setattr(checks, each, silent)
    assert check_study(plant.leaky(), moments=2) == ()


def test_scrambling_finds_what_hides_when_the_future_is_missing() -> None:
    # Where there is no later bar it recalls, from a file of its own, what the bar was.
    remembered = Bars.of(market()).returns

    def cunning(bars: Bars) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        values = lagged(bars.returns, -1)
        n = len(values)
        values[-1] = remembered[n] if n < len(remembered) else np.nan
        return 0.05 * values + bars.returns

    found = check(strategy(Feature("cunning", cunning, 1, "this test")), market(), moments=4)
    assert [leak.check for leak in found] == ["scrambling"]


def test_a_model_that_learns_differently_each_time_is_told_apart_from_a_leak() -> None:
    calls = []

    def moody(chosen: Strategy, dataset: Dataset, lesson: Lesson, seed: int) -> Forecaster:
        calls.append(seed)
        scaled = replace(dataset, scale=dataset.scale * (1.0 + 0.01 * len(calls)))
        return learn_from_training(chosen, scaled, lesson, seed)

    found = check_study(replace(study_of(strategy()), learn=moody), moments=2)
    assert [leak.check for leak in found] == ["repeat"]


def test_features_of_ones_own_stand_after_the_named_ones() -> None:
    own = Feature("own", lambda bars: bars.close * 0 + 3.0, 1, "this test", scaling="unit")
    absent = Feature("absent", lambda bars: bars.close, 1, "this test", needs=("no such field",))
    dataset = strategy(own, absent).dataset(market())
    assert dataset.feature_names == ("return_5", "volatility_20", "own")
    assert dataset.needs_scaling.tolist() == [True, True, False]
    assert np.nanmax(dataset.features[:, :, 2]) == 3.0
    assert isinstance(strategy(), Strategy)


def test_a_world_cut_at_a_moment_holds_nothing_later() -> None:
    world = World(market(), filings())
    moment = market().times[200]
    cut = world.cut(moment)
    assert cut.panel.times[-1] == moment
    assert cut.records is not None
    assert 0 < len(cut.records) < len(filings())
    assert (cut.records.known_at <= moment).all()


def test_a_scrambled_world_keeps_the_past_to_the_bit_and_changes_the_rest() -> None:
    world = World(market(), filings())
    moment = market().times[200]
    other = world.scrambled(moment, 0)
    assert other.records is not None
    for name, values in market().fields.items():
        assert np.array_equal(values[:201], other.panel.fields[name][:201], equal_nan=True)
        if name in ("open", "close", "volume"):
            assert not np.isclose(values[201:], other.panel.fields[name][201:]).any()
    is_late = filings().known_at > moment
    assert np.array_equal(filings().values[~is_late], other.records.values[~is_late])
    assert not np.isclose(filings().values[is_late], other.records.values[is_late]).any()
    low, high = other.panel.fields["low"], other.panel.fields["high"]
    assert (low[np.isfinite(low)] <= high[np.isfinite(high)]).all()


def test_moments_lie_just_before_what_becomes_known() -> None:
    chosen = moments(World(market()), 4, seed=0)
    listed = {market().times[149], market().times[249]}
    many = moments(World(market()), 400, seed=0)
    assert listed <= set(many)
    assert 4 <= len(chosen) < len(many)
    assert chosen == moments(World(market()), 4, seed=0)


@pytest.mark.parametrize(
    ("given", "without", "place"),
    [
        ([1.0, np.nan], [1.0, np.nan], None),
        ([1.0, np.nan], [1.0, 2.0], (1,)),
        ([1.0, 1e9], [1.0, 1e9 * (1 + 1e-12)], None),
        ([1.0, 2.0], [1.0, 2.0 + 1e-6], (1,)),
        ([np.inf, 2.0], [np.inf, 2.0], None),
        ([1.0, 2.0], [np.inf, 2.0], (0,)),
    ],
)
def test_rounding_is_no_difference_and_a_missing_value_is(
    given: list[float], without: list[float], place: tuple[int, ...] | None
) -> None:
    assert first_difference(np.array(given), np.array(without)) == place


def daily(first: str, clock: str, n_days: int = 60) -> Panel:
    days = np.busday_offset(np.datetime64(first), np.arange(n_days)).astype("datetime64[ns]")
    times = np.add(days, np.timedelta64(int(clock[:2]) * 60 + int(clock[3:]), "m"))
    prices = np.full((n_days, len(market().symbols)), 10.0)
    return Panel(times, market().instruments, {"close": prices})


@pytest.mark.parametrize(("clock", "is_early"), [("14:30", True), ("21:00", False), ("00:00", True), ("23:59", False)])
def test_daily_stamps_in_winter_tell_whether_they_are_openings(clock: str, is_early: bool) -> None:
    assert bool(list(stamps(daily("2010-11-15", clock)))) == is_early


def test_a_market_that_never_closes_is_not_judged_by_its_midnights() -> None:
    n_days = 60
    times = np.datetime64("2020-01-01", "ns") + np.arange(n_days) * np.timedelta64(1, "D")
    panel = Panel(times, market().instruments[:1], {"close": np.full((n_days, 1), 10.0)})
    assert list(stamps(panel)) == []


def test_an_edge_beyond_any_honest_one_is_not_taken_for_the_answer() -> None:
    panel = Synthetic(10, 420, ic=0.2).fetch()
    assert ECHO > 0.2
    assert check(replace(strategy(), features=("momentum_20", "return_5")), panel, moments=2) == ()


def test_a_case_of_the_gauntlet_says_what_was_planted_and_what_became_of_it() -> None:
    plant = next(plant for plant in plants() if plant.name == "no purge")
    leaky, twin = gauntlet((plant,), moments=2)
    assert (leaky.name, leaky.planted, leaky.caught) == ("no purge", True, True)
    assert leaky.where.startswith("label overlap: ")
    assert (twin.name, twin.planted, twin.caught, twin.where) == ("no purge, done rightly", False, False, "")
