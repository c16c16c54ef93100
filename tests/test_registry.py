"""Trials and promotions: kept once each, and never unnoticed when altered."""

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from quantdesk.domain.errors import DeskError, LedgerError
from quantdesk.evaluation.verdict import HEADLINES
from quantdesk.registry import FEW_TWINS, Promotions, Trial, Trials, environment, fingerprint_code, run_id, tried_on


def trial(number: int, data: str = "data") -> Trial:
    return Trial(data, f"strategy {number}", "name", 0.1 * number, "no evidence of an edge: x", f"run {number}")


def on(trials: Trials, data: str) -> list[Trial]:
    return tried_on(trials.made(), data)


def filled(home: Path, n_trials: int = 4) -> Trials:
    trials = Trials(home)
    for number in range(n_trials):
        trials.add(trial(number))
    return trials


def execute(home: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(home / "desk.db") as connection:
        connection.execute(statement, values)
    connection.close()


def test_what_was_added_is_listed_oldest_first(home: Path) -> None:
    assert on(filled(home), "data") == [trial(number) for number in range(4)]
    assert on(Trials(home), "data") == [trial(number) for number in range(4)]


def test_trials_are_listed_by_the_data_they_were_made_on(home: Path) -> None:
    trials = filled(home, 2)
    trials.add(trial(7, "other"))
    assert on(trials, "other") == [trial(7, "other")]
    assert len(on(trials, "data")) == 2


def test_a_new_home_has_no_trials(home: Path) -> None:
    assert on(Trials(home / "deeper" / "still"), "data") == []


def test_the_same_trial_twice_counts_twice(home: Path) -> None:
    trials = Trials(home)
    for _ in range(2):
        trials.add(trial(1))
    assert len(on(trials, "data")) == 2


@pytest.mark.parametrize("number", [1, 2, 4])
def test_an_edited_row_is_noticed_with_its_number(number: int, home: Path) -> None:
    trials = filled(home)
    body = json.dumps({**vars(trial(0)), "sharpe": 9.0, "at": "2020-01-01"}, sort_keys=True)
    execute(home, "UPDATE trials SET body = ? WHERE number = ?", body, number)
    with pytest.raises(LedgerError, match=f"row {number} does not follow"):
        on(trials, "data")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_deleted_row_is_noticed(number: int, home: Path) -> None:
    trials = filled(home)
    execute(home, "DELETE FROM trials WHERE number = ?", number)
    with pytest.raises(LedgerError, match=f"row {number + 1} does not follow"):
        on(trials, "data")


def test_a_deleted_last_row_is_noticed(home: Path) -> None:
    trials = filled(home)
    execute(home, "DELETE FROM trials WHERE number = 4")
    with pytest.raises(LedgerError, match="trial ledger"):
        on(trials, "data")


def test_a_last_row_replaced_by_a_better_one_is_noticed(home: Path) -> None:
    trials = filled(home)
    execute(home, "DELETE FROM trials WHERE number = 4")
    trials.add(trial(9))
    with pytest.raises(LedgerError, match="trial ledger"):
        on(trials, "data")


def test_an_emptied_table_is_noticed(home: Path) -> None:
    trials = filled(home)
    execute(home, "DELETE FROM trials")
    with pytest.raises(LedgerError, match="trial ledger"):
        on(trials, "data")


def test_swapped_rows_are_noticed(home: Path) -> None:
    trials = filled(home)
    for old, new in ((2, 99), (3, 2), (99, 3)):
        execute(home, "UPDATE trials SET number = ? WHERE number = ?", new, old)
    with pytest.raises(LedgerError, match="row 2 does not follow"):
        on(trials, "data")


def test_trials_of_other_data_are_part_of_the_same_chain(home: Path) -> None:
    trials = filled(home, 2)
    trials.add(trial(7, "other"))
    execute(home, "DELETE FROM trials WHERE number = 1")
    with pytest.raises(LedgerError):
        on(trials, "other")


def test_a_file_that_is_no_database_is_an_error_of_three_parts(home: Path) -> None:
    (home / "desk.db").write_text("x" * 5000)
    with pytest.raises(LedgerError, match=r"trial ledger .*desk.db") as raised:
        Trials(home).add(trial(1))
    assert raised.value.action


def test_a_home_that_cannot_be_a_folder_is_an_error_of_three_parts(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(LedgerError, match="trial ledger"):
        on(Trials(home / "file"), "data")


def test_a_run_id_depends_on_every_part_and_not_on_their_order() -> None:
    assert run_id(a="1", b="2") == run_id(b="2", a="1")
    assert len({run_id(a="1", b="2"), run_id(a="2", b="1"), run_id(a="1"), run_id(a="12")}) == 4


def test_the_code_is_fingerprinted_by_name_and_content(tmp_path: Path) -> None:
    seen: set[str] = set()
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.py", "1")):
        folder = tmp_path / f"{name}{text}"
        folder.mkdir()
        (folder / name).write_text(text)
        (folder / "notes.txt").write_text(str(len(seen)))
        seen.add(fingerprint_code(folder))
    assert len(seen) == 3


def test_the_environment_names_python_and_the_packages_that_numbers_depend_on() -> None:
    assert {"python", "numpy", "scipy", "lightgbm", "numba"} <= set(environment())


EVIDENCE = "evidence of an edge: after costs, trials and the market, luck is an unlikely explanation"


def judged(home: Path, run: str, verdict: str, data_name: str = "mine") -> None:
    Trials(home).add(Trial("data", f"strategy of {run}", "name", 1.0, verdict, run, data_name))


def test_every_headline_of_a_verdict_gives_its_grade_back() -> None:
    for grade, headline in HEADLINES.items():
        assert Trial("data", "strategy", "name", 0.1, f"{headline}: because", "run").grade == grade


def test_a_run_with_evidence_is_promoted_and_stands(home: Path) -> None:
    judged(home, "abcdef", EVIDENCE)
    promotions = Promotions(home)
    assert promotions.standing("strategy of abcdef") is None
    promotion = promotions.promote("abc")
    assert promotion.run_id == "abcdef"
    assert (promotion.grade, promotion.reason, promotion.data_name) == ("evidence", "", "mine")
    assert Promotions(home).standing("strategy of abcdef") == promotion
    assert promotions.standing("another strategy") is None


@pytest.mark.parametrize("verdict", ["no evidence of an edge: x", "weak evidence of an edge: y", "anything else"])
@pytest.mark.parametrize("reason", ["", "too short", "  padded     "])
def test_a_run_without_evidence_is_not_promoted_without_a_reason(verdict: str, reason: str, home: Path) -> None:
    judged(home, "abcdef", verdict)
    with pytest.raises(DeskError, match="run abcdef of name on mine found") as raised:
        Promotions(home).promote("abcdef", reason)
    assert "--override" in raised.value.action
    assert Promotions(home).made() == []


def test_a_run_with_evidence_but_without_twins_needs_a_reason_that_is_kept(home: Path) -> None:
    judged(home, "fedcba", f"{EVIDENCE}; no twins of the data were run: --placebo")
    with pytest.raises(DeskError, match="found: evidence"):
        Promotions(home).promote("fedcba")
    judged(home, "abcdef", f"{EVIDENCE}; {FEW_TWINS}")
    with pytest.raises(DeskError, match="--placebo") as raised:
        Promotions(home).promote("abcdef")
    assert "with twins run" in str(raised.value)
    promotion = Promotions(home).promote("abcdef", "on a paper account")
    assert (promotion.grade, promotion.reason) == ("evidence", "on a paper account")


@pytest.mark.parametrize("data_name", ["synthetic", "synthetic-ic0.05-seed1"])
@pytest.mark.parametrize("verdict", [EVIDENCE, "no evidence of an edge: x"])
def test_a_run_on_a_made_up_market_needs_a_reason_that_is_kept(data_name: str, verdict: str, home: Path) -> None:
    judged(home, "abcdef", verdict, data_name)
    with pytest.raises(DeskError) as raised:
        Promotions(home).promote("abcdef")
    assert raised.value.what == f"run abcdef of name was made on a made-up market ({data_name})"
    assert raised.value.expected == "a verdict on real prices"
    assert "--override" in raised.value.action
    assert Promotions(home).made() == []
    assert Promotions(home).promote("abcdef", "on a paper account").reason == "on a paper account"


def test_a_reason_overrides_the_verdict_and_is_kept(home: Path) -> None:
    judged(home, "abcdef", "no evidence of an edge: x")
    Promotions(home).promote("abcdef", "a paper account, to see the costs")
    standing = Promotions(home).standing("strategy of abcdef")
    assert standing is not None
    assert (standing.grade, standing.reason) == ("none", "a paper account, to see the costs")
    again = Promotions(home).promote("abcdef", "another, later reason")
    assert Promotions(home).standing("strategy of abcdef") == again


def test_a_run_made_again_is_promoted_on_its_last_verdict(home: Path) -> None:
    judged(home, "abcdef", EVIDENCE)
    judged(home, "abcdef", "no evidence of an edge: one of many tries")
    with pytest.raises(DeskError, match="one of many tries"):
        Promotions(home).promote("abcdef")


def test_an_unknown_run_and_a_beginning_of_several_are_errors_of_three_parts(home: Path) -> None:
    for run in ("abcdef", "abc123", "abc"):
        judged(home, run, EVIDENCE)
    assert Promotions(home).promote("abc").run_id == "abc"
    for beginning, message in (("x", "no run 'x'"), ("ab", "3 runs begin with 'ab': abc, abc123, abcdef"), ("", "no run ''")):
        with pytest.raises(DeskError, match=message):
            Promotions(home).promote(beginning)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE promotions SET body = replace(body, 'none', 'evidence') WHERE number = 1",
        "DELETE FROM promotions WHERE number = 1",
        "DELETE FROM promotions WHERE number = 2",
        "DELETE FROM promotions",
    ],
)
def test_an_edited_or_deleted_promotion_is_noticed_by_whatever_reads_it(tampering: str, home: Path) -> None:
    for run in ("abcdef", "123456"):
        judged(home, run, "no evidence of an edge: x")
        Promotions(home).promote(run, "on a paper account")
    execute(home, tampering)
    with pytest.raises(LedgerError, match=r"promotion ledger .*desk\.db"):
        Promotions(home).standing("strategy of 123456")
    with pytest.raises(LedgerError, match="promotion ledger"):
        Promotions(home).promote("abcdef", "on a paper account")


def test_a_verdict_bettered_in_the_trial_ledger_promotes_nothing(home: Path) -> None:
    judged(home, "abcdef", "no evidence of an edge: x")
    execute(home, "UPDATE trials SET body = replace(body, 'no evidence', 'evidence')")
    with pytest.raises(LedgerError, match="trial ledger"):
        Promotions(home).promote("abcdef")


def test_trials_written_before_there_were_promotions_are_read_as_they_are(home: Path) -> None:
    body = json.dumps({**vars(trial(1)), "at": "2026-01-01T00:00:00+00:00"}, sort_keys=True)
    digest = hashlib.sha256(body.encode()).hexdigest()
    execute(home, "CREATE TABLE trials (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, digest TEXT)")
    execute(home, "INSERT INTO trials (body, digest) VALUES (?, ?)", body, digest)
    assert Trials(home).made() == [trial(1)]
    Trials(home).add(trial(2))
    assert Trials(home).made() == [trial(1), trial(2)]
