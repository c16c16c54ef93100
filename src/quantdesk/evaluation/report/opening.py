"""Open the report: what was evaluated, the verdict in words, and the few numbers that matter."""

from quantdesk.evaluation.outcome import Evaluation, ForecastScores, Performance, Verdict
from quantdesk.evaluation.report.wording import confidence, count, day, escape, number, percent
from quantdesk.evaluation.significance import Significance

_GRADES = {"none": "No evidence", "weak": "Weak evidence", "evidence": "Evidence"}


def title(evaluation: Evaluation) -> str:
    """Name the strategy, the data and the span."""
    times = evaluation.track.times
    span = f"{day(times[0])} to {day(times[-1])}" if len(times) else "no bars"
    n_instruments = len(evaluation.forecasts.symbols)
    return (
        f'<header><p class="over">Evaluation, out of sample</p><h1>{escape(evaluation.strategy)}</h1>'
        f'<p class="lead">{escape(evaluation.description)}</p>'
        f'<p class="facts">{escape(evaluation.data)} · {count(n_instruments)} instruments · {span} · '
        f"{count(len(evaluation.folds))} {'fold' if len(evaluation.folds) == 1 else 'folds'}</p></header>"
    )


def verdict(given: Verdict) -> str:
    """Say in words what the numbers allow."""
    grade = given.grade if given.grade in _GRADES else "none"
    return (
        f'<section id="verdict" class="verdict {grade}"><p class="grade">{_GRADES[grade]}</p>'
        f"<h2>{escape(_sentence(given.headline))}</h2>"
        f'<div class="two">{_listed("Why", given.reasons)}{_listed("What limits it", given.caveats)}</div></section>'
    )


def key_numbers(evaluation: Evaluation) -> str:
    """Show the numbers a reader asks for first, each with what it must be read against."""
    net, gross = evaluation.performance, evaluation.gross_performance
    luck, costs = evaluation.significance, evaluation.costs
    traded = next((scores for scores in evaluation.forecast_scores if scores.horizon == evaluation.horizon), None)
    tiles = [
        ("Sharpe ratio, net", number(net.sharpe), f"{number(gross.sharpe)} before costs"),
        ("Deflated Sharpe", confidence(luck.deflated_sharpe), f"best of noise {number(luck.expected_best_from_noise)}"),
        ("Trials", count(luck.n_trials), f"worth {number(luck.n_effective_trials, 1)} independent"),
        ("Return a year", percent(net.annual_return), f"volatility {percent(net.annual_volatility)}"),
        ("Worst drawdown", percent(net.max_drawdown), f"Calmar ratio {number(net.calmar)}"),
        ("Turnover a year", number(net.turnover, 1, "×"), "value traded over net asset value"),
        ("Cost of trading", number(costs.cost_bps, 1, "bps"), _dies_at(costs.break_even_bps)),
        *_forecast_tiles(traded),
        _record_tile(net, luck),
    ]
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd><dd class=note>{note}</dd></div>" for name, value, note in tiles)
    return f'<section id="numbers"><dl class="tiles">{items}</dl></section>'


def _forecast_tiles(scores: ForecastScores | None) -> list[tuple[str, str, str]]:
    if scores is None:
        return []
    ahead = f"{scores.horizon} {'bar' if scores.horizon == 1 else 'bars'} ahead"
    return [
        (f"Rank IC, {ahead}", number(scores.rank_ic_mean, 3), f"t {number(scores.rank_ic_t, 1)}"),
        ("Interval coverage", percent(scores.interval_coverage), "should be 90 %"),
    ]


def _record_tile(net: Performance, luck: Significance) -> tuple[str, str, str]:
    needed = luck.min_track_record_years
    note = "no length would suffice" if needed == float("inf") else f"{number(needed, 1)} needed at 95\N{NO-BREAK SPACE}%"
    return "Length of record", number(net.n_bars / net.bars_per_year, 1, "years"), note


def _dies_at(break_even_bps: float) -> str:
    if break_even_bps == 0:
        return "no edge to lose, even free"
    if break_even_bps == float("inf"):
        return "nothing was traded"
    return f"edge gone at {number(break_even_bps, 1, 'bps')}"


def _listed(head: str, lines: tuple[str, ...]) -> str:
    if not lines:
        return ""
    return f"<div><h3>{head}</h3><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul></div>"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
