"""The command line: which commands there are, and how every one of them ends."""

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from quantdesk import __version__
from quantdesk.commands import leaks, lists, market_data, network, networks, runs, searching, sets, study, trading
from quantdesk.commands.opening import Interrupted
from quantdesk.domain.errors import DataError, DeskError, StrategyError

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""

app = typer.Typer(
    help="A machine-learning trading desk for one person, which says when it is fooling itself.",
    epilog="Begin with `desk demo`: it needs no data, no key and no network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for command in (
    trading.demo,
    market_data.ingest,
    market_data.check,
    network.fetch,
    network.update,
    study.scan,
    study.correlate,
    study.surprise,
    study.factors,
    networks.target_loss,
    trading.evaluate,
    searching.sweep,
    leaks.leakcheck,
    trading.orders,
    runs.verify,
    runs.promote,
    lists.runs,
    lists.strategies,
    lists.models,
    lists.networks,
    lists.features,
    lists.doctor,
):
    app.command()(command)

data = typer.Typer(help="Look after the data sets that are kept.", no_args_is_help=True, rich_markup_mode=None)
data.command("list")(sets.sets)
for command_on_sets in (
    sets.delete,
    sets.facts,
    sets.documents,
    sets.attach,
    sets.restrict,
    sets.compare,
    network.diff,
):
    data.command()(command_on_sets)
app.add_typer(data, name="data")


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Print the version where asked."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; errors of three parts and Ctrl-C end it with a code other than 0."""
    try:
        result = app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except KeyboardInterrupt:
        return _interrupted()
    except Interrupted as ended:
        return _interrupted(str(ended))
    except DeskError as error:
        return _failed(error)
    except Exception as error:  # noqa: BLE001 - the one place where every fault becomes a message
        if type(error).__name__ == "Abort":
            return _interrupted()
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            return int(error.exit_code)
        return _failed(_explained(error))
    if result == INTERRUPTED:  # typer turns Ctrl-C into this code, without a word
        return _interrupted()
    return result if isinstance(result, int) else 0


def _interrupted(left: str = "nothing half-written was kept") -> int:
    print(f"interrupted: {left}", file=sys.stderr)
    return INTERRUPTED


def _failed(error: DeskError) -> int:
    from quantdesk.console import show_error

    show_error(error)
    return 2


def _explained(error: Exception) -> DeskError:
    # The innermost frame outside the installed packages tells a strategy's fault from ours.
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, OSError):
        where = error.filename or "the disk"
        return DataError(
            f"{where}: {error.strerror or error}", "a readable file and room to write", "correct the path or free the disk"
        )
    own = [frame for frame in frames if "desk_strategy" in frame.name or _is_strategy_file(frame.filename)]
    if own:
        last = own[-1]
        return StrategyError(
            f"{last.filename}:{last.lineno} in {last.name}: {type(error).__name__}: {error}",
            "a strategy that runs to the end",
            "correct it; nothing was recorded",
        )
    last = frames[-1]
    return DeskError(
        f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})",
        "no such fault: this one is ours",
        "report it with the command you ran",
    )


def _is_strategy_file(filename: str) -> bool:
    return any(
        getattr(module, "__file__", None) == filename
        for name, module in sys.modules.items()
        if name.startswith("desk_strategy_")
    )
