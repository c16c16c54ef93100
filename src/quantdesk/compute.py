"""Run one function over many tasks: in this process, in several, or on a cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from quantdesk.domain.progress import Tell, silent

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Compute:
    """Choose where tasks run. The choice changes no result.

    Parameters
    ----------
    on : str
        ``local``, ``ray`` or ``ray://HOST:PORT``.
    workers : int
        Processes side by side; 1 runs in this process, 0 takes one a core.
    kept : Path or None
        Folder where finished tasks are kept, so that a driver that was lost resumes from them.
    """

    on: str = "local"
    workers: int = 1
    kept: Path | None = None


def map(  # noqa: A001 - what it is called everywhere
    function: Callable[[Shared, Task], Result],
    shared: Shared,
    tasks: Sequence[Task],
    compute: Compute | None = None,
    tell: Tell = silent,
    what: str = "working",
) -> list[Result]:
    """Apply a function to each task beside what all of them share; results come in the order of the tasks."""
    results = []
    for done, task in enumerate(tasks):
        tell(what, done, len(tasks))
        results.append(function(shared, task))
    return results
