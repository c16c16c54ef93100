"""How long until something happens? Times ``desk --help``, imports, and the first result of a sweep never compiled before.

Wall seconds, medians, each start a process of its own; beside them python alone, numpy, and vectorbt in an environment of
its own. A cold sweep begins with an empty folder for compiled code, a warm one with what the cold one kept; both run one
crossover on one instrument. Peak memory is of one more start each (Linux; elsewhere it is left out).

Run: ``python benchmarks/starting.py [--repeats 5] [--no-peers] [--json FILE]``
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peer_homes import last_line, prepare, python_in
from sweep import RULES, seconds_to_first, world

DESK = Path(sys.executable).with_name("desk")
HELP = """import contextlib, io
from quantdesk.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["--help"])"""
STARTS = {"python": "pass", "numpy": "import numpy", "import quantdesk": "import quantdesk", "desk --help": HELP}
PEAK = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
LONGEST = 120


def wall(command: list[str | Path], environment: dict[str, str] | None = None) -> float:
    """Run a program; its wall seconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=LONGEST)
    return time.perf_counter() - began


def median(repeats: int, work: Callable[[], float]) -> float:
    """Take the middle of some measurements after one that does not count."""
    work()
    return statistics.median(work() for _ in range(repeats))


def peak_mb(python: str | Path, code: str) -> float | None:
    """Run code in an interpreter of its own; the most memory that it held."""
    if sys.platform != "linux":
        return None
    done = subprocess.run([python, "-c", code + PEAK], check=True, capture_output=True, text=True, timeout=LONGEST)
    return int(done.stdout.split()[-1]) / 1024


def starts(repeats: int) -> dict[str, dict[str, float | None]]:
    """Time the starts of our own; the command itself is started by its script, as a person starts it."""
    found: dict[str, dict[str, float | None]] = {}
    for name, code in STARTS.items():
        command = [DESK, "--help"] if name == "desk --help" else [sys.executable, "-c", code]
        seconds = median(repeats, lambda command=command: wall(command))  # type: ignore[misc]
        found[name] = {"seconds": seconds, "peak memory (MB)": peak_mb(sys.executable, code)}
    return found


def first_results(repeats: int, first: Callable[[str], float]) -> dict[str, float]:
    """Time first results, with an empty folder for compiled code each, and then with a full one."""
    colds, warms = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            colds.append(first(folder))
            warms.append(first(folder))
    return {"cold (s)": statistics.median(colds), "warm (s)": statistics.median(warms)}


def vectorbt(repeats: int, n_cold: int) -> dict[str, Any]:
    """Time vectorbt's import and its first results; or say why it is left out."""
    why = prepare("vectorbt")
    if why:
        return {"left out": why}
    python = python_in("vectorbt")
    try:
        seconds = median(repeats, lambda: wall([python, "-c", "import vectorbt"]))
        found: dict[str, Any] = {"import (s)": seconds, "peak memory (MB)": peak_mb(python, "import vectorbt")}
        return found | first_results(n_cold, _first_of_vectorbt)
    except (OSError, subprocess.SubprocessError) as error:
        return {"left out": last_line(error)}


def _first_of_vectorbt(folder: str) -> float:
    panel, kept = world("", ""), Path(folder) / "world.npz"
    opened, close = (panel.fields[name][:, :1] for name in ("open", "close"))
    np.savez(kept, times=panel.times, pairs=np.array([(RULES[0].fast, RULES[0].slow)]), open=opened, close=close)
    script = Path(__file__).with_name("sweep_peers.py")
    command: list[str | Path] = [python_in("vectorbt"), script, "vectorbt", kept, "0", Path(folder) / "figures"]
    return wall(command, {**os.environ, "NUMBA_CACHE_DIR": str(Path(folder) / "compiled")})


def measure(repeats: int, with_peers: bool) -> dict[str, Any]:
    """Measure every start."""
    n_cold = max(1, repeats // 2)
    found: dict[str, Any] = {"starts": starts(repeats), "first result": first_results(n_cold, seconds_to_first)}
    peers = {"vectorbt": vectorbt(repeats, n_cold)} if with_peers else {}
    for own in peers.values():
        if "left out" not in own:
            own["ratio, start"] = own["import (s)"] / found["starts"]["desk --help"]["seconds"]
            own["ratio, cold"] = own["cold (s)"] / found["first result"]["cold (s)"]
            own["ratio, warm"] = own["warm (s)"] / found["first result"]["warm (s)"]
    return found | {"peers": peers}


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--no-peers", action="store_true")
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()
    found = measure(chosen.repeats, not chosen.no_peers)
    print(json.dumps(found, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
