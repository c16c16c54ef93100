"""Commands that look after data sets: list and delete them, keep facts, join facts and universes to bars."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quantdesk.commands.opening import Json, day, load, print_json, settings
from quantdesk.domain.errors import DataError

if TYPE_CHECKING:
    from quantdesk.domain.panel import Panel

Kind = Literal["reports", "earnings", "series", "facts"]
NewName = Annotated[str, typer.Option("--name", help="What to call the new data set.")]


def sets(as_json: Json = False) -> None:
    """List the data sets that are kept."""
    from quantdesk.console import out
    from quantdesk.data import store

    names = store.names(settings().home)
    if as_json:
        print_json(names)
    else:
        out.print("\n".join(names))


def delete(name: Annotated[str, typer.Argument(help="A data set you brought in.")]) -> None:
    """Delete a data set; the trials made on it stay counted."""
    import shutil

    from quantdesk.data import store

    home = settings().home
    if not (home / "data" / name / "meta.json").is_file():
        raise DataError(f"no data set {name!r} in {home}", f"one of {', '.join(store.names(home))}", "see `desk data list`")
    shutil.rmtree(home / "data" / name)


def facts(
    path: Annotated[Path, typer.Argument(help="A CSV or Parquet file of facts.")],
    kind: Annotated[Kind, typer.Option("--kind", help="What the file holds; see below.")],
    name: Annotated[str, typer.Option("--name", help="What to call the collection.")],
    as_json: Json = False,
) -> None:
    """Keep facts with the time each became known; a restated value is added beside the first, never over it.

    reports: symbol, end_date, collected, amend, and one column a fact. earnings: symbol, date, release_time (pre or post), eps,
    eps_est. series: date, value, series (delayed when attached: --lag). facts: symbol, name, period, known_at, value. A time
    without a zone is UTC; a date alone counts as known at the end of that day in New York.
    """
    import numpy as np

    from quantdesk.console import out
    from quantdesk.data import reports, vintages

    if kind == "reports":
        records = reports.read_reports(path)
    elif kind == "earnings":
        records = reports.read_earnings(path)
    else:
        records = reports.read_series(path) if kind == "series" else reports.read_facts(path)
    n_new = vintages.append(records, settings().home, name, np.datetime64("now", "ns"))
    named = sorted(set(records.names.tolist()))
    if as_json:
        print_json({"name": name, "n_records": len(records), "n_new": n_new, "facts": named})
        return
    out.print(f"{n_new} of {len(records)} facts are new in {name!r}: {', '.join(named)}")
    for caveat in records.caveats:
        out.print(f"caveat: {caveat}")


def documents(
    path: Annotated[Path, typer.Argument(help="A CSV or Parquet file: symbol, when it was published, text.")],
    name: Annotated[str, typer.Option("--name", help="What to call the collection.")],
    timezone: Annotated[str | None, typer.Option("--timezone", help="Zone of stamps without one: America/New_York.")] = None,
    as_json: Json = False,
) -> None:
    """Keep news or posts with the time each was published; what is kept already is not added again."""
    from quantdesk.console import out
    from quantdesk.data import documents as texts

    told = texts.read_documents(path, timezone)
    n_new = texts.append(told, settings().home, name)
    if as_json:
        print_json({"name": name, "n_documents": len(told), "n_new": n_new})
    else:
        out.print(f"{n_new} of {len(told)} documents are new in {name!r}")


def attach(
    data: Annotated[str, typer.Argument(help="A data set of bars.")],
    collection: Annotated[str, typer.Option("--facts", help="A collection kept by `desk data facts` or `desk fetch`.")],
    names: Annotated[str, typer.Option("--names", help="Which facts, as FACT or FACT=FIELD: revenue,DGS10=treasury_10y.")],
    name: NewName,
    lag: Annotated[int, typer.Option("--lag", help="Business days by which facts without release dates are delayed.")] = 0,
    known_on: Annotated[str, typer.Option("--known-on", help="Only what was known on that day, YYYY-MM-DD.")] = "",
) -> None:
    """Join facts to bars by the time they became known, and keep the result as a new data set."""
    import numpy as np

    from quantdesk.data import vintages
    from quantdesk.data.attach import attach as join

    home = settings().home
    told = vintages.read(home, collection, day(known_on, "--known-on") if known_on else None)
    pairs = (item.partition("=") for item in names.split(","))
    renamed = {fact: field or fact for fact, _, field in pairs}
    chosen = told.where(np.isin(told.names, list(renamed)))
    chosen = replace(chosen, names=np.array([renamed.get(fact, fact) for fact in chosen.names.tolist()], dtype=str))
    _keep(replace(join(load(data), chosen, tuple(renamed.values()), lag), name=name), home)


def restrict(
    data: Annotated[str, typer.Argument(help="A data set of bars.")],
    name: NewName,
    members: Annotated[Path | None, typer.Option("--members", help="CSV with columns ticker,start_date,end_date.")] = None,
    min_bars: Annotated[int, typer.Option("--min-bars", help="Bars of history that an instrument must have.")] = 0,
    min_value: Annotated[float, typer.Option("--min-value", help="Mean value traded a bar, over 20 bars.")] = 0.0,
) -> None:
    """Mark who may be traded when, as known then: members of an index, with enough history, liquid enough."""
    from quantdesk.console import out
    from quantdesk.data.membership import Membership, has_history, is_liquid
    from quantdesk.data.membership import restrict as mark

    panel = load(data)
    if min_bars < 0 or min_value < 0:
        raise DataError(f"--min-bars {min_bars}, --min-value {min_value}", "0 or more", "correct it")
    if not members and not min_bars and not min_value:
        raise DataError("no rule was given", "--members, --min-bars or --min-value", "give one or more")
    if members:
        spells = Membership.read(members)
        panel = mark(panel, spells.mask(panel.times, panel.symbols), f"members of {members.name}")
        missing = spells.missing(panel.times, panel.symbols)
        if missing:
            out.print(f"{len(missing)} members are never in the data, such as {', '.join(missing[:8])}")
    if min_bars:
        panel = mark(panel, has_history(panel, min_bars), f"{min_bars} bars of history")
    if min_value:
        panel = mark(panel, is_liquid(panel, min_value), f"{min_value:,.0f} traded a bar")
    _keep(replace(panel, name=name), settings().home)


def _keep(panel: "Panel", home: Path) -> None:
    from quantdesk.console import out
    from quantdesk.data import quality, store

    if panel.name in store.names(home):
        raise DataError(f"there is a data set {panel.name!r} already", "a new name", "choose another, or delete that one")
    store.save(quality.gate(panel), home)
    for caveat in panel.caveats:
        out.print(f"caveat: {caveat}")
    out.print(f"kept as {panel.name!r}")


def compare(
    data: Annotated[str, typer.Argument(help="A data set of bars.")],
    other: Annotated[str, typer.Argument(help="The same bars from another source.")],
    tolerance: Annotated[float, typer.Option("--tolerance", min=0, help="Fraction by which closes may differ.")] = 0.005,
    shown: Annotated[int, typer.Option("--show", help="How many differences of each kind to show.")] = 10,
    as_json: Json = False,
) -> None:
    """Set two sources of the same bars side by side: closes or returns that differ, and bars that only one has."""
    from quantdesk.console import out, show_table
    from quantdesk.data import quality

    panel = load(data)
    found = [mark for mark in quality.compare(panel, load(other), tolerance) if len(mark)]
    if as_json:
        print_json({mark.kind: len(mark) for mark in found})
        return
    rows = []
    for mark in found:
        for at in range(min(shown, len(mark))):
            symbol, time = panel.symbols[int(mark.columns[at])], panel.times[int(mark.rows[at])].astype("datetime64[m]")
            rows.append((mark.kind, symbol, str(time), mark.say(at)))
    if rows:
        show_table(f"{data} beside {other}", ("kind", "symbol", "time", "difference"), rows)
    out.print(", ".join(f"{len(mark)} {mark.kind}" for mark in found) or "the two agree")
