"""Write what the quality gate found as one self-contained page that opens without a network."""

import math
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np

from quantdesk.data.faults.marks import EVERY_SYMBOL, Marks, Severity
from quantdesk.data.faults.peers import Peers
from quantdesk.data.inspection.pictures import Strip, around, text, time_axis
from quantdesk.data.quality import QualityReport
from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.panel import Panel

_SYMBOLS = 40  # strips that are shown
_PICTURES: dict[Severity, int] = {"refuse": 24, "doubt": 36, "note": 12}
_A_KIND = 6  # pictures of one kind
_WORDS: dict[Severity, str] = {"refuse": "refused", "doubt": "doubted", "note": "noted"}


def report(panel: Panel, found: QualityReport, path: Path) -> Path:
    """Write the page; missing folders are made, an older file is replaced.

    Parameters
    ----------
    panel : Panel
        The panel that was checked.
    found : QualityReport
        What ``quality.check`` found in it.
    path : Path
        Where the page goes.

    Returns
    -------
    Path
        Where it lies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(panel, found), encoding="utf-8")
    return path


def page(panel: Panel, found: QualityReport) -> str:
    """Lay out the whole page as HTML: verdict, numbers, kinds, when and where, and a picture for each finding."""
    style = files("quantdesk.data.inspection").joinpath("style.css").read_text(encoding="utf-8")
    name = text(panel.name or "data")
    sections = (_opening(panel, found), _numbers(panel, found), _kinds(found), _places(panel, found), _cards(panel, found))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{name} · quality</title><style>{style}</style></head><body><main>{''.join(sections)}</main></body></html>\n"
    )


def _opening(panel: Panel, found: QualityReport) -> str:
    days = np.datetime_as_string(panel.times[[0, -1]], unit="D") if panel.shape[0] else ("no bars", "")
    grade, headline = _verdict(found)
    caveats = "".join(f"<li>{text(caveat)}</li>" for caveat in panel.caveats)
    return (
        f'<header><p class="over">Quality of the data</p><h1>{text(panel.name or "data")}</h1>'
        f'<p class="facts">{panel.shape[1]:,} instruments · {panel.shape[0]:,} bars · {days[0]} to {days[1]}</p></header>'
        f'<section class="verdict {grade}"><p class="grade">{_GRADES[grade]}</p><h2>{headline}</h2>'
        f"{f'<ul>{caveats}</ul>' if caveats else ''}</section>"
    )


_GRADES = {"refuse": "Refused", "doubt": "Usable, with doubts", "sound": "Sound"}


def _verdict(found: QualityReport) -> tuple[str, str]:
    n_traded = int(found.is_traded.sum())
    if found.n_refused:
        some = "one impossible value stands" if found.n_refused == 1 else f"{found.n_refused:,} impossible values stand"
        return "refuse", f"Not usable as it is: {some} in it"
    n_doubts = sum(len(mark) for mark in found.marks if mark.severity == "doubt")
    if n_doubts:
        return "doubt", f"Nothing is impossible; {found.n_flagged:,} of {n_traded:,} bars are doubted"
    return "sound", f"Nothing is impossible and nothing is doubted in {n_traded:,} bars"


def _numbers(panel: Panel, found: QualityReport) -> str:
    by_severity = {grade: sum(len(mark) for mark in found.marks if mark.severity == grade) for grade in _WORDS}
    worst = np.nanmin(found.symbol_scores, initial=1.0) if panel.shape[1] else 1.0
    n_touched = len(_columns(found, notes=False))
    tiles = (
        ("Sound bars", f"{_below(100 * found.score)} %", "named by no refusal or doubt"),
        ("Refused", f"{by_severity['refuse']:,}", "impossible"),
        ("Doubted", f"{by_severity['doubt']:,}", "not to be relied on"),
        ("Noted", f"{by_severity['note']:,}", "rare, but real"),
        ("Symbols concerned", f"{n_touched:,}", f"of {panel.shape[1]:,}"),
        ("Lowest score", _below(float(worst)), "of a symbol; 1 is sound"),
    )
    items = "".join(f'<div><dt>{name}</dt><dd>{value}</dd><dd class="unit">{unit}</dd></div>' for name, value, unit in tiles)
    return f'<dl class="tiles">{items}</dl>'


def _below(value: float) -> str:
    # Rounded down, so that one doubt in a million bars does not read as none.
    return f"{math.floor(value * 1000) / 1000:.3f}"


def _kinds(found: QualityReport) -> str:
    rows: dict[tuple[Severity, str], list[Marks]] = {}
    for mark in found.marks:
        rows.setdefault((mark.severity, mark.kind), []).append(mark)
    if not rows:
        return '<section><h2>What was found</h2><p class="none">Nothing.</p></section>'
    lines = "".join(_kind(severity, kind, marks) for (severity, kind), marks in rows.items())
    head = '<thead><tr><th></th><th>kind</th><th class="number">findings</th><th class="number">symbols</th></tr></thead>'
    return f"<section><h2>What was found</h2><table>{head}<tbody>{lines}</tbody></table></section>"


def _kind(severity: Severity, kind: str, marks: list[Marks]) -> str:
    n_symbols = len(np.unique(np.concatenate([mark.columns for mark in marks])))
    n_found = sum(len(mark) for mark in marks)
    return (
        f'<tr><td><span class="tag {severity}">{_WORDS[severity]}</span></td><td>{text(kind)}</td>'
        f'<td class="number">{n_found:,}</td><td class="number">{n_symbols:,}</td></tr>'
    )


def _columns(found: QualityReport, *, notes: bool) -> Ints:
    chosen = [mark.columns for mark in found.marks if notes or mark.severity != "note"]
    columns = np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)
    return np.asarray(columns[columns != EVERY_SYMBOL], dtype=np.int64)


def _places(panel: Panel, found: QualityReport) -> str:
    columns = _columns(found, notes=True)
    if not len(columns):
        return ""
    order = columns[np.lexsort((columns, -_weights(found, panel.shape[1])[columns]))][:_SYMBOLS]
    n_times = panel.shape[0]
    everything = Strip.of(found.marks, n_times, None)
    rows = [f'<span class="name">all</span><div class="all">{everything.draw(is_tall=True)}</div><span></span>']
    for column in order:
        strip = Strip.of(found.marks, n_times, np.array([column]))
        n_bars = f"{int(strip.counts.sum()):,}"
        rows.append(f'<span class="name">{text(panel.symbols[column])}</span>{strip.draw()}<span class="sum">{n_bars}</span>')
    rest = f" The {_SYMBOLS} most concerned of {len(columns):,} symbols are shown." if len(columns) > _SYMBOLS else ""
    return (
        f'<section><h2>When and where</h2><div class="strips">{"".join(rows)}<span></span>{time_axis(panel)}</div>'
        f'<p class="caption">Above, findings in time; below, a strip a symbol, with the number of its bars that are named. '
        f"Red is refused, amber doubted, grey noted.{rest}</p></section>"
    )


def _weights(found: QualityReport, n_instruments: int) -> Float64:
    weights = np.zeros(n_instruments)
    for mark in found.marks:
        own = mark.columns[mark.columns != EVERY_SYMBOL]
        weights += np.bincount(own, minlength=n_instruments) * {"refuse": 1e6, "doubt": 1e3, "note": 1.0}[mark.severity]
    return weights


def _cards(panel: Panel, found: QualityReport) -> str:
    market = Peers.of(panel).market
    cards = []
    for severity, n_most in _PICTURES.items():
        shown = islice(_each(found, severity), n_most)
        cards += [_card(panel, market, mark, at) for mark, at in shown]
    if not cards:
        return ""
    n_found = sum(len(mark) for mark in found.marks)
    said = f"{len(cards)} of {n_found:,} findings" if len(cards) < n_found else "Every finding"
    key = f"{said}: closes with each bar's range, the peers' path dashed, volume below; the shaded bars are named."
    return f'<section><h2>Findings</h2><p class="key">{key}</p><div class="cards">{"".join(cards)}</div></section>'


def _each(found: QualityReport, severity: Severity) -> "list[tuple[Marks, int]]":
    taken: dict[str, int] = {}
    chosen = []
    for mark in found.marks:
        if mark.severity == severity:
            n_free = max(0, _A_KIND - taken.get(mark.kind, 0))
            chosen += [(mark, at) for at in range(min(n_free, len(mark)))]
            taken[mark.kind] = taken.get(mark.kind, 0) + len(mark)
    return chosen


def _card(panel: Panel, market: Float64, mark: Marks, at: int) -> str:
    row, last, column = int(mark.rows[at]), int(mark.last()[at]), int(mark.columns[at])
    symbol = "every symbol" if column == EVERY_SYMBOL else panel.symbols[column]
    when = np.datetime_as_string(panel.times[row], unit="D")
    until = f" to {np.datetime_as_string(panel.times[last], unit='D')}" if last > row else ""
    return (
        f"<article><header><h3>{text(symbol)} · {when}{until}</h3>"
        f'<span class="tag {mark.severity}">{text(mark.kind)}</span></header>'
        f"<p>{text(mark.say(at))}</p>{around(panel, market, row, last, column, mark.severity)}</article>"
    )
