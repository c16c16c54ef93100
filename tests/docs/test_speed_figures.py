"""The figures on speed: every one shown is what benchmarks/results.json gives, and a failure is told, not hidden."""

import copy
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import bench  # noqa: E402
import speed_table  # noqa: E402

README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs/speed.md").read_text()


@pytest.fixture
def results() -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((ROOT / "benchmarks/results.json").read_text())
    return kept


def complete() -> dict[str, Any]:
    """Give figures of every program, each its own number."""
    return {
        "starting": {
            "starts": {
                "python": {"seconds": 0.02},
                "numpy": {"seconds": 0.13},
                "desk --help": {"seconds": 0.21, "peak memory (MB)": 17.4},
            },
            "first result": {"cold (s)": 4.1, "warm (s)": 0.9},
            "peers": {
                "vectorbt": {
                    "import (s)": 2.6, "peak memory (MB)": 260.5, "cold (s)": 25.0, "warm (s)": 4.0,
                    "ratio, start": 12.4, "ratio, cold": 6.1, "ratio, warm": 4.4,
                }
            },
        },
        "sweep": {
            "1 core (M/s)": 312.0, "2 cores (M/s)": 611.0, "vectorbt (M/s)": 3.5, "backtesting (M/s)": 0.11,
            "1 core over vectorbt": 89.1, "1 core over backtesting": 2836.0,
            "difference, sharpe": 3e-12, "peak memory (MB)": 190.0,
        },
        "loop": {"daily (M/s)": 0.52, "kernel, daily (M/s)": 28.0, "peak memory (MB)": 333.0},
        "loop_peers": {
            "1 core (M/s)": 0.61,
            "peers": {"pybroker": {"1 core (M/s)": 0.023, "ratio, 1 core": 26.5, "difference": 2e-5}},
        },
        "features_peers": {
            "features": 232, "instruments": 504, "one more day (ms)": 1.3,
            "same columns": {"1 core (M/s)": 161.0, "2 core (M/s)": 322.0, "peak memory (MB)": 62.0},
            "every feature": {"1 core (M/s)": 88.0, "2 core (M/s)": 171.0, "peak memory (MB)": 777.0},
            "peers": {"TA-Lib": {"1 core (M/s)": 71.5, "ratio, 1 core": 2.25, "difference": 6e-8}},
        },
    }  # fmt: skip


def as_results(parts: dict[str, Any]) -> dict[str, Any]:
    made = {"processor": "a processor", "cores": 2, "memory (GB)": 8, "system": "Linux x86_64"}
    return {"kind": "full", "machine": made, "load": 0.1, "versions": {"numpy": "2.4.6"}, "parts": parts}


def test_the_page_on_speed_is_what_the_results_give(results: dict[str, Any]) -> None:
    assert speed_table.page(results) == PAGE, "run: python benchmarks/bench.py --render"


def test_the_readmes_paragraph_on_speed_is_what_the_results_give(results: dict[str, Any]) -> None:
    marks = [README.count(mark) for mark in (speed_table.BEGIN, speed_table.END)]
    if marks == [0, 0]:
        pytest.skip("the README has no paragraph on speed yet")
    assert marks == [1, 1]
    assert speed_table.with_paragraph(README, results) == README, "run: python benchmarks/bench.py --render"


def test_the_results_carry_no_folder_and_no_name_of_a_machine() -> None:
    text = (ROOT / "benchmarks/results.json").read_text()
    assert not re.search(r"/(home|root|tmp|Users|work)/", text)
    assert not {"host", "node", "user"} & set(re.findall(r'"(\w+)":', text))


def test_every_figure_measured_is_shown() -> None:
    text = speed_table.page(as_results(complete()))
    shown = ("0.21", "4.10", "312", "611", "3.50", "0.11", "89.1×, 2,836×", "0.52", "28.0", "0.61", "0.023", "26.5×")
    more = ("161", "322", "71.5", "2.25×", "88.0", "171", "1.30", "17.4", "260", "777", "62.0", "3e-12", "6e-08", "2e-05")
    for said in (*shown, *more):
        assert said in text, said


def test_a_paragraph_is_put_between_the_marks_and_nowhere_else() -> None:
    before = f"First.\n{speed_table.BEGIN}\nold figures\n{speed_table.END}\nLast.\n"
    after = speed_table.with_paragraph(before, as_results(complete()))
    assert (after[:7], after[-7:]) == ("First.\n", "\nLast.\n")
    assert "old figures" not in after
    assert "does 312 million" in after
    assert speed_table.with_paragraph(after, as_results(complete())) == after
    assert speed_table.with_paragraph("no marks", as_results(complete())) == "no marks"


@pytest.mark.parametrize("name", [part.name for part in bench.PARTS])
def test_a_program_that_failed_is_told_in_its_row(name: str) -> None:
    parts = complete()
    parts[name] = {"failed": "it took over 150 s"}
    results = as_results(parts)
    assert "not measured: it took over 150 s" in speed_table.page(results)
    assert speed_table.paragraph(results)


def test_a_peer_that_is_left_out_is_told_with_its_reason() -> None:
    parts = copy.deepcopy(complete())
    parts["features_peers"]["peers"]["qlib"] = {"left out": "no wheel"}
    parts["loop_peers"]["peers"]["pybroker"] = {"left out": "the index is unreachable"}
    del parts["sweep"]["vectorbt (M/s)"], parts["sweep"]["1 core over vectorbt"]
    parts["sweep"]["left out"] = {"vectorbt": "pip failed"}
    text = speed_table.page(as_results(parts))
    for said in ("qlib left out (no wheel)", "pybroker left out (the index is unreachable)", "vectorbt left out (pip failed)"):
        assert said in text
    assert "2,836×" in text


def test_nothing_measured_is_a_page_too() -> None:
    assert "not measured" in speed_table.page(as_results({}))
    assert speed_table.paragraph(as_results({}))


def test_a_quick_run_and_a_busy_machine_are_told() -> None:
    assert not re.search("quick|busy", speed_table.page(as_results({})))
    assert "A quick run, of few repeats." in speed_table.page(as_results({}) | {"kind": "quick"})
    assert "busy with other work (load 9.20)" in speed_table.page(as_results({}) | {"load": 9.2})


def test_a_program_that_ends_badly_says_why_without_folders(tmp_path: Path) -> None:
    program = tmp_path / "bad.py"
    program.write_text(f"raise SystemExit('no such file: {tmp_path}/prices | x')")
    said, why = bench.run([sys.executable, program], 20)
    assert said == ""
    assert why == "no such file: (a path) / x"


def test_a_program_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    program, mark = tmp_path / "long.py", tmp_path / "mark"
    late = f"import time; time.sleep(3); open({str(mark)!r}, 'w')"
    program.write_text(f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {late!r}]); time.sleep(60)")
    assert bench.run([sys.executable, program], 1.5) == ("", "it took over 2 s")
    time.sleep(2.5)
    assert not mark.exists()


def test_no_time_left_starts_nothing(tmp_path: Path) -> None:
    assert bench.run([tmp_path / "nothing there"], 0.0) == ("", "no time was left")


@pytest.mark.parametrize(
    ("value", "text"), [(2836.4, "2,836"), (89.12, "89.1"), (2.6, "2.60"), (0.0234, "0.023"), (None, "–"), (float("nan"), "–")]
)
def test_figures_have_the_digits_that_count(value: float | None, text: str) -> None:
    assert speed_table.figure(value) == text
