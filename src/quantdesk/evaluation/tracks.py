"""What each trial earned, as its run keeps it: one track a run, or many in the table of a sweep."""

import io
from functools import lru_cache
from pathlib import Path

import numpy as np

from quantdesk.domain.arrays import Float64, Times

TABLE = "tracks.npz"
"""The file in which a sweep keeps the net asset values of all its trials."""


def trial_id(run_id: str, number: int) -> str:
    """Name one trial of a run that made many."""
    return f"{run_id}-{number}"


def run_of(trial_id: str) -> str:
    """Name the run that a trial belongs to."""
    return trial_id.partition("-")[0]


def table_bytes(times: Times, equity: Float64) -> bytes:
    """Write the table of a sweep: times (n_times,) and net asset values (n_trials, n_times)."""
    file = io.BytesIO()
    np.savez(file, times=times.astype("datetime64[s]"), equity=equity.astype(np.float32))
    return file.getvalue()


def kept_equity(folder: Path, trial_id: str) -> tuple[Times, Float64] | None:
    """Read a trial's bar closes and net asset values (n_times,) each; None where they are not kept.

    Parameters
    ----------
    folder : Path
        That of all runs.
    trial_id : str
        A run's id, or one that ``trial_id`` gives.
    """
    run, _, number = trial_id.partition("-")
    try:
        if not number:
            return _read_csv(folder / run / "track.csv")
        times, equity = _read_table(folder / run / TABLE)
        return times, equity[int(number)].astype(np.float64)
    except (OSError, ValueError, IndexError, KeyError):
        return None


def _read_csv(path: Path) -> tuple[Times, Float64]:
    import polars as pl

    try:
        kept = pl.read_csv(path, columns=["time", "equity"])
        return kept["time"].to_numpy().astype("datetime64[ns]"), kept["equity"].to_numpy().astype(np.float64)
    except pl.exceptions.PolarsError as error:
        raise ValueError(path) from error


@lru_cache(maxsize=4)
def _read_table(path: Path) -> tuple[Times, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    with np.load(path) as kept:
        return kept["times"].astype("datetime64[ns]"), kept["equity"]
