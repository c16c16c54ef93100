"""Shuffled decisions: uniform p-values where there is no edge, even for those who follow prices; small ones where there is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.forecast import LEVELS, Forecasts
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.backtest import Setting, backtest, track_of
from quantdesk.evaluation.baselines import UNLIMITED
from quantdesk.evaluation.evidence import Shuffles
from quantdesk.evaluation.placebo.shuffles import earlier_blocks, shuffles
from quantdesk.evaluation.scores import forecast_scores, performance
from quantdesk.evaluation.splits import WalkForward
from quantdesk.evaluation.walk_forward import OutOfSample, walk_forward
from quantdesk.execution.costs import Costs
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.sizing import Equal
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Rehearsed, Strategy
from small_worlds import days

HORIZON, LOOKBACK, START = 5, 10, 20


def noise_world(seed: int, lean: float, n: int = 200, n_instruments: int = 12) -> tuple[OutOfSample, Float64, Float64, Setting]:
    """Follow (1) or oppose (-1) the last ten bars of a market of pure noise, once a week."""
    moves = 0.01 * np.random.default_rng(seed).standard_normal((n, n_instruments))
    close = 100.0 * np.exp(np.cumsum(moves, axis=0))
    opened = np.concatenate([close[:1], close[:-1]])
    instruments = tuple(Instrument(f"S{i}", lot_size=1e-6) for i in range(n_instruments))
    panel = Panel(days(n), instruments, {"open": opened, "close": close})
    said = lean * np.log(close[START:] / close[START - LOOKBACK : -LOOKBACK])
    labels = np.full((n, n_instruments, 1), np.nan)
    labels[: -HORIZON - 1, :, 0] = np.log(opened[HORIZON + 1 :] / opened[1:-HORIZON])
    forecasts = Forecasts(
        panel.times[START:], panel.symbols, (HORIZON,), said[:, :, None, None] + 0.01 * np.arange(len(LEVELS))
    )
    targets = np.full(said.shape, np.nan)
    centred = said[::5] - said[::5].mean(axis=1, keepdims=True)
    targets[::5] = centred / np.abs(centred).sum(axis=1, keepdims=True)
    learned = OutOfSample(forecasts, np.arange(START, n), np.zeros(1), ())
    return learned, labels[START:], targets, Setting(panel, START, Costs(), UNLIMITED, 1e6)


@pytest.mark.parametrize("lean", [1.0, -1.0])
def test_without_an_edge_p_values_are_uniform_even_for_decisions_that_follow_prices(lean: float) -> None:
    found = [shuffles(*noise_world(seed, lean), HORIZON, n_draws=99, seed=seed) for seed in range(200)]
    for p_values in ([one.sharpe_p for one in found], [one.rank_ic_p for one in found]):
        assert kstest(p_values, "uniform").pvalue > 0.01
        assert np.mean(np.array(p_values) <= 0.05) < 0.11


def linear_run(ic: float) -> tuple[OutOfSample, Float64, Float64, Float64, Setting]:
    """Learn, forecast and trade momentum on a market with an edge of known size."""
    strategy = Strategy(
        name="small",
        description="For shuffles.",
        features=("momentum_20", "return_5", "volatility_20"),
        model=Ridge(),
        signal=Rank(horizon=1, long=0.3, short=0.3),
        sizing=Equal(),
        horizon=1,
        horizons=(1, 5),
        rebalance="daily",
        limits=UNLIMITED,
    )
    panel = Synthetic(n_instruments=30, n_days=800, ic=ic, seed=1).fetch()
    dataset = strategy.dataset(panel)
    learned = walk_forward(strategy.model, dataset, WalkForward.fitting(len(dataset)).splits(dataset), 0)
    setting = Setting(panel, int(learned.rows[0]), Costs(), UNLIMITED, 1e6)
    targets = backtest("small", Rehearsed(strategy, learned.forecasts), setting).targets
    return learned, dataset.labels[learned.rows], dataset.scale[learned.rows], targets, setting


def test_a_planted_edge_gives_small_p_values_and_the_real_numbers_are_those_of_the_report() -> None:
    learned, labels, scale, targets, setting = linear_run(0.1)
    found = shuffles(learned, labels, targets, setting, 1)
    assert found.sharpe_p <= 0.02
    assert found.rank_ic_p <= 0.02
    assert found.real_sharpe == pytest.approx(performance(track_of(targets, setting)).sharpe, abs=0.02)
    assert found.real_rank_ic == pytest.approx(forecast_scores(learned.forecasts, labels, scale)[0].rank_ic_mean, abs=1e-3)
    assert found.sharpes.shape == found.rank_ics.shape == (200,)
    again = shuffles(learned, labels, targets, setting, 1)
    assert np.array_equal(found.sharpes, again.sharpes)


def test_no_time_takes_the_decisions_of_a_later_one_and_every_earlier_block_has_its_turn() -> None:
    rows = earlier_blocks(100, 4000, 5, np.random.default_rng(0))
    assert (rows >= 0).all()
    assert (rows <= np.arange(100)).all()
    back = (99 - rows[:, 99]) // 5
    shares = np.bincount(back, minlength=20)[:19] / 4000
    assert shares == pytest.approx(np.full(19, 1 / 20.4), abs=0.015)
    kept = np.diff(rows, axis=1) == 1
    assert kept.mean() > 0.78


def test_what_is_held_all_the_time_alike_earns_no_credit() -> None:
    learned, labels, targets, setting = noise_world(3, 1.0)
    targets = np.where(np.isfinite(targets), np.linspace(0.0, 0.1, targets.shape[1]), np.nan)
    assert shuffles(learned, labels, targets, setting, HORIZON, n_draws=50).sharpe_p == 1.0


def test_a_strategy_that_never_decided_has_no_timing() -> None:
    learned, labels, targets, setting = noise_world(3, 1.0)
    found = shuffles(learned, labels, np.full(targets.shape, np.nan), setting, HORIZON, n_draws=50)
    assert isinstance(found, Shuffles)
    assert found.sharpe_p == 1.0
    assert np.isnan(found.real_sharpe)


def test_the_draws_pay_what_the_real_run_paid() -> None:
    learned, labels, targets, setting = noise_world(5, 1.0)
    free = shuffles(learned, labels, targets, replace(setting, costs=setting.costs.times(0.0)), HORIZON, n_draws=50)
    paid = shuffles(learned, labels, targets, setting, HORIZON, n_draws=50)
    lost = free.sharpes - paid.sharpes
    assert lost.mean() == pytest.approx(free.real_sharpe - paid.real_sharpe, rel=0.2)
    assert (lost > 0).all()


def test_a_horizon_that_was_not_forecast_is_refused() -> None:
    learned, labels, targets, setting = noise_world(3, 1.0)
    with pytest.raises(DataError, match="no forecast looks 7 bars ahead"):
        shuffles(learned, labels, targets, setting, 7)
