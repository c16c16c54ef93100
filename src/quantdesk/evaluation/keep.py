"""Keep a run: report, numbers and model in one folder that appears whole, and in MLflow."""

import json
import os
import pickle
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from quantdesk import registry
from quantdesk.domain.errors import DeskError
from quantdesk.evaluation.evaluate import scores_at
from quantdesk.evaluation.outcome import Evaluation, Track
from quantdesk.evaluation.receipt import Receipt
from quantdesk.evaluation.report.page import write
from quantdesk.evaluation.sketch import Sketch
from quantdesk.evaluation.summary import summarise
from quantdesk.strategy import FittedStrategy

RECEIPT_FILES = ("receipt.json", "sketch.npz")
"""What makes a run verifiable; the run itself does not need them."""

ABANDONED_DAYS = 30
"""Days for which the finished parts of an interrupted run wait for it."""


def keep(
    evaluation: Evaluation,
    fitted: FittedStrategy,
    home: Path,
    out: Path | None = None,
    receipt: Receipt | None = None,
    sketch: Sketch | None = None,
) -> Path:
    """Write ``report.html``, ``evaluation.json``, ``track.csv`` and ``fitted.pkl``, and record the run.

    Parameters
    ----------
    evaluation : Evaluation
        What came out.
    fitted : FittedStrategy
        What the last fold learned.
    home : Path
        The desk's folder.
    out : Path or None
        Where to; by default ``home/runs/RUN_ID``. Files of an earlier run there are replaced.
    receipt : Receipt, optional
        What the run was made from, kept as ``receipt.json`` so that it can be verified.
    sketch : Sketch, optional
        Of its data, kept as ``sketch.npz`` so that a later change of the data can be explained.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    DeskError
        If the disk does not take it; nothing half-written is left.
    """
    folder = out or home / "runs" / evaluation.run_id
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unfinished-") as unfinished:
            made = _write_all(evaluation, fitted, Path(unfinished), folder)
            name = f"{evaluation.data} {evaluation.run_id}"
            registry.record_run(home, evaluation.strategy, name, _params(evaluation), _scores(evaluation), made)
            made += [sketch.write(Path(unfinished))] if sketch else []
            made += [receipt.over(made).write(Path(unfinished))] if receipt else []
            folder.mkdir(exist_ok=True)
            # A receipt of an earlier run would speak for this one.
            for stale in set(RECEIPT_FILES) - {path.name for path in made}:
                (folder / stale).unlink(missing_ok=True)
            for path in made:
                shutil.move(path, folder / path.name)
    except OSError as error:
        raise DeskError(
            f"{error.filename or folder}: {error.strerror or error}",
            "room and permission to write",
            "free the disk or choose --out",
        ) from error
    return folder / "report.html"


def left_of(home: Path) -> str:
    """Say what an evaluation leaves behind where Ctrl-C ends it."""
    return (
        f"finished folds and twins are kept in {home / 'kept'} for {ABANDONED_DAYS} days; "
        "the same command goes on from there. No trial was counted"
    )


def forget_abandoned(home: Path) -> None:
    """Delete what interrupted runs left in ``home/kept``, where no part has been finished for 30 days."""
    for folder in (home / "kept").glob("*"):
        # Another process may have been quicker.
        with suppress(OSError):
            if folder.is_dir() and time.time() - folder.stat().st_mtime > ABANDONED_DAYS * 86_400:
                # In one step, so that no run that begins meanwhile finds half of it.
                shutil.rmtree(folder.rename(folder.with_name(f".{uuid4().hex}")), ignore_errors=True)


def _write_all(evaluation: Evaluation, fitted: FittedStrategy, folder: Path, final: Path) -> list[Path]:
    report = write(evaluation, folder / "report.html")
    numbers = folder / "evaluation.json"
    numbers.write_text(json.dumps(summarise(evaluation, final / "report.html"), indent=2, allow_nan=False))
    track = folder / "track.csv"
    track.write_text(_track_csv(evaluation.track))
    model = folder / "fitted.pkl"
    model.write_bytes(pickle.dumps(fitted))
    os.sync()
    return [report, numbers, track, model]


def _track_csv(track: Track) -> str:
    columns = (track.equity, track.gross_exposure, track.net_exposure, track.turnover, track.costs)
    rows = ["time,equity,gross_exposure,net_exposure,turnover,costs"]
    for i, at in enumerate(track.times):
        rows.append(",".join([str(at.astype("datetime64[s]")), *(repr(float(column[i])) for column in columns)]))
    return "\n".join(rows) + "\n"


def _params(evaluation: Evaluation) -> dict[str, str]:
    receipts = {
        "data": evaluation.data,
        "fingerprint": evaluation.fingerprint,
        "seed": str(evaluation.seed),
        "run_id": evaluation.run_id,
    }
    return {name.replace(" ", "_"): value[:500] for name, value in {**receipts, **evaluation.settings}.items()}


def _scores(evaluation: Evaluation) -> dict[str, float]:
    traded = scores_at(evaluation.horizon, evaluation.forecast_scores)
    return {
        "net_sharpe": evaluation.performance.sharpe,
        "gross_sharpe": evaluation.gross_performance.sharpe,
        "deflated_sharpe": evaluation.significance.deflated_sharpe,
        "n_trials": float(evaluation.significance.n_trials),
        "max_drawdown": evaluation.performance.max_drawdown,
        "turnover": evaluation.performance.turnover,
        "cost_bps": evaluation.costs.cost_bps,
        "ic_mean": traded.ic_mean,
        "rank_ic_mean": traded.rank_ic_mean,
        "interval_coverage": traded.interval_coverage,
    }
