"""Write an evaluation as one self-contained page that opens without a network."""

from importlib.resources import files
from pathlib import Path

from quantdesk.evaluation.outcome import Evaluation
from quantdesk.evaluation.report import choice, earnings, explanation, foresight, opening, placebo, record, robustness
from quantdesk.evaluation.report.wording import escape

_CONTENTS = (
    ("equity", "Growth"),
    ("ic", "Skill"),
    ("months", "Months"),
    ("exposure", "Exposure"),
    ("calibration", "Honesty"),
    ("scores", "Scores"),
    ("costs", "Costs"),
    ("explanation", "Reasons"),
    ("robustness", "Robustness"),
    ("folds", "Folds"),
    ("trades", "Trades"),
    ("chance", "Luck"),
    ("placebo", "Placebos"),
    ("choice", "Choice"),
    ("rivals", "Rivals"),
    ("receipts", "Receipts"),
)


def write(evaluation: Evaluation, path: Path) -> Path:
    """Write the report; missing folders are made, an older file is replaced.

    Returns
    -------
    Path
        Where it lies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(evaluation), encoding="utf-8")
    return path


def page(evaluation: Evaluation) -> str:
    """Lay out the whole report as HTML: style, pictures, data and script inside."""
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in _CONTENTS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(evaluation.strategy)} · {escape(evaluation.run_id)}</title><style>{_part('style.css')}</style></head>"
        f"<body><main>{opening.title(evaluation)}{opening.verdict(evaluation.verdict)}{opening.key_numbers(evaluation)}"
        f"<nav>{links}</nav>{_body(evaluation)}</main><script>{_part('page.js')}</script></body></html>\n"
    )


def _body(evaluation: Evaluation) -> str:
    sections = (
        earnings.equity(evaluation),
        earnings.comparison(evaluation),
        foresight.rolling_ic(evaluation),
        earnings.months(evaluation),
        earnings.exposure(evaluation),
        foresight.calibrated(evaluation),
        foresight.scores(evaluation.forecast_scores, evaluation.horizon),
        f'<div class="two">{foresight.importance(evaluation)}{earnings.costs(evaluation.costs)}</div>',
        explanation.section(evaluation.evidence.explanation),
        robustness.section(evaluation.evidence.robustness),
        record.folds(evaluation),
        record.trades(evaluation.fills, evaluation.track.times),
        record.chance(evaluation),
        placebo.section(evaluation.evidence.placebos, evaluation.evidence.shuffles, evaluation.performance.sharpe),
        choice.choice(evaluation.evidence),
        choice.rivals(evaluation.evidence.comparison),
        record.receipts(evaluation),
    )
    return "\n".join(sections)


def _part(name: str) -> str:
    return files("quantdesk.evaluation.report").joinpath(name).read_text(encoding="utf-8")
