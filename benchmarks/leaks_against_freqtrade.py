"""Plant the gauntlet's leaks in freqtrade strategies too, and set its own analysis beside our checks.

Run: ``python benchmarks/leaks_against_freqtrade.py [--json] [--cases NAME ...] [--write-guide]``

freqtrade is run as a program in an environment of its own, made at the first run (some 800 MB); its exchange is answered from
here, and candles are random. Its two commands look for trades and columns that change when candles are cut off, ours for
features, forecasts and weights: the same mistake is planted in each one's own form. Where lookahead-analysis finds nothing in
a leak, the part of recursive-analysis that looks for look-ahead is asked as well, about the leak and about its twin.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from freqtrade_cases.case import Case
from freqtrade_cases.catalogue import CANNOT, CASES, PUBLIC
from freqtrade_cases.ground import BEGINS, N_BEFORE, N_CANDLES, ground
from freqtrade_cases.layout import lay_out, write_strategy
from freqtrade_cases.ours import PLANTS
from freqtrade_cases.program import Answer, Program, ProgramError, ask, installed
from platformdirs import user_cache_path

from quantdesk.domain.errors import DataError
from quantdesk.evaluation.leaks.check import check_study
from quantdesk.evaluation.leaks.gauntlet import gauntlet, plants

GUIDE = Path(__file__).resolve().parents[1] / "docs/guides/leaks.md"
BEGIN, END = "<!-- the comparison begins: generated, do not edit -->", "<!-- the comparison ends -->"
N_SEEDS = 10


@dataclass(frozen=True)
class Row:
    """Say what became of one leak and its twin, in freqtrade and here.

    Parameters
    ----------
    name : str
        The case.
    theirs : Answer
        freqtrade's answer to the leak.
    theirs_of_twin : Answer
        Its answer to the twin.
    n_ours, n_ours_of_twin : int
        Our runs that accused the leak, and the twin.
    n_runs : int
        How many runs of ours there were: one a seed.
    """

    name: str
    theirs: Answer
    theirs_of_twin: Answer
    n_ours: int
    n_ours_of_twin: int
    n_runs: int = 1


@dataclass(frozen=True)
class Comparison:
    """Hold all rows, with freqtrade's version and the seconds that all took."""

    rows: tuple[Row, ...]
    version: str
    seconds: float


def ours(name: str) -> tuple[int, int, int]:
    """Run our checks on a case: accusations of the leak, of the twin, and the number of runs.

    The plants of the gauntlet run once, as the gauntlet does; the two public ones, which are new to it, from ten seeds.
    """
    public = next((plant for plant in PLANTS if plant.name == name), None)
    if public is None:
        leak, twin = gauntlet([plant for plant in plants() if plant.name == name])
        return int(leak.caught), int(twin.caught), 1
    found = [sum(bool(check_study(make(), seed)) for seed in range(N_SEEDS)) for make in (public.leaky, public.clean)]
    return found[0], found[1], N_SEEDS


def theirs(program: Program, span: str, case: Case) -> tuple[Answer, Answer]:
    """Ask freqtrade about a case: about the leak, then about its twin."""
    names = [write_strategy(program.home, case, is_leaky, CASES.index(case)) for is_leaky in (True, False)]
    leak = ask(program, names[0], span, is_second=True)
    twin = ask(program, names[1], span, is_second=not leak.where.startswith("lookahead"))
    print(f"{case.name}: {leak.verdict} {leak.where}; twin {twin.verdict} {twin.where}", file=sys.stderr, flush=True)
    return leak, twin


def compare(chosen: Sequence[Case], environment: Path, n_jobs: int) -> Comparison:
    """Run the chosen cases past both.

    Raises
    ------
    ProgramError
        If freqtrade cannot be installed or run.
    """
    with tempfile.TemporaryDirectory() as folder:
        program = installed(environment, Path(folder))
        lay_out(program.home, ground())
        version, started = program.version(), time.perf_counter()
        with ThreadPoolExecutor(n_jobs) as pool:
            answers = list(pool.map(partial(theirs, program, time_range()), chosen))
        rows = tuple(Row(case.name, *answer, *ours(case.name)) for case, answer in zip(chosen, answers, strict=True))
    return Comparison(rows, version, time.perf_counter() - started)


def time_range() -> str:
    """Give the span after the first 300 candles, in freqtrade's notation: seconds since 1970."""
    first = int(BEGINS.astype("datetime64[s]").astype(int))
    return f"{first + 300 * N_BEFORE}-{first + 300 * N_CANDLES}"


def as_markdown(comparison: Comparison) -> str:
    """Write the table, the sums under it, and what cannot be expressed."""
    rows = comparison.rows
    lines = ["| leak | freqtrade | its answer to the twin | ours | our answer to the twin |", "|---|---|---|---|---|"]
    for row in rows:
        n_runs = row.n_runs
        lines.append(
            f"| {row.name} | {_word(row.theirs, 'caught', '**missed**')} | {_word(row.theirs_of_twin, '**accused**', 'clean')} "
            f"| {_count(row.n_ours, n_runs, 'caught', '**missed**')} "
            f"| {_count(row.n_ours_of_twin, n_runs, '**accused**', 'clean')} |"
        )
    caught = sum(row.theirs.verdict == "biased" for row in rows)
    accused = sum(row.theirs_of_twin.verdict == "biased" for row in rows)
    always = sum(row.n_ours == row.n_runs for row in rows)
    blamed = sum(row.n_ours_of_twin > 0 for row in rows)
    lines += [
        "",
        f"freqtrade {comparison.version}: caught {caught} of {len(rows)}, twins accused {accused}. "
        f"Ours: caught {always} of {len(rows)} in every run, twins accused {blamed}.",
        "",
        "Not expressible as a freqtrade strategy on one pair:",
        "",
        *(f"- {reason}: {', '.join(names)}." for reason, names in CANNOT.items()),
    ]
    return "\n".join(lines)


def _word(answer: Answer, biased: str, clean: str) -> str:
    return {"biased": biased, "clean": clean}.get(answer.verdict, answer.verdict)


def _count(n_found: int, n_runs: int, found: str, not_found: str) -> str:
    if n_found in (0, n_runs):
        return found if n_found else not_found
    return f"{found} from {n_found} of {n_runs} seeds"


def as_json(comparison: Comparison) -> dict[str, object]:
    """Give the comparison as plain values."""
    return {**asdict(comparison), "cannot_express": {name: reason for reason, names in CANNOT.items() for name in names}}


def write_guide(path: Path, comparison: Comparison) -> None:
    """Put the table into a guide, between its two marks.

    Raises
    ------
    DataError
        If the marks are not there.
    """
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise DataError(f"{path} has no place for the comparison", f"{BEGIN} and {END}", "put both lines where it belongs")
    before, _, rest = text.partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{as_markdown(comparison)}\n{END}{rest.partition(END)[2]}")


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cases", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--public", action="store_true", help="only the two misses that users of freqtrade reported")
    parser.add_argument("--environment", type=Path, default=user_cache_path("quantdesk") / "freqtrade")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write-guide", action="store_true")
    given = parser.parse_args()
    chosen = [case for case in (PUBLIC if given.public else CASES) if not given.cases or case.name in given.cases]
    try:
        made = compare(chosen, given.environment, given.jobs)
    except ProgramError as error:
        raise SystemExit(str(error)) from error
    print(json.dumps(as_json(made), indent=2) if given.json else f"{as_markdown(made)}\n\nTook {made.seconds:.0f} s.")
    if given.write_guide:
        write_guide(GUIDE, made)


if __name__ == "__main__":
    main()
