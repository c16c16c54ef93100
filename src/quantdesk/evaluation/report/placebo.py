"""Show where the real run stands among worlds without an edge."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.evidence import Placebos, Shuffles
from quantdesk.evaluation.report import wording
from quantdesk.evaluation.report.axes import Scale
from quantdesk.evaluation.report.charts import dot, empty, frame, keys
from quantdesk.evaluation.report.wording import NOTHING, count, escape, number, percent, table

RARE = 0.05
"""A share of shuffled orders at or below this calls the timing of the decisions no accident."""

_TONES = {"resampled prices": 1, "permuted labels": 2, "GARCH market": 3}
_OTHER = 4
_N_BINS = 30
_FLOOR = 0.55  # share of the picture, from below, that the histogram may fill; dots lie above it
_WORLDS = {
    "resampled prices": "whole days drawn in blocks, each turned up or down by chance",
    "permuted labels": "learned from labels of other times, traded on the real prices",
    "GARCH market": "simulated with the market's volatility and betas",
}


def section(placebos: Placebos | None, shuffles: Shuffles, net_sharpe: float | None = None) -> str:
    """Say and draw how what was earned compares with what needs no edge.

    Parameters
    ----------
    placebos : Placebos or None
        What whole twins gave; None where none was run.
    shuffles : Shuffles
        What the same decisions and forecasts gave at other times.
    net_sharpe : float or None
        The run's net annual Sharpe ratio, as the rest of the page says it. The shuffles' own differs a little, because
        they charge costs to the returns of an account without any, which a limit on drawdown stops on other days; it
        is shown where this is None.
    """
    alone = shuffles.real_sharpe if net_sharpe is None or not np.isfinite(shuffles.real_sharpe) else net_sharpe
    real = placebos.real_sharpe if placebos else alone
    said = f'<div class="prose"><p>{_twins_sentence(placebos)} {_shuffles_sentence(shuffles)}</p></div>'
    return wording.section(
        "placebo", "In worlds without an edge", f"{said}{_picture(placebos, shuffles, real)}{_table(placebos, shuffles, real)}"
    )


def _twins_sentence(placebos: Placebos | None) -> str:
    if placebos is None or not len(placebos.worlds):
        return "No twins of the market were run."
    n, better = len(placebos.worlds), placebos.rank - 1
    twins = f"Of {n} twins without an edge" if n > 1 else "In the one twin without an edge that was run"
    if not better:
        least = f"chance alone puts it first once in {n + 1}"
        return f"{twins}, none did as well: {least}." if n > 1 else f"{twins}, less was earned: {least}."
    if n == 1:
        return f"{twins}, as much was earned or more: what it earned needs no edge."
    meaning = "what it earned needs no edge" if 5 * better > n else "what it earned is rare without an edge, but needs none"
    return f"{twins}, {better} did as well or better: {meaning}."


def _shuffles_sentence(shuffles: Shuffles) -> str:
    if not np.isfinite(shuffles.real_sharpe):
        return "It decided nothing whose timing could be shuffled."
    share = percent(shuffles.sharpe_p, 0 if shuffles.sharpe_p >= 0.1 else 1)
    meaning = "so their timing is no accident" if shuffles.sharpe_p <= RARE else "so nothing shows that their timing mattered"
    return (
        f"The same decisions taken at later times did as well in {share} of {count(len(shuffles.sharpes))} orders, {meaning}."
    )


def _picture(placebos: Placebos | None, shuffles: Shuffles, real: float) -> str:
    twins = placebos.sharpes if placebos else np.empty(0)
    known = np.concatenate([twins, shuffles.sharpes, [real]])
    known = known[np.isfinite(known)]
    heap = "the grey heap is the same decisions given to later times. An edge shows as a line to the right of"
    if placebos is None or not len(placebos.worlds):
        caption = f"{heap[0].upper()}{heap[1:]} it."
    else:
        caption = f"Each dot is a twin of the market on which everything ran anew; {heap} both."
    if not len(known):
        return empty(caption)
    across = Scale.over(known, pad=0.06)
    svg = _heap(shuffles.sharpes, across) + _upright(across, real)
    over = _dots(placebos, across) + _label(across, real)
    picture = frame(svg, 240, across.ticks(7), [], over=over, x_unit="Sharpe ratio a year, after costs")
    return f"<figure>{_legend(placebos)}{picture}<figcaption>{caption}</figcaption></figure>"


def _heap(sharpes: Float64, across: Scale) -> str:
    heights, edges = np.histogram(sharpes[np.isfinite(sharpes)], bins=_N_BINS, range=(across.low, across.high))
    tallest = max(int(heights.max()), 1)
    places = 1000.0 * across.position(edges)
    return (
        "".join(
            f'<rect class="t{_OTHER}" style="fill:var(--tone);fill-opacity:.4" x="{left:.1f}" width="{right - left - 1:.1f}" '
            f'y="{1000 * (1 - _FLOOR * height / tallest):.1f}" height="{1000 * _FLOOR * height / tallest:.1f}"/>'
            for left, right, height in zip(places[:-1], places[1:], heights, strict=True)
            if height
        )
        + '<path class="zero" d="M0 1000H1000"/>'
    )


def _upright(across: Scale, real: float) -> str:
    if not np.isfinite(real):
        return ""
    return f'<path class="line t0" d="M{1000 * _at(across, real):.1f} 60V1000"/>'


def _label(across: Scale, real: float) -> str:
    if not np.isfinite(real):
        return ""
    place = _at(across, real)
    side = f"right:{100 * (1 - place):.2f}%" if place > 0.7 else f"left:{100 * place:.2f}%"
    style = f"position:absolute;top:-4px;{side};padding:0 6px;font-size:13px;color:var(--t0);white-space:nowrap"
    return f'<b style="{style}">the real run, {number(real)}</b>'


def _dots(placebos: Placebos | None, across: Scale) -> str:
    if placebos is None:
        return ""
    lanes = {kind: lane for lane, kind in enumerate(dict.fromkeys(placebos.worlds))}
    places = across.position(placebos.sharpes)
    return "".join(
        dot(float(place), 0.84 - 0.1 * lanes[kind], _tone(kind), f"{kind}: Sharpe {number(sharpe)}, rank IC {number(ic, 3)}")
        for kind, place, sharpe, ic in zip(placebos.worlds, places, placebos.sharpes, placebos.rank_ics, strict=True)
    )


def _legend(placebos: Placebos | None) -> str:
    kinds = list(dict.fromkeys(placebos.worlds)) if placebos else []
    names = ["the real run", *kinds, "the same decisions at later times"]
    return keys(names, [0, *(_tone(kind) for kind in kinds), _OTHER])


def _table(placebos: Placebos | None, shuffles: Shuffles, real: float) -> str:
    heads = ["", "Worlds", "Sharpe, median", "Alpha Sharpe, median", "Rank IC, median", "As well or better"]
    alpha, rank_ic = (placebos.real_alpha_sharpe, placebos.real_rank_ic) if placebos else (np.nan, shuffles.real_rank_ic)
    rows = [["The real run", "1", number(real), number(alpha), number(rank_ic, 3), ""]]
    rows += [_row(placebos, kind) for kind in dict.fromkeys(placebos.worlds)] if placebos else []
    medians = (_median(shuffles.sharpes), NOTHING, _median(shuffles.rank_ics, 3))
    ranked = f"Sharpe {percent(shuffles.sharpe_p)}, rank IC {percent(shuffles.rank_ic_p)}"
    rows.append(["The same decisions at later times", count(len(shuffles.sharpes)), *medians, ranked])
    notes = "; ".join(f"{kind}: {text}" for kind, text in _WORLDS.items() if placebos and kind in placebos.worlds)
    caption = f"{escape(notes[:1].upper() + notes[1:])}. " if notes else ""
    caption += "What is held all the time alike earns no credit from its timing."
    return table(heads, rows, caption=caption, marked=0)


def _row(placebos: Placebos, kind: str) -> list[str]:
    of = np.array([world == kind for world in placebos.worlds])
    better = int(np.sum(~(placebos.sharpes[of] < placebos.real_sharpe)))
    medians = [_median(placebos.sharpes[of]), _median(placebos.alpha_sharpes[of]), _median(placebos.rank_ics[of], 3)]
    return [escape(kind[:1].upper() + kind[1:]), count(int(of.sum())), *medians, f"{better} of {int(of.sum())}"]


def _median(values: Float64, digits: int = 2) -> str:
    known = values[np.isfinite(values)]
    return number(float(np.median(known)), digits) if len(known) else NOTHING


def _tone(kind: str) -> int:
    return _TONES.get(kind, _OTHER)


def _at(scale: Scale, value: float) -> float:
    return float(scale.position(np.array([value]))[0])
