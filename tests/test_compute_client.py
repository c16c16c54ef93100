"""Tasks on a cluster entered from outside: a head node with a token, reached at ray://HOST:PORT by programs of their own."""

import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import compute_work as work
from quantdesk import compute

pytest.importorskip("ray", reason="ray is not installed: pip install 'quantdesk[cluster]'")
pytest.importorskip("grpc", reason="Ray's client needs grpcio, which is not installed: pip install 'quantdesk[cluster]'")

N_TASKS = 6
MAKES_SHARED = "np.random.default_rng(1).normal(size=(41, 30, 50)).transpose(1, 2, 0)"
LOST = """
    def lose(_what, done, _n):
        if done == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    compute.map(work.solve, shared, range(6), there, lose)
"""
NEXT = """
    plain, told, found = compute.Compute(there.on), [], {}
    with compute_ray._cluster(there.on, 2):
        solved = compute.map(work.solve, shared, range(6), there, lambda _what, done, _n: told.append(done))
        found["sums"] = compute.map(lambda five, task: five + task, 5, range(3), plain)
        try:
            compute.map(work.fail, None, range(3), plain)
        except DataError as error:
            found["error"] = [type(error).__name__, error.what, error.expected, error.action, len(error.__notes__)]
    found["told"], found["digests"] = told, [hashlib.sha256(one.tobytes()).hexdigest() for one in solved]
    print(json.dumps(found))
"""


@dataclass(frozen=True)
class Head:
    """A head node, where to enter it, and the home folder that holds its token."""

    address: str
    home: Path
    process: "subprocess.Popen[bytes]"

    def drive(self, code: str, kept: Path) -> "subprocess.CompletedProcess[str]":
        """Run a program that enters the cluster and works there."""
        opening = f"""
            import hashlib, json, os, signal, sys
            from pathlib import Path
            import numpy as np
            import compute_work as work
            from quantdesk import compute, compute_ray
            from quantdesk.domain.errors import DataError
            shared, there = {MAKES_SHARED}, compute.Compute({self.address!r}, kept=Path(sys.argv[1]))
        """
        program = textwrap.dedent(opening) + textwrap.dedent(code)
        environment = {**_environment(self.home), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", program, str(kept)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def _environment(home: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**ours, "HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0"}


def _free_port() -> int:
    # Below the range from which the system gives ports, which Ray's other processes ask it for meanwhile.
    while True:
        port = 24_000 + secrets.randbelow(8_000)
        with socket.socket() as listening, suppress(OSError):
            listening.bind(("127.0.0.1", port))
            return port


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """Start a head node of two cores in a group of its own, which is ended by the group's id."""
    # Names of sockets below pytest's own folder would be too long.
    folder, port = Path(tempfile.mkdtemp(prefix="desk-")), _free_port()
    (folder / ".ray").mkdir()
    (folder / ".ray" / "auth_token").write_text(secrets.token_hex(32))
    flags = f"--head --block --num-cpus=2 --port={_free_port()} --ray-client-server-port={port} --temp-dir={folder}"
    flags += (
        " --node-ip-address=127.0.0.1 --include-dashboard=false --include-log-monitor=false --object-store-memory=100000000"
    )
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *flags.split()],
            # A process forked for whoever enters may end at once where gRPC has handlers for forks.
            env={**_environment(folder), "RAY_AUTH_MODE": "token", "GRPC_ENABLE_FORK_SUPPORT": "0"},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        _wait_until_it_listens(port, process, folder / "said")
        yield Head(f"ray://127.0.0.1:{port}", folder, process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_listens(port: int, process: "subprocess.Popen[bytes]", said: Path) -> None:
    end = time.monotonic() + 90
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, said.read_text()[-2000:]
        assert time.monotonic() < end, said.read_text()[-2000:]
        time.sleep(0.1)


def test_a_lost_driver_is_followed_by_one_that_does_the_rest_to_the_bit(head: Head, tmp_path: Path) -> None:
    lost = head.drive(LOST, tmp_path)
    assert lost.returncode == -signal.SIGKILL, lost.stderr
    assert len(list(tmp_path.iterdir())) == 3
    following = head.drive(NEXT, tmp_path)
    assert following.returncode == 0, following.stderr
    found = json.loads(following.stdout.splitlines()[-1])
    shared = np.random.default_rng(1).normal(size=(41, 30, 50)).transpose(1, 2, 0)
    here = compute.map(work.solve, shared, range(N_TASKS))
    assert found["told"] == [3, 4, 5, 6]
    assert found["digests"] == [hashlib.sha256(one.tobytes()).hexdigest() for one in here]
    assert found["sums"] == [5, 6, 7]
    assert found["error"] == ["DataError", "task 1 is bad", "a good one", "mend it", 1]
    assert len(list(tmp_path.iterdir())) == N_TASKS
