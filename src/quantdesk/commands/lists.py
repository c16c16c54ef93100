"""Commands that list what there is: strategies, models, networks, features, and the state of the machine."""

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantdesk.commands.opening import Json, print_json, settings
from quantdesk.domain.errors import DeskError, StrategyError

if TYPE_CHECKING:
    from quantdesk.models.catalog import Listing


def strategies(as_json: Json = False) -> None:
    """List the strategies, yours first."""
    from quantdesk import strategy as parts
    from quantdesk.console import show_table

    home = settings().home
    found = {name: (path, _described(str(path), home)) for name, path in parts.find(home).items()}
    if as_json:
        print_json([{"name": name, "description": what, "path": str(path)} for name, (path, what) in found.items()])
        return
    show_table("", ("strategy", "what it does"), [(name, what) for name, (_, what) in found.items()])


def models(as_json: Json = False) -> None:
    """List the models and their settings."""
    from quantdesk.console import show_table
    from quantdesk.models import catalog

    rows = [(name, catalog.summary(kind), catalog.hyperparameters(kind)) for name, kind in catalog.discover().items()]
    if as_json:
        print_json([{"name": name, "description": what, "settings": settings} for name, what, settings in rows])
        return
    shown = [(name, what, " ".join(f"{key}={value}" for key, value in settings.items())) for name, what, settings in rows]
    caption = "a network is one of `desk networks`"
    show_table("", ("model", "what it is", "settings"), shown, caption=caption)


def networks(
    name: Annotated[str, typer.Argument(help="One of them, such as PatchTST: what each of its choices means.")] = "",
    as_json: Json = False,
) -> None:
    """List the networks and their choices, or say what the choices of one mean."""
    from quantdesk.console import show_table
    from quantdesk.models import catalog

    found = catalog.networks()
    if name:
        _show_network(_named(name, found), as_json)
        return
    if as_json:
        print_json([_network_facts(listing) for listing in found.values()])
        return
    rows = [
        (listing.name, listing.summary, " ".join(f"{choice.name}={choice.default}" for choice in listing.choices))
        for listing in found.values()
    ]
    caption = "what each choice means: `desk networks NAME`; how a network becomes a model: docs/guides/networks.md"
    show_table("", ("network", "what it does", "choices"), rows, caption=caption)


def features(as_json: Json = False) -> None:
    """List the features, how far back each looks, and what data it needs."""
    from quantdesk.console import show_table
    from quantdesk.features import library

    found = library.discover().values()
    if as_json:
        print_json([{"name": f.name, "lookback": f.lookback, "needs": f.needs, "source": f.source} for f in found])
        return
    rows = [(f.name, str(f.lookback), " ".join(f.needs), f.source) for f in found]
    show_table("", ("feature", "bars", "needs", "source"), rows, numbers=(1,))


def doctor(as_json: Json = False) -> None:
    """Check that this machine can run the desk."""
    from quantdesk import checkup
    from quantdesk.console import show_table

    findings = checkup.examine(settings())
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        show_table("", ("", "what", "found"), [("ok" if f.is_well else "!!", f.what, f.found) for f in findings])
    if not all(finding.is_well for finding in findings):
        raise typer.Exit(1)


def runs(as_json: Json = False) -> None:
    """List every evaluation ever made here: each is a trial that counts against the next."""
    from quantdesk.console import out, show_table
    from quantdesk.evaluation.evaluate import unlisted_runs
    from quantdesk.registry import Trials

    made = Trials(settings().home).made()
    if as_json:
        print_json([vars(trial) | {"sharpe": trial.sharpe if math.isfinite(trial.sharpe) else None} for trial in made])
        return
    alone = [trial for trial in made if "-" not in trial.run_id]
    rows = [(trial.run_id, trial.name, trial.data_name, f"{trial.sharpe:.2f}", trial.verdict) for trial in alone]
    together = Counter((trial.run_id.partition("-")[0], trial.data_name) for trial in made if "-" in trial.run_id)
    rows += [(run, "sweep", data, "", f"{n} rules, each a trial") for (run, data), n in together.items()]
    for caveat in unlisted_runs(settings().home, {trial.run_id for trial in made}):
        out.print(f"! {caveat}")
    show_table("", ("run", "strategy", "data", "net Sharpe", "verdict"), rows, numbers=(3,))


def _named(name: str, found: "dict[str, Listing]") -> "Listing":
    for known, listing in found.items():
        if known.lower() == name.lower():
            return listing
    raise StrategyError(f"no network {name!r}", f"one of {', '.join(found)}", "see `desk networks`")


def _network_facts(listing: "Listing") -> dict[str, object]:
    choices = [vars(choice) for choice in listing.choices]
    return {"name": listing.name, "description": listing.summary, "module": listing.module, "choices": choices}


def _show_network(listing: "Listing", as_json: bool) -> None:
    from quantdesk.console import show_table

    if as_json:
        print_json(_network_facts(listing))
        return
    rows = [(choice.name, choice.kind, choice.default, choice.meaning) for choice in listing.choices]
    caption = f"from {listing.module} import {listing.name}"
    show_table(f"{listing.name}: {listing.summary}", ("choice", "kind", "default", "what it means"), rows, caption=caption)


def _described(path: str, home: Path) -> str:
    # One broken file must not hide the others.
    from quantdesk import strategy as parts

    try:
        return parts.load(path, home).description
    except (DeskError, ImportError, NameError, TypeError, ValueError, AttributeError) as error:
        return f"cannot be loaded: {str(error).splitlines()[0]}"
