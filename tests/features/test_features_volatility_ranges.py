"""Estimators of volatility from open, high, low and close, and the volume profile."""

import numpy as np
import pandas as pd
import pytest
from feature_worlds import bridged, logarithms, panel_of, random_fields, where_traded

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.library import discover

FIELDS = random_fields(n_times=200)
CLOSE = FIELDS["close"]
BARS = Bars.of(panel_of(**FIELDS))
PRICE, HIGH, LOW, OPEN = (bridged(FIELDS[name], CLOSE) for name in ("close", "high", "low", "open"))
VOLUME = pd.DataFrame(FIELDS["volume"]).where(np.isfinite(CLOSE), PRICE * 0.0)
UP, DOWN, BODY = (logarithms(part / OPEN) for part in (HIGH, LOW, PRICE))


def _computed(name: str) -> Float64:
    return discover()[name].compute(BARS)


def test_garman_klass_agrees_with_its_formula() -> None:
    term = 0.5 * logarithms(HIGH / LOW) ** 2 - (2 * np.log(2) - 1) * BODY**2
    np.testing.assert_allclose(_computed("garman_klass_20"), where_traded(term.rolling(20).mean() ** 0.5, CLOSE), atol=1e-12)


def test_rogers_satchell_and_yang_zhang_agree_with_their_formulas() -> None:
    within = (UP * (UP - BODY) + DOWN * (DOWN - BODY)).rolling(20).mean()
    np.testing.assert_allclose(_computed("rogers_satchell_20"), where_traded(within**0.5, CLOSE), atol=1e-12)
    night = logarithms(OPEN / PRICE.shift(1)).rolling(20).var()
    k = 0.34 / (1.34 + 21 / 19)
    expected = (night + k * BODY.rolling(20).var() + (1 - k) * within) ** 0.5
    np.testing.assert_allclose(_computed("yang_zhang_20"), where_traded(expected, CLOSE), atol=1e-12)


@pytest.mark.parametrize("name", ["parkinson_60", "garman_klass_60", "rogers_satchell_20", "yang_zhang_60"])
def test_an_estimator_finds_the_volatility_of_a_random_walk_without_nights(name: str) -> None:
    steps = np.random.default_rng(4).normal(0, 0.02 / np.sqrt(390), (300, 8, 390))
    path = np.cumsum(steps.transpose(0, 2, 1).reshape(300 * 390, 8), axis=0).reshape(300, 390, 8)
    opening = np.concatenate([np.zeros((1, 8)), path[:-1, -1]])
    every = np.concatenate([opening[:, None], path], axis=1)
    level = {"open": opening, "high": every.max(axis=1), "low": every.min(axis=1), "close": path[:, -1]}
    bars = Bars.of(panel_of(**{field: 10.0 * np.exp(values) for field, values in level.items()}))
    assert np.nanmean(discover()[name].compute(bars)) == pytest.approx(0.02, rel=0.06)


@pytest.mark.parametrize(("name", "factor"), [("profile_below_60", 1.0), ("profile_far_below_60", 0.95)])
def test_a_profile_is_the_share_of_volume_at_lower_closes(name: str, factor: float) -> None:
    price, volume, values = PRICE.to_numpy(), VOLUME.to_numpy(), _computed(name)
    for t in (70, 130, 199):
        rows = slice(t - 59, t + 1)
        below = np.where(price[rows] <= factor * price[t], volume[rows], 0.0).sum(axis=0) / volume[rows].sum(axis=0)
        np.testing.assert_allclose(values[t], np.where(np.isfinite(CLOSE[t]), below, np.nan), atol=1e-12)
