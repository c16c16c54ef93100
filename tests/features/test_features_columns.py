"""The shared columns: bridged gaps, and memory that goes with the bars."""

import gc
import weakref

import numpy as np
from feature_worlds import panel_of

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features import columns, quotes
from quantdesk.features.evaluate import Formula

nan = np.nan


def test_a_short_gap_is_bridged_with_the_last_close_no_range_and_no_volume() -> None:
    bars = Bars.of(
        panel_of(
            high=[[11.0], [nan], [13.0]], low=[[9.0], [nan], [11.0]], close=[[10.0], [nan], [12.0]], volume=[[5], [nan], [7]]
        )
    )
    assert columns.close(bars)[:, 0].tolist() == [10.0, 10.0, 12.0]
    assert Formula(quotes.HIGH.lag(1) * 1.0)(bars)[2, 0] == Formula(quotes.LOW.lag(1) * 1.0)(bars)[2, 0] == 10.0
    assert Formula(quotes.CLOSE.lag(1) * 1.0)(bars)[2, 0] == 10.0
    assert Formula(quotes.VOLUME.lag(1) * 1.0)(bars)[2, 0] == 0.0
    assert columns.volume(bars)[:, 0].tolist() == [5.0, 0.0, 7.0]
    assert columns.returns(bars)[1:, 0].tolist() == [0.0, float(np.log(12.0 / 10.0))]


def test_a_price_older_than_the_bridge_is_no_price() -> None:
    close = np.full((columns.BRIDGE + 4, 1), nan)
    close[1] = 10.0
    bridged = columns.close(Bars.of(panel_of(close=close)))[:, 0]
    assert np.isfinite(bridged).tolist() == [False] + [True] * (columns.BRIDGE + 1) + [False, False]


def test_a_shared_column_is_computed_once_for_each_bars_and_argument() -> None:
    calls: list[int] = []

    @columns.shared
    def counted(bars: Bars, window: int) -> Float64:
        calls.append(window)
        return bars.close * window

    one, other = (Bars.of(panel_of(close=[[level]])) for level in (1.0, 2.0))
    assert counted(one, 3)[0, 0] == counted(one, window=3)[0, 0] == 3.0
    assert counted(one, 4)[0, 0] == 4.0
    assert counted(other, 3)[0, 0] == 6.0
    assert calls == [3, 4, 3]


def test_shared_columns_are_forgotten_with_their_bars() -> None:
    bars = Bars.of(panel_of(close=[[1.0], [2.0]]))
    column = weakref.ref(columns.returns(bars))
    assert column() is not None
    del bars
    gc.collect()
    assert column() is None
