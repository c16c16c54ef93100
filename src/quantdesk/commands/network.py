"""Commands that ask a source over the network: fetch, update, and what a source has changed."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from quantdesk.commands.opening import Json, print_json, settings
from quantdesk.domain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from quantdesk.data.access import Access
    from quantdesk.data.difference import Change
    from quantdesk.domain.panel import Panel

AcceptRevision = Annotated[
    bool, typer.Option("--accept-revision", help="Take the source's word where it contradicts what it said before.")
]


def fetch(
    source: Annotated[str, typer.Argument(help="yahoo, alpha_vantage, polygon, alpaca, crypto; fred and edgar for facts.")],
    symbols: Annotated[list[str], typer.Argument(help="Instruments, or series of fred: AAPL MSFT, BTC/USD, DGS10.")],
    name: Annotated[str, typer.Option("--name", help="What to call the data set.")],
    start: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day; now, if not given.")] = "",
    bar: Annotated[str, typer.Option("--bar", help="Length of a bar, where the source has several: 1d, 1h, 5m.")] = "",
    option: Annotated[list[str] | None, typer.Option("--option", help="KEY=VALUE that only this source knows.")] = None,
    accept_revision: AcceptRevision = False,
    as_json: Json = False,
) -> None:
    """Fetch bars or facts and keep them, each with the time it became known.

    Needs `pip install 'quantdesk[sources]'`. Keys are read from `[keys]` in desk.toml or from DESK_KEYS__NAME. A run that was
    stopped goes on where it stood; a source that contradicts its own past is refused, not believed.
    """
    from quantdesk.console import out
    from quantdesk.data import fetching

    options: dict[str, object] = dict(_pair(item) for item in option or ())
    request = fetching.Request(source, tuple(symbols), name, start, end, options | ({"bar": bar} if bar else {}))
    with _access(as_json, accept_revision) as access:
        if source in fetching.network_facts():
            n_new = fetching.fetch_facts(request, access)
            summary: dict[str, object] = {"name": name, "n_new_facts": n_new}
        else:
            fetched = fetching.fetch(request, access)
            n_times, n_instruments = fetched.panel.shape
            summary = {"name": name, "n_times": n_times, "n_instruments": n_instruments, "n_new_bars": fetched.n_new_bars}
            summary["changes"] = [change.line() for change in fetched.changes]
    if as_json:
        print_json(summary)
    else:
        out.print("   ".join(f"{key} {value}" for key, value in summary.items() if value != []))


def update(
    name: Annotated[str, typer.Argument(help="A data set that was fetched.")],
    accept_revision: AcceptRevision = False,
    as_json: Json = False,
) -> None:
    """Ask a data set's source for what is new, and compare what it says about the last bars known."""
    from quantdesk.console import out
    from quantdesk.data import fetching

    with _access(as_json, accept_revision) as access:
        fetched = fetching.update(name, access)
    if as_json:
        print_json({"name": name, "n_new_bars": fetched.n_new_bars, "changes": [change.line() for change in fetched.changes]})
        return
    out.print(f"{name}: {fetched.n_new_bars} new bars, up to {fetched.panel.now.astype('datetime64[m]')} UTC")
    _show(fetched.changes)


def diff(
    name: Annotated[str, typer.Argument(help="A data set that was fetched.")],
    strategy: Annotated[str, typer.Option("--strategy", help="Also evaluate this strategy on both versions.")] = "",
    as_json: Json = False,
) -> None:
    """Ask for all of a data set again, say what its source has changed since, and what that does to a strategy's result.

    Nothing kept is changed. With --strategy both evaluations are counted as trials.
    """
    from quantdesk.console import out
    from quantdesk.data import fetching
    from quantdesk.data.difference import difference

    with _access(as_json, False) as access:
        kept, now = fetching.asked_again(name, access)
    changes = difference(kept, now)
    summary: dict[str, object] = {"changes": [change.line() for change in changes]}
    if strategy:
        summary["net_sharpe_kept"], summary["net_sharpe_now"] = (_net_sharpe(strategy, panel) for panel in (kept, now))
    if as_json:
        print_json(summary)
        return
    _show(tuple(changes))
    if strategy:
        before, after = summary["net_sharpe_kept"], summary["net_sharpe_now"]
        out.print(f"net Sharpe of {strategy}: {before} on what is kept, {after} on what is said now")


def _net_sharpe(strategy: str, panel: "Panel") -> float | None:
    from quantdesk.data import quality
    from quantdesk.evaluation.evaluate import evaluate
    from quantdesk.evaluation.plan import Plan
    from quantdesk.execution.costs import Costs
    from quantdesk.strategy import load as load_strategy

    chosen = settings()
    plan = Plan(chosen.home, Costs(**chosen.cost_rates), chosen.capital)
    result, _ = evaluate(load_strategy(strategy, chosen.home), quality.gate(panel), plan)
    sharpe = result.performance.sharpe
    return round(sharpe, 4) if math.isfinite(sharpe) else None


def _show(changes: "tuple[Change, ...]") -> None:
    from quantdesk.console import out

    for change in changes:
        out.print(change.line())
    if not changes:
        out.print("the source says what it said before")


def _access(as_json: bool, accept_revision: bool) -> "AbstractContextManager[Access]":
    from contextlib import contextmanager

    from quantdesk.console import progress
    from quantdesk.data.access import Access

    @contextmanager
    def opened() -> "Iterator[Access]":
        chosen = settings()
        with progress(is_quiet=as_json) as tell:
            yield Access(chosen.home, chosen.keys, tell, accept_revision)

    return opened()


def _pair(item: str) -> tuple[str, str]:
    key, sign, value = item.partition("=")
    if not sign:
        raise DataError(f"--option {item}", "KEY=VALUE", "write it so")
    return key, value
