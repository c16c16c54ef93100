"""Trend features and oscillators against pandas."""

import numpy as np
import pytest
from feature_worlds import bridged, panel_of, random_fields, where_traded

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.library import discover

FIELDS = random_fields()
CLOSE = FIELDS["close"]
BARS = Bars.of(panel_of(**FIELDS))
PRICE, HIGH, LOW = (bridged(FIELDS[name], CLOSE) for name in ("close", "high", "low"))


def _computed(name: str) -> Float64:
    return discover()[name].compute(BARS)


@pytest.mark.parametrize("window", [7, 30, 90, 180])
def test_the_distance_from_a_mean_agrees_with_pandas(window: int) -> None:
    expected = where_traded(PRICE / PRICE.rolling(window).mean() - 1, CLOSE)
    np.testing.assert_allclose(_computed(f"ma_distance_{window}"), expected, atol=1e-10)


def test_macd_agrees_with_the_untruncated_exponential_means_of_pandas() -> None:
    fast = PRICE.ewm(span=12, adjust=True, min_periods=12).mean()
    slow = PRICE.ewm(span=26, adjust=True, min_periods=26).mean()
    line = fast - slow
    signal = line.ewm(span=9, adjust=True, min_periods=9).mean()
    np.testing.assert_allclose(_computed("macd"), where_traded(line / PRICE, CLOSE), atol=1e-8)
    np.testing.assert_allclose(_computed("macd_histogram"), where_traded((line - signal) / PRICE, CLOSE), atol=1e-8)


@pytest.mark.parametrize(("name", "window"), [("breakout_20", 20), ("breakout_55", 55), ("stochastic_14", 14)])
def test_the_place_in_a_channel_agrees_with_pandas(name: str, window: int) -> None:
    top, bottom = HIGH.rolling(window).max(), LOW.rolling(window).min()
    expected = where_traded(2 * (PRICE - bottom) / (top - bottom) - 1, CLOSE)
    np.testing.assert_allclose(_computed(name), expected, atol=1e-10)


def test_without_highs_and_lows_the_channel_is_of_closes() -> None:
    bars = Bars.of(panel_of(close=CLOSE))
    top, bottom = PRICE.rolling(20).max(), PRICE.rolling(20).min()
    expected = where_traded(2 * (PRICE - bottom) / (top - bottom) - 1, CLOSE)
    np.testing.assert_allclose(discover()["breakout_20"].compute(bars), expected, atol=1e-10)
    assert np.nanmax(expected) == 1.0


@pytest.mark.parametrize("period", [2, 14])
def test_relative_strength_agrees_with_wilder_by_pandas(period: int) -> None:
    change = PRICE.diff()
    gain = change.clip(lower=0).ewm(alpha=1 / period, adjust=True, min_periods=period).mean()
    loss = (-change).clip(lower=0).ewm(alpha=1 / period, adjust=True, min_periods=period).mean()
    index = 100 - 100 / (1 + gain / loss)
    np.testing.assert_allclose(_computed(f"rsi_{period}"), where_traded(index / 50 - 1, CLOSE), atol=1e-6)


def test_a_price_that_stands_still_is_in_the_middle() -> None:
    bars = Bars.of(panel_of(close=np.full((60, 1), 7.3)))
    for name in ("breakout_20", "stochastic_14", "rsi_2", "rsi_14"):
        assert discover()[name].compute(bars)[-1, 0] == 0.0


def test_a_price_that_only_rises_is_at_the_top() -> None:
    bars = Bars.of(panel_of(close=np.linspace(10, 20, 60)[:, None]))
    for name in ("breakout_55", "stochastic_14", "rsi_2", "rsi_14"):
        assert discover()[name].compute(bars)[-1, 0] == pytest.approx(1.0, abs=1e-12)


def test_a_long_halt_empties_the_windows_that_hold_it_and_a_short_one_does_not() -> None:
    close = np.linspace(10, 20, 60)[:, None]
    short, long = close.copy(), close.copy()
    short[30:35] = np.nan
    long[30:36] = np.nan
    values = [discover()["ma_distance_7"].compute(Bars.of(panel_of(close=table)))[:, 0] for table in (short, long)]
    assert np.isfinite(values[0][35:]).all()
    assert np.isnan(values[1][30:42]).all()
    assert np.isfinite(values[1][42:]).all()
