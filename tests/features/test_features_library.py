"""Finding, choosing and computing features."""

import sys
from types import ModuleType

import numpy as np
import pytest
from feature_worlds import panel_of, random_fields

from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.feature import Feature
from quantdesk.features import volume
from quantdesk.features.library import choose, compute, discover, lookback

ALL = ("open", "high", "low", "close", "volume")


def test_the_folder_declares_over_158_features_of_daily_bars_and_some_forty_of_facts_with_sources() -> None:
    found = discover()
    of_bars = [feature for feature in found.values() if set(feature.needs) <= set(ALL)]
    assert len(of_bars) >= 158
    assert 35 <= len(found) - len(of_bars) <= 60
    assert all(feature.source and feature.name == name for name, feature in found.items())


def test_a_name_declared_twice_is_refused_with_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = Feature("rsi_14", lambda bars: bars.close, 1, "test")
    monkeypatch.setattr(volume, "FEATURES", (*volume.FEATURES, twin))
    with pytest.raises(StrategyError, match=r"'rsi_14' is declared twice, again in volume\.py"):
        discover()


def test_a_pattern_chooses_all_it_matches_and_each_feature_once_in_the_order_asked() -> None:
    features, left_out = choose(("volatility_20", "volatility_?", "volatility_*"), ALL)
    names = [feature.name for feature in features]
    assert names[:2] == ["volatility_20", "volatility_5"]
    assert set(names[2:]) == {
        *("volatility_60", "volatility_ratio_5_60", "volatility_ratio_20_250"),
        *("volatility_20_rank", "volatility_20_score", "volatility_20_beyond_beta"),
    }
    assert len(names) == 8
    assert left_out == ("volatility_20_in_sector",)


def test_features_whose_fields_are_absent_are_left_out_and_named() -> None:
    features, left_out = choose(("return_1", "atr_14", "volume_ratio*"), ("close", "volume"))
    assert [feature.name for feature in features] == ["return_1", "volume_ratio_20_rank", "volume_ratio_20"]
    assert left_out == ("atr_14",)


def test_closes_alone_give_every_feature_of_closes() -> None:
    features, left_out = choose(("*",), ("close",))
    assert len(features) + len(left_out) == len(discover())
    table = compute(features, Bars.of(panel_of(close=random_fields()["close"])))
    assert np.isfinite(table[-1, 0]).all()
    assert len(features) > 150


def test_an_unknown_name_is_refused_with_those_near_it() -> None:
    with pytest.raises(StrategyError, match="momentum_30") as refused:
        choose(("momentum_30",), ALL)
    assert "momentum_20" in refused.value.expected
    with pytest.raises(StrategyError, match="zzz"):
        choose(("return_1", "zzz_*"), ALL)


def test_computed_features_stand_in_order_as_float32_and_infinities_are_missing() -> None:
    endless = Feature("endless", lambda bars: np.full(bars.close.shape, np.inf), 1, "test")
    huge = Feature("huge", lambda bars: np.full(bars.close.shape, 1e300), 1, "test")
    level = Feature("level", lambda bars: bars.close, 1, "test")
    table = compute((endless, level, huge), Bars.of(panel_of(close=[[2.0, 3.0]])))
    assert table.dtype == np.float32
    assert table.shape == (1, 2, 3)
    assert table[0, :, 1].tolist() == [2.0, 3.0]
    assert np.isnan(table[:, :, [0, 2]]).all()


def test_the_lookback_of_many_is_the_longest() -> None:
    known = discover()
    assert lookback((known["return_1"], known["ma_distance_90"])) == known["ma_distance_90"].lookback
    assert lookback(()) == 1


def test_a_new_file_in_the_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = ModuleType("quantdesk.features.volume")
    vars(fresh)["FEATURES"] = (Feature("fresh", lambda bars: bars.close, 1, "test"),)
    monkeypatch.setitem(sys.modules, "quantdesk.features.volume", fresh)
    assert "fresh" in discover()


def test_an_own_feature_that_fails_is_named_with_its_line() -> None:
    broken = Feature("named", lambda bars: bars.symbols, 1, "mine")  # type: ignore[attr-defined]
    with pytest.raises(
        StrategyError, match=r"feature 'named': AttributeError: 'Bars' .* 'symbols' \(.*\.py, line \d+\)"
    ) as told:
        compute([broken], Bars.of(panel_of(close=[[2.0, 3.0]])))
    assert "bars.facts" in told.value.action
