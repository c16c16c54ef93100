"""The report: one file, complete, safe, and equal to the evaluation it shows."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.forecast import LEVELS, Forecasts
from quantdesk.domain.trade import Fill
from quantdesk.evaluation.outcome import CostCurve, Evaluation, Track, Verdict
from quantdesk.evaluation.report.axes import Scale, time_ticks
from quantdesk.evaluation.report.charts import outline
from quantdesk.evaluation.report.page import page, write
from quantdesk.evaluation.report.wording import NOTHING, confidence, number, percent
from quantdesk.evaluation.scores import forecast_scores, performance
from quantdesk.evaluation.significance import alpha, significance

NORMAL_QUANTILES = np.array([-1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449])
SECTIONS = ("verdict", "numbers", "equity", "baselines", "ic", "months", "exposure", "calibration", "scores", "importance")
MORE_SECTIONS = ("costs", "folds", "trades", "chance", "receipts")


def business_days(n: int, start: str = "2018-01-02") -> Times:
    days = np.busday_offset(np.datetime64(start, "D"), np.arange(n), roll="forward")
    return (days + np.timedelta64(21, "h")).astype("datetime64[ns]")


def make_track(times: Times, drift: float, random: np.random.Generator, invested: float = 1.0) -> Track:
    n = len(times)
    returns = random.standard_t(4, n) * 0.0065 * invested + drift
    returns[0] = 0.0
    turnover = np.where(random.random(n) < 0.3, random.random(n) * 0.25, 0.02)
    equity = 1e6 * np.cumprod(1 + returns)
    held = np.clip(invested + 0.05 * np.cumsum(random.normal(size=n)) / 8, 0.2, 1.5)
    return Track(times, equity, held, held - 0.4 * (1 - np.cos(np.arange(n) / 90)), turnover, turnover * equity * 5e-4)


def make_forecasts(times: Times, n_instruments: int, random: np.random.Generator) -> tuple[Forecasts, Float64, Float64]:
    horizons = (1, 5, 20)
    scale = 0.01 + 0.01 * random.random((len(times), n_instruments))
    root = np.sqrt(np.array(horizons))
    edge = random.normal(size=(len(times), n_instruments, 1)) * scale[..., None] * root * 0.25
    spread = (0.9 * scale[..., None] * root)[..., None]
    quantiles = edge[..., None] + spread * NORMAL_QUANTILES
    quantiles[: len(times) // 20, 0] = np.nan
    labels = 0.15 * edge + scale[..., None] * root * random.normal(size=edge.shape[:2] + (3,))
    symbols = tuple(f"SYM{index}" for index in range(n_instruments))
    return Forecasts(times, symbols, horizons, quantiles), labels, scale


def make_fills(times: Times, n: int, random: np.random.Generator, n_symbols: int = 60) -> tuple[Fill, ...]:
    rows = np.sort(random.integers(0, len(times), n))
    quantities, symbols = random.integers(1, 900, n) * random.choice([-1, 1], n), random.integers(0, n_symbols, n)
    prices = np.round(20 + 300 * random.random(n), 4)
    return tuple(
        Fill(f"o{i}", f"SYM{s}", Decimal(int(q)), Decimal(str(p)), Decimal("1.25"), times[row])
        for i, (row, q, s, p) in enumerate(zip(rows, quantities, symbols, prices, strict=True))
    )


def make_evaluation(n_times: int = 600, n_instruments: int = 30, n_fills: int = 400, drift: float = 4e-4) -> Evaluation:
    random = np.random.default_rng(7)
    times = business_days(n_times)
    track = make_track(times, drift, random, 0.9)
    others = ("buy and hold", "equal weight", "persistence", "linear model")
    baselines = {name: make_track(times, 2.5e-4, random, 1.2) for name in others}
    forecasts, labels, scale = make_forecasts(times[:-5], n_instruments, random)
    net = performance(track)
    gross = replace(net, sharpe=net.sharpe + 0.4, annual_return=net.annual_return + 0.03)
    luck = significance(track.returns, 24, 11.3, bars_per_year=net.bars_per_year)
    beta, rest = alpha(track.returns, baselines["equal weight"].returns)
    edges = np.linspace(len(times) * 0.3, len(times) - 1, 8).astype(int)
    folds = tuple((times[0], times[a - 25], times[a], times[b - 1]) for a, b in zip(edges[:-1], edges[1:], strict=True))
    names = tuple(f"feature_{index}" for index in range(26))
    importance = random.random(26) ** 3
    return Evaluation(
        run_id="3f9ac1b27d40",
        strategy="gradient_trend",
        description="Boosted trees on price, volume and calendar; long the upper fifth, sized by volatility.",
        data="us_daily_sp500",
        fingerprint="a94f00c1d2e3b455",
        seed=7,
        settings={"folds": "7, expanding", "cost_model": "half-spread 2 bps, impact 10 bps", "embargo_bars": "20"},
        folds=folds,
        verdict=Verdict(
            "weak",
            "weak evidence of an edge: luck explains this record once in five",
            ("The deflated Sharpe is 0.79, below 0.95.", "The rank IC is positive in 6 of 7 folds."),
            ("Members as of the end of 2023: survivors only.", "Four years hold one crisis."),
        ),
        track=track,
        performance=net,
        gross_performance=gross,
        baselines=baselines,
        baseline_performance={name: performance(other) for name, other in baselines.items()},
        forecast_scores=forecast_scores(forecasts, labels, scale),
        significance=luck,
        alpha_significance=significance(rest, 24, 11.3, bars_per_year=net.bars_per_year),
        beta=beta,
        costs=CostCurve(np.array([0.0, 1.0, 2.0]), np.array([net.sharpe + 0.4, net.sharpe, net.sharpe - 0.4]), 6.4, 17.9),
        horizon=5,
        forecasts=forecasts,
        labels=labels,
        scale=scale,
        feature_names=names,
        importance=importance / importance.sum(),
        fills=make_fills(times, n_fills, random),
        seconds={"features": 0.8, "training": 41.2, "backtest": 0.3},
    )


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return make_evaluation()


@pytest.fixture(scope="module")
def text(evaluation: Evaluation) -> str:
    return page(evaluation)
