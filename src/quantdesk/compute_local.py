"""Tasks in several processes of this machine, which read what they share from one mapped file."""

import math
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO, NamedTuple, TypeVar

from quantdesk.compute_task import IN_WORKER, ONE_THREAD, TRIES, Outcome, Part, attempt, opened, packed, pickled, unpacked
from quantdesk.domain.errors import ComputeError
from quantdesk.domain.progress import Tell, telling

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")
Layout = tuple[int, list[tuple[int, int]]]
"""An open file, and where each part begins in it and ends, bytes."""


class Told(NamedTuple):
    """What a process says of its progress before it answers."""

    what: str
    done: int
    total: int


Message = Outcome | Told

PAUSE = 0.2
"""Seconds between what a process says of its progress."""

_ALIGNED = 64


def in_processes(
    function: Callable[[Shared, Task], Result],
    shared: Shared,
    tasks: dict[int, Task],
    n_workers: int,
    tell_of: Callable[[int], Tell],
) -> Generator[tuple[int, Result], None, None]:
    """Yield each task's position and result as it is done; a process that dies is replaced.

    Parameters
    ----------
    tell_of : callable
        Give what hears of the progress of the task at a position.

    Raises
    ------
    ComputeError
        If a task ended three processes.
    """
    waiting = deque((position, 1) for position in tasks)
    crew: list[_Worker] = []
    inbox: SimpleQueue[tuple[_Worker, Message | None]] = SimpleQueue()
    with _laid_out(packed((function, shared))) as layout:
        try:
            while waiting or any(worker.is_busy for worker in crew):
                while waiting and (worker := _free(crew, n_workers, layout, inbox)):
                    position, n_try = waiting.popleft()
                    worker.ask(position, n_try, pickled(tasks[position]))
                worker, message = inbox.get()
                if isinstance(message, Told):
                    tell_of(worker.position)(*message)
                elif message is not None:
                    worker.is_busy = False
                    yield worker.position, opened(message)
                elif not worker.is_busy:
                    crew.remove(worker)
                    worker.end()
                else:
                    crew.remove(worker)
                    _refuse_deadly(worker.died(), worker.n_try, f"task {worker.position} ({tasks[worker.position]!r:.200})")
                    waiting.appendleft((worker.position, worker.n_try + 1))
        finally:
            for worker in crew:
                worker.end()


@contextmanager
def _laid_out(parts: list[Part]) -> Iterator[Layout]:
    # The file has no name: whatever becomes of the driver, nothing is left of it.
    with tempfile.TemporaryFile() as file:
        spans = []
        try:
            for part in parts:
                begin = -(-file.tell() // _ALIGNED) * _ALIGNED
                file.seek(begin)
                file.write(part)
                spans.append((begin, file.tell()))
            file.flush()
        except OSError as error:
            size = sum(memoryview(part).nbytes for part in parts) / 1e6
            what = f"{size:,.0f} MB that tasks share could not be laid out in {tempfile.gettempdir()}: {error.strerror}"
            raise ComputeError(what, "room for them once", "free space, or set TMPDIR to a larger folder") from error
        yield file.fileno(), spans


def _free(crew: "list[_Worker]", n_workers: int, layout: Layout, inbox: "SimpleQueue[Any]") -> "_Worker | None":
    free = next((worker for worker in crew if not worker.is_busy), None)
    if free is None and len(crew) < n_workers:
        free = _Worker(layout, inbox)
        crew.append(free)
    return free


def _refuse_deadly(code: int, n_try: int, task: str) -> None:
    if n_try >= TRIES:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise ComputeError(
            f"{task} ended {n_try} processes, the last by {how}",
            "a function that returns or raises",
            "signal 9 is mostly want of memory: use fewer workers; else run it with 1 worker and look",
        )


class _Worker:
    # One process, started afresh (a fork would inherit locks of native threads), and what it is at.

    def __init__(self, layout: Layout, inbox: "SimpleQueue[Any]") -> None:
        file, spans = layout
        code = f"import sys; sys.path[:] = {sys.path!r}; from quantdesk.compute_local import serve; serve({file})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(file,),
            env={**os.environ, **ONE_THREAD, IN_WORKER: "1"},
        )
        self.is_busy, self.position, self.n_try = False, 0, 0
        self._send(spans)
        self._hearing = Thread(target=self._hear, args=(inbox,), daemon=True)
        self._hearing.start()

    def ask(self, position: int, n_try: int, task: bytes) -> None:
        self.is_busy, self.position, self.n_try = True, position, n_try
        self._send(task)

    def _hear(self, inbox: "SimpleQueue[Any]") -> None:
        assert self._process.stdout is not None
        with suppress(EOFError, pickle.UnpicklingError):
            while True:
                inbox.put((self, pickle.load(self._process.stdout)))
        inbox.put((self, None))

    def died(self) -> int:
        # Its answers end a moment before it does; killed at once, it would not say of what it died.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self.end()
        return self._process.returncode

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._hearing.join(5)
        for stream in (self._process.stdin, None if self._hearing.is_alive() else self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def _send(self, message: object) -> None:
        assert self._process.stdin is not None
        # A process that has died is noticed when its answer is read.
        with suppress(BrokenPipeError):
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()


def serve(file: int) -> None:
    """Answer tasks until the driver is gone: what each process runs.

    Parameters
    ----------
    file : int
        Open file that holds the function and what is shared.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What a task prints must not be taken for an answer, nor a task for what it asks to be typed.
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    inbox: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(asked, inbox), daemon=True).start()
    content = memoryview(mmap.mmap(file, 0, access=mmap.ACCESS_READ))
    parts = [content[begin:end] for begin, end in inbox.get()]
    job = cache(lambda: unpacked(parts))
    while True:
        task = inbox.get()
        with telling(_now_and_then(answers)):
            outcome = attempt(job, task)
        _write(outcome, answers)


def _now_and_then(answers: BinaryIO) -> Tell:
    last = -math.inf

    def tell(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > PAUSE:
            last = time.monotonic()
            _write(Told(what, done, total), answers)

    return tell


def _write(message: Message, answers: BinaryIO) -> None:
    pickle.dump(message, answers)
    answers.flush()


def _listen(asked: BinaryIO, inbox: "SimpleQueue[Any]") -> None:
    with suppress(EOFError):
        while True:
            inbox.put(pickle.load(asked))
    os._exit(1)
