"""Functions that tests hand to other processes; here, so that those need not import pytest."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from quantdesk import compute
from quantdesk.compute import Compute
from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError
from quantdesk.domain.ports import Forecaster, Model
from quantdesk.domain.progress import tell_of


class UnpicklableError(Exception):
    """An error that cannot be pickled back, since it takes two arguments and keeps one."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


@dataclass(frozen=True)
class Step:
    """A task that says where it was done."""

    number: int
    process: int = 0


def add_slowly(shared: Float64, task: int) -> float:
    """Sum with the task added; the first tasks take longest."""
    time.sleep(0.1 / (task + 1))
    return float((shared + task).sum())


def where(_shared: object, _task: int) -> int:
    """Name the process."""
    time.sleep(0.05)
    return os.getpid()


def layout(shared: dict[str, Float64], name: str) -> tuple[tuple[int, ...], bool, bool, Float64]:
    """Describe an array as it arrived, and hand it back."""
    array = shared[name]
    return array.strides, array.flags.writeable, array.flags.owndata, array


def overwrite(shared: Float64, _task: int) -> None:
    """Do what no task may."""
    shared[0] = 1.0


def die_first(shared: Path, task: int) -> int:
    """Be killed as for want of memory, the first time that task 1 is tried."""
    if task == 1 and not (shared / "tried").exists():
        (shared / "tried").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task * task


def die_always(_shared: object, task: int) -> int:
    """Be killed each time that task 1 is tried."""
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def leave(_shared: object, _task: int) -> None:
    """End the process in a way that no function should."""
    os._exit(3)


def fail(_shared: object, task: int) -> int:
    """Raise."""
    if task == 1:
        raise DataError(f"task {task} is bad", "a good one", "mend it")
    return task


def fail_oddly(_shared: object, _task: int) -> int:
    """Raise what cannot travel."""
    raise UnpicklableError("odd", "ly")


def fail_plainly(_shared: object, task: int) -> float:
    """Raise an error of Python's own."""
    return 1 / task


def chatter(_shared: object, task: int) -> int:
    """Print where answers are written."""
    print("x" * 10_000, flush=True)
    os.write(1, b"raw bytes")
    return task


def note(shared: Path, task: int) -> int:
    """Write down each time that a task is done; slow, so that the driver can be killed meanwhile."""
    with (shared / "done").open("a") as log:
        log.write(f"{task}\n")
    time.sleep(0.1)
    return task * 10


def sleep(shared: Path, task: int) -> None:
    """Say which process this is, and stay."""
    (shared / f"pid{task}").write_text(str(os.getpid()))
    time.sleep(60)


def threads(_shared: object, _task: int) -> list[int]:
    """Count the threads of each native library."""
    np.ones((50, 50)) @ np.ones((50, 50))
    return [one["num_threads"] for one in threadpool_info()]


def nested(_shared: object, _task: int) -> tuple[int, list[int]]:
    """Map inside a task."""
    return os.getpid(), compute.map(where, None, [0, 1, 2], Compute(workers=2))


def step(_shared: object, task: Step) -> Step:
    """Hand a task back with the process it was done in."""
    return Step(task.number, os.getpid())


def learn(dataset: Dataset, task: tuple[Model, int]) -> Float64:
    """Fit on the first two thirds of a dataset and forecast the rest."""
    model, seed = task
    cut = 2 * len(dataset) // 3
    return model.fit(dataset.rows(0, cut), seed).forecast(dataset.rows(cut, len(dataset))).quantiles


def fit(shared: tuple[Model, Dataset], seed: int) -> Forecaster:
    """Fit, and hand back what was learned."""
    model, dataset = shared
    return model.fit(dataset, seed)


def solve(shared: Float64, task: int) -> Float64:
    """Solve a least-squares problem, whose last digits depend on threads and on the layout."""
    time.sleep(0.3)
    columns = shared.reshape(-1, shared.shape[-1])[:, : 20 + task]
    answer: Float64 = np.linalg.lstsq(columns, shared.sum(axis=-1).ravel(), rcond=None)[0]
    return answer


def tell(_shared: object, task: int) -> int:
    """Tell how far it is."""
    tell_of()("halfway", 1, 2)
    return task


def kill_another(shared: Path, task: int) -> int:
    """Task 0 is done at once; task 1 then ends the process that was at it, which is idle by now."""
    if task == 0:
        with (shared / "pid").open("a") as log:
            log.write(f"{os.getpid()}\n")
        return 0
    while not (shared / "pid").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(int((shared / "pid").read_text().split()[0]), signal.SIGKILL)
    time.sleep(0.5)
    return 1
