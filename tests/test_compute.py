"""Tasks in this process and in several."""

import importlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from threadpoolctl import threadpool_info

import compute_work as work
from quantdesk import compute, compute_task
from quantdesk import strategy as strategies
from quantdesk.compute import Compute
from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import ComputeError, DataError
from quantdesk.domain.progress import telling
from quantdesk.models.ridge import Ridge

TWO = Compute(workers=2)
both = pytest.mark.parametrize("workers", [1, 2])


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Hold every test here to leaving no process and no open file behind."""
    here = psutil.Process()
    before, others = here.num_fds(), here.children(recursive=True)
    yield
    assert set(here.children(recursive=True)) <= set(others)
    assert here.num_fds() <= before
    assert "QUANTDESK_WORKER" not in os.environ


def dataset(n_days: int = 300, n_instruments: int = 6) -> Dataset:
    return strategies.load("linear", Path("nowhere")).dataset(Synthetic(n_instruments=n_instruments, n_days=n_days).fetch())


def driver(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a driver of its own, which can be killed."""
    opening = "import signal, sys; from pathlib import Path; from quantdesk.compute import *; import compute_work as work\n"
    # Ctrl-C is heard even where these tests run in the background, whose children ignore it.
    opening += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", opening + code, *(str(one) for one in arguments)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)


def until(is_so: Callable[[], bool], timeout_seconds: float = 60) -> None:
    end = time.monotonic() + timeout_seconds
    while not is_so():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


@both
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    shared = np.arange(1000.0)
    told: list[tuple[str, int, int]] = []
    found = compute.map(work.add_slowly, shared, range(6), Compute(workers=workers), lambda *now: told.append(now), "adding")
    assert found == [float((shared + task).sum()) for task in range(6)]
    assert told == [(f"adding {min(done + 1, 6)} of 6", done, 6) for done in range(7)]
    assert compute.map(work.add_slowly, shared, [], Compute(workers=workers)) == []


def test_several_workers_are_several_other_processes() -> None:
    where = set(compute.map(work.where, None, range(8), TWO))
    assert len(where) == 2
    assert os.getpid() not in where
    assert set(compute.map(work.where, None, [1])) == {os.getpid()}


def test_shared_arrays_arrive_as_read_only_views_with_their_axes_in_the_order_they_had() -> None:
    cube = np.random.default_rng(0).normal(size=(4, 5, 6))
    turned = cube.transpose(1, 2, 0)
    shared = {"plain": cube, "turned": turned, "fortran": np.asfortranarray(cube), "slice": turned[:, 1:4], "none": cube[:0]}
    for name, (strides, is_writeable, is_owner, array) in zip(
        shared, compute.map(work.layout, shared, list(shared), TWO), strict=True
    ):
        assert np.argsort(strides).tolist() == np.argsort(shared[name].strides).tolist(), name
        assert array.strides == strides, f"{name} on its way back"
        assert (is_writeable, is_owner) == (False, False), name
        np.testing.assert_array_equal(array, shared[name])
    with pytest.raises(ValueError, match="read-only"):
        compute.map(work.overwrite, cube, [0, 1], TWO)


def test_models_learn_the_same_to_the_bit_in_one_process_and_in_two() -> None:
    data = dataset()
    tasks = [(strategies.load("boosted", Path("nowhere")).model, 0), (Ridge(), 0), (Ridge(), 1)]
    here, there = (compute.map(work.learn, data, tasks, Compute(workers=workers)) for workers in (1, 2))
    assert [one.tobytes() for one in here] == [one.tobytes() for one in there]


def test_sums_are_the_same_to_the_bit_whatever_the_workers() -> None:
    shared = np.random.default_rng(1).normal(size=(41, 300, 50)).transpose(1, 2, 0)
    here = compute.map(work.solve, shared, range(3))
    there = compute.map(work.solve, shared, range(3), TWO)
    assert [one.tobytes() for one in here] == [one.tobytes() for one in there]


@both
def test_a_task_has_one_native_thread_and_the_driver_its_own_again_afterwards(workers: int) -> None:
    before = [one["num_threads"] for one in threadpool_info()]
    assert {count for counts in compute.map(work.threads, None, [0, 1], Compute(workers=workers)) for count in counts} == {1}
    assert [one["num_threads"] for one in threadpool_info()] == before
    assert os.environ.get("OMP_NUM_THREADS") is None


def test_a_worker_that_is_killed_is_replaced_and_its_task_done_again(tmp_path: Path) -> None:
    assert compute.map(work.die_first, tmp_path, range(5), TWO) == [0, 1, 4, 9, 16]
    assert (tmp_path / "tried").exists()


def test_a_worker_that_ends_with_nothing_to_do_is_not_missed(tmp_path: Path) -> None:
    assert compute.map(work.kill_another, tmp_path, [0, 1], TWO) == [0, 1]
    assert len((tmp_path / "pid").read_text().split()) == 1


@both
def test_what_tasks_tell_is_heard_here_as_a_part_of_all(workers: int) -> None:
    told: list[tuple[str, int, int]] = []
    with telling(lambda *now: told.append(now)):
        assert compute.map(work.tell, None, range(3), Compute(workers=workers), what="task") == [0, 1, 2]
    words = [what for what, _, _ in told]
    assert [what for what in words if ":" not in what] == ["task 1 of 3", "task 2 of 3", "task 3 of 3", "task 3 of 3"]
    assert sorted(what for what in words if ":" in what) == [f"task {place} of 3: halfway" for place in (1, 2, 3)]
    done = [share / of for _, share, of in told]
    assert done == sorted(done)
    assert (done[0], done[1], done[-1]) == (0, 0.5 / 3, 1)
    silent: list[tuple[str, int, int]] = []
    compute.map(work.tell, None, [0], Compute(workers=workers), lambda *now: silent.append(now))
    assert len(told) == 7
    assert len(silent) == 3


def test_processes_are_started_for_what_is_left_after_some_time_alone() -> None:
    alone = compute.map(work.where, None, range(4), Compute(workers=2, alone_for=60.0))
    assert alone == [os.getpid()] * 4
    first, *others = compute.map(work.where, None, range(7), Compute(workers=2, alone_for=0.01))
    assert first == os.getpid()
    assert os.getpid() not in others
    assert len(set(others)) == 2


@pytest.mark.parametrize(("function", "how"), [(work.die_always, "signal 9"), (work.leave, "exit code 3")])
def test_a_task_that_ends_every_worker_is_named(function: Callable[[object, int], Any], how: str) -> None:
    with pytest.raises(ComputeError, match=rf"task [01] \([01]\) ended 3 processes, the last by {how}"):
        compute.map(function, None, [0, 1], TWO)


@both
def test_an_error_of_the_function_arrives_as_itself(workers: int) -> None:
    with pytest.raises(DataError) as caught:
        compute.map(work.fail, None, range(4), Compute(workers=workers))
    assert type(caught.value) is DataError
    assert (caught.value.what, caught.value.action) == ("task 1 is bad", "mend it")
    with pytest.raises(ZeroDivisionError, match="division by zero") as plain:
        compute.map(work.fail_plainly, None, [0, 1], Compute(workers=workers))
    assert type(plain.value) is ZeroDivisionError
    if workers > 1:
        assert "in fail_plainly" in plain.value.__notes__[0], "the line that raised is told"


def test_an_error_that_cannot_travel_is_told_in_words() -> None:
    with pytest.raises(ComputeError, match="oddly"):
        compute.map(work.fail_oddly, None, [0, 1], TWO)


def test_what_tasks_print_is_not_taken_for_an_answer() -> None:
    assert compute.map(work.chatter, None, range(4), TWO) == [0, 1, 2, 3]


def test_a_map_inside_a_task_stays_in_its_process() -> None:
    for process, inside in compute.map(work.nested, None, [0, 1], TWO):
        assert set(inside) == {process}


def test_objects_travel_both_ways() -> None:
    steps = compute.map(work.step, None, [work.Step(number) for number in range(3)], TWO)
    assert [one.number for one in steps] == [0, 1, 2]
    assert all(one.process not in (0, os.getpid()) for one in steps)


OWN = """
from dataclasses import dataclass, field
from quantdesk.models.ridge import Ridge
from quantdesk.portfolio.sizing import Equal
from quantdesk.signals.rank import Rank
from quantdesk.strategy import Strategy

@dataclass(frozen=True)
class Mine:
    inner: Ridge = field(default_factory=Ridge)

    def fit(self, dataset, seed):
        return Learned(self.inner.fit(dataset, seed), seed)

@dataclass(frozen=True)
class Learned:
    inner: object
    seed: int
    lookback = 1

    def forecast(self, dataset):
        return self.inner.forecast(dataset)

STRATEGY = Strategy("mine", "Follows.", ("return_5",), Mine(), Rank(), Equal())
"""


def test_a_model_of_a_users_own_file_reaches_the_workers_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "my_own.py").write_text(OWN)
    mine = strategies.load(str(tmp_path / "my_own.py"), tmp_path)
    learned: list[Any] = compute.map(work.fit, (mine.model, dataset()), range(3), TWO)
    assert [one.seed for one in learned] == [0, 1, 2]
    assert {type(one) for one in learned} == {vars(sys.modules["desk_strategy_my_own"])["Learned"]}


def test_a_users_file_that_is_not_on_a_machine_is_written_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    finder = compute_task._StrategyFiles()
    for own in (OWN, OWN.replace("Follows.", "Leads.")):
        finder.offer({"desk_strategy_elsewhere": ("/another/machine/elsewhere.py", own.encode())})
        module = importlib.import_module("desk_strategy_elsewhere")
        assert module.STRATEGY.description in own
        assert Path(str(module.__file__)).read_text() == own
    del sys.modules["desk_strategy_elsewhere"]


def test_a_driver_that_was_killed_resumes_from_the_tasks_it_had_finished(tmp_path: Path) -> None:
    log, kept = tmp_path / "done", tmp_path / "kept"
    code = "map(work.note, Path(sys.argv[1]), range(20), Compute(workers=2, kept=Path(sys.argv[2])))"
    killed = driver(code, tmp_path, kept)
    until(lambda: len(list(kept.glob("*.pkl"))) >= 5)
    workers = [child.pid for child in psutil.Process(killed.pid).children()]
    killed.kill()
    killed.communicate()
    until(lambda: not any(is_running(pid) for pid in workers))
    finished = len(list(kept.glob("*.pkl")))
    first = len(log.read_text().split())
    told: list[int] = []
    found = compute.map(
        work.note, tmp_path, range(20), Compute(workers=2, kept=kept), lambda _what, done, _n: told.append(done)
    )
    assert found == [task * 10 for task in range(20)]
    assert told[0] == finished
    assert len(log.read_text().split()) - first == 20 - finished, "none is done twice"
    assert len(list(kept.glob("*.pkl"))) == 20, "what was finished waits for the steps that follow"


@pytest.mark.parametrize("damage", [b"", b"foreign", b"\0" * 200])
def test_a_damaged_file_is_not_resumed_from(tmp_path: Path, damage: bytes) -> None:
    kept = interrupted(tmp_path)
    for path in kept.glob("*.pkl"):
        path.write_bytes(path.read_bytes()[:-1] + b"x" if damage == b"" else damage)
    assert compute.map(work.fail, np.arange(3.0), [0, 2, 3], Compute(kept=kept)) == [0, 2, 3]


def test_a_result_is_kept_for_its_own_shared_data_task_place_and_function_only(tmp_path: Path) -> None:
    kept = interrupted(tmp_path)
    assert told_first(work.fail, np.arange(3.0), [0], kept) == 1, "the very same is found"
    interrupted(tmp_path)
    assert told_first(work.fail, np.arange(3.0) + 1e-12, [0], kept) == 0
    assert told_first(work.fail, np.arange(3.0), [2], kept) == 0
    assert told_first(work.fail, np.arange(3.0), [4, 0], kept) == 0
    assert told_first(work.chatter, np.arange(3.0), [0], kept) == 0


def interrupted(folder: Path) -> Path:
    with pytest.raises(DataError):
        compute.map(work.fail, np.arange(3.0), [0, 1], Compute(kept=folder / "kept"))
    assert len(list((folder / "kept").iterdir())) == 1
    return folder / "kept"


def told_first(function: Callable[[Any, int], int], shared: object, tasks: list[int], kept: Path) -> int:
    told: list[int] = []
    compute.map(function, shared, tasks, Compute(kept=kept), lambda _what, done, _n: told.append(done))
    return told[0]


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_driver(tmp_path: Path, by: signal.Signals) -> None:
    one = driver("map(work.sleep, Path(sys.argv[1]), range(2), Compute(workers=2))", tmp_path)
    until(lambda: len([path for path in tmp_path.glob("pid*") if path.read_text()]) == 2)
    workers = [int(path.read_text()) for path in tmp_path.glob("pid*")]
    assert all(psutil.pid_exists(pid) for pid in workers)
    # Ctrl-C reaches the whole group, as in a terminal.
    os.killpg(one.pid, by) if by == signal.SIGINT else one.kill()
    _, said = one.communicate(timeout=60)
    until(lambda: not any(is_running(pid) for pid in workers))
    assert said.count("KeyboardInterrupt") == (1 if by == signal.SIGINT else 0)


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_function_that_no_other_process_can_find_is_taken_along() -> None:
    def inner(_shared: object, task: int) -> int:
        return task

    assert compute.map(inner, None, [0, 1], TWO) == [0, 1]
    assert compute.map(lambda shared, task: shared + task, 5, [0, 1], TWO) == [5, 6]


def test_an_unknown_place_or_number_is_refused_in_three_parts() -> None:
    with pytest.raises(ComputeError, match="nothing computes on 'slurm'") as caught:
        Compute("slurm")
    assert caught.value.expected == "local, ray or ray://HOST:PORT"
    with pytest.raises(ComputeError, match="-1 workers"):
        Compute(workers=-1)


def test_a_missing_ray_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ComputeError) as caught:
        compute.map(work.where, None, [0], Compute("ray"))
    assert caught.value.action == "pip install 'quantdesk[cluster]'"


def test_a_full_disk_is_told_with_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
        with pytest.raises(ComputeError, match="8 MB that tasks share could not be laid out"):
            compute.map(work.where, np.ones(1_000_000), [0, 1], TWO)


def test_the_examples_of_the_guide_run() -> None:
    guide = Path(__file__).parents[1] / "docs" / "guides" / "cluster.md"
    examples = re.findall(r"```python\n(.*?)```", guide.read_text(), flags=re.DOTALL)
    assert examples
    for example in examples:
        exec(example, {})
