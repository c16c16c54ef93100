"""The rules by which numbers become words: all of them stand here."""

import math

import numpy as np

from quantdesk.domain.errors import DeskError
from quantdesk.evaluation.evidence import Evidence, Placebos, Selection
from quantdesk.evaluation.leaks.echoes import Echo
from quantdesk.evaluation.outcome import ForecastScores, Performance, Verdict
from quantdesk.evaluation.significance import Significance
from quantdesk.registry import FEW_TWINS, LEAST_TWINS

CONFIDENCE = 0.95
"""A deflated Sharpe ratio at or above this counts as evidence."""

SURVIVORS_ONLY = "survivors only"
"""A caveat that holds these words says that the data has lost its losers."""

BROUGHT_ALONG = "brought along, not computed from the data"
"""A caveat that holds these words says that a feature has its values from elsewhere."""

PASSIVE = ("buy and hold", "equal weight")
"""Baselines that decide nothing; the others follow the strategy's own rule with a simpler model."""

BEST_RANK_IC, LEAST_RANKED = 0.25, 10
"""No market lets itself be ranked better, where this many instruments a bar are ranked."""

BEST_SHARPE, DAILY = 8.0, 366.0
"""Before costs, at this many bars a year or fewer: no rule of daily bars is known to earn more."""

TOO_GOOD = "too good to be true for a market: look for a leak (desk leakcheck)"

HEADLINES = {
    "none": "no evidence of an edge",
    "weak": "weak evidence of an edge",
    "evidence": "evidence of an edge",
}


def judge(
    performance: Performance,
    gross: Performance,
    net: Significance,
    alpha: Significance,
    baselines: dict[str, Performance],
    scores: ForecastScores,
    evidence: Evidence,
    caveats: tuple[str, ...],
) -> Verdict:
    """Decide what the numbers allow.

    ``evidence`` asks for all of: a deflated Sharpe ratio of 0.95 after costs; the same for what is
    left once the market is taken out; more than both passive baselines; and more than every placebo. ``weak`` asks that what
    is left once the market is taken out beats zero at 0.95 before trials are counted. Anything else
    is none. A simpler model that does as well takes no edge away, but the headline says so.
    Data of survivors only supports no more than ``weak``: the losers that a strategy might have
    held are not in it. So does a feature that was brought along; and a result too good for a market, or a feature that
    knows what follows, leaves no evidence at all, whatever was earned.

    Parameters
    ----------
    performance, gross : Performance
        After costs, and without.
    net, alpha : Significance
        Of the net returns, and of those left after the equal-weight beta.
    baselines : dict of str to Performance
        The same bars at the same costs.
    scores : ForecastScores
        At the horizon traded.
    evidence : Evidence
        What luck, choice and change would make of it.
    caveats : tuple of str
        Of the data.

    Raises
    ------
    DeskError
        If there are too few bars for any verdict.
    """
    if performance.n_bars < 60:
        raise DeskError(f"only {performance.n_bars} bars out of sample", "60 or more", "bring a longer history")
    best = max(baselines, key=lambda name: np.nan_to_num(baselines[name].sharpe, nan=-np.inf))
    doubts = (*map(_leaked, evidence.echoes), *((TOO_GOOD,) if _is_too_good(gross, scores) else ()))
    grade, why = _grade(performance, net, alpha, baselines, evidence, caveats, doubts)
    if grade != "none" and not doubts and baselines[best].sharpe > performance.sharpe and best not in PASSIVE:
        why += f"; the simpler {best} model does as well"
    if grade == "evidence" and (evidence.placebos is None or len(evidence.placebos.sharpes) < LEAST_TWINS):
        why += f"; {FEW_TWINS}"
    reasons = (
        *(f"{doubt[0].upper()}{doubt[1:]}." for doubt in doubts),
        _luck(net),
        _market(alpha),
        _baseline(performance, best, baselines[best]),
        _costs(performance, gross),
        _forecasts(scores),
        *_twins(evidence),
        _length(net, performance),
        *_choice(evidence.selection),
    )
    return Verdict(grade, f"{HEADLINES[grade]}: {why}", reasons, caveats)


def _is_likely(above_zero: Significance) -> bool:
    return bool(above_zero.probabilistic_sharpe >= CONFIDENCE)


def _grade(
    performance: Performance,
    net: Significance,
    alpha: Significance,
    baselines: dict[str, Performance],
    evidence: Evidence,
    caveats: tuple[str, ...],
    doubts: tuple[str, ...],
) -> tuple[str, str]:
    if evidence.echoes:
        return "none", doubts[0]
    if not performance.turnover:
        return "none", "it never traded"
    if performance.max_drawdown >= 1:
        return "none", "it lost all it had"
    if performance.sharpe <= 0:
        return "none", f"after costs it earned a Sharpe ratio of {said(performance.sharpe)}"
    if not _is_likely(alpha):
        return "none", "what it earned is what the market paid, or luck" if _is_likely(net) else "what it earned may be luck"
    if doubts:
        return "none", doubts[0]
    is_deflated = net.deflated_sharpe >= CONFIDENCE and alpha.deflated_sharpe >= CONFIDENCE
    beats_holding = all(performance.sharpe > baselines[name].sharpe for name in PASSIVE if name in baselines)
    short = _short_of(is_deflated, beats_holding, evidence.placebos) or _capped(caveats)
    return ("weak", short) if short else ("evidence", "after costs, trials and the market, luck is an unlikely explanation")


def _leaked(echo: Echo) -> str:
    return f"{echo.thing} is correlated {said(echo.correlation)} with {echo.answer}: it knows what follows (desk leakcheck)"


def _is_too_good(gross: Performance, scores: ForecastScores) -> bool:
    ranked = abs(scores.rank_ic_mean) > BEST_RANK_IC and round(scores.n_samples / max(gross.n_bars, 1)) >= LEAST_RANKED
    return ranked or (gross.sharpe > BEST_SHARPE and gross.bars_per_year <= DAILY)


def brought_along(feature: str) -> str:
    """Say of a feature that it was not computed from the data, as a caveat."""
    return (
        f"feature {feature} is {BROUGHT_ALONG}: when its values became known cannot be checked "
        "(`desk data attach` joins facts with the time each became known)"
    )


def _capped(caveats: tuple[str, ...]) -> str:
    caps = {
        SURVIVORS_ONLY: "the data holds survivors only, which flatters what it held",
        BROUGHT_ALONG: "it rests on values from outside the data, and when they became known cannot be checked",
    }
    return next((why for words, why in caps.items() if any(words in caveat for caveat in caveats)), "")


def _short_of(is_deflated: bool, beats_holding: bool, placebos: Placebos | None) -> str:
    if not is_deflated:
        return "it may be the best of several tries"
    if not beats_holding:
        return "holding everything earned more for the risk"
    if placebos is not None and placebos.rank > 1:
        return "it earned as much where there was nothing to learn"
    return ""


def said(value: float, digits: int = 2) -> str:
    """Write a number, or a dash where there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def chance(probability: float) -> str:
    """Write a probability without ever claiming certainty."""
    if not math.isfinite(probability):
        return "unknown"
    if probability > 0.99:
        return "over 99 %"
    return "under 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def _luck(net: Significance) -> str:
    if net.n_effective_trials <= 1:
        tried = "the only strategy tried on this data, so it is held against zero"
    else:
        tried = (
            f"one of {round(net.n_effective_trials, 1):g} strategies tried on this data, of which noise would bring the best "
        )
        tried += f"to {said(net.expected_best_from_noise)}"
    return (
        f"Net Sharpe {said(net.sharpe)}, {tried}: the chance that the true one is above that is {chance(net.deflated_sharpe)}."
    )


def _market(alpha: Significance) -> str:
    return (
        f"With the equal-weight market taken out the Sharpe ratio is {said(alpha.sharpe)}; "
        f"the chance that it is truly above zero is {chance(alpha.probabilistic_sharpe)}."
    )


def _baseline(performance: Performance, name: str, best: Performance) -> str:
    if said(performance.sharpe) == said(best.sharpe):
        return f"It does as well as the best baseline, {name}: {said(best.sharpe)}."
    relation = "beats" if performance.sharpe > best.sharpe else "does not beat"
    return f"It {relation} the best baseline, {name}: {said(performance.sharpe)} against {said(best.sharpe)}."


def _costs(performance: Performance, gross: Performance) -> str:
    taken = gross.annual_return - performance.annual_return
    before = f"the Sharpe ratio before them was {said(gross.sharpe)}."
    if not taken > 1:
        return f"Costs took {taken:.1%} a year: {before}"
    # Growth compounds: a difference of rates as large as this is not what was paid.
    left, made = said(1 + performance.annual_return), said(1 + gross.annual_return, 1)
    return f"Costs left {left} times the capital after a year, of {made} times without them: {before}"


def _forecasts(scores: ForecastScores) -> str:
    return (
        f"The forecasts ranked instruments with a rank IC of {said(scores.rank_ic_mean, 3)} (t = {said(scores.rank_ic_t, 1)}) "
        f"{scores.horizon} bars ahead, and the 90 % intervals held {said(100 * scores.interval_coverage, 0)} % of outcomes."
    )


def _length(net: Significance, performance: Performance) -> str:
    years = performance.n_bars / performance.bars_per_year
    if net.sharpe <= 0:
        return f"{years:.1f} years were traded out of sample."
    needed = net.min_track_record_years
    spoken = f"{needed:.1f} are" if needed < 100 else "more than a century is"
    return f"{years:.1f} years were traded out of sample; at this Sharpe ratio {spoken} needed to tell it from zero."


def _choice(chosen: Selection) -> tuple[str, ...]:
    found = chosen.overfitting
    if found is None or chosen.superiority is None:
        return ()
    return (
        f"Of the {chosen.n_series} trials whose returns are known, the best on one half of history falls into the lower half "
        f"on the other {100 * found.probability:.0f} % of the time, where noise gives {100 * found.noise[0]:.0f} to "
        f"{100 * found.noise[1]:.0f} %; were none better than the market, the best of them would do as well with a chance of "
        f"{chance(chosen.superiority.consistent)}.",
    )


def _twins(evidence: Evidence) -> tuple[str, ...]:
    p = evidence.shuffles.sharpe_p
    meaning = "its timing earns something" if p <= 1 - CONFIDENCE else "its timing may be luck"
    shuffled = f"Taking earlier days' decisions instead does as well with a chance of {chance(p)}: {meaning}."
    if evidence.placebos is None:
        return (shuffled,)
    n_twins, n_better = len(evidence.placebos.sharpes), evidence.placebos.rank - 1
    twins = f"In {n_better} of {n_twins} twins of the market without an edge, the same pipeline earned as much or more."
    return (twins, shuffled)
