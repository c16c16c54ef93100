"""What interrupted runs left: it waits for thirty days, and then it goes."""

import os
import shutil
import time
from pathlib import Path

import pytest

from quantdesk.evaluation import keep

DAY = 86_400


def part_of(run: str, home: Path, days_ago: float) -> Path:
    """Leave one finished part of a run, untouched since."""
    folder = home / "kept" / run
    folder.mkdir(parents=True)
    part = folder / "0.pkl"
    part.write_bytes(b"fold")
    for path in (part, folder):
        os.utime(path, (time.time() - days_ago * DAY,) * 2)
    return part


def test_what_no_run_has_touched_for_thirty_days_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    old, new = part_of("old", tmp_path, 30.1), part_of("new", tmp_path, 29.9)
    keep.forget_abandoned(tmp_path)
    assert not old.parent.exists()
    assert list((tmp_path / "kept").iterdir()) == [new.parent]
    assert new.is_file()


def test_an_old_run_that_goes_on_keeps_its_parts(tmp_path: Path) -> None:
    first = part_of("long", tmp_path, 40)
    (first.parent / "1.pkl").write_bytes(b"fold")
    keep.forget_abandoned(tmp_path)
    assert first.is_file()


def test_a_desk_where_nothing_was_interrupted_has_nothing_to_forget(tmp_path: Path) -> None:
    keep.forget_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_process_may_be_quicker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, older = part_of("old", tmp_path, 31), part_of("older", tmp_path, 35)
    rename = Path.rename

    def outrun(folder: Path, target: Path) -> Path:
        if folder == old.parent:
            shutil.rmtree(folder)
        return rename(folder, target)

    monkeypatch.setattr(Path, "rename", outrun)
    keep.forget_abandoned(tmp_path)
    assert not older.exists()
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_was_half_deleted_goes_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part_of("old", tmp_path, 31)
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda *_, **__: None)
        keep.forget_abandoned(tmp_path)
    (left,) = (tmp_path / "kept").iterdir()
    assert left.name != "old", "no run finds half of what it kept"
    keep.forget_abandoned(tmp_path)
    assert list((tmp_path / "kept").iterdir()) == []
