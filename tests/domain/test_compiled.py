import gc
import multiprocessing
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled, compiled_in_place, digest_of

PROGRAM = textwrap.dedent(
    """
    from quantdesk.domain.compiled import compiled

    @compiled
    def one(i):
        return 1.0 * i

    @compiled
    def total(n):
        found = 0.0
        for i in range(n):
            found += one(i)
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
    assert [path.name.split("-")[0] for path in kept] == ["program.total"]
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


@compiled_in_place
def fill(row: Float64, value: float) -> float:
    """Overwrite a row; return its length times the value."""
    row[:] = value
    return len(row) * value


@compiled_in_place
def fill_rows(table: Float64) -> float:
    """Overwrite each row of a table with its number; return the sum."""
    total = 0.0
    for i in range(len(table)):
        total += fill(table[i], float(i))
    return total


@compiled
def made_and_filled(n: int) -> Float64:
    """Make a table and fill its rows."""
    table = np.empty((n, 3))
    fill_rows(table)
    return table


def test_a_kernel_is_called_from_another_and_from_python_alike() -> None:
    table = np.zeros((3, 4))
    assert fill_rows(table) == 12.0
    assert table.tolist() == [[0.0] * 4, [1.0] * 4, [2.0] * 4]
    assert fill(table[0], 0.5) == 2.0
    assert table[0].tolist() == [0.5] * 4
    assert made_and_filled(2).tolist() == [[0.0] * 3, [1.0] * 3]


def test_kernels_in_place_leave_the_count_of_holders_alone() -> None:
    table = np.zeros((50, 4))
    before = sys.getrefcount(table)
    for _ in range(20):
        fill_rows(table)
    assert sys.getrefcount(table) == before


def test_a_kernel_in_place_that_makes_an_array_is_refused() -> None:
    @compiled_in_place
    def makes(n: int) -> Float64:
        return np.zeros(n)

    with pytest.raises(numba.core.errors.TypingError, match="zeros"):
        makes(3)


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_collector_rests_while_compiling_and_is_then_as_it_was(was_enabled: bool) -> None:
    seen: list[bool] = []

    class Watch(numba.core.event.Listener):
        def on_start(self, event: object) -> None:
            seen.append(gc.isenabled())

        def on_end(self, event: object) -> None: ...

    @compiled
    def fails(x: float) -> float:
        return x.nothing  # type: ignore[attr-defined,no-any-return]

    try:
        (gc.enable if was_enabled else gc.disable)()
        with numba.core.event.install_listener("numba:compile", Watch()), pytest.raises(numba.core.errors.TypingError):
            fails(1.0)
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
    assert seen == [False]


def test_a_kernel_starts_without_scipys_linear_algebra_and_imports_it_for_a_matrix_product() -> None:
    code = """
import sys
import numpy as np
from quantdesk.domain.compiled import compiled

@compiled
def total(x):
    return x.sum()

@compiled
def product(x):
    return x @ x

assert total(np.ones(3)) == 3.0 and "scipy.linalg" not in sys.modules
assert product(2 * np.eye(2)).tolist() == [[4.0, 0.0], [0.0, 4.0]] and "scipy.linalg" in sys.modules
"""
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
