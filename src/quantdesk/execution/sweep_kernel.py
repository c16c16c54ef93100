"""The compiled pass of a sweep: every rule on one instrument, whose prices stay in the cache meanwhile."""

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.compiled import compiled
from quantdesk.execution.position import (
    CLOSE,
    IS_DOWN,
    IS_EVENT,
    IS_TRADED,
    IS_UP,
    LOT,
    ORDER,
    SIDE,
    SPENT,
    TIE,
    UNITS,
    YEARS,
    Bytes,
    Levels,
    Terms,
    decide,
    fill,
    order,
    rounded,
    settle,
)

CASH, WORTH, PEAK, TOTAL, SQUARES, WORST, FILLS, HELD, TURNOVER = range(LOT + 1, LOT + 10)
"""What an account's state holds beside its position's: sums over the bars so far."""


@compiled
def run_rules(
    table: Float64, bars: Float64, signs: Bytes, codes: Ints, levels: Levels | None, terms: Terms, accounts: Float64
) -> None:
    """Trade every rule on one instrument.

    Parameters
    ----------
    table : Float64
        Lines (n_lines, n_times).
    bars : Float64
        The market (n_times, 8).
    signs : Bytes
        What each bar has, both signals allowed (n_times,).
    codes : Ints
        Rules (n_rules, 5).
    levels, terms
        Exits and costs.
    accounts : Float64
        State and sums of each rule's account (n_rules, 19), changed in place.
    """
    own, closes, n_times = np.empty_like(signs), bars[:, CLOSE].copy(), len(signs)
    for k in range(len(codes)):
        # A literal 0 would have everything that takes a time compiled twice.
        account, sides, t = accounts[k], codes[k, 4], codes[k, 0] * 0
        _read(own, signs, table, codes[k])
        opens = (IS_UP if sides >= 0 else 0) | (IS_DOWN if sides <= 0 else 0)
        while t < n_times:
            _trade_bar(account, bars, t, own[t], sides, levels, terms)
            t += 1
            if account[ORDER] != 0.0 or account[SPENT] != 0.0:
                continue
            if account[UNITS] == 0.0:
                # Nothing is held and nothing ordered: nothing happens before the next signal.
                while t < n_times and not own[t] & opens:
                    t += 1
            elif levels is None and account[SIDE] != 0.0 and (account[UNITS] > 0.0 or terms.borrow == 0.0):
                t = _hold(account, closes, own, t)


@compiled
def _read(own: Bytes, signs: Bytes, table: Float64, code: Ints) -> None:
    up, up_over, down, down_over = table[code[0]], table[code[1]], table[code[2]], table[code[3]]
    for t in range(len(signs)):
        is_up, is_down = up[t] > up_over[t] * TIE, down[t] > down_over[t] * TIE
        own[t] = signs[t] & (IS_TRADED + IS_EVENT + IS_UP * is_up + IS_DOWN * is_down)


@compiled
def _trade_bar(account: Float64, bars: Float64, t: int, sign: int, sides: int, levels: Levels | None, terms: Terms) -> None:
    was_held, traded = account[UNITS] != 0.0, 0.0
    if account[UNITS] < 0.0:
        owed = -account[UNITS] * bars[t - 1, CLOSE] * terms.borrow * bars[t, YEARS]
        account[CASH] -= rounded(owed, terms.cash_parts)
    if sign & IS_EVENT:
        account[CASH] += settle(account, bars, t, terms)
    if account[ORDER] != 0.0:
        flow, traded, _ = fill(account, bars, t, account[CASH], terms)
        account[CASH] += flow
    if was_held or traded > 0.0:
        _mark(account, bars[t, CLOSE], traded)
    side = 0
    if account[UNITS] != 0.0 and account[WORTH] > 0.0:
        side = 1 if account[UNITS] > 0.0 else -1
    decide(account, side, bars, t, sign, sides, levels)
    order(account, account[WORTH], bars[t, CLOSE], terms)


@compiled
def _mark(account: Float64, close: float, traded: float) -> None:
    equity = account[CASH] + account[UNITS] * close
    gain = equity / account[WORTH] - 1.0 if account[WORTH] > 0.0 else np.nan
    account[TOTAL] += gain
    account[SQUARES] += gain * gain
    account[WORTH] = equity
    if equity > account[PEAK]:
        account[PEAK] = equity
    elif equity < (1.0 - account[WORST]) * account[PEAK]:
        account[WORST] = 1.0 - equity / account[PEAK]
    if account[UNITS] != 0.0:
        account[HELD] += 1.0
    if traded > 0.0:
        account[FILLS] += 1.0
        account[TURNOVER] += traded / equity if equity > 0.0 else 0.0


@compiled
def _hold(account: Float64, closes: Float64, signs: Bytes, t: int) -> int:
    # Only the price moves until the opposite signal, an event, or ruin.
    cash, units, worth, peak, worst = account[CASH], account[UNITS], account[WORTH], account[PEAK], account[WORST]
    total, squares, floor, first = account[TOTAL], account[SQUARES], (1.0 - worst) * peak, t
    ends = IS_EVENT | (IS_DOWN if units > 0.0 else IS_UP)
    while t < len(closes) and not signs[t] & ends:
        equity = cash + units * closes[t]
        if equity <= 0.0:
            break
        gain = equity / worth - 1.0
        total += gain
        squares += gain * gain
        worth = equity
        if equity > peak:
            peak, floor = equity, (1.0 - worst) * equity
        elif equity < floor:
            worst, floor = 1.0 - equity / peak, equity
        t += 1
    account[WORTH], account[PEAK], account[WORST], account[TOTAL], account[SQUARES] = worth, peak, worst, total, squares
    account[HELD] += t - first
    return t
