"""The commands verify and promote: what they print, and the code they end with."""

import json
from pathlib import Path

import pytest
import typer

from quantdesk.commands import runs
from quantdesk.domain.errors import DeskError
from quantdesk.evaluation import verify as verification
from quantdesk.evaluation.verify import Difference, Verification
from quantdesk.registry import FEW_TWINS, Promotions, Trial, Trials


def found(monkeypatch: pytest.MonkeyPatch, *differences: Difference, explanation: tuple[str, ...] = ()) -> None:
    """Let every verification find this."""
    made = Verification("abcdef", "linear", "sample", explanation, differences, 214, 11)
    monkeypatch.setattr(verification, "verify", lambda _run, _home, _tell: made)


def judged(home: Path, verdict: str) -> None:
    Trials(home).add(Trial("data", "strategy", "linear", 1.0, verdict, "abcdef", "sample"))


def test_a_run_that_came_out_the_same_is_said_to_be_bit_identical(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found(monkeypatch)
    runs.verify("abc")
    assert capsys.readouterr().out == "bit-identical: 214 numbers and 11 arrays compared\n"


def test_differences_stand_in_a_table_below_their_explanation_and_end_with_code_1(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    differences = [Difference("net_sharpe", 1.25, None), *(Difference(f"number {i}", i, "0" * 64) for i in range(40))]
    found(monkeypatch, *differences, explanation=("the data changed",))
    with pytest.raises(typer.Exit) as ended:
        runs.verify("abc")
    assert ended.value.exit_code == 1
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first == "the data changed"
    assert second.startswith("run abcdef, linear on sample: 41 differences")
    assert any(line.split() == ["net_sharpe", "1.25", "–"] for line in rest)
    assert rest[-1] == "and 16 more: see --json"


def test_machines_are_told_all_of_it(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found(monkeypatch, Difference("net_sharpe", 1.25, None))
    with pytest.raises(typer.Exit):
        runs.verify("abc", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["is_identical"] is False
    assert told["differences"] == [{"name": "net_sharpe", "before": 1.25, "now": None}]


def test_a_run_is_promoted_with_its_reason(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged(home, "no evidence of an edge: x")
    with pytest.raises(DeskError, match="no evidence of an edge: x"):
        runs.promote("abc")
    runs.promote("abc", "on a paper account", as_json=True)
    assert json.loads(capsys.readouterr().out)["reason"] == "on a paper account"
    runs.promote("abc", "on a paper account")
    said = "promoted linear, run abcdef on sample: against its verdict (none): on a paper account"
    assert " ".join(capsys.readouterr().out.split()) == said
    assert len(Promotions(home).made()) == 2


def test_evidence_without_twins_is_promoted_with_its_reason_only(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged(home, f"evidence of an edge: x; {FEW_TWINS}")
    with pytest.raises(DeskError, match="fewer than 5 twins of the data were run"):
        runs.promote("abc")
    runs.promote("abc", "on a paper account")
    assert "without enough twins beside it: on a paper account" in " ".join(capsys.readouterr().out.split())
