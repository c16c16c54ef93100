"""Show what the strategy earned: equity, baselines, months, exposure, costs."""

import math

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.outcome import CostCurve, Evaluation, Performance, Track
from quantdesk.evaluation.report.axes import Scale, Tick
from quantdesk.evaluation.report.charts import Line, Pane, dot, empty, frame, timeline, tone_of, trace
from quantdesk.evaluation.report.wording import escape, number, percent, section, table
from quantdesk.evaluation.scores import drawdown, monthly_returns

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def equity(evaluation: Evaluation) -> str:
    """Draw growth against the baselines, and the drawdown on the same time axis."""
    track = evaluation.track
    own = Line(evaluation.strategy, _growth(track))
    others = tuple(
        Line(evaluation.label(name), _growth(other), tone_of(position + 1))
        for position, (name, other) in enumerate(evaluation.baselines.items())
        if len(other.times) == len(track.times)
    )
    fall = Line("drawdown", -drawdown(track.equity), 0, is_percent=True, is_area=True)
    panes = (
        Pane((own, *others), "Growth of 1, log scale", 300, is_log=True),
        Pane((fall,), "Drawdown, % below the highest value so far", 110, with_zero=True),
    )
    caption = "Equal slopes are equal growth rates; the strategy is the strong line, and the area below shows what it had lost."
    return section("equity", "Growth and drawdown", timeline(track.times, panes, caption))


def comparison(evaluation: Evaluation) -> str:
    """Set the strategy beside its baselines."""
    heads = ["", "Sharpe", "Return a year", "Volatility", "Worst drawdown", "Sortino", "Calmar", "Hit rate", "Turnover a year"]
    rows = [_summary(evaluation.strategy, evaluation.performance)]
    rows += [_summary(evaluation.label(name), other) for name, other in evaluation.baseline_performance.items()]
    rows.insert(1, _summary(f"{evaluation.strategy}, before costs", evaluation.gross_performance))
    caption = (
        "Every row trades the same bars and, but for the second, pays the same costs; "
        "a strategy has to beat these to be worth its trouble."
    )
    return section("baselines", "Beside the baselines", table(heads, rows, caption=caption, marked=0))


def months(evaluation: Evaluation) -> str:
    """Tint a table of monthly returns by their size."""
    monthly = monthly_returns(evaluation.track)
    finite = monthly.returns[np.isfinite(monthly.returns)]
    if not len(finite):
        return section("months", "Returns by month", empty("No month has ended."))
    strong = max(float(np.quantile(np.abs(finite), 0.95)), 1e-9)
    rows = "".join(
        f'<tr><th scope="row">{year}</th>{"".join(_tinted(value, strong) for value in row)}'
        f'<td class="total">{_bare(total)}</td></tr>'
        for year, row, total in zip(monthly.years, monthly.returns, monthly.totals, strict=True)
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", *_MONTHS, "Year"))
    caption = "Net return in per cent; the deeper the tint, the larger the gain (blue) or the loss (red)."
    grid = f'<div class="wide"><table class="heat"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    return section("months", "Returns by month", f'{grid}<p class="caption">{caption}</p>')


def exposure(evaluation: Evaluation) -> str:
    """Draw how much was held, and how much was traded."""
    track = evaluation.track
    gross = Line("gross exposure", track.gross_exposure, 0, is_percent=True)
    net = Line("net exposure", track.net_exposure, 1, is_percent=True)
    window = max(1, min(20, len(track.times) // 10))
    traded = Line(f"turnover, mean of {window} bars", rolling_mean(track.turnover, window), 2, is_percent=True, is_area=True)
    panes = (
        Pane((gross, net), "Exposure, % of net asset value", 180, with_zero=True),
        Pane((traded,), "Turnover, % of net asset value a bar", 90, with_zero=True),
    )
    caption = "Gross counts longs and shorts alike, net sets them off: the gap between the two is what is hedged."
    return section("exposure", "Exposure and turnover", timeline(track.times, panes, caption))


def costs(curve: CostCurve) -> str:
    """Draw the Sharpe ratio against the level of costs, and say where the edge dies."""
    caption = f"Each dot is the same trading at another price of trading. {_ending(curve)}"
    known = np.isfinite(curve.multipliers) & np.isfinite(curve.sharpes)
    if not known.any():
        return section("costs", "What costs do to it", empty(caption))
    multipliers, sharpes = curve.multipliers[known], curve.sharpes[known]
    dies = _ratio(curve.break_even_bps, curve.cost_bps)
    reach = max(float(multipliers.max()), 1.0)
    across = Scale(0.0, (dies if reach < dies <= 2 * reach else reach) * 1.06)
    up = Scale.over(np.append(sharpes, 0.0), pad=0.12)
    x, y = across.position(multipliers), up.position(sharpes)
    zero = f'<path class="zero" d="M0 {1000 * (1 - _at(up, 0.0)):.1f}H1000"/>'
    svg = zero + _upright(across, dies) + trace(x, y, 0)
    titles = [
        f"costs ×{level:g}: Sharpe {number(sharpe)}, {number(level * curve.cost_bps, 1, 'bps')}"
        for level, sharpe in zip(multipliers, sharpes, strict=True)
    ]
    dots = "".join(dot(a, b, 0, text) for a, b, text in zip(x, y, titles, strict=True))
    marks: list[Tick] = [(_at(across, float(level)), f"×{level:g}") for level in multipliers]
    unit = f"Costs, multiples of the {number(curve.cost_bps, 1, 'bps')} paid"
    picture = frame(svg, 200, marks, up.ticks(4), unit="Sharpe ratio a year, net", over=dots, x_unit=unit)
    return section("costs", "What costs do to it", f"<figure>{picture}<figcaption>{caption}</figcaption></figure>")


def rolling_mean(values: Float64, window: int) -> Float64:
    """Average the known values of the last ``window`` (n,); NaN until half of them are known."""
    known = np.isfinite(values)
    sums = np.cumsum(np.where(known, values, 0.0))
    counts = np.cumsum(known).astype(np.float64)
    sums[window:] -= sums[:-window].copy()
    counts[window:] -= counts[:-window].copy()
    return np.where(counts >= max(1.0, window / 2), sums / np.maximum(counts, 1.0), np.nan)


def _growth(track: Track) -> Float64:
    if not len(track.equity) or not track.equity[0] > 0:
        return np.full(len(track.equity), np.nan)
    return np.asarray(track.equity / track.equity[0])


def _summary(name: str, of: Performance) -> list[str]:
    shares = [percent(of.annual_return), percent(of.annual_volatility), percent(of.max_drawdown)]
    rest = [number(of.sortino), number(of.calmar), percent(of.hit_rate), number(of.turnover, 1, "×")]
    return [escape(name), number(of.sharpe), *shares, *rest]


def _tinted(value: float, strong: float) -> str:
    if not math.isfinite(value):
        return "<td></td>"
    depth = min(abs(value) / strong, 1.0) * 0.62
    return f'<td class="{"up" if value >= 0 else "down"}" style="--depth:{depth:.2f}">{_bare(value)}</td>'


def _bare(value: float) -> str:
    return number(value * 100.0, 1)


def _ending(curve: CostCurve) -> str:
    paid = number(curve.cost_bps, 1, "bps")
    if curve.break_even_bps == 0:
        return "There was no gain to lose: the mean return is not positive even free of costs."
    if not math.isfinite(curve.break_even_bps):
        return "No cost can be named at which the edge dies."
    dies = number(curve.break_even_bps, 1, "bps")
    return f"The edge dies at {dies} of value traded; {paid} were paid."


def _upright(across: Scale, at: float) -> str:
    place = _at(across, at)
    return f'<path class="mean" d="M{1000 * place:.1f} 0V1000"/>' if 0 < place < 1 else ""


def _at(scale: Scale, value: float) -> float:
    return float(scale.position(np.array([value]))[0])


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if math.isfinite(top) and bottom > 0 else math.nan
