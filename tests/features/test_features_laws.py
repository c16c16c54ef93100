"""What every feature of the folder owes: exactly its lookback, nothing of the future, no level."""

import pickle
from functools import cache

import numpy as np
import pytest
from feature_worlds import PRICES, TRADED_BY_INSIDERS, panel_of, random_fields, same_bits, with_events, with_facts

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.features.columns import BRIDGE
from quantdesk.features.library import discover
from quantdesk.features.scale import SCALE_LOOKBACK, ewma_volatility

# 124 and 209 follow halts; 366 is the row before the longest lookback is complete.
MOMENTS = (0, 5, 61, 124, 150, 209, 213, 300, 366, 380, 419)
FEATURES = [
    *discover().values(),
    Feature("scale", lambda bars: np.where(bars.is_traded, ewma_volatility(bars), np.nan), SCALE_LOOKBACK, "test"),
]
every_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)


def _fields() -> dict[str, Float64]:
    return with_facts(random_fields())


@cache
def _plain() -> Panel:
    return panel_of(**_fields())


@cache
def _eventful() -> Panel:
    return panel_of(**with_events(_fields()))


@cache
def _bars(panel: Panel) -> Bars:
    return Bars.of(panel)


def _cut(feature: Feature, panel: Panel, t: int, lookback: int) -> Float64:
    return np.asarray(feature.compute(Bars.of(panel.rows(max(0, t - lookback + 1), t + 1)))[-1])


@every_feature
def test_a_panel_cut_to_the_lookback_gives_the_same_bits(feature: Feature) -> None:
    whole = feature.compute(_bars(_plain()))
    assert np.isfinite(whole[-1, 0])
    for t in MOMENTS:
        assert same_bits(whole[t], _cut(feature, _plain(), t, feature.lookback)), f"differs at row {t}"


@every_feature
@pytest.mark.parametrize("inside", [0, 1])
def test_a_halt_at_the_edge_of_the_lookback_gives_the_same_bits(feature: Feature, inside: int) -> None:
    fields, t = _fields(), 419
    start = t - feature.lookback + 1 + inside
    for name in PRICES:
        fields[name][start : start + BRIDGE, 0] = np.nan
    panel = panel_of(**fields)
    assert same_bits(feature.compute(Bars.of(panel))[t], _cut(feature, panel, t, feature.lookback))


@every_feature
def test_splits_and_dividends_before_the_lookback_change_nothing_but_rounding(feature: Feature) -> None:
    whole = feature.compute(_bars(_eventful()))
    for t in MOMENTS:
        cut = _cut(feature, _eventful(), t, feature.lookback)
        np.testing.assert_allclose(cut, whole[t], rtol=1e-9, atol=1e-11)


@every_feature
def test_the_declared_lookback_is_not_twice_what_is_read(feature: Feature) -> None:
    bars_read = feature.lookback - BRIDGE
    if bars_read == 1:
        return
    whole = feature.compute(_bars(_plain()))
    assert any(not same_bits(whole[t], _cut(feature, _plain(), t, bars_read // 2)) for t in MOMENTS)
    assert feature.lookback <= 400


@every_feature
def test_poison_in_the_future_changes_no_value_up_to_now(feature: Feature) -> None:
    whole = feature.compute(_bars(_eventful()))
    draw = np.random.default_rng(9)
    for t in (124, 300, 400):
        fields = {name: values.copy() for name, values in _eventful().fields.items()}
        for name, values in fields.items():
            poison = (0.5, 2.0) if name == "split" else (0.5, 900.0)
            values[t + 1 :] = draw.uniform(*poison, values[t + 1 :].shape)
        poisoned = feature.compute(Bars.of(panel_of(**fields)))
        assert same_bits(poisoned[: t + 1], whole[: t + 1])


@every_feature
def test_a_value_is_given_on_traded_bars_only_and_is_finite(feature: Feature) -> None:
    bars = _bars(_plain())
    values = feature.compute(bars)
    assert values.shape == bars.close.shape
    assert np.isnan(values[~bars.is_traded]).all()
    assert not np.isinf(values).any()


@every_feature
def test_no_feature_depends_on_the_level_of_prices_or_volumes(feature: Feature) -> None:
    fields = _fields()
    for name in PRICES:
        fields[name] *= 1000.0 if name == "volume" else 0.01
    for name in TRADED_BY_INSIDERS:
        fields[name] *= 1000.0
    rescaled = feature.compute(Bars.of(panel_of(**fields)))
    np.testing.assert_allclose(rescaled, feature.compute(_bars(_plain())), rtol=1e-8, atol=1e-10)


@every_feature
def test_a_split_leaves_no_trace(feature: Feature) -> None:
    fields = with_events(_fields())
    fields.pop("dividend")
    np.testing.assert_allclose(
        feature.compute(Bars.of(panel_of(**fields))), feature.compute(_bars(_plain())), rtol=1e-8, atol=1e-10
    )


@every_feature
def test_unit_features_are_of_order_one(feature: Feature) -> None:
    if feature.scaling == "unit":
        values = feature.compute(_bars(_plain()))
        assert np.nanmax(np.abs(values)) <= 1.0


@every_feature
def test_the_fields_declared_are_enough(feature: Feature) -> None:
    fields = {name: values for name, values in _fields().items() if name in feature.needs}
    assert np.isfinite(feature.compute(Bars.of(panel_of(**fields)))[-1, 0])


@every_feature
def test_the_fields_declared_are_needed(feature: Feature) -> None:
    for absent in set(feature.needs) - {"close"}:
        fields = {name: values for name, values in _fields().items() if name != absent}
        values = feature.compute(Bars.of(panel_of(**fields)))
        full = feature.compute(_bars(_plain()))
        assert not same_bits(values, full), f"{absent} is not read"


@every_feature
def test_a_price_that_stands_still_gives_no_infinity_and_no_warning(feature: Feature) -> None:
    still = panel_of(**{name: np.full((400, 2), 10.0) for name in PRICES})
    assert not np.isinf(feature.compute(Bars.of(still))).any()


@every_feature
def test_one_row_and_an_instrument_never_seen_give_nothing_but_do_not_fail(feature: Feature) -> None:
    values = feature.compute(Bars.of(_plain().rows(0, 1)))
    assert values.shape == (1, 6)
    never = {name: np.full((30, 1), np.nan) for name in PRICES}
    assert np.isnan(feature.compute(Bars.of(panel_of(**never)))).all()


def test_every_declared_feature_survives_pickling() -> None:
    for feature in discover().values():
        again = pickle.loads(pickle.dumps(feature))
        assert same_bits(again.compute(_bars(_plain())), feature.compute(_bars(_plain())))
