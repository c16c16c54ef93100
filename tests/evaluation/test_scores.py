"""Scores: performance and forecast quality against numbers worked out by hand or by scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.forecast import LEVELS, Forecasts
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.scores import calibration, drawdown, forecast_scores, ic_series, monthly_returns, performance

UNIT_QUANTILES: Float64 = np.asarray(stats.norm.ppf(LEVELS), dtype=np.float64)


def track_of(equity: list[float] | Float64, times: Times | None = None, turnover: float = 0.0) -> Track:
    n = len(equity)
    days = np.datetime64("2020-01-01", "D") + np.arange(n) if times is None else times
    flat = np.ones(n)
    return Track(days.astype("datetime64[ns]"), np.array(equity, dtype=np.float64), flat, flat, flat * turnover, flat * 0)


def forecasts_of(means: Float64, spread: float = 0.01) -> Forecasts:
    """Forecast a normal about each mean (n_times, n_instruments, n_horizons)."""
    times = (np.datetime64("2020-01-01", "D") + np.arange(means.shape[0])).astype("datetime64[ns]")
    symbols = tuple(f"S{index}" for index in range(means.shape[1]))
    horizons = (1, 5, 10, 20)[: means.shape[2]]
    return Forecasts(times, symbols, horizons, means[..., None] + spread * UNIT_QUANTILES)


def small_world() -> tuple[Forecasts, Float64]:
    random = np.random.default_rng(3)
    means = np.round(random.standard_normal((40, 12, 2)) * 0.01, 2)
    means[random.random((40, 12)) < 0.2] = np.nan
    labels = np.nan_to_num(means) * 0.5 + 0.01 * random.standard_normal((40, 12, 2))
    labels[random.random((40, 12, 2)) < 0.1] = np.nan
    return forecasts_of(means), labels


def test_performance_of_a_hand_made_track_is_what_the_hand_says() -> None:
    returns = np.array([0.10, -0.05, 0.0, 0.02])
    equity = 100 * np.concatenate(([1.0], np.cumprod(1 + returns)))
    found = performance(track_of(equity, turnover=0.5), bars_per_year=4)
    assert found.annual_return == pytest.approx(1.10 * 0.95 * 1.02 - 1)
    assert found.annual_volatility == pytest.approx(returns.std(ddof=1) * 2)
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * 2)
    assert found.sortino == pytest.approx(returns.mean() / math.sqrt(0.05**2 / 4) * 2)
    assert found.max_drawdown == pytest.approx(0.05)
    assert found.calmar == pytest.approx(found.annual_return / 0.05)
    assert found.hit_rate == pytest.approx(2 / 3)
    assert found.turnover == pytest.approx(5 * 0.5)
    assert found.n_bars == 4


def test_bars_a_year_follow_from_the_times() -> None:
    business = np.busday_offset(np.datetime64("2018-01-01", "D"), np.arange(1305), roll="forward")
    assert performance(track_of(np.ones(1305), business)).bars_per_year == pytest.approx(261, abs=0.5)
    assert performance(track_of(np.ones(731))).bars_per_year == pytest.approx(365.25)
    hours = np.datetime64("2020-01-01T00", "h") + np.arange(49)
    assert performance(track_of(np.ones(49), hours)).bars_per_year == pytest.approx(365.25 * 24)


@pytest.mark.parametrize("equity", [[1e6], [1e6, 1e6, 1e6], []])
def test_a_track_that_does_not_move_has_no_ratios(equity: list[float]) -> None:
    found = performance(track_of(equity), bars_per_year=252)
    assert math.isnan(found.sharpe)
    assert math.isnan(found.sortino)
    assert math.isnan(found.calmar)
    assert math.isnan(found.hit_rate)
    assert found.max_drawdown == 0.0


def test_a_ruined_track_loses_everything() -> None:
    found = performance(track_of([100.0, 50.0, 0.0, 0.0]), bars_per_year=252)
    assert found.annual_return == -1.0
    assert found.max_drawdown == 1.0


def test_drawdown_counts_from_the_highest_value_so_far() -> None:
    assert drawdown(np.array([1.0, 2.0, 1.0, 3.0, 2.4])) == pytest.approx([0.0, 0.0, 0.5, 0.0, 0.2])


def test_monthly_returns_compound_to_years_and_to_the_whole() -> None:
    random = np.random.default_rng(0)
    equity = np.asarray(100 * np.cumprod(1 + 0.01 * random.standard_normal(900)), dtype=np.float64)
    track = track_of(equity)
    monthly = monthly_returns(track)
    assert monthly.years.tolist() == [2020, 2021, 2022]
    assert np.prod(1 + monthly.totals) == pytest.approx(equity[-1] / equity[0])
    assert monthly.returns[0, 0] == pytest.approx(equity[30] / equity[0] - 1)
    assert monthly.returns[0, 1] == pytest.approx(equity[59] / equity[30] - 1)
    assert monthly.totals[1] == pytest.approx(equity[730] / equity[365] - 1)
    assert np.isnan(monthly.returns[2, 6:]).all()


def test_monthly_returns_leave_months_without_bars_empty() -> None:
    times = np.array(["2020-01-15", "2020-01-31", "2020-04-30", "2021-02-26"], dtype="datetime64[D]")
    monthly = monthly_returns(track_of([100.0, 110.0, 121.0, 60.5], times))
    assert np.flatnonzero(np.isfinite(monthly.returns)).tolist() == [0, 3, 13]
    assert monthly.totals == pytest.approx([0.21, -0.5])


@pytest.mark.parametrize("equity", [[], [100.0]])
def test_a_track_of_one_bar_has_no_months(equity: list[float]) -> None:
    assert monthly_returns(track_of(equity)).returns.shape == (0, 12)


def test_ics_equal_those_of_scipy_with_ties_and_gaps() -> None:
    forecasts, labels = small_world()
    scores = forecast_scores(forecasts, labels, np.ones(labels.shape[:2]))
    mean = forecasts.mean
    for column, horizon in enumerate(forecasts.horizons):
        pearson, spearman = [], []
        for row in range(40):
            both = np.isfinite(mean[row, :, column]) & np.isfinite(labels[row, :, column])
            if both.sum() >= 5:
                pearson.append(stats.pearsonr(mean[row, both, column], labels[row, both, column]).statistic)
                spearman.append(stats.spearmanr(mean[row, both, column], labels[row, both, column]).statistic)
        series = ic_series(forecasts, labels, horizon)
        assert series[np.isfinite(series)] == pytest.approx(pearson)
        assert scores[column].ic_mean == pytest.approx(np.mean(pearson))
        assert scores[column].rank_ic_mean == pytest.approx(np.mean(spearman))


def test_a_time_with_four_forecasts_or_without_spread_has_no_ic() -> None:
    means = np.tile(np.linspace(-0.01, 0.01, 8)[None, :, None], (4, 1, 1))
    labels = means.copy()
    labels[1, 4:] = np.nan
    means[2] = 0.005
    labels[3] = 0.002
    series = ic_series(forecasts_of(means), labels, 1)
    assert series[0] == pytest.approx(1.0)
    assert np.isnan(series[1:]).all()


def test_direction_scores_are_those_of_the_confusion_table() -> None:
    means = np.array([[0.02, 0.02, 0.02, -0.02, -0.02, -0.02]])[..., None]
    labels = np.array([[0.01, 0.01, -0.01, 0.01, -0.01, -0.01]])[..., None]
    score = forecast_scores(forecasts_of(means), labels, np.ones((1, 6)))[0]
    assert (score.accuracy, score.precision, score.recall, score.f1) == pytest.approx((4 / 6, 2 / 3, 2 / 3, 2 / 3))
    assert score.sign_accuracy == pytest.approx(4 / 6)
    assert score.n_samples == 6


def test_sign_accuracy_leaves_out_what_did_not_move() -> None:
    means = np.array([[0.02, 0.02, 0.0, -0.02, -0.02]])[..., None]
    labels = np.array([[0.01, 0.0, 0.01, -0.01, 0.01]])[..., None]
    assert forecast_scores(forecasts_of(means), labels, np.ones((1, 5)))[0].sign_accuracy == pytest.approx(2 / 3)


def test_r2_is_against_a_forecast_of_zero() -> None:
    labels = np.linspace(0.01, 0.03, 10)[None, :, None]
    assert forecast_scores(forecasts_of(np.zeros((1, 10, 1))), labels, np.ones((1, 10)))[0].r2 == pytest.approx(0.0)
    perfect = forecast_scores(forecasts_of(labels), labels, np.ones((1, 10)))[0]
    assert (perfect.r2, perfect.mae, perfect.pearson) == pytest.approx((1.0, 0.0, 1.0), abs=1e-9)


def test_coverage_is_split_by_terciles_of_the_scale() -> None:
    scale = np.repeat([0.01, 0.02, 0.03], 100)[None, :]
    width = 0.02
    random = np.random.default_rng(0)
    labels = (scale * random.standard_normal((1, 300)))[..., None]
    score = forecast_scores(forecasts_of(np.zeros((1, 300, 1)), width), labels, scale)[0]
    inside = (np.abs(labels[0, :, 0]) <= width * UNIT_QUANTILES[-1]).reshape(3, 100).mean(axis=1)
    assert score.coverage_by_volatility == pytest.approx(tuple(inside))
    assert score.interval_coverage == pytest.approx(inside.mean())
    assert inside[0] > inside[2]


def test_calibration_of_an_honest_forecast_gives_the_levels_back() -> None:
    random = np.random.default_rng(1)
    labels = 0.01 * random.standard_normal((500, 40, 2))
    shares = calibration(forecasts_of(np.zeros((500, 40, 2))), labels)
    assert list(shares) == [1, 5]
    for realised in shares.values():
        assert realised == pytest.approx(LEVELS, abs=0.015)


def test_a_forecast_that_is_too_sure_has_a_flat_calibration() -> None:
    random = np.random.default_rng(1)
    shares = calibration(forecasts_of(np.zeros((200, 40, 1)), 0.005), 0.01 * random.standard_normal((200, 40, 1)))[1]
    assert shares[0] > 0.15
    assert shares[-1] < 0.85


def test_an_ic_of_noise_is_nothing_and_a_planted_one_is_found() -> None:
    random = np.random.default_rng(9)
    means = 0.01 * random.standard_normal((250, 60, 1))
    noise = 0.01 * random.standard_normal((250, 60, 1))
    nothing = forecast_scores(forecasts_of(means), noise, np.ones((250, 60)))[0]
    planted = forecast_scores(forecasts_of(means), 0.1 * means + noise, np.ones((250, 60)))[0]
    assert abs(nothing.ic_t) < 3
    assert planted.ic_t > 6
    assert planted.rank_ic_mean == pytest.approx(0.095, abs=0.03)


def test_nothing_known_gives_nan_and_no_warning() -> None:
    score = forecast_scores(forecasts_of(np.full((6, 7, 1), np.nan)), np.full((6, 7, 1), np.nan), np.full((6, 7), np.nan))[0]
    assert score.n_samples == 0
    assert math.isnan(score.ic_mean)
    assert math.isnan(score.ic_t)
    assert math.isnan(score.interval_coverage)
    assert np.isnan(score.coverage_by_volatility).all()


def test_labels_of_another_shape_are_refused() -> None:
    forecasts, labels = small_world()
    with pytest.raises(DataError, match=r"labels have shape \(39, 12, 2\)"):
        forecast_scores(forecasts, labels[1:], np.ones((39, 12)))


def test_a_scale_of_another_shape_is_refused() -> None:
    forecasts, labels = small_world()
    with pytest.raises(DataError, match="scale has shape"):
        forecast_scores(forecasts, labels, np.ones((40, 11)))


def test_a_horizon_that_was_not_forecast_is_refused() -> None:
    forecasts, labels = small_world()
    with pytest.raises(DataError, match="3 bars ahead"):
        ic_series(forecasts, labels, 3)
