"""Show what the numbers rest on: folds, every trade, chance, receipts."""

import json
import math
import re
from collections.abc import Sequence

import numpy as np

from quantdesk.domain.arrays import Times
from quantdesk.domain.effort import Spent
from quantdesk.domain.trade import Fill
from quantdesk.evaluation.outcome import Evaluation
from quantdesk.evaluation.report.axes import time_ticks
from quantdesk.evaluation.report.charts import empty, frame, keys
from quantdesk.evaluation.report.wording import (
    NOTHING,
    confidence,
    count,
    day,
    escape,
    laid_out,
    moments,
    number,
    section,
    table,
)
from quantdesk.evaluation.significance import Significance

_CONVENTIONS = {
    "observed, T-1": "standard error at the observed Sharpe ratio, over T − 1 bars (Bailey & López de Prado 2012)",
    "null, T": "standard error at the Sharpe ratio of the null, over T bars (López de Prado, Lipton & Zoonekynd 2025)",
}

_NARROW = 60
_MACHINE = ("Samples a second", "Device", "GPU hours", "Cost")


def folds(evaluation: Evaluation) -> str:
    """Draw the spans learned from and judged on."""
    caption = "One row a fold, first on top: it learns on the pale span and is judged on the strong one, which it never saw."
    spans = evaluation.folds
    if not spans:
        return section("folds", "Folds", empty(caption))
    stamps = np.array(spans, dtype="datetime64[s]").astype(np.float64)
    first, last = float(stamps.min()), float(stamps.max())
    places = 1000 * (stamps - first) / max(last - first, 1.0)
    height = 1000 / len(spans)
    shapes = ""
    for row, (span, place) in enumerate(zip(spans, places, strict=True)):
        text = f"fold {row + 1}: learns {day(span[0])} to {day(span[1])}, judged {day(span[2])} to {day(span[3])}"
        shapes += _span("learns", place[0], place[1], row * height, height, text)
        shapes += _span("judged", place[2], place[3], row * height, height, text)
    grid = np.linspace(first, last, 2000).astype(np.int64).astype("datetime64[s]")
    pixels = int(min(320, max(40, 18 * len(spans))))
    ticks = time_ticks(grid)
    uprights = "".join(f'<path class="rule" d="M{1000 * at:.1f} 0V1000"/>' for at, _ in ticks)
    picture = frame(uprights + shapes, pixels, ticks, [])
    legend = keys(["judged", "learned from"], [0, 0])
    return section("folds", "Folds", f'<figure class="folds">{legend}{picture}<figcaption>{caption}</figcaption></figure>')


def trades(fills: tuple[Fill, ...], bars: Times) -> str:
    """Carry every trade, as columns that the page shows a sheet at a time."""
    if not fills:
        return section("trades", "Every trade", '<p class="none">Nothing was traded.</p>')
    tools = (
        '<form class="tools"><label>Instrument <input name="symbol" list="symbols" autocomplete="off" spellcheck="false" '
        'placeholder="all"></label><label>Side <select name="side"><option value="">both</option>'
        '<option value="1">buys</option>'
        '<option value="-1">sells</option></select></label><button type="button" name="csv">Save as CSV</button></form>'
    )
    heads = ("Time", "Instrument", "Side", "Quantity", "Price", "Value", "Fee")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = (
        f'<div id="sheet">{tools}<p class="sum"></p>'
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody></tbody></table></div>'
        '<p class="pager"><button type="button" name="back">Earlier</button><span></span>'
        '<button type="button" name="on">Later</button></p><datalist id="symbols"></datalist></div>'
        f"<noscript><p class=none>The {count(len(fills))} trades are in this file, but the table needs JavaScript; "
        "everything else on this page does not.</p></noscript>"
        f'<script type="application/json" id="fills">{columns(fills, bars)}</script>'
    )
    caption = "Times are bar closes in UTC; price and fee are in account currency, the price with half-spread and impact in it."
    return section("trades", "Every trade", f'{body}<p class="caption">{caption}</p>')


def columns(fills: tuple[Fill, ...], bars: Times) -> str:
    """Write trades as JSON columns with every digit kept, safe inside a script element.

    Times and symbols are listed once and referred to by position; each column is one string,
    values parted by spaces.
    """
    symbols = sorted({fill.symbol for fill in fills})
    place = {symbol: index for index, symbol in enumerate(symbols)}
    times, time_index = np.unique(np.array([fill.time for fill in fills]), return_inverse=True)
    data = {
        "times": moments(times, bars),
        "symbols": symbols,
        "time": " ".join(map(str, time_index.tolist())),
        "symbol": " ".join(str(place[fill.symbol]) for fill in fills),
        "quantity": " ".join(format(fill.quantity, "f") for fill in fills),
        "price": " ".join(format(fill.price, "f") for fill in fills),
        "fee": " ".join(format(fill.fee, "f") for fill in fills),
    }
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def chance(evaluation: Evaluation) -> str:
    """Explain in a paragraph how easily luck explains the result, the convention named."""
    whole, rest = evaluation.significance, evaluation.alpha_significance
    years = evaluation.performance.n_bars / evaluation.performance.bars_per_year
    story = f"<p>{_as_earned(whole, evaluation.performance.n_bars, years)}</p><p>{_beyond(rest, evaluation.beta)}</p>"
    rows = [
        ["Sharpe ratio a year", number(whole.sharpe), number(rest.sharpe)],
        [
            "Confidence that it exceeds 0 (probabilistic)",
            *map(confidence, (whole.probabilistic_sharpe, rest.probabilistic_sharpe)),
        ],
        ["Best expected from noise", number(whole.expected_best_from_noise), number(rest.expected_best_from_noise)],
        ["Confidence that it exceeds that (deflated)", *map(confidence, (whole.deflated_sharpe, rest.deflated_sharpe))],
        ["Record needed for 95 %", _needed(whole), _needed(rest)],
        ["Skew of bar returns", number(whole.skew), number(rest.skew)],
        ["Kurtosis (3 for a normal)", number(whole.kurtosis, 1), number(rest.kurtosis, 1)],
    ]
    meaning = _CONVENTIONS.get(whole.convention, "as named")
    note = f"Convention “{escape(whole.convention)}”: {meaning}; autocorrelated bars count for fewer."
    body = table(["", "As earned", "Beyond equal weight"], rows, caption=note)
    return section("chance", "How easily luck explains it", f'<div class="prose">{story}</div>{body}')


def receipts(evaluation: Evaluation) -> str:
    """List what it takes to run this again."""
    pairs = [
        ("Run", evaluation.run_id),
        ("Data", f"{evaluation.data} ({evaluation.fingerprint})"),
        ("Seed", str(evaluation.seed)),
        *((name.replace("_", " "), str(value)) for name, value in evaluation.settings.items()),
    ]
    listed = "".join(_pair(name, value) for name, value in pairs if not _is_wide(value))
    whole = "".join(_pair(name, value) for name, value in pairs if _is_wide(value))
    spent = [f"{escape(step)} {number(seconds, 1, 's')}" for step, seconds in evaluation.seconds.items()]
    total = number(sum(evaluation.seconds.values()), 1, "s")
    time = f'<p class="caption">Time spent: {total}, of which {" · ".join(spent)}.</p>' if spent else ""
    again = '<p class="caption">The run id is a digest of data, code, choices, seed and environment.</p>'
    lists = f'<dl class="pairs">{listed}</dl><dl class="pairs whole">{whole}</dl>'
    return section("receipts", "Receipts", f"{lists}{time}{learning(evaluation.spent)}{again}")


def _is_code(value: str) -> bool:
    return re.fullmatch(r"\w+\(.*\)", value, re.DOTALL) is not None


def _is_wide(value: str) -> bool:
    return _is_code(value) or len(value) > _NARROW


def _pair(name: str, value: str) -> str:
    shown = escape(value)
    if _is_code(value):
        lines = [f'<span style="--deep:{deep}">{escape(line)}</span>' for deep, line in laid_out(value)]
        shown = f"<code>{' '.join(lines)}</code>"
    return f"<div><dt>{escape(name)}</dt><dd>{shown}</dd></div>"


def learning(spent: tuple[Spent, ...]) -> str:
    """Say what learning took: in a sentence, and where networks were trained in a row a fold."""
    if not spent:
        return ""
    seconds = [fold.seconds for fold in spent]
    folds = f"{count(len(spent))} {'fold' if len(spent) == 1 else 'folds'}"
    words = f"Learning took {number(sum(seconds), 1, 's')} in {folds}, the longest {number(max(seconds), 1, 's')}."
    trained = Spent(sum(seconds), tuple(effort for fold in spent for effort in fold.trainings))
    if not trained.trainings:
        return f'<p class="caption">{words}</p>'
    rows = [_took(f"Fold {place + 1}", fold) for place, fold in enumerate(spent)] + [_took("All", trained)]
    heads = ["What training took", "Time", "Epochs", "Best epoch", "Validation loss", *_MACHINE]
    note = (
        f"{words} The best epoch is the one that was kept, the loss that of the validation span after it, lowest to highest "
        "where several networks were trained. Cost is that of the machine at the price an hour given for it, – where none was."
    )
    if any(fold.joules is not None for fold in spent):
        heads.append("Energy")
        rows = [[*row, _energy(one.joules)] for row, one in zip(rows, (*spent, trained), strict=True)]
        note += " Energy is what the devices drew meanwhile, with whatever else ran on them."
    return table(heads, rows, caption=note)


def _took(name: str, spent: Spent) -> list[str]:
    speed, devices = count(spent.samples_per_second), escape(", ".join(spent.devices))
    bill = [f"{value:.2g}" if value else NOTHING for value in (spent.gpu_hours, spent.cost)]
    kept = [(effort.best_epoch + 1, effort.curve[effort.best_epoch][1]) for effort in spent.trainings if effort.curve]
    judged = [(epoch, loss) for epoch, loss in kept if math.isfinite(loss)]
    best = [_range([pair[place] for pair in judged], digits) for place, digits in ((0, "d"), (1, ".4g"))]
    return [name, number(spent.seconds, 1, "s"), count(spent.n_epochs), *best, speed, devices, *bill]


def _energy(joules: float | None) -> str:
    return NOTHING if joules is None else number(joules / 1000, 2, "kJ")


def _range(values: Sequence[float], digits: str) -> str:
    ends = sorted({format(min(values), digits), format(max(values), digits)}, key=float) if values else [NOTHING]
    return " to ".join(ends)


def _span(style: str, begin: float, end: float, top: float, height: float, text: str) -> str:
    return (
        f'<rect class="{style}" x="{begin:.1f}" width="{max(end - begin, 1.0):.1f}" '
        f'y="{top + 0.12 * height:.2f}" height="{0.76 * height:.2f}"><title>{escape(text)}</title></rect>'
    )


def _as_earned(of: Significance, n_bars: int, years: float) -> str:
    if not math.isfinite(of.sharpe):
        return "The returns do not vary, so there is no Sharpe ratio to judge."
    trials = f"{count(of.n_trials)} {'trial was' if of.n_trials == 1 else 'trials were'}"
    return (
        f"The net Sharpe ratio is <b>{number(of.sharpe)}</b> a year over {count(n_bars)} bars ({number(years, 1)} years). "
        f"Without any skill, a record as good as this or better comes by luck with a probability of "
        f"{confidence(1.0 - of.probabilistic_sharpe)}. But {trials} counted on this data, worth "
        f"{number(of.n_effective_trials, 1)} independent ones, and the best of so many is expected to show "
        f"<b>{number(of.expected_best_from_noise)}</b> from noise alone. The confidence that the true ratio lies above that is "
        f"<b>{confidence(of.deflated_sharpe)}</b>, the deflated Sharpe. {_length(of, years)}"
    )


def _length(of: Significance, years: float) -> str:
    if not math.isfinite(of.min_track_record_years):
        return "As the ratio is not positive, no length of record would make it evidence."
    return (
        f"Were it the only trial, {number(of.min_track_record_years, 1)} years at this ratio would show with 95 % confidence "
        f"that it exceeds zero; there are {number(years, 1)}."
    )


def _beyond(of: Significance, beta: float) -> str:
    return (
        f"Part of any return is the market's. With {number(beta)} times the equal-weight baseline taken out, a Sharpe ratio of "
        f"<b>{number(of.sharpe)}</b> is left, with a deflated Sharpe of <b>{confidence(of.deflated_sharpe)}</b>."
    )


def _needed(of: Significance) -> str:
    if math.isinf(of.min_track_record_years):
        return "no length suffices"
    return number(of.min_track_record_years, 1, "years")
