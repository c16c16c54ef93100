"""Give each stretch of time the decisions and forecasts of an earlier one, to see whether their timing earned."""

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.compiled import compiled
from quantdesk.domain.errors import DataError
from quantdesk.domain.forecast import mean_of
from quantdesk.evaluation.backtest import Setting, at_no_cost
from quantdesk.evaluation.evidence import Shuffles
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.resampling import share_as_large
from quantdesk.evaluation.scores import MIN_INSTRUMENTS, infer_bars_per_year
from quantdesk.evaluation.walk_forward import OutOfSample
from quantdesk.execution.kernel import Halt, simulate

N_BLOCKS = 20
"""Stretches that change their decisions: long enough that what is held in one stays together."""


def shuffles(
    learned: OutOfSample,
    labels: Float64,
    targets: Float64,
    setting: Setting,
    horizon: int,
    n_draws: int = 200,
    seed: int = 0,
) -> Shuffles:
    """Trade the same decisions, and score the same forecasts, at other times; nothing is learned again.

    See ``earlier_blocks`` for which times. Every draw is charged what the real run paid for its trades:
    the joins between blocks would otherwise cost the draws more, and flatter the real run. What is held
    all the time alike earns no credit, in the real run as in the draws.

    Parameters
    ----------
    learned : OutOfSample
        The forecasts.
    labels : Float64
        What happened (n_times, n_instruments, n_horizons), aligned with the forecasts; log return.
    targets : Float64
        Weights decided, limits applied (n_bars, n_instruments), from the setting's start on; a row of NaN is
        a time without a decision.
    horizon : int
        The horizon traded, bars; one of the forecasts' horizons.
    n_draws : int
        Shuffled worlds.

    Raises
    ------
    DataError
        If the horizon was not forecast.
    """
    random = np.random.default_rng(seed)
    sharpes = _sharpes(targets, setting, n_draws, random)
    rank_ics = _rank_ics(learned, labels, horizon, n_draws, random)
    return Shuffles(
        sharpes=sharpes[1:],
        rank_ics=rank_ics[1:],
        real_sharpe=float(sharpes[0]),
        real_rank_ic=float(rank_ics[0]),
        sharpe_p=_p_value(sharpes),
        rank_ic_p=_p_value(rank_ics),
    )


def earlier_blocks(n: int, n_draws: int, least: int, random: np.random.Generator) -> Ints:
    """Draw, for each block of times, a block at or before it, all with equal chance.

    A block is a twentieth of the history, and no shorter than ``least``.

    Where there is no edge, what follows a decision is as foreign to it as to any decision made
    before, so the real order is one draw among these. A free permutation is none of
    the kind: it also gives to a time the decisions of a later one, and those of a strategy that follows
    prices know what they are set against. (Momentum then looks worse than chance, and reversal better.)

    Returns
    -------
    Ints
        Rows to take (n_draws, n), none beyond its own place; cuts lie elsewhere in each draw.
    """
    rows, block = np.arange(n), max(least, -(-n // N_BLOCKS))
    slots = (rows + random.integers(block, size=(n_draws, 1))) // block
    back = random.integers(np.arange(1, int(slots.max()) + 2), size=(n_draws, int(slots.max()) + 1))
    taken: Ints = rows - block * np.take_along_axis(back, slots, axis=1)
    # The first block may be short of its beginning.
    return np.where(taken < 0, taken + block, taken)


def _p_value(values: Float64) -> float:
    return share_as_large(values[1:], float(values[0])) if np.isfinite(values[0]) else 1.0


def _sharpes(targets: Float64, setting: Setting, n_draws: int, random: np.random.Generator) -> Float64:
    # The real order comes first. The market does not depend on the decisions, and is read once.
    decided = np.flatnonzero(np.isfinite(targets).any(axis=1))
    if not decided.size:
        return np.full(n_draws + 1, np.nan)
    market = setting.market
    halt = Halt(setting.limits.drawdown, setting.limits.cooldown_bars)
    paid = simulate(targets, market, setting.costs.rates, halt, setting.capital)
    with np.errstate(invalid="ignore", divide="ignore"):
        charged = (paid.costs / paid.equity)[1:]
    sharpes = []
    for order in np.vstack([np.arange(len(decided)), earlier_blocks(len(decided), n_draws, 2, random)]):
        dealt = np.full(targets.shape, np.nan)
        dealt[decided] = targets[decided[order]]
        path = simulate(dealt, market, at_no_cost(setting).costs.rates, halt, setting.capital)
        sharpes.append(_sharpe(path.equity, charged))
    annual: Float64 = np.array(sharpes) * np.sqrt(_bars_per_year(setting))
    return annual


def _sharpe(equity: Float64, charged: Float64) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = equity[1:] / equity[:-1] - 1.0 - charged
    spread = float(returns.std(ddof=1))
    return float(returns.mean()) / spread if spread > 0 else np.nan


def _bars_per_year(setting: Setting) -> float:
    times = setting.panel.times[setting.start :]
    nothing = np.zeros(len(times))
    return infer_bars_per_year(Track(times, *(nothing,) * 5))


def _rank_ics(learned: OutOfSample, labels: Float64, horizon: int, n_draws: int, random: np.random.Generator) -> Float64:
    forecasts = learned.forecasts
    if horizon not in forecasts.horizons:
        raise DataError(f"no forecast looks {horizon} bars ahead", f"one of {forecasts.horizons}", "ask for one of these")
    column = forecasts.horizons.index(horizon)
    said, came = _ranks(mean_of(forecasts.quantiles[:, :, column])), _ranks(labels[:, :, column])
    scored = np.flatnonzero(np.isfinite(came).any(axis=1))
    orders = earlier_blocks(len(scored), n_draws, 4 * horizon, random)
    rows = scored[np.vstack([np.arange(len(scored)), orders])]
    return _mean_correlations(said, came[scored], rows, MIN_INSTRUMENTS)


def _ranks(values: Float64) -> Float64:
    from scipy.stats import rankdata

    known = np.isfinite(values)
    return np.where(known, rankdata(np.where(known, values, np.inf), axis=1), np.nan)


@compiled
def _mean_correlations(said: Float64, came: Float64, rows: Ints, least: int) -> Float64:
    # Correlate rows said[rows[draw, t]] and came[t] over what both have, and average over t.
    means = np.full(rows.shape[0], np.nan)
    for draw in range(rows.shape[0]):
        total, n_times = 0.0, 0
        for t in range(rows.shape[1]):
            count, x, y, xx, yy, xy = 0, 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(said.shape[1]):
                a, b = said[rows[draw, t], i], came[t, i]
                if not np.isnan(a + b):
                    count += 1
                    x, y, xx, yy, xy = x + a, y + b, xx + a * a, yy + b * b, xy + a * b
            spread = (count * xx - x * x) * (count * yy - y * y)
            if count >= least and spread > 0.0:
                total += (count * xy - x * y) / np.sqrt(spread)
                n_times += 1
        if n_times:
            means[draw] = total / n_times
    return means
