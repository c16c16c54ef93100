"""Make an environment for each peer in the user's cache folder, on demand, and run programs in it."""

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

PACKAGES = {
    "vectorbt": ("vectorbt",),
    "backtesting": ("backtesting",),
    "pybroker": ("lib-pybroker",),
    "features": ("TA-Lib", "pandas", "polars", "pyarrow"),
    "qlib": ("pyqlib", "setuptools"),
}
"""What pip installs into each environment, the peer that is measured first."""

INSTALL_SECONDS = 300


def home_of(name: str) -> Path:
    """Name the folder of a peer's environment."""
    # Not above: what runs in a peer's environment imports this file too.
    from platformdirs import user_cache_path

    return user_cache_path("quantdesk") / "benchmarks" / name


def python_in(name: str) -> Path:
    """Name the interpreter of a peer's environment, whether or not it is there."""
    return home_of(name) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def prepare(name: str) -> str:
    """Make a peer's environment unless it is ready.

    Returns
    -------
    str
        Why it cannot be had; empty where it can.
    """
    if (home_of(name) / "ready").exists():
        return ""
    print(f"{name}: making its environment", file=sys.stderr, flush=True)
    command = ["-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES[name]]
    try:
        venv.create(home_of(name), with_pip=True, clear=True)
        subprocess.run([python_in(name), *command], capture_output=True, text=True, check=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        return f"pip could not install it: {last_line(error)}"
    (home_of(name) / "ready").touch()
    return ""


def ask(python: str | Path, command: Sequence[str | Path], timeout_seconds: float, cores: int) -> str:
    """Run a program by an interpreter on the first cores, and give what it printed last.

    Raises
    ------
    OSError, subprocess.SubprocessError
        If it cannot be started, fails, or takes too long.
    """
    # Pinned before it starts: libraries count their cores once.
    pinned = ["-c", PIN, str(cores)] if hasattr(os, "sched_setaffinity") else []
    threads = {**os.environ, "POLARS_MAX_THREADS": str(cores)}
    done = subprocess.run(
        [python, *pinned, *command], capture_output=True, text=True, check=True, timeout=timeout_seconds, env=threads
    )
    return (done.stdout.strip().splitlines() or [""])[-1]


PIN = (
    "import os, sys; os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:int(sys.argv[1])])); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)


def last_line(error: Exception) -> str:
    """Say in one line, without folders, what went wrong."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took over {error.timeout:.0f} s"
    lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines() or [type(error).__name__]
    # What pip says last is a note; what went wrong stands before it.
    return next((line for line in lines if line.startswith("ERROR: ")), lines[-1])
