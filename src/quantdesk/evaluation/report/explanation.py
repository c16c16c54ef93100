"""Show what the forecasts rest on: what each feature's loss costs beside its noise band, and what features add through time."""

import numpy as np

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.attention import Attention
from quantdesk.evaluation.explanation.findings import Explanation, Flow
from quantdesk.evaluation.explanation.words import words
from quantdesk.evaluation.report.axes import Scale, Tick, time_ticks
from quantdesk.evaluation.report.charts import dot, empty, frame, keys, trace
from quantdesk.evaluation.report.wording import count, day, escape, number, percent, table
from quantdesk.evaluation.report.wording import section as titled

_N_FEATURES = 12
_N_FAMILIES = 6
_EVEN = 0.1  # attention that leaves even by no more than this share of it says nothing
_DOT = '<span class="key t2"><i style="width:8px;height:8px;border-radius:50%"></i>left out instead of shuffled</span>'
_MIXED = 0.3  # rank correlations of value and contribution nearer to 0 than this point neither way


def section(explanation: Explanation | None) -> str:
    """Write the part of the report on what the forecasts rest on."""
    if explanation is None:
        said = "There was no feature to look at, or no outcome to score the forecasts by."
        return titled("explanation", "What the forecasts rest on", f'<div class="prose"><p>{said}</p></div>')
    first, *rest = (f"<p>{escape(sentence)}</p>" for sentence in words(explanation))
    body = (
        f'<div class="prose">{first}</div>{_falls(explanation)}<div class="prose" style="margin-top:18px">{"".join(rest)}</div>'
        f"{_added(explanation)}{_attended(explanation)}{_measured(explanation)}"
    )
    return titled("explanation", "What the forecasts rest on", body)


def _falls(of: Explanation) -> str:
    shown = _shown(of)
    fall, left_out = of.shuffled_skill, of.ablated_skill.mean
    rows = np.concatenate([np.array(columns, dtype=np.int64) for _, columns in shown])
    known = np.concatenate([fall.mean[rows], fall.reach[rows], -fall.reach[rows], left_out[rows], [0.0]])
    scale = Scale.over(known, pad=0.03)
    drawn = "".join(_group(title, columns, of, scale) for title, columns in shown if columns)
    unit = "Rank IC lost" if of.is_across else "Rank correlation lost"
    axis = _foot(scale.ticks(7), unit)
    legend = keys(["more than noise", "within noise", "better without it"], [0, 4, 1]).replace("</p>", f"{_DOT}</p>")
    chart = f'<div class="bars" style="row-gap:3px">{drawn}<span></span><div>{axis}</div><span></span></div>'
    return f"<figure>{legend}{chart}<figcaption>{_basis(of)}</figcaption></figure>"


def _basis(of: Explanation) -> str:
    hidden = len(of.feature_names) - _N_FEATURES
    rest = f" {count(hidden)} that moved less are not shown." if hidden > 0 else ""
    return (
        f"Out of sample, nothing learned again: {count(len(of.times))} times from {day(of.times[0])} to {day(of.times[-1])} "
        f"whose outcomes do not overlap, {count(of.n_instruments)} instruments, {of.n_draws} shuffles each. The grey band is "
        f"where the furthest of {count(len(of.names) - 1)} useless features and families would stay in 19 of 20 worlds; all "
        f"features together have a band of their own. A family is features that resemble one another, lost together.{rest}"
    )


def _shown(of: Explanation, n_features: int = _N_FEATURES, n_kin: int = _N_FAMILIES) -> list[tuple[str, list[int]]]:
    n, n_families, mean = len(of.feature_names), len(of.families), of.shuffled_skill.mean
    features = _largest(np.abs(mean[:n]), mean[:n], n_features)
    kin = [n + place for place in _largest(np.abs(mean[n : n + n_families]), mean[n : n + n_families], n_kin)]
    return [("", [len(of.names) - 1]), ("Families", kin), ("Features, one at a time", features)]


def _largest(sizes: Float64, values: Float64, n: int) -> list[int]:
    chosen = np.argsort(-sizes, kind="stable")[:n]
    ordered: list[int] = chosen[np.argsort(-values[chosen], kind="stable")].tolist()
    return ordered


def _group(title: str, columns: list[int], of: Explanation, scale: Scale) -> str:
    style = "grid-column:1/-1;margin-top:8px;color:var(--soft)"
    head = f'<span style="{style}">{title}</span>' if title else ""
    return head + "".join(_bar(column, of, scale) for column in columns)


def _bar(column: int, of: Explanation, scale: Scale) -> str:
    fall, name = of.shuffled_skill, of.names[column]
    mean, reach, left_out = (float(values[column]) for values in (fall.mean, fall.reach, of.ablated_skill.mean))
    tone = 0 if fall.is_more[column] else 1 if fall.is_harm[column] else 4
    zero, end, low, high = (1000 * scale.position(np.array([0.0, mean, -reach, reach]))).tolist()
    svg = (
        f'<rect style="fill:var(--t4);fill-opacity:.17" x="{low:.1f}" width="{high - low:.1f}" y="0" height="1000"/>'
        f'<rect style="fill:var(--t{tone});opacity:.9" x="{min(zero, end):.1f}" width="{max(abs(end - zero), 1.5):.1f}" '
        f'y="250" height="500"/><path class="zero" d="M{zero:.1f} 0V1000"/>'
    )
    title = (
        f"{name}: {number(mean, 4)} lost, standard error {number(float(fall.error[column]), 4)}, "
        f"band up to {number(reach, 4)}, p {number(float(fall.p_values[column]), 3)}; left out {number(left_out, 4)}"
    )
    mark = dot(float(scale.position(np.array([left_out]))[0]), 0.5, 2, f"{name}, left out: {number(left_out, 4)}")
    return (
        f'<span class="bar-name" style="max-width:20em">{escape(name)}</span>'
        f'<div class="plot bare" style="height:17px;margin:0" title="{escape(title)}"><svg viewBox="0 0 1000 1000" '
        f'preserveAspectRatio="none" aria-hidden="true">{svg}</svg>{mark}</div><span class="bar-value">{number(mean, 3)}</span>'
    )


def _added(of: Explanation) -> str:
    flow = of.flow
    order = np.argsort(-np.nan_to_num(flow.mean), kind="stable")[:_N_FEATURES]
    caption = (
        "Darker is more: the mean size of what a feature adds to the forecast or takes from it (SHAP value) over the "
        "instruments of each time. To the right its mean, in basis points of return, and which way a high value moves the "
        "forecast."
    )
    title = '<h3 style="margin-top:32px">What each feature added, through time</h3>'
    if not (np.nan_to_num(flow.sizes) > 0).any():
        return title + empty(caption)
    names = [of.feature_names[column] for column in order.tolist()]
    notes = [_pull(flow, column) for column in order.tolist()]
    sizes = flow.sizes[:, order] * 1e4
    return title + _strips(flow.times, names, sizes, float(np.nanquantile(sizes[sizes > 0], 0.99)), notes, "bps", caption)


def _pull(flow: Flow, column: int) -> str:
    size, way = number(1e4 * float(flow.mean[column]), 1), float(flow.directions[column])
    said = "either way" if not abs(way) >= _MIXED else "high raises it" if way > 0 else "high lowers it"
    return f'{size} · <span title="rank correlation of value and contribution {number(way)}">{said}</span>'


def _strips(times: Times, names: list[str], values: Float64, darkest: float, notes: list[str], unit: str, caption: str) -> str:
    rows = "".join(
        f'<span class="bar-name" title="{escape(name)}">{escape(name)}</span>'
        f'<div class="plot bare" style="height:17px;margin:0">{_cells(times, column, darkest, unit)}</div>'
        f'<span class="bar-value" style="text-align:left">{note}</span>'
        for name, column, note in zip(names, values.T, notes, strict=True)
    )
    n = len(times)
    ticks = [((place * (n - 1) + 0.5) / n, label) for place, label in time_ticks(times)]
    return (
        f'<figure><div class="bars" style="row-gap:2px">{rows}<span></span><div>{_foot(ticks, "")}</div><span></span></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _cells(times: Times, values: Float64, darkest: float, unit: str) -> str:
    width = 1000 / len(values)
    cells = "".join(
        f'<rect x="{place * width:.1f}" width="{width + 0.3:.1f}" y="0" height="1000" '
        f'style="fill:rgb(var(--up) / {min(value / darkest, 1.0):.2f})">'
        f"<title>{day(time)}: {number(value, 2)} {unit}</title></rect>"
        for place, (time, value) in enumerate(zip(times, values.tolist(), strict=True))
        if value == value
    )
    ground = '<rect x="0" width="1000" y="0" height="1000" style="fill:var(--raised)"/>'
    return f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{ground}{cells}</svg>'


def _foot(ticks: list[Tick], unit: str) -> str:
    return frame("", 0, ticks, [], x_unit=unit).replace("height:0px", "height:0;margin:0 0 30px")


def _attended(of: Explanation) -> str:
    if of.attention is None:
        return ""
    drawn = _lags(of.attention) + _selected(of, of.attention)
    if not drawn:
        return ""
    said = (
        "Where the network looked is not yet why it said what it said: other weights can lead to the same forecast "
        "(Jain &amp; Wallace 2019). Read it beside the shuffles above, which change the input and see what happens."
    )
    return f'<h3 style="margin-top:32px">Where the network looked</h3><div class="prose"><p>{said}</p></div>{drawn}'


def _lags(attention: Attention) -> str:
    if attention.lags is None or not np.isfinite(attention.lags).any():
        return ""
    n, weights = attention.lags.shape[1], np.nanmean(attention.lags, axis=0)
    low, high = (np.asarray(np.nanquantile(attention.lags, share, axis=0)) for share in (0.1, 0.9))
    across, up = Scale(float(1 - n), 0.0), Scale.over(np.concatenate([high, [0.0, 1.0 / n]]), pad=0.08)
    x = across.position(np.arange(1 - n, 1).astype(np.float64))
    ring = np.concatenate([up.position(high), up.position(low)[::-1]])
    even = 1000 * (1 - float(up.position(np.array([1.0 / n]))[0]))
    svg = (
        f"{trace(np.concatenate([x, x[::-1]]), ring, 0, 'area')}"
        f'<path class="mean" d="M0 {even:.1f}H1000"/>{trace(x, up.position(weights), 0)}'
    )
    marks = up.ticks(4, percent=True)
    picture = frame(svg, 190, across.ticks(8), marks, unit="Share of attention, %", x_unit="Bars before the present")
    caption = (
        "The line is the mean over times, the shade holds eight in ten of them, and the dashed line is even attention to "
        f"every bar of the window.{_evenness(weights)}"
    )
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _evenness(weights: Float64) -> str:
    is_even = bool((np.abs(weights * len(weights) - 1.0) <= _EVEN).all())
    return f" No bar is more than {percent(_EVEN, 0)} away from even: indistinguishable from even." if is_even else ""


def _selected(of: Explanation, attention: Attention) -> str:
    weights = attention.features
    if weights is None or not np.isfinite(weights).any():
        return ""
    mean = np.nanmean(weights, axis=0)
    order = np.argsort(-mean, kind="stable")[:_N_FEATURES]
    names, notes = [of.feature_names[column] for column in order], [percent(float(mean[column])) for column in order]
    caption = (
        "The weights by which the network selects variables, through time; to the right their mean. "
        f"Even weights would be {percent(1 / len(mean))}."
    )
    darkest = max(float(np.nanmax(weights)), 2.0 / len(mean))
    return _strips(of.flow.times, names, weights[:, order] * 100.0, 100.0 * darkest, notes, "%", caption)


def _measured(of: Explanation) -> str:
    heads = ["", "Rank IC lost", "± error", "of it by the draw", "p", "Left out", "Quantile loss gained", "p"]
    rows = [_row(of, column) for _, group in _shown(of, 8, 4) for column in group]
    kin = "; ".join(
        f"<i>{escape(family.name)}</i>: {escape(', '.join(of.feature_names[column] for column in family.members))}"
        for family in of.families
    )
    caption = (
        "p: the chance that the furthest of useless columns goes as far, all of them counted. Quantile loss: of the forecast "
        f"distribution, in units of volatility, {number(of.loss, 3)} with nothing lost; gained as a share of it. "
        f"{f'Families: {kin}.' if kin else ''}"
    )
    return f'<h3 style="margin-top:32px">Measured</h3>{table(heads, rows, caption=caption)}'


def _row(of: Explanation, column: int) -> list[str]:
    skill, loss = of.shuffled_skill, of.shuffled_loss
    return [
        escape(of.names[column]),
        *(number(float(values[column]), 4) for values in (skill.mean, skill.error, skill.spread)),
        number(float(skill.p_values[column]), 3),
        number(float(of.ablated_skill.mean[column]), 4),
        percent(float(loss.mean[column]), 2),
        number(float(loss.p_values[column]), 3),
    ]
