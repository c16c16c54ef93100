"""What choosing among all the trials on this data amounts to, from the returns that were kept of each."""

from pathlib import Path

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Times
from quantdesk.evaluation.comparison import Superiority, superiority
from quantdesk.evaluation.evidence import LEAST_TRIALS, Selection
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.overfitting import Overfitting, backtest_overfitting, effective_trials
from quantdesk.evaluation.resampling import LEAST_BARS, sharpe_interval
from quantdesk.evaluation.significance import alpha
from quantdesk.evaluation.tracks import kept_equity
from quantdesk.registry import Trial

COVERED = 0.8
"""Share of this run's bars that another trial must have traded to be set beside it."""

PBO_BARS = 50
"""Ten blocks of five bars: the least on which two halves of history can be set against each other."""


def selection(home: Path, run_id: str, before: list[Trial], track: Track, market: Track, bars_per_year: float) -> Selection:
    """Weigh this run as one of all the distinct trials on its data.

    Running the very same thing again is a trial, but not another independent try.

    Parameters
    ----------
    home : Path
        The desk's folder, where ``runs/RUN_ID/track.csv`` keeps what each trial earned.
    run_id : str
        This run.
    before : list of Trial
        Those made on the same data before it.
    track, market : Track
        What this run and the equal-weight market earned over the same bars.
    bars_per_year : float
        Bars in a year.
    """
    others = sorted({trial.run_id for trial in before} - {run_id})
    series, bars = beside(home, others, track.times[1:], track.returns[:, None])
    n_unknown = len(others) - (series.shape[1] - 1)
    complete = series.shape[0] >= LEAST_BARS
    is_rich = complete and series.shape[1] >= LEAST_TRIALS
    return Selection(
        n_series=series.shape[1],
        n_effective=(effective_trials(series) if complete else 1.0) + n_unknown,
        interval=sharpe_interval(track.returns, bars_per_year=bars_per_year),
        overfitting=_overfitting(series, bars_per_year) if is_rich and len(series) >= PBO_BARS else None,
        superiority=_superiority(series, market.returns[bars]) if is_rich else None,
    )


def beside(home: Path, run_ids: list[str], times: Times, own: Float64) -> tuple[Float64, Bools]:
    """Set the returns of other trials beside one's own, on the bars that all of them traded.

    Parameters
    ----------
    run_ids : list of str
        The others; those not kept, or that traded less than four fifths of the bars, are left out.
    times : Times
        Closes at which the returns were made (n_bars,).
    own : Float64
        One's own returns, complete (n_bars, n_own).

    Returns
    -------
    tuple of Float64 and Bools
        Returns (n_common, n_own + n_others), one's own first, and which bars these are (n_bars,).
    """
    found = [own]
    for run_id in run_ids:
        returns = _kept_returns(home / "runs", run_id, times)
        if returns is not None and np.isfinite(returns).mean() >= COVERED:
            found.append(returns[:, None])
    series = np.concatenate(found, axis=1)
    bars: Bools = np.all(np.isfinite(series), axis=1)
    if bars.mean() < COVERED:
        return own, np.ones(len(times), dtype=np.bool_)
    return series[bars], bars


def _kept_returns(folder: Path, run_id: str, times: Times) -> Float64 | None:
    kept = kept_equity(folder, run_id)
    if kept is None or len(kept[0]) < 2:
        return None
    stamps, equity = kept
    rows = np.minimum(np.searchsorted(stamps[1:], times), len(stamps) - 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = (equity[1:] / equity[:-1] - 1.0)[rows]
    return np.where(stamps[1:][rows] == times, returns, np.nan)


def _varying(series: Float64) -> Float64:
    return series[:, series.std(axis=0) > 1e-12]


def _overfitting(series: Float64, bars_per_year: float) -> Overfitting | None:
    traded = _varying(series)
    return backtest_overfitting(traded, bars_per_year=bars_per_year) if traded.shape[1] >= LEAST_TRIALS else None


def _superiority(series: Float64, market: Float64) -> Superiority | None:
    traded = _varying(series)
    if traded.shape[1] < LEAST_TRIALS:
        return None
    return superiority(np.stack([alpha(column, market)[1] for column in traded.T], axis=1))
