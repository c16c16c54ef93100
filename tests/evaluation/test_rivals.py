import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.forecast import LEVELS, Forecasts
from quantdesk.evaluation.rivals import compare

N_BARS, N_NAMES = 200, 8
RANDOM = np.random.default_rng(3)
TRUTH = 0.02 * RANDOM.standard_normal((N_BARS, N_NAMES, 1))
LABELS = TRUTH + 0.02 * RANDOM.standard_normal(TRUTH.shape)
SCALE = np.full((N_BARS, N_NAMES), 0.02)


def forecasts(mean: Float64) -> Forecasts:
    times = np.datetime64("2020-01-01", "ns") + np.arange(N_BARS) * np.timedelta64(1, "D")
    spread = np.linspace(-0.03, 0.03, len(LEVELS))
    return Forecasts(times, tuple(f"S{i}" for i in range(N_NAMES)), (1,), mean[..., None] + spread)


def test_the_model_that_knows_more_is_told_from_the_others() -> None:
    found = compare({"sharp": forecasts(TRUTH), "linear": forecasts(0.0 * TRUTH)}, LABELS, SCALE, 1)
    assert found is not None
    assert found.statistic < -5
    assert found.p_value < 1e-6
    assert found.may_be_best.tolist() == [True, False]


def test_models_that_differ_by_noise_cannot_be_told_apart() -> None:
    shaken = [1e-3 * RANDOM.standard_normal(TRUTH.shape) for _ in range(2)]
    found = compare({"one": forecasts(TRUTH + shaken[0]), "linear": forecasts(TRUTH + shaken[1])}, LABELS, SCALE, 1)
    assert found is not None
    assert found.p_value > 0.01
    assert found.may_be_best.all()


def test_only_what_every_model_forecast_is_compared() -> None:
    partial = TRUTH.copy()
    partial[:100] = np.nan
    found = compare({"late": forecasts(partial), "linear": forecasts(TRUTH)}, LABELS, SCALE, 1)
    assert found is not None
    assert found.losses[0] == found.losses[1]


def test_too_few_outcomes_give_no_comparison() -> None:
    labels = np.where(np.arange(N_BARS)[:, None, None] < 20, LABELS, np.nan)
    assert compare({"one": forecasts(TRUTH), "linear": forecasts(TRUTH)}, labels, SCALE, 1) is None
