"""Kept runs: a receipt and a sketch lie beside the report, and never those of another run."""

from pathlib import Path

from kept_runs import kept

from quantdesk.evaluation import keep

PLAIN = {"report.html", "evaluation.json", "track.csv", "fitted.pkl"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_receipt_and_sketch_are_kept_beside_the_report(tmp_path: Path) -> None:
    assert names(kept(tmp_path).folder) == PLAIN | {"receipt.json", "sketch.npz"}


def test_a_receipt_of_an_earlier_run_in_the_same_folder_does_not_stay(tmp_path: Path) -> None:
    run = kept(tmp_path)
    keep.keep(run.evaluation, run.fitted, run.home)
    assert names(run.folder) == PLAIN
