"""Records kept for good: parts are added, never rewritten."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantdesk.data import vintages
from quantdesk.data.vintages import append, names, read
from quantdesk.domain.errors import DataError
from quantdesk.domain.records import Records


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "ns")


def fact(value: float, known_at: str = "2020-05-01", subject: str = "A", period: str = "2020-03-31") -> Records:
    return Records(
        np.array([subject]), np.array(["eps"]), np.array([day(period)]), np.array([day(known_at)]), np.array([value])
    )


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    assert append(fact(1.5), tmp_path, "reports", day("2020-05-02")) == 1
    found = read(tmp_path, "reports")
    assert (found.subjects[0], found.names[0], found.values[0]) == ("A", "eps", 1.5)
    assert found.known_at[0] == day("2020-05-01")
    assert names(tmp_path) == ["reports"]


def test_an_identical_row_adds_nothing_and_no_part(tmp_path: Path) -> None:
    append(fact(1.5), tmp_path, "reports", day("2020-05-02"))
    assert append(fact(1.5), tmp_path, "reports", day("2020-05-09")) == 0
    assert append(fact(1.5, "2020-05-08"), tmp_path, "reports", day("2020-05-09")) == 0
    assert len(list((tmp_path / "records" / "reports").iterdir())) == 1


def test_a_restated_value_is_a_new_row_with_its_later_time(tmp_path: Path) -> None:
    append(fact(1.5), tmp_path, "reports", day("2020-05-02"))
    assert append(fact(1.2, "2020-06-01"), tmp_path, "reports", day("2020-06-02")) == 1
    np.testing.assert_array_equal(read(tmp_path, "reports").values, [1.5, 1.2])
    np.testing.assert_array_equal(read(tmp_path, "reports", known_on=day("2020-05-31")).values, [1.5])


def test_a_row_that_its_source_rewrote_is_known_from_the_fetch_that_saw_it(tmp_path: Path) -> None:
    append(fact(1.5), tmp_path, "reports", day("2020-05-02"))
    append(fact(9.9), tmp_path, "reports", day("2020-07-01"))
    found = read(tmp_path, "reports")
    np.testing.assert_array_equal(found.known_at, [day("2020-05-01"), day("2020-07-01")])
    assert append(fact(9.9), tmp_path, "reports", day("2020-08-01")) == 0


def test_a_source_that_goes_back_to_its_first_word_adds_a_third_vintage(tmp_path: Path) -> None:
    for value, fetched in ((1.5, "2020-05-02"), (9.9, "2020-07-01"), (1.5, "2020-08-01")):
        append(fact(value), tmp_path, "reports", day(fetched))
    found = read(tmp_path, "reports")
    np.testing.assert_array_equal(found.values, [1.5, 9.9, 1.5])
    assert found.known_at[-1] == day("2020-08-01")


def test_a_part_once_written_never_changes(tmp_path: Path) -> None:
    append(fact(1.5), tmp_path, "reports", day("2020-05-02"))
    first = tmp_path / "records" / "reports" / "000001.parquet"
    before = first.read_bytes()
    append(fact(1.2, "2020-06-01"), tmp_path, "reports", day("2020-06-02"))
    assert first.read_bytes() == before


def test_a_value_withdrawn_and_a_missing_one_repeated_are_told_apart(tmp_path: Path) -> None:
    append(fact(1.5), tmp_path, "reports", day("2020-05-02"))
    assert append(fact(np.nan, "2020-06-01"), tmp_path, "reports", day("2020-06-02")) == 1
    assert append(fact(np.nan, "2020-06-09"), tmp_path, "reports", day("2020-06-10")) == 0


def test_a_row_fetched_before_it_was_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="was fetched at 2020-04-30"):
        append(fact(1.5), tmp_path, "reports", day("2020-04-30"))


def test_facts_and_estimates_do_not_mix(tmp_path: Path) -> None:
    append(fact(1.5), tmp_path, "reports", day("2020-05-02"))
    estimate = Records(**{**vars(fact(2.0)), "is_forward": True})
    with pytest.raises(DataError, match="holds facts"):
        append(estimate, tmp_path, "reports", day("2020-05-03"))
    append(estimate, tmp_path, "estimates", day("2020-05-03"))
    assert read(tmp_path, "estimates").is_forward


@pytest.mark.parametrize("part", ["000001", "000002"])
def test_a_part_that_was_edited_is_refused_by_name(tmp_path: Path, part: str) -> None:
    for value, when in ((1.5, "2020-05-01"), (1.2, "2020-06-01"), (1.1, "2020-07-01")):
        append(fact(value, when), tmp_path, "reports", day("2020-08-01"))
    path = tmp_path / "records" / "reports" / f"{part}.parquet"
    told = pl.read_parquet_metadata(path)["digest"]
    edited = pl.read_parquet(path).with_columns(value=pl.lit(7.0))
    edited.write_parquet(path, metadata={"digest": told})
    with pytest.raises(DataError, match=f"{part}.parquet is not what was written"):
        read(tmp_path, "reports")


def test_a_part_cut_short_or_taken_out_is_refused(tmp_path: Path) -> None:
    for value, when in ((1.5, "2020-05-01"), (1.2, "2020-06-01"), (1.1, "2020-07-01")):
        append(fact(value, when), tmp_path, "reports", day("2020-08-01"))
    folder = tmp_path / "records" / "reports"
    (folder / "000002.parquet").rename(tmp_path / "kept")
    with pytest.raises(DataError, match="part 2 is missing"):
        read(tmp_path, "reports")
    (folder / "000002.parquet").write_bytes((tmp_path / "kept").read_bytes()[:-9])
    with pytest.raises(DataError, match="is not what was written"):
        append(fact(1.0, "2020-07-02"), tmp_path, "reports", day("2020-08-01"))


def test_a_part_of_another_history_is_refused(tmp_path: Path) -> None:
    for value, home in ((1.5, "ours"), (1.6, "theirs")):
        append(fact(value), tmp_path / home, "reports", day("2020-08-01"))
        append(fact(1.2, "2020-06-01"), tmp_path / home, "reports", day("2020-08-01"))
    ours, theirs = (tmp_path / home / "records" / "reports" / "000002.parquet" for home in ("ours", "theirs"))
    ours.write_bytes(theirs.read_bytes())
    with pytest.raises(DataError, match="its digest is another"):
        read(tmp_path / "ours", "reports")


@pytest.mark.parametrize("at", ["write", "sync_folder"])
def test_a_full_disk_leaves_what_was_there_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    append(fact(1.5), tmp_path, "reports", day("2020-05-02"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(vintages, at, full)
        with pytest.raises(DataError, match="No space left") as caught:
            append(fact(1.2, "2020-06-01"), tmp_path, "reports", day("2020-06-02"))
    assert "free space" in caught.value.action
    assert read(tmp_path, "reports").values[0] == 1.5
    assert not list((tmp_path / "records" / "reports").glob(".*"))


def test_a_part_written_by_another_at_the_same_time_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "records" / "reports" / "000001.parquet"
    link = os.link

    def late(source: str, target: Path) -> None:
        other.write_bytes(b"theirs")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(DataError, match="by someone else"):
        append(fact(1.5), tmp_path, "reports", day("2020-05-02"))
    assert other.read_bytes() == b"theirs"


_KILLED = """
import os, sys
from pathlib import Path
import numpy as np
from quantdesk.data import vintages
from quantdesk.domain.records import Records
where, home = sys.argv[1], Path(sys.argv[2])
kill = lambda *_: os._exit(9)
if where == "before": vintages.write = kill
if where == "between": os.link = kill
if where == "after": vintages.sync_folder = kill
day = np.datetime64("2020-06-01", "ns")
told = Records(np.array(["A"]), np.array(["eps"]), np.array([day]), np.array([day]), np.array([2.0]))
vintages.append(told, home, "reports", day)
"""


@pytest.mark.parametrize(("where", "values"), [("before", [1.5]), ("between", [1.5]), ("after", [1.5, 2.0])])
def test_a_kill_leaves_the_part_whole_or_not_at_all(tmp_path: Path, where: str, values: list[float]) -> None:
    append(fact(1.5), tmp_path, "reports", day("2020-05-02"))
    ended = subprocess.run([sys.executable, "-c", _KILLED, where, str(tmp_path)], check=False)
    assert ended.returncode == 9
    np.testing.assert_array_equal(read(tmp_path, "reports").values, values)
    append(fact(3.0, "2020-07-01"), tmp_path, "reports", day("2020-07-02"))
    np.testing.assert_array_equal(read(tmp_path, "reports").values, [*values, 3.0])


def test_records_never_kept_are_named_with_those_that_are(tmp_path: Path) -> None:
    append(fact(1.5), tmp_path, "reports", day("2020-05-02"))
    with pytest.raises(DataError, match="macro") as caught:
        read(tmp_path, "macro")
    assert "reports" in caught.value.expected
    with pytest.raises(DataError, match="cannot name records"):
        read(tmp_path, "../reports")
