"""Commands about data: ingest, check."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quantdesk.commands.opening import Json, print_json, settings
from quantdesk.domain.errors import DataError

if TYPE_CHECKING:
    from quantdesk.data.sources.file import File
    from quantdesk.domain.panel import Panel

Layout = Literal["table", "lean", "first_seen"]


def ingest(
    path: Annotated[Path, typer.Argument(help="A CSV (also .csv.gz) or Parquet file; for --as lean, a market's folder.")],
    name: Annotated[str, typer.Option("--name", help="What to call the data set.")],
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="FIELD=COLUMN where the guess is wrong: close=LAST.")
    ] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Zone of stamps without one: America/New_York.")] = None,
    closes_at: Annotated[str, typer.Option("--closes-at", help="When a session known by its date ends, HH:MM.")] = "16:00",
    lot: Annotated[float, typer.Option("--lot", help="Smallest quantity step: 1 for shares, 0.00001 for coins.")] = 1.0,
    sort: Annotated[bool, typer.Option("--sort", help="Put rows that are out of order in order.")] = False,
    layout: Annotated[Layout, typer.Option("--as", help="A table, Lean's folders, or prices as first seen.")] = "table",
    restatements: Annotated[Path | None, typer.Option("--restatements", help="For first_seen: what was restated.")] = None,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Set impossible bars aside, not the whole file.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a data set of the same name.")] = False,
    as_json: Json = False,
) -> None:
    """Read a file, check it, and keep it under a name.

    A table has one row a time and symbol, or one column of closes a symbol. Impossible bars are refused with their symbol, time
    and value; nothing is filled in or dropped. With --quarantine they are set aside in DESK_HOME/quarantine, which nothing
    reads, and count as missing.
    """
    import numpy as np

    from quantdesk.console import out
    from quantdesk.data import quality, store
    from quantdesk.data.admission import admit, refuse_future
    from quantdesk.data.sources.file import File
    from quantdesk.data.sources.first_seen import FirstSeen
    from quantdesk.data.sources.lean import Lean

    home = settings().home
    if not name:
        raise DataError("the data set has no name", "a name", "pass --name")
    if name in store.names(home) and not replace:
        raise DataError(f"there is a data set {name!r} already", "a new name", "choose another, or pass --replace")
    if layout == "lean":
        panel = Lean(path, name).fetch()
    elif layout == "first_seen":
        panel = FirstSeen(path, restatements, name).fetch()
    else:
        panel = _read(File(path, name, dict(_pair(item) for item in mapping or ()), timezone, closes_at, sort, lot), as_json)
    refuse_future(panel, np.datetime64("now", "ns"))
    panel = admit(panel, home) if quarantine else quality.gate(panel)
    where = store.save(panel, home)
    n_times, n_instruments = panel.shape
    if as_json:
        summary = {"name": name, "n_times": n_times, "n_instruments": n_instruments, "path": str(where)}
        print_json(summary | {"caveats": list(panel.caveats)})
        return
    doubts = quality.check(panel).n_flagged
    if doubts:
        out.print(f"doubts: {doubts} bars; see `desk check {name} --out check.html`")
    for caveat in panel.caveats:
        out.print(f"caveat: {caveat}")
    out.print(f"kept {n_instruments} instruments x {n_times} bars as {name!r}; next: desk evaluate boosted --data {name}")


def _read(source: "File", as_json: bool) -> "Panel":
    from quantdesk.console import out, show_mapping

    panel, columns = source.read()
    if not as_json:
        read_as = {column: field for field, column in columns.chosen.items()}
        show_mapping(f"{source.path.name} ({columns.layout})", read_as)
        for note in columns.notes:
            out.print(f"note: {note}")
    return panel


def check(
    name: Annotated[str, typer.Argument(help="A data set, as for --data.")],
    out_path: Annotated[Path | None, typer.Option("--out", help="Write a page with a picture of each finding here.")] = None,
    as_json: Json = False,
) -> None:
    """Judge a data set: what is impossible is an error, what is doubtful is listed, what is rare but real is noted."""
    from quantdesk.console import out, show_table
    from quantdesk.data import quality, store
    from quantdesk.data.inspection.page import report as write_page

    panel = store.load(name, settings().home)
    report = quality.check(panel)
    if out_path:
        write_page(panel, report, out_path)
    rows = [(f.severity, f.kind, f.symbol, str(f.time.astype("datetime64[m]")), f.message) for f in report.findings]
    if as_json:
        named = [dict(zip(("severity", "kind", "symbol", "time", "message"), row, strict=True)) for row in rows]
        plain = {
            "name": name,
            "n_refused": report.n_refused,
            "n_flagged": report.n_flagged,
            "score": report.score,
            "counts": dict(report.counts),
            "findings": named,
        }
        print_json(plain | {"caveats": list(panel.caveats)})
    else:
        show_table(
            f"{name}: {panel.shape[1]} instruments x {panel.shape[0]} bars",
            ("", "kind", "symbol", "time", "finding"),
            rows[:40],
        )
        out.print(", ".join(f"{count} {kind}" for kind, count in report.counts.items()) or "nothing found")
        out.print(f"{report.n_refused} refused, {report.n_flagged} bars flagged; {report.score:.4%} of traded bars are sound")
        for caveat in panel.caveats:
            out.print(f"caveat: {caveat}")
    if report.n_refused:
        raise typer.Exit(1)


def _pair(item: str) -> tuple[str, str]:
    field, sign, column = item.partition("=")
    if not sign:
        raise DataError(f"--map {item}", "FIELD=COLUMN, such as close=LAST", "write it so")
    return field, column
