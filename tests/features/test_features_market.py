"""Breadth, beta, z-scores and neutral features against numpy and pandas."""

import numpy as np
import pandas as pd
from feature_worlds import bridged, in_sectors, logarithms, panel_of, random_fields, where_traded

from quantdesk.domain.arrays import Float64
from quantdesk.features import cross_section
from quantdesk.features.library import choose, discover
from quantdesk.features.surroundings import bars_of, fields_of

FIELDS = random_fields(n_times=330)
CLOSE = FIELDS["close"]
PANEL = in_sectors(panel_of(**FIELDS))
BARS = bars_of(PANEL)
PRICE = bridged(CLOSE, CLOSE)
RETURN = logarithms(PRICE).diff()
IS_TRADED = np.isfinite(CLOSE)
MARKET = pd.Series(RETURN.where(IS_TRADED).mean(axis=1))


def _computed(name: str) -> Float64:
    return discover()[name].compute(BARS)


def _everywhere(values: "pd.Series[float]") -> Float64:
    return np.where(IS_TRADED, values.to_numpy()[:, None], np.nan)


def test_breadth_is_the_share_of_traded_instruments_above_their_mean() -> None:
    mean = PRICE.rolling(50).mean()
    is_known = IS_TRADED & mean.notna().to_numpy()
    above = pd.DataFrame(np.where(is_known, PRICE.to_numpy() > mean.to_numpy() * (1 + 1e-15), np.nan))
    np.testing.assert_allclose(_computed("breadth_50"), _everywhere(above.mean(axis=1)), atol=1e-12)


def test_advances_less_declines_and_their_mean_over_ten_bars() -> None:
    share = pd.Series(np.sign(RETURN.where(IS_TRADED)).mean(axis=1))
    np.testing.assert_allclose(_computed("advance_decline"), _everywhere(share), atol=1e-12)
    np.testing.assert_allclose(_computed("advance_decline_10"), _everywhere(share.rolling(10).mean()), atol=1e-12)


def test_the_market_is_the_mean_return_and_its_regimes_are_ratios() -> None:
    np.testing.assert_allclose(_computed("market_return_20"), _everywhere(MARKET.rolling(20).sum()), atol=1e-12)
    month, year = MARKET.rolling(20).std(), MARKET.rolling(250).std()
    np.testing.assert_allclose(_computed("market_volatility_20"), _everywhere(month), atol=1e-12)
    np.testing.assert_allclose(_computed("market_volatility_regime"), _everywhere(month / year), atol=1e-9)
    trend = MARKET.rolling(200).sum() / (MARKET.rolling(200).std() * np.sqrt(200))
    np.testing.assert_allclose(_computed("market_trend_regime"), _everywhere(trend), atol=1e-9)


def test_beta_and_what_it_leaves_agree_with_pandas() -> None:
    market = pd.DataFrame(np.repeat(MARKET.to_numpy()[:, None], CLOSE.shape[1], axis=1))
    beta = RETURN.rolling(60).cov(market) / market.rolling(60).var()
    correlation = RETURN.rolling(60).corr(market)
    np.testing.assert_allclose(_computed("beta_60"), where_traded(beta, CLOSE), atol=1e-9)
    np.testing.assert_allclose(_computed("market_correlation_60"), where_traded(correlation, CLOSE), atol=1e-8)
    own = RETURN.rolling(60).std() * np.sqrt(1 - correlation**2)
    np.testing.assert_allclose(_computed("own_volatility_60"), where_traded(own, CLOSE), atol=1e-8)


def test_a_score_is_in_standard_deviations_of_the_row_and_cut_at_three() -> None:
    values = _computed("return_5")
    expected = (values - np.nanmean(values[300])) / np.nanstd(values[300])
    np.testing.assert_allclose(_computed("return_5_score")[300], np.clip(expected[300], -3, 3), atol=1e-10)
    wild = np.array([[0.0] * 20 + [1000.0]])
    assert cross_section.score(wild)[0, -1] == 3.0


def test_a_sector_mean_is_taken_out_and_a_lone_member_has_none() -> None:
    values = np.array([[1.0, 2.0, 5.0, 9.0, 4.0]])
    groups = np.array([[0.0, 0.0, 1.0, np.nan, 0.0]])
    np.testing.assert_allclose(cross_section.within_group(values, groups), [[-4 / 3, -1 / 3, np.nan, np.nan, 5 / 3]])
    mean = np.nanmean(_computed("return_20_in_sector")[300, ::2])
    assert abs(mean) < 1e-15


def test_what_beta_explains_is_taken_out() -> None:
    beta, values = _computed("beta_60"), _computed("return_20")
    left = _computed("return_20_beyond_beta")
    row = np.isfinite(beta[300]) & np.isfinite(values[300])
    line = np.polyval(np.polyfit(beta[300, row], values[300, row], 1), beta[300, row])
    np.testing.assert_allclose(left[300, row], values[300, row] - line, atol=1e-10)


def test_without_sectors_the_features_within_them_are_left_out() -> None:
    _, left_out = choose(("return_20_*",), fields_of(panel_of(**FIELDS)))
    assert left_out == ("return_20_in_sector",)
    assert choose(("return_20_*",), fields_of(PANEL))[1] == ()
