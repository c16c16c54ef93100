"""Resampled twins: the calendar, the storms and the correlation stay; the edge goes."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.placebo.garch import garch_market
from quantdesk.evaluation.placebo.prices import resampled
from quantdesk.evaluation.placebo.twin import Moves, fair, mean_of
from quantdesk.evaluation.scores import forecast_scores
from quantdesk.evaluation.splits import WalkForward
from quantdesk.evaluation.walk_forward import walk_forward
from quantdesk.features import dataset as datasets
from quantdesk.models.ridge import Ridge
from small_worlds import NAN, days, random_world

TWINS = (resampled, garch_market)


@lru_cache
def market(seed: int = 1, ic: float = 0.1) -> Panel:
    return Synthetic(n_instruments=30, n_days=900, ic=ic, seed=seed).fetch()


def echo(values: Float64, lag: int) -> float:
    return float(np.corrcoef(values[lag:], values[:-lag])[0, 1])


def rank_ic(panel: Panel) -> float:
    """Learn from momentum and volatility and score what follows, out of sample."""
    dataset = datasets.build(panel, ("momentum_20", "return_5", "volatility_20"), (1, 5))
    learned = walk_forward(Ridge(), dataset, WalkForward.fitting(len(dataset)).splits(dataset), seed=0)
    rows = learned.rows
    return forecast_scores(learned.forecasts, dataset.labels[rows], dataset.scale[rows])[0].rank_ic_mean


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("seed", range(4))
def test_a_twin_has_its_markets_calendar_and_no_events_but_delistings(twin: type, seed: int) -> None:
    panel = random_world(seed)
    made = twin(panel, seed)
    for name in ("open", "close", "volume", "delisting"):
        assert np.array_equal(np.isfinite(made.fields[name]), np.isfinite(panel.fields[name])), name
    assert np.isnan(made.fields["split"]).all()
    assert np.isnan(made.fields["dividend"]).all()
    assert made.instruments == panel.instruments
    assert (made.fields["close"][np.isfinite(made.fields["close"])] > 0).all()


@pytest.mark.parametrize("twin", TWINS)
def test_facts_keep_their_times_and_the_time_they_became_known(twin: type) -> None:
    panel = random_world(3)
    known_at = np.repeat(panel.times[:, None], 5, axis=1)
    earnings = np.arange(300.0).reshape(60, 5)
    made = twin(replace(panel, fields={**panel.fields, "eps": earnings}, known_at={"eps": known_at}), 0)
    assert made.fields["eps"] is earnings
    assert made.known_at["eps"] is known_at


@pytest.mark.parametrize("twin", TWINS)
def test_highs_and_lows_of_a_twin_hold_its_opens_and_closes(twin: type) -> None:
    fields = twin(market(), 5).fields
    is_traded = np.isfinite(fields["close"])
    for name in ("open", "close"):
        assert (fields["high"][is_traded] >= fields[name][is_traded] * (1 - 1e-12)).all()
        assert (fields["low"][is_traded] <= fields[name][is_traded] * (1 + 1e-12)).all()


@pytest.mark.parametrize("twin", TWINS)
def test_the_seed_makes_the_twin(twin: type) -> None:
    assert twin(market(), 5).fingerprint() == twin(market(), 5).fingerprint()
    assert twin(market(), 5).fingerprint() != twin(market(), 6).fingerprint()


def test_a_fair_move_earns_nothing_on_average_however_large() -> None:
    moves = np.array([0.0, 0.01, 0.3, 2.0, 50.0])
    assert np.exp(fair(moves)) + np.exp(fair(-moves)) == pytest.approx(2.0)
    assert fair(np.array([0.01]))[0] == pytest.approx(0.01, rel=0.01)


def test_a_delisting_keeps_its_size_and_loses_its_direction() -> None:
    panel = random_world(0)
    delisting = np.full(panel.shape, NAN)
    delisting[-1, 0] = panel.fields["close"][:, 0][np.isfinite(panel.fields["close"][:, 0])][-1] * 1.3
    panel = replace(panel, fields={"close": panel.fields["close"], "delisting": delisting})
    ratios = []
    for seed in range(12):
        made = resampled(panel, seed).fields
        last = made["close"][:, 0][np.isfinite(made["close"][:, 0])][-1]
        ratios.append(made["delisting"][-1, 0] / last)
    away = np.log(np.array(ratios))
    assert np.abs(np.expm1(away)) == pytest.approx(np.tanh(np.log(1.3)))
    assert (away > 0).any()
    assert (away < 0).any()


def test_storms_and_correlation_outlive_the_resampling() -> None:
    panel = market()
    truth, twins = _shape_of(panel), np.array([_shape_of(resampled(panel, seed)) for seed in range(8)])
    for of_market, of_twins in zip(truth, twins.mean(axis=0), strict=True):
        assert 0.5 * of_market < of_twins < 1.5 * of_market


def _shape_of(panel: Panel) -> tuple[float, float, float]:
    returns = Moves.of(panel).total
    common = mean_of(returns)
    complete = returns[1:, np.isfinite(returns[1:]).all(axis=0)]
    correlation, n = np.corrcoef(complete.T), complete.shape[1]
    return echo(np.abs(common), 1), (correlation.sum() - n) / (n * n - n), float(np.median(complete.std(axis=0)))


@pytest.mark.parametrize("twin", TWINS)
def test_twins_of_a_market_with_an_edge_have_none(twin: type) -> None:
    truths = [rank_ic(market(seed)) for seed in (1, 2)]
    found = np.array([rank_ic(twin(market(seed), again)) for seed in (1, 2) for again in range(6)])
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert min(truths) > 0.04
    assert abs(found.mean()) < 3.0 * error
    assert error < 0.01


@pytest.mark.parametrize("twin", TWINS)
def test_the_market_is_paid_for_by_beta_so_that_a_position_without_it_earns_nothing(twin: type) -> None:
    n_times, n = 400, 8
    random, beta = np.random.default_rng(0), np.linspace(0.25, 1.75, n)
    moves = beta * (0.004 + 0.01 * random.standard_normal((n_times, 1))) + 0.003 * random.standard_normal((n_times, n))
    close = 100.0 * np.exp(np.cumsum(moves, axis=0))
    panel = Panel(days(n_times), tuple(Instrument(f"S{i}") for i in range(n)), {"close": close})
    earned = np.mean([np.expm1(Moves.of(twin(panel, seed)).total[1:]).mean(axis=0) for seed in range(60)], axis=0)
    slope, intercept = np.polyfit(beta, earned, 1)
    assert slope == pytest.approx(0.004, rel=0.15)
    assert intercept == pytest.approx(0.0, abs=1e-4)


def test_bars_within_a_day_keep_their_place_in_it() -> None:
    n_days, n_bars, n = 80, 7, 6
    random = np.random.default_rng(0)
    dates = np.busday_offset(np.datetime64("2024-01-02"), np.arange(n_days)).astype("datetime64[ns]")
    times = np.add(dates[:, None], (np.arange(n_bars) + 14) * np.timedelta64(1, "h")).ravel()
    size = np.tile(np.where(np.arange(n_bars) == 0, 0.02, 0.002), n_days)
    close = 100.0 * np.exp(np.cumsum(size[:, None] * random.standard_normal((n_days * n_bars, n)), axis=0))
    panel = Panel(times, tuple(Instrument(f"S{i}") for i in range(n)), {"close": close})
    moved = np.abs(Moves.of(resampled(panel, 1)).total[n_bars:]).mean(axis=1).reshape(-1, n_bars).mean(axis=0)
    assert moved[0] > 5 * moved[1:].max()
