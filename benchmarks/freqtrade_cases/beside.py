"""Joins: candles with coarser candles, with another pair, and with a file of facts."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from freqtrade_cases.case import CANDLE, Case, Frame, Values, levels, on_candles, opens_at, returns, values

LONG = 100
HOUR = np.timedelta64(1, "h")
Times = NDArray[np.datetime64]


def _closes_at(candles: Frame) -> Times:
    times: Times = opens_at(candles) + CANDLE
    return times


def _joined(when: Times, what: Values, at: Times, side: str = "last") -> Values:
    # The value of the newest time at or before each of ``at``, or of the nearest.
    if not len(when):
        return np.full(len(at), np.nan)
    order = np.argsort(when, kind="stable")
    when, what = when[order], what[order]
    rows = np.searchsorted(when, at, side="right") - 1
    if side == "nearest":
        ahead = np.minimum(rows + 1, len(when) - 1)
        rows = np.where((rows < 0) | (np.abs(when[ahead] - at) < np.abs(at - when[np.maximum(rows, 0)])), ahead, rows)
    if side == "filled back":
        rows = np.maximum(rows, 0)
    return np.where(rows >= 0, what[np.maximum(rows, 0)], np.nan)


def _first(facts: Frame) -> Frame:
    return facts.drop_duplicates("period", keep="first")


def _known(candles: Frame, facts: Frame) -> Values:
    return _joined(opens_at(facts, "known_at"), values(facts["value"]), _closes_at(candles))


def _by_period(candles: Frame, facts: Frame) -> Values:
    first = _first(facts)
    return _joined(opens_at(first, "period"), values(first["value"]), _closes_at(candles))


def _restated(candles: Frame, facts: Frame) -> Values:
    last = facts.drop_duplicates("period", keep="last")
    return _joined(opens_at(_first(facts), "known_at"), values(last["value"]), _closes_at(candles))


def _averaged(candles: Frame, facts: Frame) -> Values:
    means = facts.groupby("period")["value"].mean()
    return _joined(opens_at(_first(facts), "known_at"), values(means), _closes_at(candles))


def _by_hour(candles: Frame, facts: Frame) -> Values:
    hours = opens_at(facts, "known_at").astype("datetime64[h]").astype("datetime64[ns]")
    return _joined(hours, values(facts["value"]), _closes_at(candles))


def _nearest(candles: Frame, facts: Frame) -> Values:
    return _joined(opens_at(facts, "known_at"), values(facts["value"]), _closes_at(candles), "nearest")


def _filled_back(candles: Frame, facts: Frame) -> Values:
    return _joined(opens_at(facts, "known_at"), values(facts["value"]), _closes_at(candles), "filled back")


def _line_between(candles: Frame, facts: Frame) -> Values:
    first = _first(facts)
    known = opens_at(first, "known_at").astype(np.float64)
    return np.interp(_closes_at(candles).astype(np.float64), known, values(first["value"]), left=np.nan)


def _to_next(candles: Frame, facts: Frame, is_ahead: bool) -> Values:
    # Candles to the next surprise, or since the last.
    at, known = _closes_at(candles), opens_at(_first(facts), "known_at")
    rows = np.searchsorted(known, at, side="right")
    near = np.where(is_ahead, known[np.minimum(rows, len(known) - 1)] - at, known[np.maximum(rows - 1, 0)] - at)
    return np.clip(near / CANDLE, -99.0, 99.0)


def _surprises(candles: Frame, facts: Frame, is_ahead: bool) -> Values:
    # The sum of the surprises of the next three hours, or of the last three.
    first = _first(facts)
    known, at = opens_at(first, "known_at"), _closes_at(candles)
    total = np.append(0.0, np.cumsum(values(first["value"])))
    begins, ends = (at, at + 3 * HOUR) if is_ahead else (at - 3 * HOUR, at)
    return values(total[np.searchsorted(known, ends, side="right")] - total[np.searchsorted(known, begins, side="right")])


def _remembered(candles: Frame, table: Frame, wait: np.timedelta64) -> Values:
    # What a table, made once from all history, says of the return that ends at a time.
    recalled = _joined(opens_at(table, "ends_at"), values(table["return"]), _closes_at(candles) + wait)
    return np.nan_to_num(recalled)


def _own_hours(candles: Frame) -> NDArray[np.int64]:
    return opens_at(candles).astype("datetime64[h]").astype(np.int64)


def _hour_close(candles: Frame, hours_back: int) -> Values:
    hours = _own_hours(candles)
    last = levels(candles).groupby(hours).last()
    return values(levels(candles)) - values(last.reindex(hours - hours_back))


def _hour_volume(candles: Frame, is_whole: bool) -> Values:
    grouped = candles["volume"].groupby(_own_hours(candles))
    return values(np.log1p(grouped.transform("sum") if is_whole else grouped.cumsum()))


def _quarters(candles: Frame, label: str) -> Values:
    # Closes of fifteen minutes, labelled by where they begin, or by where they end.
    begins = pd.Series(opens_at(candles), index=candles.index).dt.floor("15min")
    wide = levels(candles).groupby(begins).last()
    labels: Times = wide.index.to_numpy().astype("datetime64[ns]")
    if label == "left":
        return values(levels(candles)) - _joined(labels, values(wide), opens_at(candles))
    return values(levels(candles)) - _joined(np.add(labels, 3 * CANDLE), values(wide), _closes_at(candles))


def _in_body(candles: Frame, hourly: Frame, wait: np.timedelta64) -> Values:
    # Whether the close lies within the hour's body; candles of hours carry the time at which they open.
    body = [_joined(opens_at(hourly) + wait, values(hourly[name]), opens_at(candles)) for name in ("open", "close")]
    close = values(candles["close"])
    return ((close >= np.fmin(*body)) & (close <= np.fmax(*body))).astype(np.float64)


def _on_the_hour(candles: Frame, ahead: int) -> Values:
    # At the first candle of each hour: whether the next one rises, or whether the last one did.
    is_first = opens_at(candles).astype("datetime64[m]").astype(np.int64) % 60 == 0
    return values((returns(candles).shift(-ahead) > 0) & is_first)


def _residual(candles: Frame, market: Frame, is_whole: bool) -> Values:
    own = returns(candles)
    other = pd.Series(_joined(opens_at(market), values(returns(market)), opens_at(candles)), index=own.index)
    beta = own.cov(other) / other.var() if is_whole else own.rolling(LONG).cov(other) / other.rolling(LONG).var()
    return values(own - beta * other)


NO_WAIT = np.timedelta64(0, "m")

CASES = (
    Case("restated fundamentals", _restated, _known, "facts"),
    Case("joined by period end", _by_period, _known, "facts"),
    Case("revised news", _averaged, _known, "facts"),
    Case("off by part of a day", _by_hour, _known, "facts"),
    Case("nearest join", _nearest, _known, "facts"),
    Case("first value filled back", _filled_back, _known, "facts"),
    Case("line between reports", _line_between, _known, "facts"),
    Case("bars to the next dividend", lambda d, f: _to_next(d, f, True), lambda d, f: _to_next(d, f, False), "facts"),
    Case("dividends before the ex-date", lambda d, f: _surprises(d, f, True), lambda d, f: _surprises(d, f, False), "facts"),
    Case(
        "column stamped a bar early",
        lambda d, t: _remembered(d, t, CANDLE),
        lambda d, t: _remembered(d, t, NO_WAIT),
        "table",
    ),
    Case(
        "model that remembers the future",
        lambda d, t: values(returns(d)) + _remembered(d, t, CANDLE),
        lambda d, t: values(returns(d)) + _remembered(d, t, NO_WAIT),
        "table",
    ),
    on_candles("higher time frame", lambda d: _hour_close(d, 0), lambda d: _hour_close(d, 1)),
    on_candles("volume of the unfinished day", lambda d: _hour_volume(d, True), lambda d: _hour_volume(d, False)),
    on_candles("resample label", lambda d: _quarters(d, "left"), lambda d: _quarters(d, "right")),
    Case("beta over all rows", lambda d, m: _residual(d, m, True), lambda d, m: _residual(d, m, False), "market"),
)

PUBLIC = (
    Case(
        "one candle ahead, in the rule only", lambda d, _: _on_the_hour(d, 1), lambda d, _: _on_the_hour(d, 0), is_in_rule=True
    ),
    Case(
        "hour joined by its opening time",
        lambda d, h: _in_body(d, h, NO_WAIT),
        lambda d, h: _in_body(d, h, HOUR),
        "hourly",
    ),
)
