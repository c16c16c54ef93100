"""Features of facts beyond prices: margins, earnings, insiders, the wider world; and volume against its means."""

from dataclasses import replace

import numpy as np
import pytest
from feature_worlds import panel_of, random_fields, same_bits

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.feature import Feature
from quantdesk.features import fundamentals, macro, relative_volume
from quantdesk.features.library import choose, discover

FEATURES = [*fundamentals.FEATURES, *macro.FEATURES, *relative_volume.FEATURES]
every_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
MOMENTS = (0, 61, 67, 68, 124, 130, 131, 209, 300, 419)
FACTS = ("revenue", "gross_profit", "operating_income", "net_income", "insider_acquired", "insider_disposed")


def _fields(n_times: int = 420, seed: int = 5) -> dict[str, Float64]:
    """Draw bars, quarterly facts that are late for one instrument, and daily series common to all."""
    draw = np.random.default_rng(seed)
    fields = random_fields(n_times)
    shape = fields["close"].shape
    quarter = np.arange(n_times) // 63
    for name in FACTS:
        fields[name] = draw.lognormal(10, 1, (quarter[-1] + 1, shape[1]))[quarter]
    for name in ("eps_reported", "eps_estimated", "eps_surprise"):
        fields[name] = draw.normal(0, 2, (quarter[-1] + 1, shape[1]))[quarter]
    for name in ("vix", *macro.YIELDS, *macro.PRICES):
        fields[name] = np.repeat(np.exp(np.cumsum(draw.normal(0, 0.02, (n_times, 1)), axis=0)), shape[1], axis=1)
    for name in set(fields) - {"open", "high", "low", "close", "volume"}:
        fields[name][:100, 5] = np.nan
    return fields


def _value(name: str, **facts: float) -> float:
    fields = {key: np.full((1, 1), value) for key, value in {"close": 10.0, **facts}.items()}
    return float(discover()[name].compute(Bars.of(panel_of(**fields)))[0, 0])


@every_feature
def test_a_panel_cut_to_the_lookback_gives_the_same_bits_of_facts(feature: Feature) -> None:
    panel = panel_of(**_fields())
    whole = feature.compute(Bars.of(panel))
    for t in MOMENTS:
        cut = Bars.of(panel.rows(max(0, t - feature.lookback + 1), t + 1))
        assert same_bits(whole[t], feature.compute(cut)[-1]), f"differs at row {t}"


@every_feature
def test_poison_in_the_future_changes_no_value_of_facts_up_to_now(feature: Feature) -> None:
    fields = _fields()
    whole = feature.compute(Bars.of(panel_of(**fields)))
    for values in fields.values():
        values[301:] = np.random.default_rng(9).uniform(0.5, 900.0, values[301:].shape)
    assert same_bits(feature.compute(Bars.of(panel_of(**fields)))[:301], whole[:301])


@every_feature
def test_a_fact_that_is_missing_is_missing_and_never_zero(feature: Feature) -> None:
    fields = _fields()
    assert np.isfinite(feature.compute(Bars.of(panel_of(**fields)))[-1, 0])
    for absent in set(feature.needs) - {"close"}:
        gone = {**fields, absent: np.where(np.arange(6) == 0, np.nan, fields[absent])}
        values = feature.compute(Bars.of(panel_of(**gone)))
        assert np.isnan(values[:, 0]).all(), f"{absent} is not read"
        assert np.isfinite(values[-1, 2])
        without = {name: values for name, values in fields.items() if name != absent}
        assert np.isnan(feature.compute(Bars.of(panel_of(**without)))).all()


@every_feature
def test_the_facts_declared_are_enough(feature: Feature) -> None:
    fields = {name: values for name, values in _fields().items() if name in feature.needs}
    assert np.isfinite(feature.compute(Bars.of(panel_of(**fields)))[-1, 0])


def test_features_of_facts_are_left_out_and_named_where_the_data_has_prices_only() -> None:
    chosen, left_out = choose(("vix", "net_margin", "relative_volume_30"), ("close", "volume"))
    assert [feature.name for feature in chosen] == ["relative_volume_30"]
    assert left_out == ("vix", "net_margin")


@pytest.mark.parametrize(
    ("name", "part"),
    [("gross_margin", "gross_profit"), ("operating_margin", "operating_income"), ("net_margin", "net_income")],
)
def test_a_margin_is_a_part_of_revenue(name: str, part: str) -> None:
    assert _value(name, revenue=200.0, **{part: 50.0}) == 0.25
    assert _value(name, revenue=1.0, **{part: -80.0}) == -1.0
    assert np.isnan(_value(name, revenue=0.0, **{part: 50.0}))
    assert np.isnan(_value(name, revenue=-5.0, **{part: 50.0}))


def test_earnings_per_share_keep_their_sign_and_are_tamed_when_large() -> None:
    assert _value("eps_reported", eps_reported=0.1) == pytest.approx(0.0998, abs=1e-4)
    assert _value("eps_reported", eps_reported=-2.0) == pytest.approx(-np.arcsinh(2.0))
    assert _value("eps_estimated", eps_estimated=1000.0) < 8
    assert _value("eps_surprise", eps_surprise=0.0) == 0.0


def test_a_surprise_in_per_cent_is_bounded_and_safe_around_zero() -> None:
    assert _value("eps_surprise_percent", eps_reported=1.1, eps_surprise=0.1) == pytest.approx(0.1 / 2.1)
    assert _value("eps_surprise_percent", eps_reported=1.0, eps_surprise=1.0) == 1.0
    assert _value("eps_surprise_percent", eps_reported=-1.0, eps_surprise=-3.0) == -1.0
    assert _value("eps_surprise_percent", eps_reported=0.01, eps_surprise=0.01) == pytest.approx(0.1)
    assert _value("eps_surprise_percent", eps_reported=0.0, eps_surprise=0.0) == 0.0


def test_the_change_is_from_the_quarter_before() -> None:
    fields = _fields()
    values = discover()["net_margin_change_63"].compute(Bars.of(panel_of(**fields)))
    margin = np.clip(fields["net_income"] / fields["revenue"], -1.0, 1.0)
    assert values[200, 0] == pytest.approx(margin[200, 0] - margin[137, 0])
    assert np.isnan(values[:63]).all()
    assert np.isnan(values[:163, 5]).all()


def test_insiders_trades_are_measured_by_a_days_volume() -> None:
    fields = {"close": np.full((63, 1), 10.0), "volume": np.full((63, 1), 1000.0), "insider_acquired": np.full((63, 1), 3000.0)}
    values = discover()["insider_acquired"].compute(Bars.of(panel_of(**fields)))
    assert values[-1, 0] == pytest.approx(np.log(4.0))
    assert np.isnan(values[:-1]).all()


def test_a_split_leaves_no_trace_in_insiders_trades_where_the_growth_of_units_is_known() -> None:
    growth = np.where(np.arange(130) < 50, 1.0, 4.0)[:, None]
    split = np.where(np.arange(130) == 50, 4.0, 1.0)[:, None]
    facts = {"close": 10.0 / growth, "volume": 1000.0 * growth, "insider_disposed": 3000.0 * growth, "split": split}
    feature, bars = discover()["insider_disposed"], Bars.of(panel_of(**facts))
    unaware = {name: values for name, values in bars.facts.items() if name != "unit_growth"}
    assert np.isnan(feature.compute(replace(bars, facts=unaware))).all()
    values = feature.compute(replace(bars, facts={**unaware, "unit_growth": growth}))
    np.testing.assert_allclose(values[62:], np.log(4.0))


def test_the_balance_of_insiders_lies_between_all_sold_and_all_bought() -> None:
    assert _value("insider_balance", insider_acquired=30.0, insider_disposed=10.0) == 0.5
    assert _value("insider_balance", insider_acquired=0.0, insider_disposed=10.0) == -1.0
    assert np.isnan(_value("insider_balance", insider_acquired=0.0, insider_disposed=0.0))


def test_the_vix_enters_by_its_logarithm_and_a_price_below_zero_is_missing() -> None:
    assert _value("vix", vix=20.0) == pytest.approx(np.log(20.0))
    assert _value("term_slope", treasury_10y=4.0, treasury_2y=4.5) == -0.5
    oil = np.exp(np.arange(64.0) / 100)[:, None]
    oil[10] = -37.0
    values = discover()["oil_wti_change_21"].compute(Bars.of(panel_of(close=np.ones((64, 1)), oil_wti=oil)))
    assert np.isnan(values[10])
    assert np.isnan(values[31])
    assert values[40, 0] == pytest.approx(0.21)


def test_wandering_series_have_no_feature_of_their_level() -> None:
    names = {feature.name for feature in macro.FEATURES}
    assert not names & {*macro.YIELDS, *macro.PRICES}
    assert {f"{name}_change_63" for name in (*macro.YIELDS, *macro.PRICES)} <= names


def test_a_change_of_yield_is_in_points() -> None:
    yields = (4.0 + np.arange(64) / 100)[:, None]
    values = discover()["treasury_5y_change_63"].compute(Bars.of(panel_of(close=np.ones((64, 1)), treasury_5y=yields)))
    assert values[-1, 0] == pytest.approx(0.63)


def test_volume_is_compared_with_its_own_mean() -> None:
    volume = np.full((7, 1), 100.0)
    volume[-1] = 800.0
    values = discover()["relative_volume_7"].compute(Bars.of(panel_of(close=np.ones((7, 1)), volume=volume)))
    assert values[-1, 0] == pytest.approx(np.log(4.0))
    volume[-1] = 0.0
    nothing = discover()["relative_volume_7"].compute(Bars.of(panel_of(close=np.ones((7, 1)), volume=volume)))
    assert np.isnan(nothing[-1, 0])
