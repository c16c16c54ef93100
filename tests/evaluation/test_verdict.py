"""The verdict: every grade and every headline, and nothing better than the numbers allow."""

from dataclasses import replace

import pytest
from evidence_made import evidence, placebos
from hypothesis import given
from hypothesis import strategies as st

from quantdesk.domain.errors import DeskError
from quantdesk.evaluation.leaks.echoes import Echo
from quantdesk.evaluation.outcome import ForecastScores, Performance, Verdict
from quantdesk.evaluation.significance import Significance
from quantdesk.evaluation.verdict import CONFIDENCE, HEADLINES, SURVIVORS_ONLY, TOO_GOOD, brought_along, chance, judge
from quantdesk.registry import FEW_TWINS

NAN = float("nan")
PERFORMANCE = Performance(0.10, 0.10, 1.0, 1.5, 2.0, 0.1, 12.0, 0.52, 1000, 252.0)
SIGNIFICANCE = Significance(1.0, 0.99, 0.5, 0.97, 2.7, 3, 2.0, 0.0, 3.0, "null, T")
SCORES = ForecastScores(5, 1000, 0.03, 2.0, 0.04, 2.5, 0.52, 0.52, 0.5, 0.51, 0.01, 0.001, 0.03, 0.52, 0.9, (0.9, 0.9, 0.9))
EVIDENCE = evidence()
BASELINES = {"buy and hold": 0.6, "equal weight": 0.5, "persistence": -0.2, "linear": 0.8}


def judged(
    sharpe: float = 1.0,
    net: float = 0.97,
    alpha: float = 0.97,
    alpha_alone: float = 0.99,
    baselines: dict[str, float] | None = None,
    caveats: tuple[str, ...] = (),
    twins: tuple[float, ...] = (),
    gross: float | None = None,
    scores: ForecastScores = SCORES,
    echoes: tuple[Echo, ...] = (),
    bars_per_year: float = 252.0,
    net_alone: float = 0.99,
) -> Verdict:
    return judge(
        replace(PERFORMANCE, sharpe=sharpe),
        replace(PERFORMANCE, sharpe=sharpe + 0.5 if gross is None else gross, annual_return=0.13, bars_per_year=bars_per_year),
        replace(SIGNIFICANCE, sharpe=sharpe, deflated_sharpe=net, probabilistic_sharpe=net_alone),
        replace(SIGNIFICANCE, deflated_sharpe=alpha, probabilistic_sharpe=alpha_alone),
        {name: replace(PERFORMANCE, sharpe=value) for name, value in (baselines or BASELINES).items()},
        scores,
        replace(EVIDENCE, placebos=placebos(*twins) if twins else None, echoes=echoes),
        caveats,
    )


HEADLINE_OF: dict[str, tuple[Verdict, str, str]] = {
    "all passed": (judged(), "evidence", "luck is an unlikely explanation"),
    "lost": (judged(sharpe=-0.31), "none", "after costs it earned a Sharpe ratio of -0.31"),
    "exactly nothing": (judged(sharpe=0.0), "none", "after costs it earned a Sharpe ratio of 0.00"),
    "the market": (judged(alpha_alone=0.94), "none", "what it earned is what the market paid, or luck"),
    "luck": (judged(alpha_alone=0.94, net_alone=0.94), "none", "what it earned may be luck"),
    "several tries": (judged(net=0.94), "weak", "it may be the best of several tries"),
    "several tries, market out": (judged(alpha=0.94), "weak", "it may be the best of several tries"),
    "holding": (judged(baselines={**BASELINES, "buy and hold": 1.0}), "weak", "holding everything earned more for the risk"),
    "equal weight": (judged(baselines={**BASELINES, "equal weight": 1.1}), "weak", "holding everything earned more"),
    "ruined": (
        judge(
            replace(PERFORMANCE, max_drawdown=1.4),
            PERFORMANCE,
            SIGNIFICANCE,
            SIGNIFICANCE,
            {"equal weight": PERFORMANCE},
            SCORES,
            EVIDENCE,
            (),
        ),
        "none",
        "it lost all it had",
    ),
    "idle": (
        judge(
            replace(PERFORMANCE, turnover=0.0, sharpe=NAN),
            PERFORMANCE,
            SIGNIFICANCE,
            SIGNIFICANCE,
            {"equal weight": PERFORMANCE},
            SCORES,
            EVIDENCE,
            (),
        ),
        "none",
        "it never traded",
    ),
    "survivors": (judged(caveats=(f"{SURVIVORS_ONLY}: today's list",)), "weak", "the data holds survivors only"),
    "brought along": (judged(caveats=(brought_along("score"),)), "weak", "it rests on values from outside the data"),
    "as good as its twins": (judged(twins=(0.2, 1.0, -0.3)), "weak", "it earned as much where there was nothing to learn"),
    "better than its twins": (judged(twins=(0.2, 0.9, -0.3)), "evidence", "luck is an unlikely explanation"),
    "simpler": (judged(baselines={**BASELINES, "linear": 1.2}), "evidence", "the simpler linear model does as well"),
}


@pytest.mark.parametrize("case", HEADLINE_OF)
def test_every_grade_and_every_headline_can_be_reached(case: str) -> None:
    verdict, grade, words = HEADLINE_OF[case]
    assert verdict.grade == grade
    assert verdict.headline.startswith(HEADLINES[grade] + ": ")
    assert words in verdict.headline
    assert len(verdict.reasons) == 7 + ("twins" in case)


def test_a_confidence_of_exactly_095_is_enough_and_a_hair_less_is_not() -> None:
    assert judged(net=CONFIDENCE, alpha=CONFIDENCE, alpha_alone=CONFIDENCE).grade == "evidence"
    less = CONFIDENCE - 1e-12
    assert judged(net=less).grade == judged(alpha=less).grade == "weak"
    assert judged(alpha_alone=less).grade == "none"


probabilities = st.one_of(st.floats(0, 1), st.just(NAN))


@given(st.floats(-5, 5), probabilities, probabilities, probabilities, st.floats(-3, 3))
def test_survivors_only_is_never_more_than_weak_and_adds_nothing(
    sharpe: float, net: float, alpha: float, alone: float, best: float
) -> None:
    baselines = {"buy and hold": best, "equal weight": 0.0}
    plain = judged(sharpe, net, alpha, alone, baselines)
    flattered = judged(sharpe, net, alpha, alone, baselines, ("survivors only",))
    assert flattered.grade == ("weak" if plain.grade == "evidence" else plain.grade)
    assert flattered.caveats == ("survivors only",)


@given(st.floats(-5, 5), probabilities, probabilities, probabilities, st.floats(-3, 3))
def test_evidence_is_given_only_when_every_number_allows_it(
    sharpe: float, net: float, alpha: float, alone: float, best: float
) -> None:
    grade = judged(sharpe, net, alpha, alone, {"buy and hold": best, "equal weight": 0.0}).grade
    allowed = sharpe > 0 and net >= CONFIDENCE and alpha >= CONFIDENCE and alone >= CONFIDENCE and sharpe > max(best, 0.0)
    assert (grade == "evidence") == allowed
    if grade == "weak":
        assert sharpe > 0
        assert alone >= CONFIDENCE


def test_returns_that_never_vary_are_no_evidence() -> None:
    assert judged(sharpe=NAN, net=NAN, alpha=NAN, alpha_alone=NAN).grade == "none"


def test_a_record_of_under_sixty_bars_has_no_verdict() -> None:
    with pytest.raises(DeskError, match="only 59 bars out of sample"):
        judge(
            replace(PERFORMANCE, n_bars=59), PERFORMANCE, SIGNIFICANCE, SIGNIFICANCE, {"a": PERFORMANCE}, SCORES, EVIDENCE, ()
        )
    judge(replace(PERFORMANCE, n_bars=60), PERFORMANCE, SIGNIFICANCE, SIGNIFICANCE, {"a": PERFORMANCE}, SCORES, EVIDENCE, ())


def test_reasons_give_the_numbers_behind_the_verdict() -> None:
    luck, market, baseline, costs, forecasts, shuffled, length = judged().reasons
    assert "one of 2 strategies tried on this data, of which noise would bring the best to 0.50" in luck
    assert "97 %" in luck
    assert "truly above zero is 99 %" in market
    assert "beats the best baseline, linear: 1.00 against 0.80" in baseline
    assert "Costs took 3.0% a year: the Sharpe ratio before them was 1.50" in costs
    assert "rank IC of 0.040 (t = 2.5) 5 bars ahead" in forecasts
    assert "does as well with a chance of 10 %: its timing may be luck" in shuffled
    assert "4.0 years were traded out of sample; at this Sharpe ratio 2.7 are needed" in length


@pytest.mark.parametrize(
    ("net", "gross", "said"),
    [
        (0.5, 1.5, "Costs took 100.0% a year: "),
        (0.5, 2.7, "Costs left 1.50 times the capital after a year, of 3.7 times without them: "),
        (-1.0, 83.26, "Costs left 0.00 times the capital after a year, of 84.3 times without them: "),
        (NAN, 0.5, "Costs took nan% a year: "),
    ],
)
def test_costs_that_eat_more_than_the_capital_are_told_as_what_they_left(net: float, gross: float, said: str) -> None:
    after, before = (replace(PERFORMANCE, annual_return=growth) for growth in (net, gross))
    baselines = {"equal weight": PERFORMANCE}
    reasons = judge(after, before, SIGNIFICANCE, SIGNIFICANCE, baselines, SCORES, EVIDENCE, ()).reasons
    assert f"{said}the Sharpe ratio before them was 1.00." in reasons


def test_the_only_strategy_tried_is_held_against_zero() -> None:
    alone = replace(SIGNIFICANCE, n_effective_trials=1.0)
    reasons = judge(PERFORMANCE, PERFORMANCE, alone, alone, {"a": PERFORMANCE}, SCORES, EVIDENCE, ()).reasons
    assert "the only strategy tried on this data" in reasons[0]


def test_a_loss_is_not_told_how_long_it_needs() -> None:
    assert judged(sharpe=-0.5).reasons[-1] == "4.0 years were traded out of sample."


@pytest.mark.parametrize(("probability", "words"), [(1.0, "over 99 %"), (0.0, "under 1 %"), (0.99, "99 %"), (0.504, "50 %")])
def test_certainty_is_never_claimed(probability: float, words: str) -> None:
    assert chance(probability) == words


LEAK = Echo("feature volume_ratio_20", 0.96, "its label")
RANKED = replace(SCORES, n_samples=10_000, rank_ic_mean=0.38)


def test_a_feature_that_knows_what_follows_leaves_no_evidence_whatever_was_earned() -> None:
    verdict = judged(sharpe=12.6, gross=14.0, echoes=(LEAK,))
    assert verdict.grade == "none"
    assert "feature volume_ratio_20 is correlated 0.96 with its label" in verdict.headline
    assert verdict.reasons[0].startswith("Feature volume_ratio_20 is correlated 0.96")
    assert "desk leakcheck" in verdict.reasons[0]
    assert judged(sharpe=-1.0, echoes=(LEAK,)).reasons[0] == verdict.reasons[0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_rank_ic_that_no_market_gives_is_no_evidence(sign: float) -> None:
    verdict = judged(scores=replace(RANKED, rank_ic_mean=0.26 * sign))
    assert (verdict.grade, TOO_GOOD in verdict.headline) == ("none", True)
    assert "desk leakcheck" in verdict.reasons[0]
    assert judged(scores=replace(RANKED, rank_ic_mean=0.25 * sign)).grade == "evidence"
    assert judged(scores=replace(RANKED, n_samples=9_400)).grade == "evidence"
    assert judged(sharpe=-1.0, scores=RANKED).grade == "none"


def test_a_sharpe_ratio_of_daily_bars_that_no_market_gives_is_no_evidence() -> None:
    assert judged(gross=8.1).grade == judged(gross=8.1, bars_per_year=365.25).grade == "none"
    assert judged(gross=8.0).grade == judged(gross=8.1, bars_per_year=2000.0).grade == "evidence"


def test_evidence_without_twins_says_so_and_with_them_does_not() -> None:
    assert judged().headline.endswith(FEW_TWINS)
    assert judged(twins=(0.2,) * 4).headline.endswith(FEW_TWINS)
    assert FEW_TWINS not in judged(twins=(0.2,) * 5).headline
    assert FEW_TWINS not in judged(net=0.94).headline
