"""Runs, trials and promotions: what was run, kept by MLflow; what was tried and let out to trade, in chains of digests."""

import hashlib
import json
import logging
import platform
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from quantdesk.domain.errors import DeskError, LedgerError

GRADES = {"weak evidence of an edge": "weak", "evidence of an edge": "evidence"}
"""Grade by the first words of a verdict; any other words are no evidence."""

LEAST_TWINS = 5
"""With fewer twins a strategy without an edge too often beats them all."""

TWINS_RUN = "twins of the data were run"
FEW_TWINS = f"fewer than {LEAST_TWINS} {TWINS_RUN}: --placebo {LEAST_TWINS}"
"""A verdict that says so was not held against enough markets where there is nothing to earn."""

MADE_UP = "synthetic"
"""The names of made-up markets begin so; what earns there has earned nothing."""

LEAST_REASON = 10
"""Characters of a reason worth keeping."""


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

    @property
    def grade(self) -> str:
        """Read ``none``, ``weak`` or ``evidence`` off the verdict's first words."""
        return GRADES.get(self.verdict.partition(":")[0], "none")

    @property
    def is_enough(self) -> bool:
        """Tell whether it may trade on its verdict alone: evidence on real prices, also beside twins without an edge."""
        return self.grade == "evidence" and TWINS_RUN not in self.verdict and not self.is_made_up

    @property
    def is_made_up(self) -> bool:
        """Tell whether the market was made up."""
        return self.data_name.startswith(MADE_UP)


@dataclass(frozen=True)
class Promotion:
    """Record that a strategy was let out to trade.

    Parameters
    ----------
    run_id : str
        The run that it stands on.
    strategy : str
        Fingerprint of the strategy.
    name : str
        The strategy's name.
    data_name : str
        The data set of the run.
    grade : str
        What the run's verdict allowed: ``none``, ``weak`` or ``evidence``.
    reason : str
        Why it was let out all the same; empty where the verdict was enough.
    at : str
        When, UTC.
    """

    run_id: str
    strategy: str
    name: str
    data_name: str
    grade: str
    reason: str
    at: str


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


def whole_run_id(beginning: str, known: Iterable[str]) -> str:
    """Complete the beginning of a run's id.

    Raises
    ------
    DeskError
        If no known run begins so, or several do.
    """
    found = sorted({name for name in known if beginning and name.startswith(beginning)})
    if beginning in found:
        return beginning
    if len(found) != 1:
        shown = f"{len(found)} runs begin with {beginning!r}: {', '.join(found[:5])}" if found else f"no run {beginning!r}"
        raise DeskError(shown, "the id of one run, or the beginning of one alone", "see `desk runs`")
    return found[0]


def tried_on(trials: Iterable[Trial], data: str, names: Collection[str] = ()) -> list[Trial]:
    """Pick the trials made on data with this fingerprint or one of these names.

    A subset or a later version of a data set has another fingerprint and the same name; a copy
    has another name and the same fingerprint. All of them are tries on the same data.
    """
    return [trial for trial in trials if trial.data == data or (trial.data_name and trial.data_name in names)]


class Trials:
    """Count every trial. Rows are only ever added, each with a digest over the one before.

    Parameters
    ----------
    home : Path
        The desk's folder.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "desk.db"
        self._chain = _Chain(self.path, "trials", "trial", "without it no Sharpe ratio can be judged")

    def add(self, *trials: Trial) -> None:
        """Append trials, all of them or none.

        Raises
        ------
        LedgerError
            If the disk does not take them.
        """
        self._chain.append(*(vars(trial) | {"at": _now()} for trial in trials))

    def made(self) -> list[Trial]:
        """List every trial, oldest first.

        Raises
        ------
        LedgerError
            If a row was edited or removed.
        """
        return [Trial(**{name: row[name] for name in Trial.__dataclass_fields__}) for row in self._chain.rows()]


class Promotions:
    """Remember which strategies were let out to trade, by which run, and why. Rows are only ever added.

    Parameters
    ----------
    home : Path
        The desk's folder; promotions lie beside the trials, in a chain of their own.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "desk.db"
        self._trials = Trials(home)
        self._chain = _Chain(self.path, "promotions", "promotion", "without it nobody can tell what was let out to trade")

    def promote(self, run_id: str, reason: str = "") -> Promotion:
        """Let the strategy of a run trade.

        The grade is that of the run's last row in the trial ledger, where no hand can better it unnoticed.

        Parameters
        ----------
        run_id : str
            The run, or the beginning of its id.
        reason : str
            Why, where its verdict is no evidence of an edge, no twins were run, or the market was made up.

        Raises
        ------
        DeskError
            If there is no such run, or its verdict is not enough and the reason shorter than 10 characters.
        LedgerError
            If a row of either ledger was edited or removed.
        """
        made = {trial.run_id: trial for trial in self._trials.made()}
        trial = made[whole_run_id(run_id, made)]
        reason = reason.strip()
        if not trial.is_enough and len(reason) < LEAST_REASON:
            raise _not_enough(trial)
        self.made()
        override = "" if trial.is_enough else reason
        promotion = Promotion(trial.run_id, trial.strategy, trial.name, trial.data_name, trial.grade, override, _now())
        self._chain.append(vars(promotion))
        return promotion

    def made(self) -> list[Promotion]:
        """List every promotion, oldest first.

        Raises
        ------
        LedgerError
            If a row was edited or removed.
        """
        return [Promotion(**row) for row in self._chain.rows()]

    def standing(self, strategy: str) -> Promotion | None:
        """Find the last promotion of the strategy with this fingerprint, if it has one.

        Raises
        ------
        LedgerError
            If a row was edited or removed.
        """
        found = [promotion for promotion in self.made() if promotion.strategy == strategy]
        return found[-1] if found else None


def _not_enough(trial: Trial) -> DeskError:
    what = f"run {trial.run_id} of {trial.name} on {trial.data_name} found: {trial.verdict}"
    expected = "evidence of an edge, with twins run"
    if trial.is_made_up:
        what = f"run {trial.run_id} of {trial.name} was made on a made-up market ({trial.data_name})"
        expected = "a verdict on real prices"
    action = f"leave it, or pass --override with the reason, {LEAST_REASON} characters or more; it is kept for good"
    return DeskError(what, expected, action)


class _Chain:
    def __init__(self, path: Path, table: str, of: str, loss: str) -> None:
        self.path, self.table, self.of, self.loss = path, table, of, loss

    def append(self, *rows: dict[str, Any]) -> None:
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            last = connection.execute(f"SELECT digest FROM {self.table} ORDER BY number DESC LIMIT 1").fetchone()
            digest = last[0] if last else ""
            for row in rows:
                body = json.dumps(row, sort_keys=True)
                digest = _link(digest, body)
                connection.execute(f"INSERT INTO {self.table} (body, digest) VALUES (?, ?)", (body, digest))
            connection.commit()

    def rows(self) -> list[dict[str, Any]]:
        if not self.path.exists() and not self.path.parent.is_file():
            return []
        with self._open() as connection:
            rows = connection.execute(f"SELECT number, body, digest FROM {self.table} ORDER BY number").fetchall()
            # SQLite remembers the highest number it gave, so that the last rows cannot go unnoticed either.
            given = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (self.table,)).fetchone()
        digest = ""
        for expected, (number, body, written) in enumerate(rows, start=1):
            digest = _link(digest, body)
            if digest != written or number != expected:
                raise self._altered(f"row {number} does not follow the one before")
        if given and given[0] != len(rows):
            raise self._altered(f"{given[0] - len(rows)} of the last rows are gone")
        return [json.loads(body) for _, body, _ in rows]

    def _altered(self, what: str) -> LedgerError:
        return LedgerError(
            f"{self.of} ledger {self.path}: {what}",
            f"every {self.of} ever made, unaltered",
            f"restore it from a backup; {self.loss}",
        )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        columns = "number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, digest TEXT"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=30)) as connection:
                connection.execute(f"CREATE TABLE IF NOT EXISTS {self.table} ({columns})")
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"{self.of} ledger {self.path}: {error}",
                "room and permission to write",
                "free the disk or choose another DESK_HOME",
            ) from error


def _link(previous: str, body: str) -> str:
    return hashlib.sha256(f"{previous}{body}".encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


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
