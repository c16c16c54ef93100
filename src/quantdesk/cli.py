"""The commands. Nothing heavy is imported before a command needs it."""

import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantdesk import __version__
from quantdesk.domain.errors import DataError, DeskError, StrategyError

if TYPE_CHECKING:
    from quantdesk.domain.panel import Panel
    from quantdesk.execution.costs import Costs
    from quantdesk.settings import Settings

app = typer.Typer(
    help="A machine-learning trading desk for one person, which says when it is fooling itself.",
    epilog="Begin with `desk demo`: it needs no data, no key and no network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value for machines, and nothing else.")]
Data = Annotated[
    str,
    typer.Option(
        "--data", help="A data set: `sample`, one you ingested, or `synthetic[:ic=0.05,seed=1,n_instruments=50,n_days=1500]`."
    ),
]
Symbols = Annotated[str, typer.Option("--symbols", help="Only these instruments of the data set, as AAPL,MSFT.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the report and the JSON; by default under DESK_HOME/runs.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]


@app.command()
def demo(out: Out = None, as_json: Json = False) -> None:
    """Evaluate the boosted strategy on real prices, then show verdict, report and tomorrow's orders.

    The prices are those of 20 large US companies, 1990 to 2022, that come with the desk.
    """
    evaluation = _evaluate("boosted", "sample", "", out, seed=0, rolling=False, as_json=as_json)
    if not as_json:
        standing = f"verdict on this data: {evaluation['verdict']}"
        _orders("boosted", "sample", "", None, None, 2, standing, as_json=False)


@app.command()
def ingest(
    path: Annotated[
        Path, typer.Argument(help="A CSV (also .csv.gz) or Parquet file; one row a time and symbol, or one column a symbol.")
    ],
    name: Annotated[str, typer.Option("--name", help="What to call the data set.")],
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="FIELD=COLUMN where the guess is wrong, such as close=LAST.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="Zone of stamps that carry none, such as America/New_York.")
    ] = None,
    closes_at: Annotated[
        str, typer.Option("--closes-at", help="When a session known by its date alone ends, HH:MM.")
    ] = "16:00",
    sort: Annotated[
        bool, typer.Option("--sort", help="Put rows that are out of order in order, rather than refuse them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read a file, check it, and keep it under a name.

    Impossible bars are refused with their symbol, time and value; nothing is filled in or dropped.
    """
    from quantdesk.console import out, show_mapping
    from quantdesk.data import quality, store
    from quantdesk.data.sources.file import File

    chosen = dict(_pair(item) for item in mapping or ())
    source = File(path, name, chosen, timezone, closes_at, sort)
    panel, columns = source.read()
    if not as_json:
        show_mapping(f"{path.name} ({columns.layout})", {column: field for field, column in columns.chosen.items()})
        for note in columns.notes:
            out.print(f"note: {note}")
    quality.gate(panel)
    where = store.save(panel, _settings().home)
    n_times, n_instruments = panel.shape
    if as_json:
        _print_json(
            {
                "name": name,
                "n_times": n_times,
                "n_instruments": n_instruments,
                "path": str(where),
                "caveats": list(panel.caveats),
            }
        )
        return
    for caveat in panel.caveats:
        out.print(f"caveat: {caveat}")
    out.print(f"kept {n_instruments} instruments x {n_times} bars as {name!r}; next: desk evaluate boosted --data {name}")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A data set, as for --data.")],
    as_json: Json = False,
) -> None:
    """Judge a data set: what is impossible is an error, what is doubtful is listed."""
    from quantdesk.console import out, show_table
    from quantdesk.data import quality, store

    panel = store.load(name, _settings().home)
    report = quality.check(panel)
    rows = [(f.severity, f.kind, f.symbol, str(f.time.astype("datetime64[m]")), f.message) for f in report.findings]
    if as_json:
        named = [dict(zip(("severity", "kind", "symbol", "time", "message"), row, strict=True)) for row in rows]
        plain = {
            "name": name,
            "n_refused": report.n_refused,
            "score": report.score,
            "counts": dict(report.counts),
            "findings": named,
        }
        _print_json(plain | {"caveats": list(panel.caveats)})
    else:
        show_table(
            f"{name}: {panel.shape[1]} instruments x {panel.shape[0]} bars",
            ("", "kind", "symbol", "time", "finding"),
            rows[:40],
        )
        out.print(", ".join(f"{count} {kind}" for kind, count in report.counts.items()) or "nothing found")
        out.print(f"{report.n_refused} refused; {report.score:.2%} of traded bars are named by no finding")
        for caveat in panel.caveats:
            out.print(f"caveat: {caveat}")
    if report.n_refused:
        raise typer.Exit(1)


@app.command()
def evaluate(
    strategy: Annotated[str, typer.Argument(help="A strategy's name (see `desk strategies`) or the path of its file.")],
    data: Data = "sample",
    symbols: Symbols = "",
    out: Out = None,
    seed: Seed = 0,
    rolling: Annotated[bool, typer.Option("--rolling", help="Train on a rolling window rather than an expanding one.")] = False,
    combinatorial: Annotated[
        bool,
        typer.Option("--combinatorial", help="Also run combinatorial purged cross-validation: how much the result varies."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what a strategy is worth after costs, out of sample, and why to believe it or not.

    Every evaluation is counted as a trial on its data; the verdict takes the count into account.
    """
    _evaluate(strategy, data, symbols, out, seed, rolling, as_json, combinatorial)


@app.command()
def orders(
    strategy: Annotated[str, typer.Argument(help="A strategy's name or the path of its file.")],
    data: Data = "sample",
    symbols: Symbols = "",
    positions: Annotated[
        Path | None, typer.Option("--positions", help="CSV with columns symbol,quantity of what is held; nothing by default.")
    ] = None,
    cash: Annotated[
        float | None, typer.Option("--cash", help="Cash in the account; by default the capital of the settings.")
    ] = None,
    shown: Annotated[int, typer.Option("--show", help="How many orders to explain in full.")] = 3,
    as_json: Json = False,
) -> None:
    """Show the orders for the next session, each with the numbers that led to it.

    The strategy learns from all of the data set first. Nothing is sent anywhere.
    """
    _orders(strategy, data, symbols, positions, cash, shown, "", as_json)


@app.command()
def strategies(as_json: Json = False) -> None:
    """List the strategies, yours first."""
    from quantdesk import strategy as parts
    from quantdesk.console import show_table

    home = _settings().home
    found = {name: (path, parts.load(str(path), home)) for name, path in parts.find(home).items()}
    if as_json:
        _print_json([{"name": name, "description": one.description, "path": str(path)} for name, (path, one) in found.items()])
        return
    show_table("", ("strategy", "what it does"), [(name, one.description) for name, (_, one) in found.items()])


@app.command()
def models(as_json: Json = False) -> None:
    """List the models and their settings."""
    from quantdesk.console import show_table
    from quantdesk.models import catalog

    rows = [(name, catalog.summary(kind), catalog.hyperparameters(kind)) for name, kind in catalog.discover().items()]
    if as_json:
        _print_json([{"name": name, "description": what, "settings": settings} for name, what, settings in rows])
        return
    shown = [(name, what, " ".join(f"{key}={value}" for key, value in settings.items())) for name, what, settings in rows]
    show_table("", ("model", "what it is", "settings"), shown)


@app.command()
def features(as_json: Json = False) -> None:
    """List the features, how far back each looks, and what data it needs."""
    from quantdesk.console import show_table
    from quantdesk.features import library

    found = library.discover().values()
    if as_json:
        _print_json([{"name": f.name, "lookback": f.lookback, "needs": f.needs, "source": f.source} for f in found])
        return
    rows = [(f.name, str(f.lookback), " ".join(f.needs), f.source) for f in found]
    show_table("", ("feature", "bars", "needs", "source"), rows, numbers=(1,))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check that this machine can run the desk."""
    from quantdesk import checkup
    from quantdesk.console import show_table

    findings = checkup.examine(_settings())
    if as_json:
        _print_json([vars(finding) for finding in findings])
    else:
        show_table("", ("", "what", "found"), [("ok" if f.is_well else "!!", f.what, f.found) for f in findings])
    if not all(finding.is_well for finding in findings):
        raise typer.Exit(1)


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


def _interrupted() -> int:
    print("interrupted: nothing half-written was kept", file=sys.stderr)
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


def _settings() -> "Settings":
    from quantdesk.settings import read_settings

    return read_settings()


def _costs(settings: "Settings") -> "Costs":
    from quantdesk.execution.costs import Costs

    return Costs(**settings.cost_rates)


def _load(name: str, symbols: str) -> "Panel":
    from quantdesk.data import quality, store

    panel = store.load(name, _settings().home)
    chosen = tuple(symbol.strip() for symbol in symbols.split(",") if symbol.strip())
    return quality.gate(panel.select(chosen) if chosen else panel)


def _evaluate(
    name: str, data: str, symbols: str, out: Path | None, seed: int, rolling: bool, as_json: bool, combinatorial: bool = False
) -> dict[str, object]:
    from quantdesk import console
    from quantdesk import strategy as parts
    from quantdesk.evaluation import evaluate as evaluation
    from quantdesk.evaluation import keep

    settings = _settings()
    strategy = parts.load(name, settings.home)
    panel = _load(data, symbols)
    plan = evaluation.Plan(settings.home, _costs(settings), settings.capital, seed, not rolling)
    with console.progress(is_quiet=as_json) as tell:
        result, fitted = evaluation.evaluate(strategy, panel, plan, tell)
        if combinatorial:
            from quantdesk.evaluation.combinatorial import combinatorial as run_combinatorial

            spread = run_combinatorial(strategy, panel, plan, tell)
        tell("recording", 0, 1)
        kept = keep.keep(result, fitted, settings.home, out)
    summary = keep.summarise(result, kept)
    if combinatorial:
        summary["combinatorial_sharpes"] = spread
    if as_json:
        _print_json(summary)
    else:
        console.show_evaluation(result, str(kept))
        if combinatorial:
            console.out.print(
                f"combinatorial paths: net Sharpe {min(spread):.2f} to {max(spread):.2f} over {len(spread)} paths"
            )
    return summary


def _orders(
    name: str, data: str, symbols: str, positions: Path | None, cash: float | None, shown: int, standing: str, as_json: bool
) -> None:
    from dataclasses import asdict

    from quantdesk import console, registry
    from quantdesk import strategy as parts
    from quantdesk.evaluation import card as cards

    settings = _settings()
    strategy = parts.load(name, settings.home)
    panel = _load(data, symbols)
    units = cards.read_positions(positions, panel.symbols)
    with console.progress(is_quiet=as_json) as tell:
        tell("computing features", 0, 2)
        dataset = strategy.dataset(panel)
        tell("learning", 1, 2)
        fitted = strategy.fit(dataset, seed=0)
        card = cards.card(fitted, panel, units, settings.capital if cash is None else cash, _costs(settings))
    if not standing:
        tried = [t for t in registry.Trials(settings.home).on(panel.fingerprint()) if t.strategy == strategy.fingerprint()]
        standing = (
            f"evaluated here: {tried[-1].verdict}"
            if tried
            else f"not evaluated on this data: run desk evaluate {name} --data {data}"
        )
    if as_json:
        _print_json(asdict(card) | {"standing": standing})
    else:
        console.show_card(card, standing, shown)


def _pair(item: str) -> tuple[str, str]:
    field, sign, column = item.partition("=")
    if not sign:
        raise DataError(f"--map {item}", "FIELD=COLUMN, such as close=LAST", "write it so")
    return field, column


def _print_json(value: object) -> None:
    print(json.dumps(value, allow_nan=False))
