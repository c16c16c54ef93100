"""Show what the result rests on: every change beside the Sharpe ratio as traded."""

import math
from typing import NamedTuple

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.report.axes import Scale, Tick
from quantdesk.evaluation.report.charts import dot, empty, frame, keys, trace
from quantdesk.evaluation.report.wording import count, day, escape, number, percent, table
from quantdesk.evaluation.report.wording import section as titled
from quantdesk.evaluation.robustness.findings import Capacity, Change, Contribution, Periods, Robustness, Stretch
from quantdesk.evaluation.robustness.words import words

_WIDEST = 4.0
"""Sharpe ratios further than this from the base are drawn at the edge."""


class Strip(NamedTuple):
    """One row of the main picture: a kind of change, and what each one left."""

    name: str
    changes: tuple[Change, ...]


def section(robustness: Robustness) -> str:
    """Write the part of the report on robustness."""
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in words(robustness))
    body = (
        f'<div class="prose">{said}</div>{_strips(robustness)}'
        f'<div class="two" style="margin-top:32px">{_capacity(robustness.capacity)}{_years(robustness.periods)}</div>'
        f"{_markets(robustness.periods)}{_parts(robustness.contribution)}"
    )
    return titled("robustness", "What the result rests on", body)


def strips(robustness: Robustness) -> tuple[Strip, ...]:
    """Group every change by its kind, those without any left out."""
    of = robustness
    late = zip(of.delays.bars[1:], of.delays.sharpes[1:], strict=True)
    begun = zip(of.starts.times, of.starts.sharpes, strict=True)
    moved = zip(of.starts.shifts, of.starts.shifted, strict=True)
    capital = zip(of.capacity.capitals, of.capacity.sharpes, strict=True)
    kept = [part for part in (of.contribution.instrument, of.contribution.trip) if part is not None]
    rows = [
        Strip("decided later", tuple(Change(f"{_bars(bars)} late", sharpe) for bars, sharpe in late)),
        Strip("another bar of the period", tuple(Change(f"{_bars(bars)} on", sharpe) for bars, sharpe in moved)),
        Strip("begun later", tuple(Change(f"from {day(time)}", sharpe) for time, sharpe in begun)),
        Strip("a tenth to 100 × the capital", _near(of.capacity.traded, tuple(capital))),
        Strip("without random instruments", tuple(Change("a draw", sharpe) for sharpe in of.universe.sharpes)),
        Strip("without one sector", of.universe.sectors),
        Strip("without the best part", tuple(Change(f"without {part.name}", part.sharpe_without) for part in kept)),
        *_choices(of),
    ]
    return tuple(row for row in rows if any(math.isfinite(change.sharpe) for change in row.changes))


def _bars(n: int) -> str:
    return "1 bar" if n == 1 else f"{n} bars"


def _near(traded: float, curve: tuple[tuple[float, float], ...]) -> tuple[Change, ...]:
    return tuple(Change(f"capital {count(capital)}", sharpe) for capital, sharpe in curve if capital <= 101 * traded)


def _choices(of: Robustness) -> list[Strip]:
    rows: dict[str, list[Change]] = {}
    for one in of.neighbours.tried:
        change = Change(f"{one.choice} {one.value:g} instead of {one.chosen:g}", one.sharpe)
        rows.setdefault(one.choice, []).append(change)
    return [Strip(choice.split(".")[-1], tuple(changes)) for choice, changes in rows.items()]


def _strips(of: Robustness) -> str:
    rows = strips(of)
    known = np.array([change.sharpe for row in rows for change in row.changes] + [of.sharpe, 0.0])
    known = known[np.isfinite(known)]
    if not rows or not math.isfinite(of.sharpe):
        return empty("The Sharpe ratio as traded has no meaning.")
    scale = Scale.over(np.clip(known, of.sharpe - _WIDEST, of.sharpe + _WIDEST), pad=0.04)
    drawn = "".join(_strip(row, of.sharpe, scale) for row in rows)
    axis = frame("", 0, scale.ticks(7), [], x_unit="Sharpe ratio a year, net").replace("height:0px", "height:0;margin:0 0 30px")
    legend = keys(["at least half of it is left", "less than half is left"], [0, 1]) if of.sharpe > 0 else ""
    caption = (
        f"Each dot is one change; the dashed line is the net Sharpe ratio as traded, {number(of.sharpe)}, the other one zero. "
        "No model learned anew. Choices are decided again from the same forecasts, "
        f"which gives {number(of.neighbours.unchanged)} where nothing is changed."
    )
    return (
        f'<figure>{legend}<div class="bars" style="row-gap:0">{drawn}<span></span><div>{axis}</div><span></span></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _strip(row: Strip, base: float, scale: Scale) -> str:
    sharpes = np.array([change.sharpe for change in row.changes])
    finite = sharpes[np.isfinite(sharpes)]
    low, high = float(finite.min()), float(finite.max())
    places = np.clip(scale.position(np.clip(sharpes, scale.low, scale.high)), 0.0, 1.0)
    ends = 1000 * scale.position(np.clip(np.array([low, high]), scale.low, scale.high))
    zero, as_traded = (1000 * float(scale.position(np.array([value]))[0]) for value in (0.0, base))
    lines = (
        f'<path class="zero" d="M{zero:.1f} 0V1000"/><path class="mean" d="M{as_traded:.1f} 0V1000"/>'
        f'<path class="zero" d="M{ends[0]:.1f} 500H{ends[1]:.1f}"/>'
    )
    dots = "".join(
        dot(place, 0.5, 0 if change.sharpe >= base / 2 or base <= 0 else 1, f"{change.name}: {number(change.sharpe)}")
        for place, change in zip(places.tolist(), row.changes, strict=True)
    )
    spread = number(low) if number(low) == number(high) else f"{number(low)} to {number(high)}"
    return (
        f'<span class="bar-name" title="{escape(row.name)}">{escape(row.name)}</span>'
        f'<div class="plot bare" style="height:26px;margin:0"><svg viewBox="0 0 1000 1000" preserveAspectRatio="none" '
        f'aria-hidden="true">{lines}</svg>{dots}</div><span class="bar-value">{spread}</span>'
    )


def _capacity(of: Capacity) -> str:
    caption = f"The same trading with other capital. {_room(of)}"
    known = np.isfinite(of.sharpes)
    if not known.any():
        return f"<div><h3>How much money it carries</h3>{empty(caption)}</div>"
    capitals, sharpes = np.array(of.capitals)[known], np.array(of.sharpes)[known]
    across, up = Scale.over(capitals, is_log=True), Scale.over(np.append(sharpes, 0.0), pad=0.12)
    x, y = across.position(capitals), up.position(sharpes)
    titles = [
        f"{count(capital)}: Sharpe {number(sharpe)}, largest order {percent(share)} of a day's volume"
        for capital, sharpe, share in zip(capitals, sharpes, np.array(of.shares)[known], strict=True)
    ]
    dots = "".join(dot(a, b, 0, title) for a, b, title in zip(x, y, titles, strict=True))
    own = float(across.position(np.array([of.traded]))[0])
    svg = f'{_zero(up)}<path class="mean" d="M{1000 * own:.1f} 0V1000"/>{trace(x, y, 0)}'
    unit = "Capital, account currency"
    picture = frame(svg, 200, _decades(across, capitals), up.ticks(4), unit="Sharpe ratio a year, net", over=dots, x_unit=unit)
    return f"<div><h3>How much money it carries</h3><figure>{picture}<figcaption>{caption}</figcaption></figure></div>"


def _decades(across: Scale, capitals: Float64) -> list[Tick]:
    whole = capitals[::2]
    return list(zip(across.position(whole).tolist(), [_short(value) for value in whole.tolist()], strict=True))


def _short(value: float) -> str:
    for unit, size in (("tn", 1e12), ("bn", 1e9), ("m", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def _room(of: Capacity) -> str:
    largest = f"The largest order was {percent(of.share_traded, 2)} of its instrument's daily volume."
    end = " The curve ends where an order would exceed a whole day's volume." if of.is_cut else ""
    if math.isnan(of.zero_at):
        return f"{largest}{end}"
    half, zero = (f"at {_short(at)}" if math.isfinite(at) else "beyond this curve" for at in (of.half_at, of.zero_at))
    return f"Half of the Sharpe ratio is gone {half}, all of it {zero}. {largest}{end}"


def _years(of: Periods) -> str:
    values = np.array([year.net_return for year in of.years])
    title = "<h3>By year</h3>"
    if not np.isfinite(values).any():
        return f"<div>{title}{empty('No year is known.')}</div>"
    up = Scale.over(np.append(values, 0.0), pad=0.12)
    ground, tops = (1.0 - up.position(np.array(part)) for part in ([0.0], values))
    width = 1.0 / len(values)
    svg = _zero(up) + "".join(
        _pillar(i, width, float(ground[0]), top, year) for i, (top, year) in enumerate(zip(tops, of.years, strict=True))
    )
    step = -(-len(values) // 8)
    marks = [((i + 0.5) * width, year.name) for i, year in enumerate(of.years) if i % step == 0]
    picture = frame(svg, 200, marks, up.ticks(4, percent=True), unit="Net return of the year")
    return (
        f"<div>{title}<figure>{picture}<figcaption>The first and the last year may be parts of one.</figcaption></figure></div>"
    )


def _pillar(position: int, width: float, ground: float, top: float, year: Stretch) -> str:
    if not math.isfinite(top):
        return ""
    low, high = min(ground, top), max(ground, top)
    tone = 0 if year.net_return >= 0 else 1
    title = f"{year.name}: {percent(year.net_return)}, Sharpe {number(year.sharpe)}"
    return (
        f'<rect style="fill:var(--t{tone});opacity:.8" x="{1000 * (position + 0.2) * width:.1f}" width="{600 * width:.1f}" '
        f'y="{1000 * low:.1f}" height="{max(1000 * (high - low), 2.0):.1f}"><title>{escape(title)}</title></rect>'
    )


def _markets(of: Periods) -> str:
    rows = [_cells(one) for one in (*of.volatility, *of.trend) if one.n_bars]
    caption = (
        "The market is the equal-weight mean of the data, judged by the 60 bars before each bar; calm, usual and rough are "
        "terciles among all such volatilities until then. Returns are not annual."
    )
    return f'<h3 style="margin-top:32px">By market</h3>{table(["", "Net return", "Sharpe", "Bars"], rows, caption=caption)}'


def _cells(one: Stretch) -> list[str]:
    return [escape(one.name), percent(one.net_return), number(one.sharpe), count(one.n_bars)]


def _parts(of: Contribution) -> str:
    found = (("instrument", of.instrument), ("round trip", of.trip), ("day", of.day))
    rows = [
        [
            f"best {kind}",
            escape(part.name),
            day(part.begins_at),
            day(part.ends_at),
            count(part.profit),
            percent(part.share),
            number(part.sharpe_without),
        ]
        for kind, part in found
        if part is not None
    ]
    heads = ["", "", "From", "To", "Profit", "Of all profit", "Sharpe without it"]
    caption = (
        f"{count(of.n_trips)} round trips made {count(of.profit)} in all, after {count(of.borrow)} paid to borrow, which no "
        f"instrument bears."
    )
    if math.isfinite(of.best_days):
        caption += f" The best 1 % of days made {percent(of.best_days)} of it; no one could have left them out."
    return f'<h3 style="margin-top:32px">Where the profit came from</h3>{table(heads, rows, caption=caption)}'


def _zero(up: Scale) -> str:
    return f'<path class="zero" d="M0 {1000 * (1 - float(up.position(np.zeros(1))[0])):.1f}H1000"/>'
