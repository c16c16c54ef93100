"""Volatility and scale against pandas."""

import numpy as np
import pandas as pd
import pytest
from feature_worlds import bridged, logarithms, panel_of, random_fields, where_traded

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.library import discover
from quantdesk.features.scale import ewma_volatility

FIELDS = random_fields()
CLOSE = FIELDS["close"]
BARS = Bars.of(panel_of(**FIELDS))
PRICE, HIGH, LOW = (bridged(FIELDS[name], CLOSE) for name in ("close", "high", "low"))
RETURN = logarithms(PRICE).diff()


def _computed(name: str) -> Float64:
    return discover()[name].compute(BARS)


@pytest.mark.parametrize("window", [5, 20, 60])
def test_volatility_agrees_with_pandas(window: int) -> None:
    np.testing.assert_allclose(_computed(f"volatility_{window}"), where_traded(RETURN.rolling(window).std(), CLOSE), atol=1e-10)


def test_the_volatility_ratio_is_the_short_over_the_long() -> None:
    expected = where_traded(RETURN.rolling(5).std() / RETURN.rolling(60).std(), CLOSE)
    np.testing.assert_allclose(_computed("volatility_ratio_5_60"), expected, atol=1e-8)


def test_the_average_true_range_agrees_with_wilder_by_pandas() -> None:
    before = PRICE.shift(1)
    widest = np.maximum(HIGH, before) - np.minimum(LOW, before)
    smooth = pd.DataFrame(widest).ewm(alpha=1 / 14, adjust=True, min_periods=14).mean()
    np.testing.assert_allclose(_computed("atr_14"), where_traded(smooth / PRICE, CLOSE), atol=1e-9)


def test_bollinger_bands_agree_with_pandas() -> None:
    middle, spread = PRICE.rolling(20).mean(), PRICE.rolling(20).std(ddof=0)
    position = where_traded((PRICE - middle) / (2 * spread), CLOSE)
    np.testing.assert_allclose(_computed("bollinger_position_20"), position, atol=1e-8)
    np.testing.assert_allclose(_computed("bollinger_width_20"), where_traded(4 * spread / middle, CLOSE), atol=1e-10)


def test_parkinson_agrees_with_pandas() -> None:
    squared = logarithms(HIGH / LOW) ** 2
    expected = np.sqrt(squared.rolling(20).mean() / (4 * np.log(2)))
    np.testing.assert_allclose(_computed("parkinson_20"), where_traded(expected, CLOSE), atol=1e-10)


def test_the_scale_agrees_with_the_untruncated_mean_of_pandas() -> None:
    variance = (RETURN**2).ewm(alpha=0.06, adjust=True, min_periods=20).mean()
    np.testing.assert_allclose(ewma_volatility(BARS), np.sqrt(variance.to_numpy()), rtol=1e-6)


def test_the_scale_needs_twenty_returns() -> None:
    scale = ewma_volatility(Bars.of(panel_of(close=CLOSE[:, :1])))
    assert np.isnan(scale[:20]).all()
    assert np.isfinite(scale[20:]).all()


def test_a_price_that_never_moved_has_no_scale() -> None:
    assert np.isnan(ewma_volatility(Bars.of(panel_of(close=np.full((50, 1), 3.0))))).all()
