"""One task: how it and what it shares travel between processes, and how it is run there."""

import io
import os
import pickle
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any, TypeVar

import cloudpickle
import numpy as np

from quantdesk.domain.errors import ComputeError

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")
Part = bytes | memoryview
Outcome = tuple[bool, bytes]
"""Whether the task gave a result rather than an error; and that result or error, pickled."""

TRIES = 3
"""How often a task is tried before it is held to be what ends its processes."""

IN_WORKER = "QUANTDESK_WORKER"
"""Set in the environment of a process that works on tasks."""

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}

_FROM_FILES = "desk_strategy_"


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold native libraries to one thread: the last digits of their sums depend on the number."""
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in ONE_THREAD}
    # The environment is for libraries that the task is the first to load.
    os.environ.update(ONE_THREAD)
    try:
        with threadpool_limits(1):
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def attempt(job: Callable[[], tuple[Callable[[Shared, Task], Result], Shared]], task: bytes) -> Outcome:
    """Run a pickled task to its result or its error.

    Parameters
    ----------
    job : callable
        Unpacks the function and what is shared.
    task : bytes
        The task, pickled.
    """

    def work() -> bytes:
        with one_thread():
            function, shared = job()
            return pickled(function(shared, pickle.loads(task)))

    # A future holds whatever was raised, so that the driver can raise it again.
    with ThreadPoolExecutor(1) as hand:
        done = hand.submit(copy_context().run, work)
    error = done.exception()
    return (True, done.result()) if error is None else (False, _portable(error))


def opened(outcome: Outcome) -> Any:
    """Return the result, or raise the error as the function raised it."""
    is_result, payload = outcome
    if not is_result:
        raise pickle.loads(payload)
    return pickle.loads(payload)


def pickled(thing: object) -> bytes:
    """Pickle whole; arrays keep the order of their axes in memory."""
    return _pickle(thing, None)


def packed(thing: object) -> list[Part]:
    """Pickle without copying arrays: where modules are found, the pickle, then each array's bytes where they lie."""
    bodies: list[Part] = []
    head = _pickle(thing, lambda buffer: bodies.append(buffer.raw()))
    paths = {name: module.__file__ for name, module in sys.modules.items() if name.startswith(_FROM_FILES)}
    sources = {name: (path, Path(path).read_bytes()) for name, path in paths.items() if path and Path(path).is_file()}
    return [pickle.dumps((sys.path, sources)), head, *bodies]


def unpacked(parts: Sequence[Any]) -> Any:
    """Rebuild what was packed; arrays are views of the parts, read-only if those are."""
    folders, sources = pickle.loads(parts[0])
    sys.path.extend(folder for folder in folders if folder not in sys.path)
    _strategies.offer(sources)
    return pickle.loads(parts[1], buffers=parts[2:])


def _pickle(thing: object, apart: Callable[[pickle.PickleBuffer], None] | None) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, 5, buffer_callback=apart).dump(thing)
    return stream.getvalue()


class _Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # takes lambdas along, where pickle does not
    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, np.ndarray):
            return _in_order(thing)
        return super().reducer_override(thing)


def _in_order(array: "np.ndarray[Any, Any]") -> Any:
    # Pickle may lay slices of a transposed array out anew, and sums are taken in the order of the layout.
    if array.flags.forc or array.dtype.hasobject:
        return NotImplemented
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    dense = np.ascontiguousarray(array.transpose(order))
    return np.transpose, (dense, tuple(order.index(axis) for axis in range(array.ndim)))


def _portable(error: BaseException) -> bytes:
    error.add_note("In the process of its task:\n" + "".join(traceback.format_exception(error)))
    try:
        whole = pickled(error)
        pickle.loads(whole)
    except (TypeError, AttributeError, ImportError, pickle.PickleError):
        refused = ComputeError(f"a task raised {error!r}", "an error that can be pickled", "read the note below")
        refused.add_note(error.__notes__[-1])
        return pickled(refused)
    return whole


class _StrategyFiles:
    # Imports strategies that the driver loaded from files: their modules are in no folder on the path.

    def __init__(self) -> None:
        self._sources: dict[str, tuple[str, bytes]] = {}

    def offer(self, sources: dict[str, tuple[str, bytes]]) -> None:
        for name in sources.keys() & self._sources.keys():
            if self._sources[name] != sources[name]:
                sys.modules.pop(name, None)
        self._sources.update(sources)
        if self not in sys.meta_path:
            sys.meta_path.append(self)

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if name not in self._sources:
            return None
        path, content = self._sources[name]
        is_here = Path(path).is_file() and Path(path).read_bytes() == content
        return spec_from_file_location(name, path if is_here else _copied(name, content))


def _copied(name: str, content: bytes) -> Path:
    copy = Path(_folder().name) / f"{name}.py"
    copy.write_bytes(content)
    return copy


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="quantdesk-")


_strategies = _StrategyFiles()
