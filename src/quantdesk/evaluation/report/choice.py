"""Show what choosing among the trials amounts to, and whether the data can tell the models apart."""

import math

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.comparison import Superiority
from quantdesk.evaluation.evidence import LEAST_TRIALS, Comparison, Evidence, Selection
from quantdesk.evaluation.overfitting import Overfitting
from quantdesk.evaluation.report.axes import Scale, Tick
from quantdesk.evaluation.report.charts import frame
from quantdesk.evaluation.report.wording import confidence, count, escape, number, percent, section, table


def choice(evidence: Evidence) -> str:
    """Say what is left of the best of all trials once it was chosen."""
    chosen = evidence.selection
    spans = f"{number(chosen.interval.low)} to {number(chosen.interval.high)}"
    story = (
        f"<p>The net Sharpe ratio lies between <b>{spans}</b> with {percent(chosen.interval.confidence, 0)} confidence, "
        f"dependence between bars allowed for. {_worth(chosen)}</p>"
    )
    body = f'<div class="prose">{story}{_superior(chosen.superiority)}</div>{_overfitted(chosen.overfitting)}'
    return section("choice", "What the choosing amounts to", body)


def rivals(comparison: Comparison | None) -> str:
    """Set the forecasts beside those of simpler models."""
    if comparison is None:
        return section("rivals", "Beside simpler models", '<p class="none">Too few outcomes to compare forecasts.</p>')
    rows = [
        [escape(name), number(loss, 5), confidence(p), "yes" if stays else "no"]
        for name, loss, p, stays in zip(
            comparison.names, comparison.losses, comparison.p_values, comparison.may_be_best, strict=True
        )
    ]
    heads = ["Model", "Squared error, in units of variance", "p-value of the confidence set", "May be the best"]
    note = "Model confidence set at 90 % (Hansen, Lunde &amp; Nason 2011): what it holds, the data cannot rule out as the best."
    prose = f'<div class="prose"><p>{_against_linear(comparison)}</p></div>'
    return section("rivals", "Beside simpler models", prose + table(heads, rows, caption=note, marked=0))


def _worth(chosen: Selection) -> str:
    if chosen.n_effective <= 1:
        return "It is the only strategy tried on this data so far."
    one = "trial" if chosen.n_series == 1 else "trials"
    known = f"{count(chosen.n_series)} distinct {one} on these bars, this one included"
    return f"The returns of {known}, are known; all trials together are worth {number(chosen.n_effective, 1)} independent ones."


def _superior(found: Superiority | None) -> str:
    if found is None:
        return f"<p>With fewer than {LEAST_TRIALS} trials there is no choice to speak of yet.</p>"
    return (
        "<p>Were none of these trials any better than the market, the best of them would look as good as it does with a "
        f"probability of <b>{confidence(found.consistent)}</b> (Hansen's test of superior predictive ability; White's reality "
        f"check says {confidence(found.reality_check)}).</p>"
    )


def _overfitted(found: Overfitting | None) -> str:
    if found is None:
        return ""
    others, noise = ([percent(edge, 0) for edge in edges] for edges in (found.spread, found.noise))
    caption = (
        f"Each of {count(len(found.logits))} ways to halve history chooses the best trial on one half and ranks it on the "
        f"other. It falls into the lower half {percent(found.probability, 0)} of the time: the probability of backtest "
        f"overfitting, which with other histories of this kind would lie between {others[0]} and {others[1]}, and for trials "
        f"without any edge between {noise[0]} and {noise[1]}. Its Sharpe ratio goes from {number(found.in_sample)} where it "
        f"was chosen to {number(found.out_of_sample)} on the other half."
    )
    return f"<figure>{_histogram(found.logits)}<figcaption>{caption}</figcaption></figure>"


def _histogram(logits: Float64) -> str:
    # Ranks, from the worst to the best of the trials, rather than their log odds: nobody thinks in log odds.
    counts, edges = np.histogram(1.0 / (1.0 + np.exp(-logits)), bins=10, range=(0.0, 1.0))
    up = Scale(0.0, max(1.0, float(counts.max())) * 1.08)
    tops = up.position(counts.astype(np.float64))
    shapes = "".join(
        f'<rect class="judged" x="{1000 * low + 4:.0f}" width="92" y="{1000 * (1 - top):.1f}" height="{1000 * top:.1f}"/>'
        for low, top in zip(edges[:-1], tops, strict=True)
    )
    across: list[Tick] = [(0.0, "the worst"), (0.5, "middle"), (1.0, "the best")]
    svg = f'{shapes}<path class="mean" d="M500 0V1000"/>'
    return f'<div class="folds">{frame(svg, 150, across, up.ticks(3), unit="Ways to halve history")}</div>'


def _against_linear(comparison: Comparison) -> str:
    if not math.isfinite(comparison.p_value):
        return "The forecasts do not differ from the linear model's."
    better = "smaller" if comparison.statistic < 0 else "larger"
    verdict = "which luck explains easily" if comparison.p_value > 0.05 else "more than luck explains"
    return (
        f"Its squared error is {better} than the linear model's (Diebold–Mariano {number(comparison.statistic, 1)}, "
        f"p {confidence(comparison.p_value)}), {verdict}."
    )
