"""What goes on around a command: what is cleared away before, what is told beside the result, what Ctrl-C leaves."""

import json
import os
from pathlib import Path

import pytest

from quantdesk.cli import main
from quantdesk.registry import Trials


def test_ctrl_c_in_a_sweep_says_that_nothing_is_left_of_it(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from quantdesk.evaluation import sweeping

    monkeypatch.setattr(sweeping, "search", interrupted)
    assert main(["sweep", "momentum", "--data", "synthetic:n_days=900,n_instruments=10"]) == 130
    assert "interrupted: nothing was kept and no rule was counted" in capsys.readouterr().err


def test_ctrl_c_in_the_combinatorial_paths_leaves_the_run(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from quantdesk.evaluation import combinatorial

    monkeypatch.setattr(combinatorial, "combinatorial", interrupted)
    command = ["evaluate", "momentum", "--data", "synthetic:n_days=900,n_instruments=6", "--placebo", "0", "--combinatorial"]
    assert main(command) == 130
    run_id = Trials(home).made()[0].run_id
    report = home / "runs" / run_id / "report.html"
    assert f"interrupted: run {run_id} is kept, without its combinatorial paths: {report}" in capsys.readouterr().err
    assert report.is_file()


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_new_evaluation_deletes_what_was_abandoned_before_it_begins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from quantdesk.evaluation import evaluate

    (home / "kept" / "abandoned").mkdir(parents=True)
    os.utime(home / "kept" / "abandoned", (0, 0))
    monkeypatch.setattr(evaluate, "evaluate", interrupted)
    assert main(["evaluate", "momentum", "--data", "synthetic:n_days=900,n_instruments=10"]) == 130
    assert list((home / "kept").iterdir()) == []


def test_a_sweep_says_which_combinations_it_left_out(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", "synthetic:n_days=900,n_instruments=10"]
    command = ["sweep", "crossover", "--set", "fast=0,10,20,30", "--set", "slow=20,50", *data]
    slow, short = "Crossover(fast=20, slow=20, side='long'): fast is not below slow", "looks over 0 bars"
    assert main(command) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.endswith(f"{short} 2 of 8 combinations left out, such as {slow}")
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["n"] for one in found["left_out"]] == [2, 2]
    assert found["left_out"][1] == {"n": 2, "such_as": slow, "expected": "fewer bars in the fast mean"}
    assert len(found["rules"]) == 4
    assert main(["sweep", "momentum", "--set", "bars=5,10", *data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == []
