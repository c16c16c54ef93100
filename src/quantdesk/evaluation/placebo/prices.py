"""Resample a market's days: a twin with its calm and its storms, and nothing that tells where prices go."""

from itertools import pairwise

import numpy as np

from quantdesk.domain.arrays import Float64, Ints, Times
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.placebo.twin import Moves, betas_of, built, drift_of, fair, mean_of
from quantdesk.evaluation.resampling import stationary_indices

MEAN_BLOCK = 60
"""Days that follow one another as they did, on average: longer than most spells of volatility."""


def resampled(panel: Panel, seed: int) -> Panel:
    """Draw whole days in blocks, all instruments together, and turn each move up or down by chance.

    Days (UTC) are drawn by the stationary bootstrap (Politis & Romano 1994) in blocks of 60 on
    average, at most a quarter of the history; a bar of a drawn day keeps its place in the day.
    Each bar then gets two signs of equal chance, one for its night and one for its day, the same
    for all instruments; a negative one turns the move round and swaps high and low.

    Kept: each instrument's calendar (listing, halts, delisting), the size of its moves, spells of
    volatility inside blocks, the correlation between instruments on a bar, value traded and
    its relation to the size of moves, beta and the market's mean return, and facts beyond prices at their times.

    Destroyed: everything that the past tells about direction. Which bar was drawn, and so how
    large a move will be, can be foretold; its sign is a coin thrown afresh for each night and each
    day, so whatever is held, the expected simple return is beta times the market's mean, and
    alpha is none. (The coin is needed: in a bootstrap alone, what is learned from a day drawn twice holds
    the second time.) Gone with it are skewness, the leverage effect, the link of a night to
    its day, and every difference of mean return but that of beta.

    An instrument without a bar on the drawn day takes its bar of another day, with that
    day's market move replaced by the drawn day's, times its beta.

    Parameters
    ----------
    panel : Panel
        The market, bars of any length.
    seed : int
        The same seed gives the same twin.

    Returns
    -------
    Panel
        The twin, in total-return prices.
    """
    random, moves = np.random.default_rng(seed), Moves.of(panel)
    drawn = _drawn_rows(panel.times, random)
    source = np.where(moves.known[drawn], drawn[:, None], _own_rows(moves, random))
    beta = betas_of(moves.total, mean_of(moves.total))
    night, day = (_moved(part, drawn, source, beta) for part in (moves.night, moves.day))
    up, down, value = (np.take_along_axis(part, source, axis=0) for part in (moves.up, moves.down, moves.value))
    signs = random.choice([-1.0, 1.0], (2, len(drawn), 1))
    twin = Moves(
        night=fair(signs[0] * night),
        day=fair(signs[1] * day),
        up=np.nan_to_num(np.where(signs[1] > 0, up, down)),
        down=np.nan_to_num(np.where(signs[1] > 0, down, up)),
        value=value,
    )
    return built(panel, twin, drift_of(moves), random, f"{panel.name}, resampled {seed}")


def _drawn_rows(times: Times, random: np.random.Generator) -> Ints:
    dates = times.astype("datetime64[D]")
    starts = np.flatnonzero(np.diff(dates, prepend=dates[:1] - 1))
    edges = np.append(starts, len(times))
    drawn = stationary_indices(len(starts), 1, min(MEAN_BLOCK, len(starts) / 4), random)[0]
    rows = np.empty(len(times), dtype=np.int64)
    for (start, stop), day in zip(pairwise(edges), drawn, strict=True):
        # A shorter day lends its last bar again.
        rows[start:stop] = np.minimum(edges[day] + np.arange(stop - start), edges[day + 1] - 1)
    return rows


def _own_rows(moves: Moves, random: np.random.Generator) -> Ints:
    rows = np.zeros(moves.day.shape, dtype=np.int64)
    for column in range(moves.day.shape[1]):
        own = np.flatnonzero(moves.known[:, column])
        if own.size:
            rows[:, column] = random.choice(own, len(rows))
    return rows


def _moved(part: Float64, drawn: Ints, source: Ints, beta: Float64) -> Float64:
    market = mean_of(part)
    own = np.take_along_axis(part, source, axis=0)
    return np.nan_to_num(own + beta * (market[drawn][:, None] - market[source]))
