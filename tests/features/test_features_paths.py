"""The features of paths, candles and volume paths against pandas."""

import numpy as np
import pandas as pd
import pytest
from feature_worlds import bridged, logarithms, panel_of, random_fields, where_traded

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.library import choose, compute, discover
from quantdesk.features.paths import WINDOWS

FIELDS = random_fields(n_times=200)
CLOSE = FIELDS["close"]
BARS = Bars.of(panel_of(**FIELDS))
NAMES, _ = choose(("*",), ("open", "high", "low", "close", "volume"))
KNOWN = discover()
PRICE, HIGH, LOW, OPEN = (bridged(FIELDS[name], CLOSE) for name in ("close", "high", "low", "open"))
RETURN = logarithms(PRICE).diff()
VOLUME = pd.DataFrame(FIELDS["volume"]).where(np.isfinite(CLOSE), PRICE * 0.0)
every_window = pytest.mark.parametrize("window", WINDOWS)


def agrees(name: str, expected: pd.DataFrame | Float64, tolerance: float = 1e-9) -> None:
    """Compare a feature with an independent computation on bars that traded."""
    values = where_traded(expected, CLOSE)
    np.testing.assert_allclose(
        KNOWN[name].compute(BARS), np.where(np.isinf(values), np.nan, values), atol=tolerance, rtol=1e-9, err_msg=name
    )


def by_window(frame: pd.DataFrame, window: int, function: object) -> pd.DataFrame:
    return frame.rolling(window).apply(function, raw=True)  # type: ignore[arg-type]


@every_window
def test_levels_of_the_path_agree_with_pandas(window: int) -> None:
    rolling = PRICE.rolling(window)
    agrees(f"past_price_{window}", PRICE.shift(window) / PRICE)
    agrees(f"mean_price_{window}", rolling.mean() / PRICE)
    agrees(f"deviation_{window}", rolling.std() / PRICE)
    agrees(f"upper_quantile_{window}", rolling.quantile(0.8) / PRICE)
    agrees(f"lower_quantile_{window}", rolling.quantile(0.2) / PRICE)
    agrees(f"place_{window}", 2.0 * (rolling.rank() - 1.0) / (window - 1.0) - 1.0)


@every_window
def test_the_line_through_closes_is_that_of_a_polynomial_fit(window: int) -> None:
    at = np.arange(window, dtype=np.float64)

    def residual(rows: Float64) -> float:
        return float(rows[-1] - np.polyval(np.polyfit(at, rows, 1), window - 1))

    agrees(f"slope_{window}", by_window(PRICE, window, lambda rows: np.polyfit(at, rows, 1)[0]) / PRICE)
    agrees(f"residual_{window}", by_window(PRICE, window, residual) / PRICE)
    agrees(f"fit_{window}", by_window(PRICE, window, lambda rows: np.corrcoef(at, rows)[0, 1] ** 2), 1e-8)


@every_window
def test_extremes_and_their_ages_agree_with_pandas(window: int) -> None:
    top, bottom = HIGH.rolling(window).max(), LOW.rolling(window).min()
    since_high = by_window(HIGH, window, lambda rows: np.argmax(rows[::-1])) / window
    since_low = by_window(LOW, window, lambda rows: np.argmin(rows[::-1])) / window
    agrees(f"highest_{window}", top / PRICE)
    agrees(f"lowest_{window}", bottom / PRICE)
    agrees(f"rsv_{window}", (PRICE - bottom) / (top - bottom))
    agrees(f"since_high_{window}", since_high)
    agrees(f"since_low_{window}", since_low)
    agrees(f"low_to_high_{window}", since_low - since_high)


@every_window
def test_shares_of_rises_and_gains_agree_with_pandas(window: int) -> None:
    change = PRICE.diff()
    up, down = ((sign * change > 0).where(change.notna()).astype(float).rolling(window).mean() for sign in (1, -1))
    gain, loss = ((sign * change).clip(lower=0).rolling(window).sum() for sign in (1, -1))
    agrees(f"rising_{window}", up)
    agrees(f"falling_{window}", down)
    agrees(f"rising_balance_{window}", up - down)
    agrees(f"gain_share_{window}", gain / (gain + loss))
    agrees(f"loss_share_{window}", loss / (gain + loss))
    agrees(f"gain_balance_{window}", (gain - loss) / (gain + loss))


@every_window
def test_volume_paths_agree_with_pandas(window: int) -> None:
    rolling, change = VOLUME.rolling(window), VOLUME.diff()
    gain, loss = ((sign * change).clip(lower=0).rolling(window).sum() for sign in (1, -1))
    turmoil = (PRICE / PRICE.shift(1) - 1).abs() * VOLUME
    agrees(f"volume_mean_{window}", rolling.mean() / VOLUME)
    agrees(f"volume_deviation_{window}", rolling.std() / VOLUME)
    agrees(f"volume_gain_share_{window}", gain / (gain + loss))
    agrees(f"volume_loss_share_{window}", loss / (gain + loss))
    agrees(f"volume_gain_balance_{window}", (gain - loss) / (gain + loss))
    agrees(f"volume_weighted_volatility_{window}", turmoil.rolling(window).std() / turmoil.rolling(window).mean(), 1e-7)


@every_window
def test_correlations_of_price_and_volume_agree_with_pandas(window: int) -> None:
    positive = logarithms(VOLUME.where(VOLUME > 0))
    agrees(f"price_volume_correlation_{window}", PRICE.rolling(window).corr(positive), 1e-7)
    agrees(f"change_correlation_{window}", RETURN.rolling(window).corr(positive.diff()), 1e-7)


def test_candles_agree_with_their_definitions() -> None:
    extent, body = HIGH - LOW, PRICE - OPEN
    upper, lower = HIGH - OPEN.where(OPEN > PRICE, PRICE), OPEN.where(OPEN < PRICE, PRICE) - LOW
    shift = 2 * PRICE - HIGH - LOW
    for name, part in {"body": body, "upper_shadow": upper, "lower_shadow": lower, "close_shift": shift}.items():
        agrees(name, part / OPEN)
        agrees(f"{name}_share", part / extent)
    agrees("bar_range", extent / OPEN)
    for name, price in {"open": OPEN, "high": HIGH, "low": LOW, "typical": (HIGH + LOW + PRICE) / 3}.items():
        agrees(f"{name}_to_close", price / PRICE)


def test_a_window_of_equal_closes_lies_in_the_middle_of_itself() -> None:
    still = Bars.of(panel_of(close=np.full((60, 1), 3.7)))
    values = {name: KNOWN[name].compute(still)[-1, 0] for name in ("place_20", "fit_20", "slope_20", "residual_20")}
    assert values == {"place_20": 0.0, "fit_20": 0.0, "slope_20": 0.0, "residual_20": pytest.approx(0.0, abs=1e-15)}


def test_a_straight_line_is_fitted_whole() -> None:
    rising = Bars.of(panel_of(close=np.linspace(100.0, 159.0, 60)[:, None]))
    assert KNOWN["fit_30"].compute(rising)[-1, 0] == pytest.approx(1.0, abs=1e-12)
    assert KNOWN["slope_30"].compute(rising)[-1, 0] == pytest.approx(1.0 / 159.0, abs=1e-12)


def test_the_table_holds_at_least_158_features_of_daily_bars_each_a_formula() -> None:
    table = compute(NAMES, BARS)
    assert len(NAMES) >= 158
    assert table.shape == (*CLOSE.shape, len(NAMES))
    assert np.isfinite(table).mean() > 0.5
