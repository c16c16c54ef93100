"""Volume features and cross-sectional ranks."""

import numpy as np
import pandas as pd
import pytest
from feature_worlds import bridged, logarithms, panel_of, random_fields, where_traded

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.library import discover
from quantdesk.features.ranks import RANKED

FIELDS = random_fields()
CLOSE = FIELDS["close"]
BARS = Bars.of(panel_of(**FIELDS))
PRICE = bridged(CLOSE, CLOSE)
VOLUME = pd.DataFrame(FIELDS["volume"]).where(np.isfinite(CLOSE), PRICE * 0.0)


def _computed(name: str) -> Float64:
    return discover()[name].compute(BARS)


def test_the_volume_ratio_agrees_with_pandas() -> None:
    expected = where_traded(VOLUME / VOLUME.rolling(20).mean(), CLOSE)
    np.testing.assert_allclose(_computed("volume_ratio_20"), expected, atol=1e-10)


def test_the_volume_change_is_a_log_ratio_and_unknown_after_a_bar_without_volume() -> None:
    values = _computed("volume_change")
    positive = VOLUME.where(VOLUME > 0)
    np.testing.assert_allclose(values, where_traded(logarithms(positive).diff(), CLOSE), atol=1e-12)
    assert np.isnan(values[124, 2])


def test_dollar_volume_compares_a_month_with_half_a_year() -> None:
    value = VOLUME * PRICE
    expected = where_traded(logarithms(value.rolling(20).mean() / value.rolling(120).mean()), CLOSE)
    np.testing.assert_allclose(_computed("dollar_volume_20_120"), expected, atol=1e-9)


def test_illiquidity_is_the_mean_impact_times_the_mean_value_and_leaves_bars_without_volume_out() -> None:
    value = VOLUME * PRICE
    impact = logarithms(PRICE).diff().abs() / value.where(value > 0)
    expected = where_traded(impact.rolling(20, min_periods=15).mean() * value.rolling(20).mean(), CLOSE)
    np.testing.assert_allclose(_computed("illiquidity_20"), expected, atol=1e-10)


@pytest.mark.parametrize("name", RANKED)
def test_a_rank_orders_the_instruments_traded_now(name: str) -> None:
    values = pd.DataFrame(_computed(name))
    count = values.notna().sum(axis=1)
    expected = (values.rank(axis=1) - 1).div(count - 1, axis=0) - 0.5
    expected[count == 1] = expected[count == 1].fillna(0.0).where(values.notna())
    np.testing.assert_allclose(_computed(f"{name}_rank"), expected.to_numpy(), atol=1e-12)


def test_equal_instruments_share_the_middle_rank() -> None:
    close = np.random.default_rng(2).uniform(9, 11, (30, 1)) * np.ones((1, 4))
    ranks = discover()["return_5_rank"].compute(Bars.of(panel_of(close=close)))
    assert (ranks[-1] == 0.0).all()
