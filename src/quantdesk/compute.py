"""Run one function over many tasks: in this process, in several, or on a cluster."""

import hashlib
import os
import pickle
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from quantdesk.compute_local import in_processes
from quantdesk.compute_ray import on_ray
from quantdesk.compute_task import IN_WORKER, one_thread, packed, pickled
from quantdesk.domain.errors import ComputeError
from quantdesk.domain.progress import Tell, tell_of, telling

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")

PARTS = 1000
"""Into which a task is divided where it tells how far it is."""

ALMOST = 0.999
"""How far a task is at the most that has not answered yet."""


@dataclass(frozen=True)
class Compute:
    """Choose where tasks run. The choice changes no result: wherever it runs, a task has one native thread.

    Parameters
    ----------
    on : str
        ``local``; ``ray``, the cluster at ``RAY_ADDRESS`` or one started on this machine; or ``ray://HOST:PORT``.
    workers : int
        Tasks side by side; 1 runs in this process, 0 takes one a core. A cluster that is already
        there goes by its own cores.
    kept : Path or None
        Folder where finished tasks are kept, so that a driver that was lost resumes from them; whoever
        names it deletes it. Each belongs to the function's name, the task, and every byte that is shared.
        Changed code is not noticed: name the folder after the run, whose id covers the code.
    alone_for : float
        Seconds in which tasks run here, one after another, before processes are started for those that remain: quick
        ones are not worth any. A cluster takes all at once.

    Raises
    ------
    ComputeError
        If there is no such place, or fewer than no workers.
    """

    on: str = "local"
    workers: int = 1
    kept: Path | None = None
    alone_for: float = 0.0

    def __post_init__(self) -> None:
        if self.on not in ("local", "ray") and not self.on.startswith("ray://"):
            raise ComputeError(f"nothing computes on {self.on!r}", "local, ray or ray://HOST:PORT", "choose one of them")
        if self.workers < 0:
            raise ComputeError(f"{self.workers} workers", "a count, or 0 for one a core", "correct it")

    @property
    def processes(self) -> int:
        """Count the tasks side by side."""
        return self.workers or os.cpu_count() or 1


def map(  # noqa: A001 - what it is called everywhere
    function: Callable[[Shared, Task], Result],
    shared: Shared,
    tasks: Sequence[Task],
    compute: Compute | None = None,
    tell: Tell | None = None,
    what: str = "working on task",
) -> list[Result]:
    """Apply a function to each task beside what all of them share; results come in the order of the tasks.

    In other processes what is shared is laid out once and arrives read-only; the function, and the
    classes of what is handed over, must be found in a module or in a strategy's file. An error of
    the function is raised here as it was, and the remaining tasks are given up. A ``map`` inside a
    task stays in that task's process. What tasks tell is heard here, but for those on a cluster.

    Parameters
    ----------
    function : callable
        Of what is shared and a task.
    shared : object
        Laid out once for all tasks.
    tasks : sequence
        What is done for each.
    compute : Compute, optional
        Where; here by default.
    tell : Tell, optional
        Hears how far all are, and what those under way tell; by default whatever hears of progress here.
    what : str
        What is done with one task, such as "learning fold".

    Raises
    ------
    ComputeError
        If a task ended three processes, or something cannot be handed over.
    """
    compute = compute or Compute()
    kept = _places(compute.kept, function, shared, tasks)
    results: dict[int, Result] = dict(_found(kept))
    missing = {position: task for position, task in enumerate(tasks) if position not in results}
    heard = _Heard(tell or tell_of(), what, len(tasks))
    heard.finished(*results)
    with closing(_run(function, shared, missing, compute, heard)) as done:
        for position, result in done:
            results[position] = result
            if kept:
                _keep(kept[position], result)
            heard.finished(position)
    return [results[position] for position in range(len(tasks))]


class _Heard:
    # What tasks tell, also side by side, as one: all that is done, of all.

    def __init__(self, tell: Tell, what: str, n: int) -> None:
        self._tell, self._what, self._n = tell, what, n
        self._shares: dict[int, float] = {}

    def finished(self, *positions: int) -> None:
        self._shares.update(dict.fromkeys(positions, 1.0))
        n_done = sum(share == 1 for share in self._shares.values())
        self._say(f"{self._what} {min(n_done + 1, self._n)} of {self._n}")

    def of(self, position: int) -> Tell:
        def within(words: str, done: int, total: int) -> None:
            self._shares[position] = min(done / max(total, 1), ALMOST)
            self._say(f"{self._what} {position + 1} of {self._n}: {words}")

        return within

    def _say(self, words: str) -> None:
        done = sum(self._shares.values())
        parts = 1 if done == int(done) else PARTS
        self._tell(words, round(parts * done), parts * self._n)


def _run(
    function: Callable[[Shared, Task], Result], shared: Shared, tasks: dict[int, Task], compute: Compute, heard: _Heard
) -> Generator[tuple[int, Result], None, None]:
    if IN_WORKER in os.environ or (compute.on == "local" and compute.processes == 1):
        return _here(function, shared, tasks, heard)
    if compute.on == "local":
        return _here_and_then_in_processes(function, shared, tasks, compute, heard)
    return on_ray(function, shared, tasks, compute.on, compute.processes)


def _here(
    function: Callable[[Shared, Task], Result], shared: Shared, tasks: dict[int, Task], heard: _Heard
) -> Generator[tuple[int, Result], None, None]:
    for position, task in tasks.items():
        with one_thread(), telling(heard.of(position)):
            result = function(shared, task)
        yield position, result


def _here_and_then_in_processes(
    function: Callable[[Shared, Task], Result], shared: Shared, tasks: dict[int, Task], compute: Compute, heard: _Heard
) -> Generator[tuple[int, Result], None, None]:
    remaining = dict(tasks)
    began = time.perf_counter()
    while remaining and time.perf_counter() - began < compute.alone_for:
        first = next(iter(remaining))
        yield from _here(function, shared, {first: remaining.pop(first)}, heard)
    if remaining:
        yield from in_processes(function, shared, remaining, compute.processes, heard.of)


def _places(folder: Path | None, function: Callable[..., Any], shared: object, tasks: Sequence[object]) -> list[Path]:
    if folder is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    common = hashlib.sha256(f"{function.__module__}.{function.__qualname__}".encode())
    for part in packed(shared)[1:]:
        common.update(memoryview(part).nbytes.to_bytes(8, "little"))
        common.update(part)
    places = []
    for position, task in enumerate(tasks):
        digest = common.copy()
        digest.update(position.to_bytes(8, "little") + pickled(task))
        places.append(folder / f"{digest.hexdigest()[:32]}.pkl")
    return places


def _keep(place: Path, result: object) -> None:
    content = pickled(result)
    beside = place.with_suffix(".part")
    # Another run of the same may have ended meanwhile, and have deleted the folder.
    place.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(hashlib.sha256(content).digest() + content)
    beside.replace(place)


def _found(places: list[Path]) -> Iterator[tuple[int, Any]]:
    for position, place in enumerate(places):
        whole = place.read_bytes() if place.is_file() else b""
        seal, content = whole[:32], whole[32:]
        if hashlib.sha256(content).digest() == seal:
            yield position, pickle.loads(content)
