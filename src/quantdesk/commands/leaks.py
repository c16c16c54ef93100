"""The command that looks for what a strategy knows too early: leakcheck."""

from dataclasses import asdict
from typing import Annotated

import typer

from quantdesk.commands.opening import Data, Json, Symbols, load, print_json, require_enough, settings
from quantdesk.domain.errors import StrategyError

Moments = Annotated[int, typer.Option("--moments", min=1, help="Moments at which everything is computed again.")]


def leakcheck(
    strategy: Annotated[str, typer.Argument(help="A strategy's name or the path of its file; none with --gauntlet.")] = "",
    data: Data = "sample",
    symbols: Symbols = "",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the scrambling.")] = 0,
    moments: Moments = 8,
    gauntlet: Annotated[bool, typer.Option("--gauntlet", help="Try the checks on planted leaks and clean twins.")] = False,
    as_json: Json = False,
) -> None:
    """Cut off and scramble the future, refit, and compare: name what changes, when, and from what to what.

    Ends with code 1 where a leak is found. On wide data a few moments, or some of the symbols, are enough.
    """
    if gauntlet:
        _gauntlet(seed, as_json)
        return
    if not strategy:
        raise StrategyError("no strategy was named", "a strategy, or --gauntlet", "see `desk strategies`")
    from quantdesk.console import out
    from quantdesk.evaluation.leaks.check import check
    from quantdesk.evaluation.leaks.outside import outside
    from quantdesk.evaluation.verdict import brought_along
    from quantdesk.strategy import load as load_strategy

    checked, panel = load_strategy(strategy, settings().home), load(data, symbols)
    require_enough(checked, panel)
    found = check(checked, panel, seed, moments)
    if as_json:
        print_json([{name: str(value) for name, value in asdict(leak).items()} for leak in found])
    for leak in () if as_json else found:
        out.print(str(leak))
    if found:
        raise typer.Exit(1)
    if not as_json:
        for name in outside(checked, panel):
            out.print(f"not checked: {brought_along(name)}")
        out.print(f"no leak found in {strategy} on {data}: what it computes from the data does not change when the future does")


def _gauntlet(seed: int, as_json: bool) -> None:
    from quantdesk.console import out
    from quantdesk.evaluation.leaks.gauntlet import as_json as plain
    from quantdesk.evaluation.leaks.gauntlet import as_markdown
    from quantdesk.evaluation.leaks.gauntlet import gauntlet as run

    cases = run(seed=seed)
    if as_json:
        print_json(plain(cases))
    else:
        out.print(as_markdown(cases))
        n_caught = sum(case.caught for case in cases if case.planted)
        n_accused = sum(case.caught for case in cases if not case.planted)
        out.print(f"{n_caught} of {sum(case.planted for case in cases)} planted leaks caught; {n_accused} clean twins accused")
    if any(case.caught != case.planted for case in cases):
        raise typer.Exit(1)
