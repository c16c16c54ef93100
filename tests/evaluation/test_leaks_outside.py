"""Features that were brought along rather than computed are named; calendars, sectors and honest ones are not."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from quantdesk.data import store
from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.evaluate import evaluate
from quantdesk.evaluation.leaks.outside import outside, reaches_out
from quantdesk.evaluation.plan import Plan
from quantdesk.strategy import Strategy, load


@pytest.fixture(scope="module")
def market() -> Panel:
    return store.load("synthetic:n_days=500,n_instruments=8,seed=1", Path())


def strategy(name: str, compute: Callable[[Bars], Float64]) -> Strategy:
    own = Feature(name, compute, 1, "mine")
    return replace(load("linear", Path()), features=("return_5", name), own_features=(own,))


def from_file(market: Panel) -> Callable[[Bars], Float64]:
    """Read what a file with future prices would hold, behind a mask of noise."""
    close = market.fields["close"]
    values = np.full(close.shape, np.nan)
    values[:-5] = close[5:] / close[:-5] - 1.0
    values += np.random.default_rng(0).normal(0, 0.2, close.shape)

    def score(bars: Bars) -> Float64:
        begin = int(np.searchsorted(market.times, bars.times[0]))
        return values[begin : begin + len(bars.times)]

    return score


def test_a_score_out_of_a_file_is_named(market: Panel) -> None:
    assert outside(strategy("score", from_file(market)), market) == ("score",)


TABLE = np.random.default_rng(1).normal(size=(500, 8))
WEIGHTS = (0.5, 0.3, 0.2)


def looked_up(bars: Bars) -> Float64:
    return TABLE[: len(bars.times), :1] + bars.returns


def through_another(bars: Bars) -> Float64:
    return looked_up(bars) * 2.0


def weighted(bars: Bars) -> Float64:
    return sum(weight * bars.returns for weight in WEIGHTS)  # type: ignore[return-value]


def read_each_time(bars: Bars) -> Float64:
    return np.loadtxt("somewhere.csv") + bars.close


def test_a_table_is_found_however_its_values_are_mixed_with_the_bars() -> None:
    within = TABLE.copy()
    assert reaches_out(looked_up)
    assert reaches_out(through_another)
    assert reaches_out(lambda bars: bars.close * within[0])
    assert reaches_out(partial(lambda table, bars: bars.close + table[0], TABLE))
    assert reaches_out(read_each_time)
    assert not reaches_out(weighted)
    assert not reaches_out(lambda bars: bars.close / bars.open - 1.0)
    assert not reaches_out(partial(lambda n, bars: bars.close * n, 5))


def test_what_is_computed_a_calendar_and_a_sector_are_not_named(market: Panel) -> None:
    def day(bars: Bars) -> Float64:
        return np.broadcast_to(bars.times.astype("datetime64[D]").astype(np.float64)[:, None] % 7, bars.close.shape)

    def place(bars: Bars) -> Float64:
        return np.broadcast_to(np.arange(bars.close.shape[1], dtype=np.float64), bars.close.shape)

    def body(bars: Bars) -> Float64:
        return bars.close / bars.open - 1.0

    for name, honest in {"level": lambda bars: bars.close, "day": day, "place": place, "own_body": body}.items():
        assert outside(strategy(name, honest), market) == (), name
    assert outside(load("linear", Path()), market) == ()


def test_a_feature_that_the_data_cannot_give_is_passed_over(market: Panel) -> None:
    lacking = Feature("own_sales", lambda bars: bars.facts["sales"] * TABLE, 1, "mine", ("sales",))
    assert outside(replace(load("linear", Path()), own_features=(lacking,)), market) == ()


@pytest.mark.parametrize("features", [("own_body", "return_5"), ("return_5", "own_body"), ("return_5",)])
def test_own_features_are_read_in_one_order_when_learning_and_when_deciding(market: Panel, features: tuple[str, ...]) -> None:
    own = Feature("own_body", lambda bars: bars.close / bars.open - 1.0, 1, "mine", ("open", "close"))
    made = replace(load("linear", Path()), features=features, own_features=(own,))
    fitted = made.fit(made.dataset(market), 0)
    again = fitted.dataset(market)
    assert again.feature_names == fitted.feature_names
    assert fitted.forecast(market).quantiles == pytest.approx(
        fitted.forecaster.forecast(made.dataset(market)).at(-1).quantiles, rel=1e-4, nan_ok=True
    )


def test_the_report_says_so_and_the_verdict_is_capped(market: Panel, tmp_path: Path) -> None:
    evaluation, _ = evaluate(strategy("score", from_file(market)), market, Plan(tmp_path))
    assert any("feature score is brought along" in caveat for caveat in evaluation.verdict.caveats)
    assert evaluation.verdict.grade != "evidence"
