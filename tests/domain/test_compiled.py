import multiprocessing
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import pytest

from quantdesk.domain.compiled import compiled, digest_of

PROGRAM = textwrap.dedent(
    """
    from quantdesk.domain.compiled import compiled

    @compiled
    def total(n):
        found = 0.0
        for i in range(n):
            found += i
        return found

    if __name__ == "__main__":
        print(total(10))
    """
)


def run(path: Path, cache: Path) -> str:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, str(path)], env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() + done.stderr.strip()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def test_machine_code_is_kept_for_the_next_process(program: Path, tmp_path: Path) -> None:
    assert run(program, tmp_path / "cache") == "45.0"
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.nbc")}
    assert len(kept) == 1
    assert run(program, tmp_path / "cache") == "45.0"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_machine_that_takes_no_cache_compiles_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(self: object, function: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(numba.core.caching.FunctionCache, "__init__", refuses)

    def double(x: float) -> float:
        return 2.0 * x

    assert compiled(double)(2.0) == 4.0


def test_processes_that_start_at_once_all_get_the_right_answer(program: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(run, [(program, tmp_path / "cache")] * 4)
    assert found == ["45.0"] * 4


def test_a_change_in_any_file_that_compiles_gives_another_folder(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text("@compiled\ndef a(): ...")
    (tmp_path / "plain.py").write_text("x = 1")
    first = digest_of(tmp_path)
    (tmp_path / "plain.py").write_text("x = 2")
    assert digest_of(tmp_path) == first
    (tmp_path / "kernel.py").write_text("@compiled\ndef b(): ...")
    assert digest_of(tmp_path) != first
