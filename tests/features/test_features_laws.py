"""What every feature of the folder owes: exactly its lookback, nothing of the future, no level."""

import pickle
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pytest
from feature_worlds import PRICES, TRADED_BY_INSIDERS, in_sectors, panel_of, random_fields, same_bits, with_events, with_facts

from quantdesk.domain.arrays import Float32, Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.features.columns import BRIDGE
from quantdesk.features.evaluate import Formula, evaluate
from quantdesk.features.library import discover
from quantdesk.features.scale import SCALE_LOOKBACK, ewma_volatility
from quantdesk.features.surroundings import bars_of

# 124 and 209 follow halts; 366 is the row before the longest lookback is complete.
MOMENTS = (5, 124, 209, 366, 419)
SCALE = Feature("scale", lambda bars: np.where(bars.is_traded, ewma_volatility(bars), np.nan), SCALE_LOOKBACK, "test")
FEATURES = {name: one for name, one in {**discover(), "scale": SCALE}.items() if "session" not in one.needs}
Values = Mapping[str, Float64]


def computed(features: Mapping[str, Feature], bars: Bars) -> Values:
    """Compute features together, the formulas in one run, as a library does."""
    formulas = {name: one.compute.column for name, one in features.items() if isinstance(one.compute, Formula)}
    out, table = np.empty((len(formulas), *bars.close.shape)), np.empty((*bars.close.shape, 0), np.float32)
    evaluate((), tuple(formulas.values()), bars, table, out)
    rest = {name: np.asarray(one.compute(bars)) for name, one in features.items() if name not in formulas}
    return {**dict(zip(formulas, out, strict=True)), **rest}


def failing(check: Callable[[str], bool], features: Mapping[str, Feature] = FEATURES) -> list[str]:
    """Name the features for which a check does not hold."""
    return [name for name in features if not check(name)]


def close(one: Float64, other: Float64, relative: float, absolute: float) -> bool:
    return bool(np.allclose(one, other, rtol=relative, atol=absolute, equal_nan=True))


def _fields() -> dict[str, Float64]:
    return with_facts(random_fields())


@cache
def _plain() -> Panel:
    return in_sectors(panel_of(**_fields()))


@cache
def _eventful() -> Panel:
    return in_sectors(panel_of(**with_events(_fields())))


@cache
def _whole(panel: Panel) -> Values:
    return computed(FEATURES, bars_of(panel))


def _of(fields: dict[str, Float64]) -> Values:
    return computed(FEATURES, bars_of(in_sectors(panel_of(**fields))))


def _cut(panel: Panel, t: int, lookback: Callable[[Feature], int]) -> Values:
    # Features of one lookback are computed together.
    found: dict[str, Float64] = {}
    for rows in {lookback(one) for one in FEATURES.values()}:
        chosen = {name: one for name, one in FEATURES.items() if lookback(one) == rows}
        values = computed(chosen, bars_of(panel.rows(max(0, t - rows + 1), t + 1)))
        found |= {name: value[-1] for name, value in values.items()}
    return found


def test_every_feature_is_known_at_the_end_of_a_long_history() -> None:
    assert len(FEATURES) > 250
    assert failing(lambda name: bool(np.isfinite(_whole(_plain())[name][-1, 0]))) == []


@pytest.mark.parametrize("t", MOMENTS)
def test_a_panel_cut_to_the_lookback_gives_the_same_bits(t: int) -> None:
    cut = _cut(_plain(), t, lambda one: one.lookback)
    assert failing(lambda name: same_bits(_whole(_plain())[name][t], cut[name])) == []


@pytest.mark.parametrize("inside", [0, 1])
def test_a_halt_at_the_edge_of_the_lookback_gives_the_same_bits(inside: int) -> None:
    t = 419
    for rows in sorted({one.lookback for one in FEATURES.values()})[::6]:
        fields = _fields()
        for name in PRICES:
            fields[name][t - rows + 1 + inside : t - rows + 1 + inside + BRIDGE, 0] = np.nan
        panel = in_sectors(panel_of(**fields))
        chosen = {name: one for name, one in FEATURES.items() if one.lookback == rows}
        whole = computed(chosen, bars_of(panel))
        cut = computed(chosen, bars_of(panel.rows(t - rows + 1, t + 1)))
        assert failing(lambda name, whole=whole, cut=cut: same_bits(whole[name][t], cut[name][-1]), chosen) == []  # type: ignore[misc]


@pytest.mark.parametrize("t", MOMENTS)
def test_splits_and_dividends_before_the_lookback_change_nothing_but_rounding(t: int) -> None:
    cut = _cut(_eventful(), t, lambda one: one.lookback)
    assert failing(lambda name: close(cut[name], _whole(_eventful())[name][t], 1e-9, 1e-11)) == []


def test_the_declared_lookback_is_not_twice_what_is_read() -> None:
    whole = _whole(_plain())
    halves = {t: _cut(_plain(), t, lambda one: max(1, (one.lookback - BRIDGE) // 2)) for t in MOMENTS}
    long = {name: one for name, one in FEATURES.items() if one.lookback > BRIDGE + 1}
    assert failing(lambda name: any(not same_bits(whole[name][t], halves[t][name]) for t in MOMENTS), long) == []
    assert max(one.lookback for one in FEATURES.values()) <= 400


@pytest.mark.parametrize("t", [124, 300, 400])
def test_poison_in_the_future_changes_no_value_up_to_now(t: int) -> None:
    draw = np.random.default_rng(9)
    fields = {name: values.copy() for name, values in _eventful().fields.items()}
    for name, values in fields.items():
        poison = (0.5, 2.0) if name == "split" else (0.5, 900.0)
        values[t + 1 :] = draw.uniform(*poison, values[t + 1 :].shape)
    poisoned = _of(fields)
    assert failing(lambda name: same_bits(poisoned[name][: t + 1], _whole(_eventful())[name][: t + 1])) == []


def test_a_value_is_given_on_traded_bars_only_and_is_finite() -> None:
    is_traded = np.isfinite(_plain().fields["close"])
    for name, values in _whole(_plain()).items():
        assert values.shape == is_traded.shape
        assert np.isnan(values[~is_traded]).all(), name
        assert not np.isinf(values).any(), name


def test_no_feature_depends_on_the_level_of_prices_or_volumes() -> None:
    fields = _fields()
    for name in PRICES:
        fields[name] *= 1000.0 if name == "volume" else 0.01
    for name in TRADED_BY_INSIDERS:
        fields[name] *= 1000.0
    rescaled = _of(fields)
    assert failing(lambda name: close(rescaled[name], _whole(_plain())[name], 1e-8, 1e-10)) == []


def test_a_split_leaves_no_trace() -> None:
    fields = with_events(_fields())
    fields.pop("dividend")
    split = _of(fields)
    assert failing(lambda name: close(split[name], _whole(_plain())[name], 1e-8, 1e-10)) == []


def test_unit_features_are_of_order_one() -> None:
    unit = {name: one for name, one in FEATURES.items() if one.scaling == "unit"}
    assert failing(lambda name: bool(np.nanmax(np.abs(_whole(_plain())[name])) <= 1.0), unit) == []


def test_the_fields_declared_are_enough() -> None:
    for needs in {one.needs for one in FEATURES.values()}:
        chosen = {name: one for name, one in FEATURES.items() if one.needs == needs}
        panel = in_sectors(panel_of(**{name: values for name, values in _fields().items() if name in needs}))
        values = computed(chosen, bars_of(panel))
        assert failing(lambda name, values=values: bool(np.isfinite(values[name][-1, 0])), chosen) == []  # type: ignore[misc]


def test_the_fields_declared_are_needed() -> None:
    for absent in {need for one in FEATURES.values() for need in one.needs} - {"close", "sector"}:
        chosen = {name: one for name, one in FEATURES.items() if absent in one.needs}
        panel = panel_of(**{name: values for name, values in _fields().items() if name != absent})
        values = computed(chosen, bars_of(in_sectors(panel)))
        check = lambda name, values=values: not same_bits(values[name], _whole(_plain())[name])  # noqa: E731
        assert failing(check, chosen) == [], f"{absent} is not read"


def test_a_price_that_stands_still_gives_no_infinity_and_no_warning() -> None:
    still = panel_of(**{name: np.full((400, 4), 10.0) for name in PRICES})
    assert not any(np.isinf(values).any() for values in computed(FEATURES, bars_of(still)).values())


def test_one_row_and_an_instrument_never_seen_give_nothing_but_do_not_fail() -> None:
    for name, values in computed(FEATURES, bars_of(_plain().rows(0, 1))).items():
        assert values.shape == (1, 6), name
    never = {name: np.full((30, 1), np.nan) for name in PRICES}
    assert all(np.isnan(values).all() for values in computed(FEATURES, bars_of(panel_of(**never))).values())


def test_every_declared_feature_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(FEATURES["return_5_rank"]))
    assert same_bits(again.compute(bars_of(_plain())), _whole(_plain())["return_5_rank"])
    copies = pickle.loads(pickle.dumps({name: one for name, one in FEATURES.items() if name != "scale"}))
    values = computed(copies, bars_of(_plain()))
    assert failing(lambda name: same_bits(values[name], _whole(_plain())[name]), copies) == []


def test_a_feature_of_the_table_is_the_same_alone_and_in_any_block_of_instruments() -> None:
    wide = random_fields(n_times=120, n_instruments=70, seed=3)
    bars = bars_of(panel_of(**wide))
    chosen = {name: FEATURES[name] for name in ("place_20", "fit_60", "rsi_14", "since_high_30", "yang_zhang_20")}
    together = computed(chosen, bars)
    for name, one in chosen.items():
        part = bars_of(panel_of(**{field: values[:, 33:41] for field, values in wide.items()}))
        assert same_bits(together[name], np.asarray(one.compute(bars)))
        assert same_bits(together[name][:, 33:41], np.asarray(one.compute(part)))
        table: Float32 = np.empty((*bars.close.shape, 1), np.float32)
        assert isinstance(one.compute, Formula)
        evaluate((one.compute.column,), (), bars, table, np.empty((0, *bars.close.shape)))
        assert same_bits(table[:, :, 0], together[name].astype(np.float32))
