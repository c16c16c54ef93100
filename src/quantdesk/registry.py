"""Runs and trials: what was run, kept by MLflow; how often one has tried, kept in a chain of digests."""

import hashlib
import json
import logging
import platform
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from quantdesk.domain.errors import LedgerError


@dataclass(frozen=True)
class Trial:
    """Record one evaluation of one strategy on one data set.

    Parameters
    ----------
    data : str
        Fingerprint of the data.
    strategy : str
        Fingerprint of the strategy.
    name : str
        The strategy's name.
    sharpe : float
        Net annual Sharpe ratio that came out.
    verdict : str
        What it was judged to be.
    run_id : str
        The run.
    data_name : str
        What the data set is called; a subset of it keeps the name.
    """

    data: str
    strategy: str
    name: str
    sharpe: float
    verdict: str
    run_id: str
    data_name: str = ""


def fingerprint_code(root: Path) -> str:
    """Digest every source file under a folder into 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def environment() -> dict[str, str]:
    """Name what the numbers depend on beside data, code and seeds."""
    from importlib.metadata import version

    packages = ("numpy", "scipy", "lightgbm", "numba")
    return {"python": platform.python_version(), "machine": platform.machine(), **{name: version(name) for name in packages}}


def run_id(**parts: str) -> str:
    """Digest the parts of a receipt into 12 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


class Trials:
    """Count every trial. Rows are only ever added, each with a digest over the one before.

    Parameters
    ----------
    home : Path
        The desk's folder.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "desk.db"

    def add(self, trial: Trial) -> None:
        """Append a trial.

        Raises
        ------
        LedgerError
            If the disk does not take it.
        """
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            last = connection.execute("SELECT digest FROM trials ORDER BY number DESC LIMIT 1").fetchone()
            body = json.dumps(vars(trial) | {"at": datetime.now(UTC).isoformat(timespec="seconds")}, sort_keys=True)
            connection.execute("INSERT INTO trials (body, digest) VALUES (?, ?)", (body, _chain(last[0] if last else "", body)))
            connection.commit()

    def on(self, data: str, data_name: str = "") -> list[Trial]:
        """List the trials on data with this fingerprint or this name, oldest first.

        A subset or a later version of a data set has another fingerprint and the same name; a copy
        has another name and the same fingerprint. All of them are tries on the same data.

        Raises
        ------
        LedgerError
            If a row was edited or removed.
        """
        return [trial for trial in self.made() if trial.data == data or (data_name and trial.data_name == data_name)]

    def made(self) -> list[Trial]:
        """List every trial, oldest first.

        Raises
        ------
        LedgerError
            If a row was edited or removed.
        """
        with self._open() as connection:
            rows = connection.execute("SELECT number, body, digest FROM trials ORDER BY number").fetchall()
            # SQLite remembers the highest number it gave, so that the last rows cannot go unnoticed either.
            given = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'trials'").fetchone()
        digest, found = "", []
        for expected, (number, body, written) in enumerate(rows, start=1):
            digest = _chain(digest, body)
            if digest != written or number != expected:
                raise self._altered(f"row {number} does not follow the one before")
            plain = json.loads(body)
            found.append(Trial(**{name: plain[name] for name in Trial.__dataclass_fields__}))
        if given and given[0] != len(rows):
            raise self._altered(f"{given[0] - len(rows)} of the last rows are gone")
        return found

    def _altered(self, what: str) -> LedgerError:
        return LedgerError(
            f"trial ledger {self.path}: {what}",
            "every trial ever made, unaltered",
            "restore it from a backup; without it no Sharpe ratio can be judged",
        )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=30)) as connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS trials (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, digest TEXT)"
                )
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"trial ledger {self.path}: {error}",
                "room and permission to write",
                "free the disk or choose another DESK_HOME",
            ) from error


def _chain(previous: str, body: str) -> str:
    return hashlib.sha256(f"{previous}{body}".encode()).hexdigest()


def record_run(
    home: Path, experiment: str, name: str, params: dict[str, str], scores: dict[str, float], files: list[Path]
) -> str:
    """Keep a run in MLflow on SQLite, with its parameters, scores and files.

    Parameters
    ----------
    home : Path
        The desk's folder; the store is ``mlflow.db`` in it.
    experiment : str
        Runs are grouped by this, the strategy's name.
    name : str
        The run's name.
    params : dict of str to str
        What was chosen.
    scores : dict of str to float
        What came out; values that are not finite are left out.
    files : list of Path
        Copied beside the run.

    Returns
    -------
    str
        MLflow's id of the run.

    Raises
    ------
    LedgerError
        If the store does not take it.
    """
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    # Quiet the migrations that MLflow logs when its database is new.
    for noisy in ("alembic", "mlflow", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    home.mkdir(parents=True, exist_ok=True)
    database = home / "mlflow.db"
    is_new = not database.exists()
    now = int(datetime.now(UTC).timestamp() * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in scores.items() if np.isfinite(value)]
    try:
        client = MlflowClient(tracking_uri=f"sqlite:///{database}")
        found = client.get_experiment_by_name(experiment)
        group = found.experiment_id if found else client.create_experiment(experiment, (home / "artifacts").as_uri())
        run = client.create_run(group, run_name=name)
        client.log_batch(run.info.run_id, metrics=metrics, params=[Param(key, value) for key, value in params.items()])
        for file in files:
            client.log_artifact(run.info.run_id, str(file))
        client.set_terminated(run.info.run_id)
    except (SQLAlchemyError, MlflowException) as error:
        if is_new:
            database.unlink(missing_ok=True)
        reason = str(error).splitlines()[0]
        raise LedgerError(
            f"run store {database}: {reason}",
            "room to write and a sound file",
            "free the disk; a damaged file can be moved away, it lists runs only",
        ) from error
    return str(run.info.run_id)
