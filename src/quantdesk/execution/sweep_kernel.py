"""The compiled pass of a sweep: every rule on one instrument, whose prices stay in the cache meanwhile."""

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.compiled import compiled_in_place
from quantdesk.execution.position import (
    CLOSE,
    IS_DOWN,
    IS_EVENT,
    IS_TRADED,
    IS_UP,
    LOT,
    ORDER,
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


@compiled_in_place
def run_rules(
    table: Float64, bars: Float64, signs: Bytes, own: Bytes, codes: Ints, levels: Levels | None, terms: Terms, accounts: Float64
) -> None:
    """Trade every rule on one instrument.

    Parameters
    ----------
    table : Float64
        Lines, and last of all the closes that positions are worth (n_lines + 1, n_times).
    bars : Float64
        The market (n_times, 8).
    signs : Bytes
        What each bar has, both signals allowed (n_times,).
    own : Bytes
        Room for what each bar has of one rule (n_times,).
    codes : Ints
        Rules (n_rules, 5).
    levels, terms
        Exits and costs.
    accounts : Float64
        State and sums of each rule's account (n_rules, 19), changed in place.
    """
    n_times, closes = len(signs), table[len(table) - 1]
    for k in range(len(codes)):
        # A literal 0 would have everything that takes a time compiled twice.
        account, sides, t = accounts[k], codes[k, 4], codes[k, 0] * 0
        _read(own, signs, table, codes[k])
        opens = (IS_UP if sides >= 0 else 0) | (IS_DOWN if sides <= 0 else 0)
        while t < n_times:
            bar, sign, units = bars[t], own[t], account[UNITS]
            traded = _book(account, bar, closes[t - 1], sign, terms)
            if units != 0.0 or traded > 0.0:
                _hold(account, closes, own, t, t + 1, t * 0)
            units, worth, side = account[UNITS], account[WORTH], 0
            if traded > 0.0:
                account[FILLS] += 1.0
                account[TURNOVER] += traded / worth if worth > 0.0 else 0.0
            if units != 0.0 and worth > 0.0:
                side = 1 if units > 0.0 else -1
            decide(account, side, bar, sign, sides, levels)
            order(account, worth, bar[CLOSE], terms)
            t += 1
            if account[ORDER] != 0.0 or account[SPENT] != 0.0:
                continue
            if units == 0.0:
                # Nothing is held and nothing ordered: nothing happens before the next signal.
                while t < n_times and not own[t] & opens:
                    t += 1
            elif levels is None and side != 0 and (units > 0.0 or terms.borrow == 0.0):
                t = _hold(account, closes, own, t, n_times, IS_EVENT | (IS_DOWN if units > 0.0 else IS_UP))


@compiled_in_place
def _read(own: Bytes, signs: Bytes, table: Float64, code: Ints) -> None:
    up, up_over, down, down_over = table[code[0]], table[code[1]], table[code[2]], table[code[3]]
    for t in range(len(signs)):
        is_up, is_down = up[t] > up_over[t] * TIE, down[t] > down_over[t] * TIE
        own[t] = signs[t] & (IS_TRADED + IS_EVENT + IS_UP * is_up + IS_DOWN * is_down)


@compiled_in_place
def _book(account: Float64, bar: Float64, before: float, sign: int, terms: Terms) -> float:
    units, traded = account[UNITS], 0.0
    if units < 0.0:
        account[CASH] -= rounded(-units * before * terms.borrow * bar[YEARS], terms.cash_parts)
    if sign & IS_EVENT:
        account[CASH] += settle(account, bar, terms)
    if account[ORDER] != 0.0:
        flow, traded, _ = fill(account, bar, account[CASH], terms)
        account[CASH] += flow
    return traded


@compiled_in_place
def _hold(account: Float64, closes: Float64, signs: Bytes, t: int, last: int, ends: int) -> int:
    # Only the price moves until a sign that ends it, or ruin.
    cash, units, worth, peak, worst = account[CASH], account[UNITS], account[WORTH], account[PEAK], account[WORST]
    total, squares, floor, first = account[TOTAL], account[SQUARES], (1.0 - worst) * peak, t
    while t < last and not signs[t] & ends:
        equity = cash + units * closes[t]
        if equity <= 0.0 and ends:
            break
        gain = equity / worth - 1.0 if worth > 0.0 else np.nan
        total += gain
        squares += gain * gain
        worth = equity
        if equity > peak:
            peak, floor = equity, (1.0 - worst) * equity
        elif equity < floor:
            worst, floor = 1.0 - equity / peak, equity
        t += 1
    account[WORTH], account[PEAK], account[WORST], account[TOTAL], account[SQUARES] = worth, peak, worst, total, squares
    if units != 0.0:
        account[HELD] += t - first
    return t
