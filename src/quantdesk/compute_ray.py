"""Tasks on a Ray cluster, or on a small one started here; what they share is put there once."""

import logging
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from quantdesk.compute_task import IN_WORKER, TRIES, Outcome, attempt, opened, packed, pickled, unpacked
from quantdesk.domain.errors import ComputeError

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")


def on_ray(
    function: Callable[[Shared, Task], Result], shared: Shared, tasks: dict[int, Task], on: str, n_workers: int
) -> Generator[tuple[int, Result], None, None]:
    """Yield each task's position and result as it is done; what a lost node was at is done again elsewhere.

    Raises
    ------
    ComputeError
        If Ray is not installed, no cluster answers, or a task ended three processes or nodes.
    """
    parts = [np.asarray(memoryview(part)) for part in packed((function, shared))]
    with _cluster(on, n_workers) as ray:
        laid = ray.put(parts)
        ask = ray.remote(max_retries=TRIES - 1)(_answer)
        pending = {ask.remote(laid, pickled(task)): position for position, task in tasks.items()}
        try:
            while pending:
                for reference in ray.wait(list(pending))[0]:
                    outcome = _fetched(ray, reference, f"task {pending[reference]} ({tasks[pending[reference]]!r:.200})")
                    yield pending.pop(reference), opened(outcome)
        finally:
            for reference in pending:
                ray.cancel(reference, force=True)


def _answer(parts: list[Any], task: bytes) -> Outcome:
    os.environ[IN_WORKER] = "1"
    return attempt(lambda: unpacked(parts), task)


def _fetched(ray: Any, reference: Any, task: str) -> Outcome:
    try:
        outcome: Outcome = ray.get(reference)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ComputeError(
            f"{task} was lost on the cluster, {type(error).__name__}: {reason}",
            "a function that returns or raises, on nodes that have this desk's dependencies",
            "look at the node's memory and Ray's logs; else run it locally with 1 worker",
        ) from error
    return outcome


@contextmanager
def _cluster(on: str, n_workers: int) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if on.startswith("ray://") and _has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ImportError as error:
        raise ComputeError(
            f"Ray, for {on!r}, is not installed", "the package ray", "pip install 'quantdesk[cluster]'"
        ) from error
    if ray.is_initialized():
        yield ray
        return
    _enter(ray, _settings(on if on != "ray" else os.environ.get("RAY_ADDRESS", ""), n_workers))
    try:
        yield ray
    finally:
        ray.shutdown()


def _enter(ray: Any, settings: dict[str, Any], tries: int = TRIES) -> None:
    try:
        ray.init(log_to_driver=False, logging_level=logging.WARNING, **settings)
    except ConnectionAbortedError as error:
        # A head node forks a process for whoever enters, and at times loses it before it is up.
        if tries > 1:
            return _enter(ray, settings, tries - 1)
        reason = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "no reason")
        raise ComputeError(
            f"the Ray cluster at {settings['address']} refused entry {TRIES} times: {reason}",
            "a head node that can start a process for this program",
            "look at ray_client_server.err among the head node's logs, or start it again",
        ) from error
    except (ConnectionError, TimeoutError) as error:
        raise ComputeError(
            f"no Ray cluster answers at {settings['address']}",
            "one, which knows this machine's token where it asks for one",
            "start it, correct the address, or copy its ~/.ray/auth_token to this machine",
        ) from error


def _has_token() -> bool:
    # Ray looks for a token by itself when it starts or joins a cluster, but not when it enters one from outside.
    is_named = not os.environ.keys().isdisjoint(("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return is_named or (Path.home() / ".ray" / "auth_token").is_file()


def _settings(address: str, n_workers: int) -> dict[str, Any]:
    if not address:
        here = {"address": "local", "_node_ip_address": "127.0.0.1", "include_dashboard": False}
        return {**here, "num_cpus": n_workers}
    # The nodes get this very code, whatever version they have installed.
    return {"address": address, "runtime_env": {"py_modules": [str(Path(__file__).parent)], "excludes": ["**/__pycache__"]}}
