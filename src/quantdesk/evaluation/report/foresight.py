"""Show how good the forecasts were: IC, calibration, scores, what they rested on."""

import numpy as np

from quantdesk.domain.forecast import LEVELS
from quantdesk.evaluation.outcome import Evaluation, ForecastScores
from quantdesk.evaluation.report.axes import Scale, Tick
from quantdesk.evaluation.report.charts import Line, Pane, bars, dot, empty, frame, keys, timeline, tone_of, trace
from quantdesk.evaluation.report.earnings import rolling_mean
from quantdesk.evaluation.report.wording import count, number, percent, section, table
from quantdesk.evaluation.scores import calibration, ic_series
from quantdesk.evaluation.significance import newey_west_error

_N_FEATURES = 20
_TERCILES = {"calm": 2, "usual": 1, "stormy": 5}


def rolling_ic(evaluation: Evaluation) -> str:
    """Draw the rolling IC at the traded horizon, with the band of its mean."""
    series = ic_series(evaluation.forecasts, evaluation.labels, evaluation.horizon)
    window = max(5, min(63, len(series) // 8))
    line = Line(f"IC, mean of {window} bars", rolling_mean(series, window))
    known = series[np.isfinite(series)]
    mean = float(known.mean()) if len(known) else np.nan
    margin = 1.96 * newey_west_error(series, evaluation.horizon)
    pane = Pane(
        (line,),
        f"Correlation of forecast and outcome, {_ahead(evaluation.horizon)} ahead",
        190,
        False,
        (mean - margin, mean + margin),
        True,
    )
    caption = (
        f"The dashed line is the mean over all bars, {number(mean, 3)}, and the band its 95\N{NO-BREAK SPACE}% interval: "
        "skill is a band clear of zero, not a high peak."
    )
    return section("ic", "Skill through time", timeline(evaluation.forecasts.times, (pane,), caption))


def calibrated(evaluation: Evaluation) -> str:
    """Draw realised against nominal shares, and coverage by volatility, side by side."""
    pair = f'<div class="two">{_calibration_chart(evaluation)}{_coverage_chart(evaluation.forecast_scores)}</div>'
    return section("calibration", "Are the intervals honest?", pair)


def scores(given: tuple[ForecastScores, ...], traded: int) -> str:
    """Tabulate the scores by horizon; the traded one stands out."""
    heads = ["Horizon", "Samples", "IC", "t", "Rank IC", "t", "Accuracy", "Precision", "Recall", "F1"]
    heads += ["MAE", "R²", "Pearson", "Right sign", "Coverage"]
    marked = next((row for row, each in enumerate(given) if each.horizon == traded), -1)
    caption = (
        "IC: correlation over instruments, averaged over times, t by Newey-West; accuracy to F1 judge the call of a rise; "
        "MAE in log return; R² against a forecast of zero; Pearson over all samples; "
        "coverage of the interval that should hold nine in ten."
    )
    body = table(heads, [_row(each) for each in given], caption=caption, marked=marked)
    return section("scores", "Forecast scores", body)


def importance(evaluation: Evaluation) -> str:
    """Draw the features that the model used most."""
    shares = np.nan_to_num(evaluation.importance)
    order = np.argsort(-shares, kind="stable")[:_N_FEATURES]
    names = [evaluation.feature_names[index] for index in order]
    more = len(shares) - len(order)
    rest = f" {count(more)} smaller ones are not shown." if more else ""
    caption = f"Share of what the model learned, mean over folds: what it used, not what it was worth, which comes next.{rest}"
    return section(
        "importance", "How much each feature counts", bars(names, shares[order], [percent(shares[i]) for i in order], caption)
    )


def _calibration_chart(evaluation: Evaluation) -> str:
    caption = "On the diagonal, forecasts are honest; flatter than it, they are too sure of themselves."
    shares = calibration(evaluation.forecasts, evaluation.labels)
    if not any(np.isfinite(each).any() for each in shares.values()):
        return empty(caption)
    nominal = np.array(LEVELS)
    svg = '<path class="mean" d="M0 1000L1000 0"/>'
    over = ""
    for position, (horizon, realised) in enumerate(shares.items()):
        tone = tone_of(position)
        svg += trace(nominal, realised, tone)
        over += "".join(
            dot(level, share, tone, f"{_ahead(horizon)}: {percent(share)} fell below the {percent(level, 0)} quantile")
            for level, share in zip(LEVELS, realised, strict=True)
        )
    marks = Scale(0.0, 1.0).ticks(5, percent=True)
    unit, x_unit = "Share of outcomes below, %", "Quantile forecast, %"
    picture = frame(svg, 280, marks, marks, unit=unit, over=over, x_unit=x_unit)
    legend = keys([_ahead(each) for each in shares], [tone_of(row) for row in range(len(shares))])
    return f"<figure>{legend}{picture}<figcaption>{caption}</figcaption></figure>"


def _coverage_chart(given: tuple[ForecastScores, ...]) -> str:
    caption = "Each row should sit on the dashed line; a stormy dot far left of it fails when it matters."
    values = np.array([each.coverage_by_volatility for each in given], dtype=np.float64).reshape(len(given), 3)
    if not np.isfinite(values).any():
        return empty(caption)
    across = Scale.over(np.append(values.ravel(), [0.85, 0.95]))
    rows = [1.0 - (row + 0.5) / len(given) for row in range(len(given))]
    over = "".join(
        dot(float(place), rows[row], tone, f"{_ahead(given[row].horizon)}, {name}: {percent(value)}")
        for row in range(len(given))
        for (name, tone), value, place in zip(_TERCILES.items(), values[row], across.position(values[row]), strict=True)
    )
    wanted = float(across.position(np.array([0.9]))[0])
    names: list[Tick] = [(place, f"{each.horizon}") for place, each in zip(rows, given, strict=True)]
    svg = f'<path class="mean" d="M{1000 * wanted:.1f} 0V1000"/>'
    marks = across.ticks(4, percent=True)
    picture = frame(
        svg, 280, marks, names, unit="Horizon, bars", over=over, x_unit="Coverage of the 90 % interval, by volatility, %"
    )
    return f"<figure>{keys(list(_TERCILES), list(_TERCILES.values()))}{picture}<figcaption>{caption}</figcaption></figure>"


def _row(of: ForecastScores) -> list[str]:
    skill = [number(of.ic_mean, 3), number(of.ic_t, 1), number(of.rank_ic_mean, 3), number(of.rank_ic_t, 1)]
    calls = [percent(value) for value in (of.accuracy, of.precision, of.recall, of.f1)]
    fit = [number(of.mae, 4), number(of.r2, 4), number(of.pearson, 3), percent(of.sign_accuracy)]
    return [_ahead(of.horizon), count(of.n_samples), *skill, *calls, *fit, percent(of.interval_coverage)]


def _ahead(horizon: int) -> str:
    return f"{horizon} {'bar' if horizon == 1 else 'bars'}"
