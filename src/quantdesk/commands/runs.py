"""Commands on runs that were kept: verify, promote."""

from typing import TYPE_CHECKING, Annotated

import typer

from quantdesk.commands.opening import Json, print_json, settings

if TYPE_CHECKING:
    from quantdesk.evaluation.verify import Value

Run = Annotated[str, typer.Argument(help="The run's id as `desk runs` lists it, or the beginning of it.")]

SHOWN = 25
"""Differences that the table shows."""


def verify(run: Run, as_json: Json = False) -> None:
    """Make a run again from its receipt and compare every number; where one differs, say what changed beneath it."""
    from dataclasses import asdict

    from quantdesk import console
    from quantdesk.evaluation.verify import verify as make_again

    with console.progress(is_quiet=as_json) as tell:
        found = make_again(run, settings().home, tell)
    if as_json:
        print_json(asdict(found) | {"is_identical": found.is_identical})
    else:
        for sentence in found.explanation:
            console.out.print(sentence, soft_wrap=True)
        compared = f"{found.n_numbers} numbers and {found.n_arrays} arrays compared"
        if found.is_identical:
            console.out.print(f"bit-identical: {compared}")
        else:
            rows = [(one.name, _said(one.before), _said(one.now)) for one in found.differences]
            title = f"run {found.run_id}, {found.strategy} on {found.data}: {len(rows)} differences, {compared}"
            console.show_table(title, ("", "then", "now"), rows[:SHOWN], numbers=(1, 2))
            if len(rows) > SHOWN:
                console.out.print(f"and {len(rows) - SHOWN} more: see --json")
    if not found.is_identical:
        raise typer.Exit(1)


def promote(
    run: Run,
    override: Annotated[
        str,
        typer.Option("--override", help="Why to let it trade without evidence, or without twins (--placebo); kept for good."),
    ] = "",
    as_json: Json = False,
) -> None:
    """Let a run's strategy trade: where its verdict is evidence of an edge, or against it with a reason that is kept."""
    from quantdesk.console import out
    from quantdesk.registry import Promotions

    promotion = Promotions(settings().home).promote(run, override)
    if as_json:
        print_json(vars(promotion))
        return
    why = (
        f"{_against(promotion.grade, promotion.data_name)}: {promotion.reason}"
        if promotion.reason
        else "its verdict is evidence of an edge"
    )
    out.print(f"promoted {promotion.name}, run {promotion.run_id} on {promotion.data_name}: {why}")


def _against(grade: str, data_name: str) -> str:
    from quantdesk.registry import MADE_UP

    if data_name.startswith(MADE_UP):
        return "on a made-up market"
    return "without enough twins beside it" if grade == "evidence" else f"against its verdict ({grade})"


def _said(value: "Value") -> str:
    if isinstance(value, str):
        return value[:12]
    return "–" if value is None else f"{value:.10g}"
