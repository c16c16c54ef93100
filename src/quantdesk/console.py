"""What the terminal shows: progress, verdicts, tables and decision cards."""

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.panel import Panel as Box
from rich.table import Column, Table
from rich.text import Text

from quantdesk.domain.errors import DeskError
from quantdesk.domain.progress import telling

if TYPE_CHECKING:
    from quantdesk.domain.progress import Tell
    from quantdesk.evaluation.card import Card, Proposal
    from quantdesk.evaluation.outcome import Evaluation, Performance

PIPED_WIDTH = 120
"""Columns where there is no terminal to ask."""

out = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(highlight=False, markup=False, stderr=True)

LINE_SECONDS = 60.0
"""Without a terminal, a stage that lasts is told of no more often than this."""

GRADE_STYLE = {"none": "red", "weak": "yellow", "evidence": "green"}


@contextmanager
def progress(is_quiet: bool) -> "Iterator[Tell]":
    """Show progress on standard error while the body runs, and yield what to tell it.

    In a terminal it is a bar, unless ``is_quiet``; elsewhere, as in a log file, a line where a stage begins.
    """
    with _bar(is_quiet) if err.is_terminal else nullcontext(_lines()) as tell, telling(tell):
        yield tell


@contextmanager
def _bar(is_quiet: bool) -> "Iterator[Tell]":
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    # The words come last and go on in a second line where there is little room.
    words = TextColumn("{task.description}", table_column=Column(ratio=1))
    columns = (BarColumn(bar_width=20), TimeElapsedColumn(), TimeRemainingColumn(), words)
    with Progress(*columns, console=err, transient=True, expand=True, disable=is_quiet) as bars:
        task, before = bars.add_task("starting", total=1.0), 0.0

        def tell(what: str, done: int, total: int) -> None:
            nonlocal before
            share = done / max(total, 1)
            if share < before:  # another step of the work, whose pace says nothing about this one
                bars.reset(task)
            before = share
            bars.update(task, description=what, completed=share)

        yield tell


def _lines() -> "Tell":
    began, told_at, begun = time.monotonic(), -math.inf, set[str]()
    before = (0, 0)

    def tell(what: str, done: int, total: int) -> None:
        nonlocal told_at, before
        stage, now = what.partition(":")[0], time.monotonic()
        # The next of one count, such as another symbol of many, is no stage of its own.
        is_next, before = total == before[1] and done > before[0], (done, total)
        begins = stage not in begun and not is_next and done < total
        if begins or now - told_at >= LINE_SECONDS:
            begun.add(stage)
            told_at = now
            share = "" if begins or stage != what else f", {done / max(total, 1):.0%} done"
            err.print(f"{timedelta(seconds=int(now - began))}  {what}{share}", soft_wrap=True)

    return tell


def show_error(error: DeskError) -> None:
    """Print the three parts of an error on standard error."""
    text = Text()
    text.append("error: ", style="bold red")
    text.append(error.what + "\n")
    text.append("  expected: ", style="bold")
    text.append(error.expected + "\n")
    text.append("  do: ", style="bold")
    text.append(error.action)
    err.print(text, soft_wrap=True)


def show_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = (), caption: str = ""
) -> None:
    """Print a table, its title above and its caption below; ``numbers`` are the columns set flush right."""
    if title:
        out.print(Text(title, style="bold"))
    table = Table(header_style="dim", box=None, pad_edge=False)
    for column, name in enumerate(header):
        is_number = column in numbers
        table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table)
    if caption:
        out.print(Text(caption, style="dim"))


def show_evaluation(evaluation: "Evaluation", report: str) -> None:
    """Print the verdict, the comparison with the baselines, and where the report lies."""
    verdict = evaluation.verdict
    body = Text(verdict.headline[0].upper() + verdict.headline[1:] + ".\n", style="bold " + GRADE_STYLE[verdict.grade])
    for reason in verdict.reasons:
        body.append(f"\n• {reason}", style="not bold default")
    for caveat in verdict.caveats:
        body.append(f"\n! {caveat}", style="not bold yellow")
    out.print(Box(body, title=f"{evaluation.strategy} on {evaluation.data}", title_align="left", border_style="dim"))
    rows = [_performance_row(evaluation.strategy, evaluation.performance)]
    rows.append(_performance_row("  before costs", evaluation.gross_performance))
    rows += [
        _performance_row(evaluation.label(name), performance) for name, performance in evaluation.baseline_performance.items()
    ]
    header = ("", "Sharpe", "return/yr", "volatility", "drawdown", "turnover/yr")
    show_table("", header, rows, numbers=range(1, len(header)))
    out.print(Text(f"\nrun {evaluation.run_id}   report {report}", style="dim"), soft_wrap=True)


def _performance_row(name: str, performance: "Performance") -> tuple[str, ...]:
    return (
        name,
        f"{performance.sharpe:.2f}",
        f"{performance.annual_return:.1%}",
        f"{performance.annual_volatility:.1%}",
        f"{performance.max_drawdown:.1%}",
        f"{performance.turnover:.1f}x",
    )


def show_card(card: "Card", standing: str, n_shown: int) -> None:
    """Print tomorrow's orders: a table of all, then the arithmetic behind the largest."""
    title = f"Orders of {card.strategy} on {card.data} after the close of {card.decided_at} UTC"
    header = ("order", "units", "close", "weight", "forecast", "90 % interval", "P(up)", "cost", "bound by")
    show_table(title, header, [_proposal_row(proposal) for proposal in card.proposals], numbers=range(1, 8))
    if not card.proposals and not card.too_small:
        out.print("nothing to do: what is held is what is wanted")
    if card.too_small:
        out.print(f"wanted, but less than a lot or without a price in the last bar: {', '.join(card.too_small)}")
    if card.n_below_cost:
        said = (
            "is expected to earn less than it costs" if card.n_below_cost == 1 else "are expected to earn less than they cost"
        )
        out.print(f"{card.n_below_cost} of {len(card.proposals)} orders {said}")
    out.print(
        Text(
            f"equity {card.equity:,.2f}   one-bar loss at 95 %: {card.value_at_risk:.2%} of it   {standing}\n",
            style="dim",
        )
    )
    for proposal in card.proposals[:n_shown]:
        out.print(_arithmetic(card, proposal))


def _proposal_row(proposal: "Proposal") -> tuple[str, ...]:
    return (
        f"{proposal.side} {proposal.symbol}",
        f"{proposal.quantity:+,.10g}",
        f"{proposal.close:,.2f}",
        f"{proposal.weight:+.2%}",
        f"{proposal.mean:+.2%}",
        f"{proposal.low_90:+.1%} … {proposal.high_90:+.1%}",
        f"{proposal.probability_up:.0%}",
        f"{proposal.cost:,.2f}",
        proposal.bound_by or "–",
    )


def _arithmetic(card: "Card", proposal: "Proposal") -> Text:
    reasons = " ".join(f"{name} {value:+.3%}" for name, value in proposal.contributions.items())
    text = Text(f"{proposal.side} {proposal.symbol}\n", style="bold")
    share = f"{abs(proposal.quantity):,.10g} / {proposal.daily_units:,.0f}"
    lines = (
        f"why     {proposal.horizon} bars: {reasons} rest {proposal.contribution_rest:+.3%} = {proposal.mean:+.3%}",
        f"weight  strength {proposal.strength:+.3f} -> wanted {proposal.wanted_weight:+.4%}"
        f" -> limits ({proposal.bound_by or 'none bound'}) {proposal.weight:+.4%}",
        f"size    {proposal.weight:+.6f} x {card.equity:,.2f} / {proposal.close:,.4f} = {proposal.target_units:,.10g}"
        f" to a lot of {proposal.lot:g}, less {proposal.held_units:,.10g} held = {proposal.quantity:+,.10g}",
        f"cost    {card.half_spread_bps:g} bps + {card.impact:g} x {proposal.volatility:.4f}"
        f" x sqrt({share}) moves {proposal.close:,.4f} to {proposal.estimated_price:,.4f}"
        f" = {proposal.spread_and_impact:,.2f}; commission {card.commission_bps:g} bps = {proposal.commission:,.2f}",
    )
    text.append("\n".join(f"  {line}" for line in lines) + "\n", style="not bold")
    return text


def show_mapping(title: str, mapping: Mapping[str, str]) -> None:
    """Print how names were understood."""
    show_table(title, ("found", "read as"), list(mapping.items()))
