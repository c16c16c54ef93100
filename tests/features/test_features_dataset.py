"""Features and labels brought together."""

import numpy as np
import pytest
from feature_worlds import panel_of, random_fields, same_bits, with_events

from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import StrategyError
from quantdesk.features.dataset import available, bars_needed, build
from quantdesk.features.labels import forward_returns
from quantdesk.features.library import discover
from quantdesk.features.scale import SCALE_LOOKBACK, ewma_volatility

PANEL = panel_of(**with_events(random_fields()))


def test_a_dataset_holds_features_labels_spans_and_scale_of_the_panel() -> None:
    dataset = build(PANEL, ("return_5", "rsi_*"), (1, 5))
    labels, begins, ends = forward_returns(PANEL, (1, 5))
    assert dataset.feature_names == ("return_5", "rsi_2", "rsi_14")
    assert dataset.needs_scaling.tolist() == [True, False, False]
    assert dataset.horizons == (1, 5)
    assert dataset.symbols == PANEL.symbols
    assert same_bits(dataset.labels, labels)
    assert dataset.begins.tolist() == begins.tolist()
    assert dataset.ends.tolist() == ends.tolist()
    assert same_bits(dataset.scale, ewma_volatility(Bars.of(PANEL)))
    column = discover()["rsi_14"].compute(Bars.of(PANEL)).astype(np.float32)
    assert np.array_equal(dataset.features[:, :, 2], column, equal_nan=True)


def test_a_forecast_may_be_made_where_traded_with_a_scale_and_half_of_the_features() -> None:
    dataset = build(PANEL, ("return_1", "ma_distance_180"), (1,))
    is_traded = np.isfinite(PANEL.fields["close"])
    assert not dataset.is_valid[~is_traded].any()
    assert not dataset.is_valid[:20].any()
    assert dataset.is_valid[25, 0]  # one feature of two is there
    assert not build(PANEL, ("return_1", "ma_distance_90", "ma_distance_180"), (1,)).is_valid[25, 0]


def test_features_the_panel_cannot_give_are_left_out_and_named() -> None:
    panel = panel_of(close=random_fields()["close"])
    names, left_out = available(panel, ("return_1", "atr_14"))
    assert (names, left_out) == (("return_1",), ("atr_14",))
    assert build(panel, ("return_1", "atr_14"), (1,)).feature_names == names


def test_a_panel_that_can_give_none_of_the_features_is_refused_with_their_names() -> None:
    panel = panel_of(close=random_fields()["close"])
    with pytest.raises(StrategyError, match="atr_14"):
        build(panel, ("atr_14",), (1,))


def test_the_last_row_of_a_cut_panel_is_the_row_of_the_whole() -> None:
    plain = panel_of(**random_fields())
    needed = bars_needed(plain, ("*",))
    assert needed == max(SCALE_LOOKBACK, discover()["macd_histogram"].lookback)
    whole = build(plain, ("*",), (1,))
    for t in (needed, 419):
        cut = build(plain.rows(t - needed + 1, t + 1), ("*",), (1,))
        assert np.array_equal(cut.features[-1], whole.features[t], equal_nan=True)
        assert same_bits(cut.scale[-1], whole.scale[t])
        assert cut.is_valid[-1].tolist() == whole.is_valid[t].tolist()


def test_no_forecast_is_made_for_an_instrument_outside_the_universe() -> None:
    member = np.ones(PANEL.shape)
    member[300:, 0], member[:200, 2], member[350, 5] = 0.0, np.nan, np.nan
    fields = {**PANEL.fields, "member": member}
    inside, anywhere = (build(panel_of(**one), ("return_5",), (1,)) for one in (fields, dict(PANEL.fields)))
    assert inside.is_valid.tolist() == (anywhere.is_valid & (member == 1.0)).tolist()
    assert (anywhere.is_valid & (member != 1.0)).sum() > 200
    assert inside.feature_names == anywhere.feature_names
    assert same_bits(inside.labels, anywhere.labels)
