"""Features of bars within a day, on five-minute bars with nights and weekends."""

import pickle

import numpy as np
import pytest
from feature_worlds import panel_of, same_bits

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.panel import Panel
from quantdesk.features.library import choose, compute, discover
from quantdesk.features.sessions import session_facts
from quantdesk.features.stream import FeatureStream
from quantdesk.features.surroundings import bars_of, fields_of

PER_SESSION, N_SESSIONS = 78, 8
FEATURES = {name: one for name, one in discover().items() if "session" in one.needs}


def times(per_session: int = PER_SESSION, minutes: int = 5) -> Times:
    days = np.busday_offset(np.datetime64("2024-03-07"), np.arange(N_SESSIONS), roll="forward")
    steps = np.timedelta64(minutes, "m") * np.arange(1, per_session + 1)
    opened = days.astype("datetime64[ns]") + np.timedelta64(870, "m")
    closes: Times = np.add(opened[:, None], steps).reshape(-1)
    return closes


def market(seed: int = 0) -> Panel:
    draw = np.random.default_rng(seed)
    n = PER_SESSION * N_SESSIONS
    close = 50 * np.exp(np.cumsum(draw.normal(0, 0.002, (n, 2)), axis=0))
    opening = close * np.exp(draw.normal(0, 0.001, (n, 2)))
    high, low = np.maximum(opening, close) * 1.001, np.minimum(opening, close) / 1.001
    panel = panel_of(open=opening, high=high, low=low, close=close, volume=draw.lognormal(8, 1, (n, 2)))
    return Panel(times(), panel.instruments, panel.fields, name="intraday")


def reshaped(values: Float64) -> Float64:
    return values.reshape(N_SESSIONS, PER_SESSION, 2)


PANEL = market()
BARS = bars_of(PANEL)
FIELD = {name: reshaped(values) for name, values in PANEL.fields.items()}


def test_sessions_begin_after_nights_and_weekends() -> None:
    facts = session_facts(times())
    assert np.flatnonzero(facts["session"][:, 0] == 1.0).tolist() == [PER_SESSION * k for k in range(1, N_SESSIONS)]
    hours = facts["session_hours"].reshape(N_SESSIONS, PER_SESSION)
    assert np.isnan(hours[0]).all()
    assert hours[3, 0] == 0.0
    assert hours[3, -1] == pytest.approx(77 * 5 / 60)
    assert set(facts["same_time"][2 * PER_SESSION :, 0]) == {float(PER_SESSION)}


def test_a_market_without_nights_begins_anew_with_each_utc_date() -> None:
    hourly = np.datetime64("2024-01-01T01", "ns") + np.arange(72) * np.timedelta64(1, "h")
    assert np.flatnonzero(session_facts(hourly)["session"][:, 0] == 1.0).tolist() == [23, 47, 71]


def test_daily_bars_have_no_sessions_and_leave_the_features_out() -> None:
    daily = panel_of(close=np.full((30, 2), 5.0))
    assert session_facts(daily.times) == {}
    assert set(choose(("session_*",), fields_of(daily))[1]) == set(FEATURES)
    assert choose(("session_*",), fields_of(PANEL))[1] == ()


def test_overnight_and_session_return_begin_and_end_at_the_session() -> None:
    overnight, within = (reshaped(FEATURES[name].compute(BARS)) for name in ("session_overnight", "session_return"))
    expected = np.log(FIELD["open"][1:, :1] / FIELD["close"][:-1, -1:])
    np.testing.assert_allclose(overnight[1:], np.broadcast_to(expected, overnight[1:].shape), atol=1e-12)
    np.testing.assert_allclose(within[1:], np.log(FIELD["close"] / FIELD["open"][:, :1])[1:], atol=1e-12)
    assert np.isnan(overnight[0]).all()


def test_the_average_price_and_the_place_are_the_sessions_own() -> None:
    typical = (FIELD["high"] + FIELD["low"] + FIELD["close"]) / 3
    average = np.cumsum(typical * FIELD["volume"], axis=1) / np.cumsum(FIELD["volume"], axis=1)
    distance = reshaped(FEATURES["session_average_distance"].compute(BARS))
    np.testing.assert_allclose(distance[1:], (FIELD["close"] / average - 1)[1:], atol=1e-12)
    top, bottom = np.maximum.accumulate(FIELD["high"], axis=1), np.minimum.accumulate(FIELD["low"], axis=1)
    place = reshaped(FEATURES["session_place"].compute(BARS))
    np.testing.assert_allclose(place[1:], (2 * (FIELD["close"] - bottom) / (top - bottom) - 1)[1:], atol=1e-10)


def test_relative_volume_compares_with_the_same_time_of_two_sessions_before() -> None:
    volume = FIELD["volume"]
    values = reshaped(FEATURES["session_relative_volume"].compute(BARS))
    expected = np.log(volume[3:] / ((volume[1:-2] + volume[2:-1]) / 2))
    np.testing.assert_allclose(values[3:], expected, atol=1e-12)


def test_a_missing_bar_does_not_shift_the_time_of_day() -> None:
    keep = np.arange(len(PANEL.times)) != 5 * PER_SESSION + 10
    fields = {name: values[keep] for name, values in PANEL.fields.items()}
    cut = Panel(PANEL.times[keep], PANEL.instruments, fields, name="gap")
    values = FEATURES["session_relative_volume"].compute(bars_of(cut))[6 * PER_SESSION - 1 :]
    whole = FEATURES["session_relative_volume"].compute(BARS)[6 * PER_SESSION :]
    assert np.flatnonzero(np.isnan(values[:, 0]) != np.isnan(whole[:, 0])).tolist() == [10, 10 + PER_SESSION]
    assert same_bits(values[:10], whole[:10])


@pytest.mark.parametrize("name", FEATURES)
def test_a_cut_of_the_sessions_and_a_poisoned_future_change_nothing(name: str) -> None:
    whole, t = FEATURES[name].compute(BARS), 6 * PER_SESSION + 30
    rows = min(FEATURES[name].lookback, 4 * PER_SESSION)
    cut = FEATURES[name].compute(bars_of(PANEL.rows(t + 1 - rows, t + 1)))
    np.testing.assert_allclose(cut[-1], whole[t], rtol=1e-12)
    other = market(seed=1)
    fields = {
        field: np.where(np.arange(len(whole))[:, None] > t, other.fields[field], values)
        for field, values in PANEL.fields.items()
    }
    poisoned = FEATURES[name].compute(bars_of(Panel(PANEL.times, PANEL.instruments, fields, name="poisoned")))
    assert same_bits(poisoned[: t + 1], whole[: t + 1])


@pytest.mark.parametrize("minutes", [1, 5])
def test_bar_by_bar_they_are_what_they_are_in_bulk(minutes: int) -> None:
    stamps = times(390 // minutes, minutes)
    draw = np.random.default_rng(minutes)
    shape = len(stamps), 2
    close = 50 * np.exp(np.cumsum(draw.normal(0, 0.002, shape), axis=0))
    close[draw.random(shape) < 0.02] = np.nan
    drawn = panel_of(open=close, high=close * 1.001, low=close * 0.999, close=close, volume=draw.lognormal(8, 1, shape))
    panel = Panel(stamps, drawn.instruments, drawn.fields, name="intraday")
    features = tuple(FEATURES.values())
    stream = FeatureStream(features, panel.rows(0, 1))
    for row in range(1, len(stamps) // 2):
        stream.advance(panel.rows(row, row + 1))
    stream = pickle.loads(pickle.dumps(stream))
    rows = [stream.advance(panel.rows(row, row + 1)) for row in range(len(stamps) // 2, len(stamps))]
    assert same_bits(np.stack(rows).astype(np.float32), compute(features, bars_of(panel))[len(stamps) // 2 :])
