"""Return and momentum features against pandas."""

import numpy as np
import pandas as pd
import pytest
from feature_worlds import bridged, logarithms, panel_of, random_fields, where_traded

from quantdesk.domain.bars import Bars
from quantdesk.features.library import discover

FIELDS = random_fields()
CLOSE = FIELDS["close"]
BARS = Bars.of(panel_of(**FIELDS))
PRICE = bridged(CLOSE, CLOSE)
RETURN = logarithms(PRICE).diff()


@pytest.mark.parametrize("window", [1, 2, 5, 10, 20])
def test_a_return_is_the_log_ratio_of_two_closes(window: int) -> None:
    expected = where_traded(RETURN.rolling(window, min_periods=window).sum(), CLOSE)
    np.testing.assert_allclose(discover()[f"return_{window}"].compute(BARS), expected, atol=1e-12)


def test_gap_and_intraday_return_add_up_to_the_return() -> None:
    features = discover()
    total = features["overnight_gap"].compute(BARS) + features["intraday_return"].compute(BARS)
    np.testing.assert_allclose(total, features["return_1"].compute(BARS), atol=1e-12)


def test_a_dividend_is_part_of_the_overnight_gap() -> None:
    panel = panel_of(open=[[10.0], [9.0]], close=[[10.0], [9.5]], dividend=[[np.nan], [1.0]])
    gap = discover()["overnight_gap"].compute(Bars.of(panel))[1, 0]
    assert gap == pytest.approx(np.log(9.0 * (1 + 1.0 / 9.5) / 10.0), abs=1e-14)


@pytest.mark.parametrize("window", [20, 60, 120])
def test_momentum_is_the_return_over_its_volatility(window: int) -> None:
    rolling = RETURN.rolling(window, min_periods=window)
    expected = where_traded(rolling.sum() / (np.sqrt(window) * rolling.std()), CLOSE)
    np.testing.assert_allclose(discover()[f"momentum_{window}"].compute(BARS), expected, atol=1e-8)


def test_twelve_month_momentum_skips_the_last_month() -> None:
    expected = where_traded(pd.DataFrame(RETURN.rolling(231, min_periods=231).sum().shift(21)), CLOSE)
    np.testing.assert_allclose(discover()["momentum_252_21"].compute(BARS), expected, atol=1e-11)
    whole = np.log(CLOSE[-22, 0] / CLOSE[-253, 0])
    assert discover()["momentum_252_21"].compute(BARS)[-1, 0] == pytest.approx(whole, abs=1e-12)
