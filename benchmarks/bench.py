"""Measure what is claimed about speed, one program after another, and write it down: ``make bench``.

Each program is a process of its own and has its time; one that fails, or a peer that cannot be had, is told in its row
and stops nothing. What was found goes into ``benchmarks/results.json``, and from there into docs/speed.md and the README.
The whole takes under 15 minutes; the first run also makes the peers' environments in the user's cache folder.

Run: ``python benchmarks/bench.py [--quick] [--render]``; ``--quick`` repeats little, ``--render`` measures nothing.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from peer_homes import PACKAGES, prepare, python_in
from speed_table import page, with_paragraph

HERE = Path(__file__).resolve().parent
RESULTS, PAGE, README = HERE / "results.json", HERE.parent / "docs/speed.md", HERE.parent / "README.md"
ALL_SECONDS = 900
OURS = ("quantdesk", "numpy", "numba")
THEIRS = {
    "vectorbt": "vectorbt",
    "backtesting": "backtesting",
    "lib-pybroker": "pybroker",
    "TA-Lib": "features",
    "polars": "features",
    "pandas": "features",
    "pyqlib": "qlib",
}
"""Peers' packages, and the environment that each is in."""


@dataclass(frozen=True)
class Part:
    """Name a program to measure with.

    Parameters
    ----------
    name : str
        Its file beside this one, without the ending.
    full, quick : str
        Its options.
    seconds : float
        The longest it may take.
    """

    name: str
    full: str = ""
    quick: str = ""
    seconds: float = 150


PARTS = (
    Part("starting", "--repeats 5", "--repeats 1", 240),
    Part("sweep", "--repeats 5", "--repeats 1"),
    Part("loop", "--bars 1005", "--bars 250"),
    Part("loop_peers", "--repeats 3 --bars 252", "--repeats 1 --bars 60"),
    Part("features_peers", "--repeats 5", "--repeats 1 --instruments 100 --days 500", 420),
)


def measure(part: Part, is_quick: bool, seconds: float) -> dict[str, Any]:
    """Run one program for so long at most; what it found, or why it found nothing."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "found.json"
        options = (part.quick if is_quick else part.full).split()
        command: list[str | Path] = [sys.executable, HERE / f"{part.name}.py", *options, "--json", kept]
        said, why = run(command, seconds)
        if why:
            return {"failed": why}
        found: dict[str, Any] = json.loads(kept.read_text())
    left_out = dict(re.findall(r"^([\w-]+): left out, (.*)$", said, flags=re.MULTILINE))
    return found | ({"left out": {name: plain(why) for name, why in left_out.items()}} if left_out else {})


def run(command: list[str | Path], seconds: float) -> tuple[str, str]:
    """Run a program with all that it starts; what it printed, and why it failed, empty where it did not."""
    if seconds <= 0:
        return "", "no time was left"
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE.parent, start_new_session=True
    ) as program:
        try:
            said, errors = program.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # The program's own children too, or they would slow what comes next.
            os.killpg(program.pid, signal.SIGKILL)
            program.communicate()
            return "", f"it took over {seconds:.0f} s"
    lines = errors.strip().splitlines() or [f"it ended with code {program.returncode}"]
    return said, plain(lines[-1]) if program.returncode else ""


def plain(text: str) -> str:
    """Keep folders of this machine, and what would break a table, out of a message."""
    return re.sub(r"(/[^\s/'\"]+){2,}/?", "(a path)", text).replace("|", "/")[:160]


def machine() -> dict[str, Any]:
    """Describe the machine, without its name."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory (GB)": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    """Name the processor."""
    told = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:\s*(.+)$", told.read_text(), flags=re.MULTILINE) if told.exists() else None
    return named.group(1) if named else platform.processor() or "unknown processor"


def versions() -> dict[str, str]:
    """List the versions of what was measured; a peer that is not installed is left out."""
    found = {"Python": platform.python_version()} | {name: importlib.metadata.version(name) for name in OURS}
    for package, home in THEIRS.items():
        code = f"import importlib.metadata as m; print(m.version('{package}'))"
        try:
            done = subprocess.run([python_in(home), "-c", code], capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            continue
        if not done.returncode:
            found[package] = done.stdout.strip()
    return found


def measure_all(is_quick: bool) -> dict[str, Any]:
    """Measure with every program, telling what is under way."""
    # Without an index every program asks for its peers in vain: not for long, then.
    os.environ |= {"PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "15"}
    for name in PACKAGES:
        why = prepare(name)
        if why:
            print(f"{name}: left out, {plain(why)}", flush=True)
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    ends, found = time.monotonic() + ALL_SECONDS, {}
    for part in PARTS:
        began = time.monotonic()
        print(f"{part.name:<16}", end="", flush=True)
        found[part.name] = measure(part, is_quick, min(part.seconds, ends - began))
        print(f"{time.monotonic() - began:6.0f} s  {found[part.name].get('failed', '')}", flush=True)
    return {
        "kind": "quick" if is_quick else "full",
        "machine": machine(),
        "load": load,
        "versions": versions(),
        "parts": found,
    }


def rounded(value: Any) -> Any:
    """Keep six digits that count of every figure, and no folder in any message."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, str):
        return plain(value)
    return float(f"{value:.6g}") if isinstance(value, float) else value


def render() -> None:
    """Write docs/speed.md and the README's paragraph from what is kept."""
    results = json.loads(RESULTS.read_text())
    PAGE.write_text(page(results))
    text = README.read_text()
    README.write_text(with_paragraph(text, results))


def main() -> None:
    """Measure unless only asked to render, and write all down."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--quick", action="store_true", help="few repeats")
    arguments.add_argument("--render", action="store_true", help="measure nothing; write docs/speed.md and the README again")
    chosen = arguments.parse_args()
    if not chosen.render:
        RESULTS.write_text(json.dumps(rounded(measure_all(chosen.quick)), indent=2) + "\n")
    render()
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
