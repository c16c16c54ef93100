"""Commands that learn and decide: demo, evaluate, orders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from quantdesk.commands.opening import (
    Data,
    Json,
    Symbols,
    chosen_symbols,
    interruptible,
    load,
    print_json,
    require_enough,
    settings,
)

if TYPE_CHECKING:
    from quantdesk.compute import Compute
    from quantdesk.execution.costs import Costs
    from quantdesk.settings import Settings

Out = Annotated[Path | None, typer.Option("--out", help="Folder for the report and the JSON; by default under DESK_HOME/runs.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
On = Annotated[str, typer.Option("--on", help="Where what can run side by side does so: local, ray, or ray://HOST:PORT.")]
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        help="Processes side by side, for twins of the data and for folds; 0 takes one a core. No number depends on it.",
    ),
]


class _Asked(NamedTuple):
    seed: int = 0
    is_rolling: bool = False
    n_placebos: int = 0
    compute: "Compute | None" = None
    is_combinatorial: bool = False
    train_bars: int = 0
    test_bars: int = 0


def demo(out: Out = None, as_json: Json = False) -> None:
    """Evaluate the boosted strategy on real prices, then show verdict, report and tomorrow's orders.

    The prices are those of 20 large US companies, 1990 to 2022, that come with the desk.
    """
    evaluation = _evaluate("boosted", "sample", "", out, _Asked(), as_json)
    if not as_json:
        standing = f"verdict on this data: {evaluation['verdict']}"
        _orders("boosted", "sample", "", None, None, 2, standing, as_json=False)


def evaluate(
    strategy: Annotated[str, typer.Argument(help="A strategy's name (see `desk strategies`) or the path of its file.")],
    data: Data = "sample",
    symbols: Symbols = "",
    out: Out = None,
    seed: Seed = 0,
    rolling: Annotated[bool, typer.Option("--rolling", help="Train on a rolling window rather than an expanding one.")] = False,
    train: Annotated[
        int, typer.Option("--train", help="Bars before the first test; by default a third of the history.", min=0)
    ] = 0,
    test: Annotated[int, typer.Option("--test", help="Bars in each test, after which it learns anew.", min=0)] = 0,
    combinatorial: Annotated[
        bool,
        typer.Option("--combinatorial", help="Also run combinatorial purged cross-validation: how much the result varies."),
    ] = False,
    placebo: Annotated[
        int, typer.Option("--placebo", help="Twins of the data without an edge in which everything is run again.", min=0)
    ] = 5,
    on: On = "local",
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Say what a strategy is worth after costs, out of sample, and why to believe it or not.

    Every evaluation is counted as a trial on its data; the verdict takes the count into account.
    """
    from quantdesk.compute import Compute

    how = _Asked(seed, rolling, placebo, Compute(on, workers), combinatorial, train, test)
    _evaluate(strategy, data, symbols, out, how, as_json)


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


def _costs(chosen: "Settings") -> "Costs":
    from quantdesk.execution.costs import Costs

    return Costs(**chosen.cost_rates)


def _evaluate(name: str, data: str, symbols: str, out: Path | None, how: _Asked, as_json: bool) -> dict[str, object]:
    from quantdesk import console
    from quantdesk import strategy as parts
    from quantdesk.compute import Compute
    from quantdesk.evaluation import evaluate as evaluation
    from quantdesk.evaluation import keep
    from quantdesk.evaluation.plan import Plan
    from quantdesk.evaluation.receipt import receipt_of
    from quantdesk.evaluation.sketch import Sketch
    from quantdesk.evaluation.summary import summarise

    chosen = settings()
    strategy = parts.load(name, chosen.home)
    panel = load(data, symbols)
    require_enough(strategy, panel)
    plan = Plan(
        chosen.home,
        _costs(chosen),
        chosen.capital,
        how.seed,
        not how.is_rolling,
        n_placebos=how.n_placebos,
        train_bars=how.train_bars,
        test_bars=how.test_bars,
        compute=how.compute or Compute(),
    )
    keep.forget_abandoned(chosen.home)
    with console.progress(is_quiet=as_json) as tell:
        with interruptible(keep.left_of(chosen.home)):
            result, fitted = evaluation.evaluate(strategy, panel, plan, tell)
        tell("recording", 0, 1)
        receipt = receipt_of(result, strategy, plan, data, chosen_symbols(symbols))
        kept = keep.keep(result, fitted, chosen.home, out, receipt=receipt, sketch=Sketch.of(panel))
        if how.is_combinatorial:
            from quantdesk.evaluation.combinatorial import combinatorial as run_combinatorial

            with interruptible(f"run {result.run_id} is kept, without its combinatorial paths: {kept}"):
                spread = run_combinatorial(strategy, panel, plan, tell)
    summary = summarise(result, kept)
    if how.is_combinatorial:
        summary["combinatorial_sharpes"] = spread
    if as_json:
        print_json(summary)
    else:
        console.show_evaluation(result, str(kept))
        if how.is_combinatorial:
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
    from quantdesk.evaluation.kin import earlier_tries

    chosen = settings()
    strategy = parts.load(name, chosen.home)
    panel = load(data, symbols)
    require_enough(strategy, panel)
    units = cards.read_positions(positions, panel.symbols)
    with console.progress(is_quiet=as_json) as tell:
        tell("computing features", 0, 2)
        dataset = strategy.dataset(panel)
        tell("learning", 1, 2)
        fitted = strategy.fit(dataset, seed=0)
        card = cards.card(fitted, panel, units, chosen.capital if cash is None else cash, _costs(chosen))
    if not standing:
        made = earlier_tries(registry.Trials(chosen.home).made(), panel, panel.fingerprint(), chosen.home)
        tried = [trial for trial in made if trial.strategy == strategy.fingerprint()]
        standing = (
            f"evaluated here (run {tried[-1].run_id}): {tried[-1].verdict}"
            if tried
            else f"not evaluated on this data: run desk evaluate {name} --data {data}"
        )
        let_out = registry.Promotions(chosen.home).standing(strategy.fingerprint())
        standing += f"; let out to trade by run {let_out.run_id}" if let_out else "; not let out to trade (desk promote)"
    if as_json:
        print_json(asdict(card) | {"standing": standing})
    else:
        console.show_card(card, standing, shown)
