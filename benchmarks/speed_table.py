"""Write what ``bench.py`` measured as the table of docs/speed.md and as the README's paragraph."""

import textwrap
from dataclasses import dataclass
from typing import Any, TypeGuard

Found = dict[str, Any]
BEGIN, END = "<!-- speed -->", "<!-- /speed -->"
NOTHING = "–"
WIDTH = 128
WRITTEN_BY = (
    "What `make bench` measured, written by `benchmarks/bench.py` from `benchmarks/results.json`: not to be edited by hand."
)
HOW = (
    "Figures are medians, of one core unless said otherwise. Peers run in environments of their own, in the same run "
    "(qlib from files in its format); a ratio is ours to theirs, core for core, above 1 where ours is faster."
)


@dataclass(frozen=True)
class Row:
    """Hold one row of a table, in words.

    Parameters
    ----------
    work : str
        What was done, with its unit.
    one, two : str
        Ours on one core and on two.
    peers : str
        The peers' figures, or why there are none.
    ratio : str
        How many times as good ours is, core for core, in the order of the peers.
    """

    work: str
    one: str
    two: str = NOTHING
    peers: str = NOTHING
    ratio: str = NOTHING


def figure(value: object) -> str:
    """Write a number with three digits that count, and a dash for none."""
    if not is_number(value):
        return NOTHING
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a figure was measured."""
    return isinstance(value, int | float) and value == value


def at(found: object, *path: str) -> Any:
    """Look a figure up by its keys; None where it was not measured."""
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def compared(peers: Found, key: str, ratio: str) -> tuple[str, str]:
    """Write peers' figures, and ours over theirs; a peer without one says why."""
    said, ratios = [], []
    for name, own in peers.items():
        why = at(own, "left out")
        said.append(f"{name} left out ({why})" if why else f"{name} {figure(at(own, key))}")
        if is_number(at(own, ratio)):
            ratios.append(f"{figure(at(own, ratio))}×")
    return ", ".join(said) or NOTHING, ", ".join(ratios) or NOTHING


def rows(parts: Found) -> list[Row]:
    """Write every row on speed."""
    made = (starting_rows, sweep_rows, loop_rows, features_rows)
    return [row for make in made for row in make(parts)]


def not_measured(parts: Found, name: str) -> str:
    """Say why a program gave nothing; empty where it gave its figures."""
    if name not in parts:
        return "not measured"
    why = at(parts, name, "failed")
    return f"not measured: {why}" if why else ""


def starting_rows(parts: Found) -> list[Row]:
    """Write how long it takes until something happens."""
    works = (
        ("`desk --help`, s", ("starts", "desk --help", "seconds"), "import (s)", "ratio, start"),
        ("First result of a sweep, nothing compiled yet, s", ("first result", "cold (s)"), "cold (s)", "ratio, cold"),
        ("First result of a sweep, compiled before, s", ("first result", "warm (s)"), "warm (s)", "ratio, warm"),
    )
    found, why = at(parts, "starting"), not_measured(parts, "starting")
    if why:
        return [Row(works[0][0], NOTHING, peers=why)]
    made = []
    for work, path, key, ratio in works:
        peers, ratios = compared(at(found, "peers") or {}, key, ratio)
        if path[0] == "starts":
            others = {"python alone": "python", "numpy": "numpy"}
            named = [f"{name} {figure(at(found, 'starts', key, 'seconds'))}" for name, key in others.items()]
            peers = ", ".join([*named, peers.replace("vectorbt", "vectorbt's import", 1)])
        made.append(Row(work, figure(at(found, *path)), peers=peers, ratio=ratios))
    return made


def sweep_peers(found: Found) -> Found:
    """Give the sweep's figures of peers the shape that other programs give theirs."""
    given = {"vectorbt": "vectorbt", "backtesting.py": "backtesting"}
    return {
        name: {
            "1 core (M/s)": at(found, f"{key} (M/s)"),
            "ratio, 1 core": at(found, f"1 core over {key}"),
            "left out": at(found, "left out", key) or ("" if f"{key} (M/s)" in found else "not measured"),
        }
        for name, key in given.items()
    }


def sweep_rows(parts: Found) -> list[Row]:
    """Write the sweep of crossovers."""
    work = "Sweep of crossovers, with Sharpe ratio and drawdown, million bars × strategies a second"
    why, found = not_measured(parts, "sweep"), at(parts, "sweep")
    if why:
        return [Row(work, NOTHING, peers=why)]
    peers, ratios = compared(sweep_peers(found), "1 core (M/s)", "ratio, 1 core")
    return [Row(work, figure(at(found, "1 core (M/s)")), figure(at(found, "2 cores (M/s)")), peers, ratios)]


def loop_rows(parts: Found) -> list[Row]:
    """Write the loop that live trading shares, beside pybroker and beside the kernel."""
    made = []
    work = "The loop, long-only, every weight changed each day, million bars × instruments a second"
    why, beside = not_measured(parts, "loop_peers"), at(parts, "loop_peers")
    peers, ratios = (why, NOTHING) if why else compared(at(beside, "peers") or {}, "1 core (M/s)", "ratio, 1 core")
    made.append(Row(work, figure(at(beside, "1 core (M/s)")), peers=peers, ratio=ratios))
    why, found = not_measured(parts, "loop"), at(parts, "loop")
    for often, words in (("daily", "traded daily"), ("weekly", "traded weekly"), ("never", "nothing traded")):
        kernel = f"our compiled kernel {figure(at(found, f'kernel, {often} (M/s)'))}"
        one = figure(at(found, f"{often} (M/s)"))
        made.append(Row(f"The loop, long and short with delistings, {words}, the same unit", one, peers=why or kernel))
    return made


def features_rows(parts: Found) -> list[Row]:
    """Write features in bulk and for one more day."""
    why, found = not_measured(parts, "features_peers"), at(parts, "features_peers")
    work = "Twenty columns of Alpha158, million cells a second"
    if why:
        return [Row(work, NOTHING, peers=why)]
    peers, ratios = compared(at(found, "peers") or {}, "1 core (M/s)", "ratio, 1 core")
    of_two = compared(at(found, "peers") or {}, "2 core (M/s)", "ratio, 2 core")
    every = f"All {figure(at(found, 'features'))} features of prices and volumes, the same unit"
    return [
        Row(work, *on_both(found, "same columns"), peers, ratios),
        Row("The same, peers on two cores too", NOTHING, on_both(found, "same columns")[1], *of_two),
        Row(
            "All 158 columns of Alpha158, the same unit",
            *on_both(found, "Alpha158"),
            *compared({"qlib": at(found, "Alpha158 of qlib") or {}}, "1 core (M/s)", "ratio, 1 core"),
        ),
        Row(every, *on_both(found, "every feature")),
        Row(
            f"All of them for one more day of {figure(at(found, 'instruments'))} instruments, ms",
            figure(at(found, "one more day (ms)")),
        ),
    ]


def on_both(found: Found, name: str) -> tuple[str, str]:
    """Write a speed on one core and on two."""
    return figure(at(found, name, "1 core (M/s)")), figure(at(found, name, "2 core (M/s)"))


def memory_rows(parts: Found) -> list[tuple[str, str, str]]:
    """Write peak memory: work, ours, peers."""
    of_peers = at(parts, "features_peers", "peers") or {}
    imported = figure(at(parts, "starting", "peers", "vectorbt", "peak memory (MB)"))
    others = ", ".join(f"{name} {figure(at(own, 'peak memory (MB)'))}" for name, own in of_peers.items())
    works = (
        ("`desk --help`", ("starting", "starts", "desk --help", "peak memory (MB)"), f"vectorbt's import {imported}"),
        ("Sweep of crossovers, the market included", ("sweep", "peak memory (MB)"), NOTHING),
        ("Loop, the market included", ("loop", "peak memory (MB)"), NOTHING),
        ("Twenty columns", ("features_peers", "same columns", "peak memory (MB)"), others),
        ("All features, their table included", ("features_peers", "every feature", "peak memory (MB)"), NOTHING),
    )
    return [(work, figure(at(parts, *path)), peers) for work, path, peers in works]


def agreement(parts: Found) -> str:
    """Say how far the peers' results are from ours."""
    said = []
    sweep = [value for key, value in (at(parts, "sweep") or {}).items() if key.startswith("difference") and is_number(value)]
    if sweep:
        said.append(f"vectorbt's return, Sharpe ratio and drawdown by at most {max(sweep):.1g}")
    end = at(parts, "loop_peers", "peers", "pybroker", "difference")
    if is_number(end):
        said.append(f"pybroker's final equity by {end:.1g} of the capital")
    peers = (at(parts, "features_peers", "peers") or {}).items()
    columns = {name: at(own, "difference") for name, own in peers if is_number(at(own, "difference"))}
    if columns:
        said.append(f"the twenty columns of {', '.join(columns)} by at most {max(columns.values()):.1g}")
    return f"The peers' results differ from ours: {'; '.join(said)}." if said else "No peer's results could be compared."


def kind(results: Found) -> str:
    """Say where and how it was measured."""
    machine, load = results["machine"], results["load"]
    busy = f" The machine was busy with other work (load {figure(load)})." if is_number(load) and load > 1 else ""
    few = " A quick run, of few repeats." if results["kind"] == "quick" else ""
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory (GB)']} GB, {machine['system']}"
    return f"Measured on {where}.{few}{busy}"


def page(results: Found) -> str:
    """Write docs/speed.md."""
    parts = results["parts"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines = [
        "# Speed",
        "",
        *wrap(WRITTEN_BY),
        "",
        *wrap(f"{kind(results)} {HOW}"),
        "",
        "| work | ours, 1 core | ours, 2 cores | peers | ratio |",
        "|---|---|---|---|---|",
        *(f"| {row.work} | {row.one} | {row.two} | {row.peers} | {row.ratio} |" for row in rows(parts)),
        "",
        "| peak memory of a process, MB | ours | peers |",
        "|---|---|---|",
        *(f"| {work} | {ours} | {peers} |" for work, ours, peers in memory_rows(parts)),
        "",
        *wrap(f"{agreement(parts)} Versions: {versions}."),
    ]
    return "\n".join(lines) + "\n"


def paragraph(results: Found) -> str:
    """Write what stands between the README's markers."""
    made = rows(results["parts"])
    start, sweep, loop, columns = (
        next(row for row in made if row.work.startswith(begins))
        for begins in ("`desk", "Sweep", "The loop, long-only", "Twenty")
    )
    text = (
        f"{kind(results)} On one core the sweep of crossovers does {sweep.one} million bars × strategies a second "
        f"({sweep.peers}), the loop that live trading shares {loop.one} million bars × instruments ({loop.peers}), and twenty "
        f"columns of Alpha158 {columns.one} million cells ({columns.peers}). `desk --help` takes {start.one} s. "
        "`make bench` measures it again: [docs/speed.md](docs/speed.md)."
    )
    return "\n".join(wrap(text))


def with_paragraph(readme: str, results: Found) -> str:
    """Put the paragraph between the README's markers; a text without them stays as it is."""
    if BEGIN not in readme or END not in readme:
        return readme
    before, rest = readme.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{paragraph(results)}\n{END}{rest.split(END, 1)[1]}"


def wrap(text: str) -> list[str]:
    """Break a paragraph into lines."""
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
