"""Turn numbers, times and strings into safe, readable text."""

import ast
import itertools
import math
from html import escape as _escape
from typing import Literal

import numpy as np

from quantdesk.domain.arrays import Times

NOTHING = "–"
"""Stands where there is no number."""

_THIN = "\N{NARROW NO-BREAK SPACE}"
_DAY_SECONDS = 86_400
_LINE = 96


def escape(text: str) -> str:
    """Make a string safe between tags and inside quoted attributes."""
    return _escape(text, quote=True)


def number(value: float, digits: int = 2, unit: str = "") -> str:
    """Write a number with a true minus sign and thousands separated; – if it is not finite.

    Examples
    --------
    >>> number(-1234.5, 1), number(float("nan"))
    ('−1,234.5', '–')
    """
    if not math.isfinite(value):
        return NOTHING
    text = f"{abs(value):,.{digits}f}"
    is_negative = value < 0 and any(digit in "123456789" for digit in text)
    return f"{'−' if is_negative else ''}{text}{_THIN + unit if unit else ''}"


def percent(value: float, digits: int = 1) -> str:
    """Write a fraction as a percentage.

    Examples
    --------
    >>> percent(0.1234).replace("\N{NARROW NO-BREAK SPACE}", " ")
    '12.3 %'
    """
    return number(value * 100.0, digits, "%")


def count(value: float) -> str:
    """Write a whole number, thousands separated."""
    return number(value, 0)


def confidence(value: float) -> str:
    """Write a probability as a percentage that never rounds to certainty."""
    if value > 0.999:
        return "over " + percent(0.999)
    return "under " + percent(0.001) if value < 0.001 else percent(value)


def day(time: np.datetime64) -> str:
    """Write the date of a time, UTC."""
    return str(np.datetime_as_string(time, unit="D"))


def moments(times: Times, bars: Times) -> list[str]:
    """Write times as dates, or to the minute where ``bars`` are shorter than a day."""
    unit: Literal["D", "m"] = "D" if spacing(bars) > 0.8 else "m"
    return [str(text).replace("T", " ") for text in np.datetime_as_string(times, unit=unit)]


def spacing(times: Times) -> float:
    """Give the median distance between times in days; one day if there are fewer than two."""
    if len(times) < 2:
        return 1.0
    return float(np.median(np.diff(times) / np.timedelta64(1, "s"))) / _DAY_SECONDS


def laid_out(choices: str) -> list[tuple[int, str]]:
    """Break the repr of nested choices into lines, each with how deep it lies: a line for each part that is chosen.

    Examples
    --------
    >>> for deep, line in laid_out(f"Seeds(model=LightGBM(n_trees=100, leaves=15), names={tuple(range(30))}, n=3)"):
    ...     print(" " * deep + line[:40])
    Seeds(
     model=LightGBM(n_trees=100, leaves=15),
     names=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    )
    """
    try:
        return _lines(ast.parse(choices, mode="eval").body, "", "", 0)
    except SyntaxError:
        return [(0, choices)]


def _lines(node: ast.expr, before: str, after: str, deep: int) -> list[tuple[int, str]]:
    line, inner = f"{before}{ast.unparse(node)}{after}", _inner(node)
    if len(line) <= _LINE or not any(_is_nested(one) for _, one in inner):
        return [(deep, line)]
    head, ends = (
        (ast.unparse(node.func), "()") if isinstance(node, ast.Call) else ("", "[]" if isinstance(node, ast.List) else "()")
    )
    lines = [(deep, f"{before}{head}{ends[0]}")]
    for is_nested, some in itertools.groupby(inner, lambda one: _is_nested(one[1])):
        if is_nested:
            lines += [row for name, one in some for row in _lines(one, name, ",", deep + 1)]
        else:
            lines.append((deep + 1, " ".join(f"{name}{ast.unparse(one)}," for name, one in some)))
    return [*lines, (deep, f"{ends[1]}{after}")]


def _inner(node: ast.expr) -> list[tuple[str, ast.expr]]:
    if isinstance(node, ast.Call):
        return [("", one) for one in node.args] + [(f"{one.arg}=", one.value) for one in node.keywords]
    return [("", one) for one in node.elts] if isinstance(node, ast.Tuple | ast.List) else []


def _is_nested(node: ast.expr) -> bool:
    return any(isinstance(one, ast.Call) for one in ast.walk(node))


def table(heads: list[str], rows: list[list[str]], *, caption: str = "", marked: int = -1) -> str:
    """Lay out ready cells; the first of each row is its head, and row ``marked`` stands out."""
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(
        f"<tr{' class=own' if position == marked else ''}>"
        + f'<th scope="row">{row[0]}</th>'
        + "".join(f"<td>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for position, row in enumerate(rows)
    )
    note = f'<p class="caption">{caption}</p>' if caption else ""
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}'


def section(name: str, title: str, body: str) -> str:
    """Wrap a part of the page under a heading that can be linked to."""
    return f'<section id="{name}"><h2>{title}</h2>{body}</section>'
