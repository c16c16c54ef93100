import numpy as np
from evidence_made import evidence

from quantdesk.evaluation.comparison import superiority
from quantdesk.evaluation.evidence import Comparison, Evidence, Selection
from quantdesk.evaluation.overfitting import backtest_overfitting
from quantdesk.evaluation.report.choice import choice, rivals
from quantdesk.evaluation.resampling import Interval

RETURNS = np.random.default_rng(5).normal(0.0, 0.01, (300, 6))
INTERVAL = Interval(-0.41, 0.63, 1.72, 0.95, 4.0)


def chosen(n_series: int = 6, *, is_rich: bool = True) -> Evidence:
    overfitting = backtest_overfitting(RETURNS, bars_per_year=252.0, n_draws=20) if is_rich else None
    best = superiority(RETURNS, n_draws=100) if is_rich else None
    return evidence(Selection(n_series, 5.4, INTERVAL, overfitting, best))


def test_the_interval_and_the_number_of_trials_are_said() -> None:
    text = choice(chosen())
    assert "−0.41 to 1.72" in text
    assert "6 distinct trials" in text
    assert "5.4 independent" in text


def test_overfitting_is_never_quoted_without_its_spread_and_what_noise_gives() -> None:
    text = choice(chosen())
    assert "probability of backtest overfitting" in text
    assert "would lie between" in text
    assert "without any edge between" in text
    assert text.count("<rect") == 10


def test_a_first_trial_has_no_choice_to_speak_of() -> None:
    text = choice(chosen(1, is_rich=False))
    assert "no choice to speak of" in text
    assert "1 distinct trial on" in text
    assert "<rect" not in text


def test_rivals_are_named_with_what_the_data_leaves_open() -> None:
    comparison = Comparison(
        ("<own>", "linear"), np.array([1.01, 0.99]), np.array([0.02, 1.0]), np.array([False, True]), 2.4, 0.017
    )
    text = rivals(comparison)
    assert "&lt;own&gt;" in text
    assert "larger than the linear model's" in text
    assert "more than luck explains" in text


def test_too_few_outcomes_are_said_to_be_too_few() -> None:
    assert "Too few outcomes" in rivals(None)
