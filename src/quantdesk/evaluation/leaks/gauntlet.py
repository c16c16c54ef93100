"""Run every planted leak and its clean twin past the same checks that a user's strategy meets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantdesk.evaluation.leaks.check import check_study
from quantdesk.evaluation.leaks.plants import filling, joins, learning, trading, universe, whole_sample, windows
from quantdesk.evaluation.leaks.plants.ground import Plant

BEGIN, END = "<!-- the table begins: generated, do not edit -->", "<!-- the table ends -->"
"""Marks around the generated table of the guide."""


@dataclass(frozen=True)
class Case:
    """Say what became of one study of the gauntlet.

    Parameters
    ----------
    name : str
        The plant, with ``, done rightly`` for its twin.
    planted : bool
        Whether a leak was planted.
    caught : bool
        Whether the checks accused it.
    where : str
        The first accusation, empty where there is none.
    story : str
        What is done wrongly, and what the twin does.
    """

    name: str
    planted: bool
    caught: bool
    where: str
    story: str


def plants() -> tuple[Plant, ...]:
    """List every plant."""
    return tuple(
        plant for module in (windows, whole_sample, joins, universe, learning, trading, filling) for plant in module.PLANTS
    )


def gauntlet(chosen: Sequence[Plant] = (), seed: int = 0, moments: int = 4) -> tuple[Case, ...]:
    """Check every plant and its twin, or the chosen ones.

    Parameters
    ----------
    chosen : sequence of Plant
        Empty for all.
    seed : int
        Seed of the checks.
    moments : int
        Random moments at which each study is done again, and as many just before something became known.

    Returns
    -------
    tuple of Case
        Two for each plant: the leak, then its twin.
    """
    return tuple(case for plant in chosen or plants() for case in _cases(plant, seed, moments))


def _cases(plant: Plant, seed: int, moments: int) -> Iterable[Case]:
    for is_planted, make in ((True, plant.leaky), (False, plant.clean)):
        leaks = check_study(make(), seed, moments)
        name = plant.name if is_planted else f"{plant.name}, done rightly"
        yield Case(name, is_planted, bool(leaks), str(leaks[0]) if leaks else "", plant.story)


def as_json(cases: Iterable[Case]) -> dict[str, list[dict[str, object]]]:
    """Give the cases as plain values: name, planted, caught, where."""
    return {
        "cases": [{"name": case.name, "planted": case.planted, "caught": case.caught, "where": case.where} for case in cases]
    }


def as_markdown(cases: Sequence[Case]) -> str:
    """Write a table of the leaks, which check caught each, and whether the twin was left alone."""
    twins = {case.story: case for case in cases if not case.planted}
    lines = ["| leak | what is done, and what its clean twin does | caught by | twin accused |", "|---|---|---|---|"]
    for case in cases:
        if case.planted:
            by = case.where.split(":")[0] if case.caught else "**missed**"
            lines.append(f"| {case.name} | {case.story} | {by} | {'**yes**' if twins[case.story].caught else 'no'} |")
    caught, n_planted = sum(case.caught for case in cases if case.planted), sum(case.planted for case in cases)
    accused = sum(case.caught for case in twins.values())
    return "\n".join([*lines, "", f"Caught: {caught} of {n_planted}. Clean twins accused: {accused} of {len(twins)}."])


def write_guide(path: Path, cases: Sequence[Case]) -> None:
    """Put the table into a guide, between its two marks."""
    before, _, rest = path.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n{as_markdown(cases)}\n{END}{after}")
