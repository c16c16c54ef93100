"""Commands that try many things at once: sweep."""

import math
from collections import Counter
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from quantdesk.commands.opening import Data, Json, Symbols, interruptible, load, print_json, settings
from quantdesk.domain.errors import SettingsError, StrategyError

if TYPE_CHECKING:
    from quantdesk.evaluation.sweeping import Searched
    from quantdesk.execution.rules import Rule

GRIDS = {
    "crossover": {"fast": "5:50:5", "slow": "20:200:20"},
    "breakout": {"high_bars": "10:100:10", "low_bars": "5:50:5"},
    "momentum": {"bars": "5:250:5"},
    "relative_strength": {"bars": "5:30:5", "low": "20,25,30,35", "high": "65,70,75,80"},
    "reversion": {"bars": "5:60:5", "width": "0.01,0.02,0.03,0.05,0.08"},
}
"""What is tried where nothing is asked for."""

FRACTIONS = ("width", "low", "high")
"""Numbers of a rule that need not be whole."""

MOST_RULES = 20_000
"""Combinations tried at once."""

NOTHING_LEFT = "nothing was kept and no rule was counted; the same command begins anew"
"""What Ctrl-C leaves of a sweep."""


class LeftOut(NamedTuple):
    """How many combinations make no rule for one reason, what is wrong with the first of them, and what was expected."""

    n: int
    such_as: str
    expected: str


def sweep(
    rule: Annotated[str, typer.Argument(help=f"One of {', '.join(GRIDS)}.")],
    data: Data = "sample",
    symbols: Symbols = "",
    given: Annotated[
        list[str] | None, typer.Option("--set", help="Values to try, as fast=5:50:5 (from:to:step) or bars=10,20; repeat it.")
    ] = None,
    side: Annotated[str, typer.Option("--side", help="Which sides are taken: long, short or both.")] = "long",
    stop: Annotated[float | None, typer.Option("--stop", help="Stop loss, fraction of the entry price.")] = None,
    target: Annotated[float | None, typer.Option("--target", help="Take profit, fraction of the entry price.")] = None,
    trail: Annotated[float | None, typer.Option("--trail", help="Trailing stop, fraction of the best close.")] = None,
    hold: Annotated[int | None, typer.Option("--hold", help="Bars after which a position is closed.")] = None,
    shown: Annotated[int, typer.Option("--show", help="How many rules to list.")] = 10,
    as_json: Json = False,
) -> None:
    """Try every combination of a rule's numbers, and say whether the best of them is more than luck.

    Each is traded on all instruments from one purse after costs, and counts as a trial on the data.
    The best is chosen on the first two thirds of history and judged on the rest.
    """
    from quantdesk import console
    from quantdesk.evaluation.plan import Plan
    from quantdesk.evaluation.sweeping import search
    from quantdesk.execution.costs import Costs
    from quantdesk.execution.rules import Exits

    chosen = settings()
    rules, left_out = _rules(rule, given or [], side)
    plan = Plan(chosen.home, Costs(**chosen.cost_rates), chosen.capital)
    with console.progress(is_quiet=as_json) as tell, interruptible(NOTHING_LEFT):
        found = search(load(data, symbols), rules, Exits(stop, target, trail, hold), plan, tell=tell)
    if as_json:
        print_json(_summary(found) | {"left_out": [one._asdict() for one in left_out]})
        return
    console.out.print(found.verdict[0][:1].upper() + found.verdict[0][1:] + ".")
    for reason in found.verdict[1:]:
        console.out.print(f"• {reason}")
    order = sorted(range(len(rules)), key=lambda i: -math.inf if math.isnan(found.sharpes[i]) else -found.sharpes[i])[:shown]
    rows = [(repr(rules[i]), f"{found.sharpes[i]:.2f}", f"{found.later_sharpes[i]:.2f}") for i in order]
    console.show_table("", ("rule", "Sharpe where chosen", "afterwards"), rows, (1, 2), _caption(len(rules), left_out))


def _caption(n_rules: int, left_out: list[LeftOut]) -> str:
    n_asked = n_rules + sum(one.n for one in left_out)
    return "\n".join(f"{one.n} of {n_asked} combinations left out, such as {one.such_as}" for one in left_out)


def _rules(name: str, given: list[str], side: str) -> "tuple[list[Rule], list[LeftOut]]":
    from quantdesk.execution import rules

    if name not in GRIDS:
        raise SettingsError(f"no rule {name!r}", f"one of {', '.join(GRIDS)}", "correct it")
    if side not in rules.SIDES:
        raise SettingsError(f"--side {side}", f"one of {', '.join(rules.SIDES)}", "correct it")
    asked = GRIDS[name] | dict(_pair(name, text) for text in given)
    values = {key: _values(key, text) for key, text in asked.items()}
    n_rules = math.prod(len(some) for some in values.values())
    if n_rules > MOST_RULES:
        raise SettingsError(f"{n_rules:,} combinations of {', '.join(values)}", f"at most {MOST_RULES:,}", "try fewer values")
    kind = getattr(rules, "".join(part.capitalize() for part in name.split("_")))
    made, refused = rules.sifted(kind, **values, side=[side])
    if not made:
        tried = ", ".join(f"{key}={asked[key]}" for key in values)
        raise SettingsError(f"no rule comes of {tried}", "positive numbers that fit, as fast below slow", "correct them")
    return made, _reasons(refused)


def _reasons(refused: list[StrategyError]) -> list[LeftOut]:
    counts = Counter(error.expected for error in refused)
    first = {error.expected: error.what for error in reversed(refused)}
    return [LeftOut(n, first[expected], expected) for expected, n in counts.items()]


def _pair(name: str, text: str) -> tuple[str, str]:
    key, _, values = text.partition("=")
    if key not in GRIDS[name]:
        raise SettingsError(f"--set {text}", f"a value of {', '.join(GRIDS[name])}, as {key or 'name'}=10,20", "correct it")
    return key, values


def _values(key: str, text: str) -> list[float]:
    try:
        if ":" in text:
            first, last, step = (int(part) for part in text.split(":"))
            return [float(value) if key in FRACTIONS else value for value in range(first, last + 1, step)[: MOST_RULES + 1]]
        return [float(part) if key in FRACTIONS else int(part) for part in text.split(",")]
    except ValueError as error:
        raise SettingsError(f"--set {key}={text}", "whole numbers as 5:50:5 or 10,20", "correct it") from error


def _summary(found: "Searched") -> dict[str, object]:
    def plain(value: float) -> float | None:
        return float(value) if math.isfinite(value) else None

    return {
        "run_id": found.run_id,
        "verdict": found.verdict[0],
        "reasons": list(found.verdict[1:]),
        "best": repr(found.rules[found.best]),
        "sharpe": plain(found.significance.sharpe),
        "later_sharpe": plain(found.later_sharpes[found.best]),
        "n_trials": found.significance.n_trials,
        "n_effective_trials": plain(found.significance.n_effective_trials),
        "expected_best_from_noise": plain(found.significance.expected_best_from_noise),
        "deflated_sharpe": plain(found.significance.deflated_sharpe),
        "overfitting": plain(found.overfitting.probability) if found.overfitting else None,
        "rules": [
            {"rule": repr(rule), "sharpe": plain(sharpe), "later_sharpe": plain(later)}
            for rule, sharpe, later in zip(found.rules, found.sharpes, found.later_sharpes, strict=True)
        ],
    }
