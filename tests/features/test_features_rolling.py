"""Windows by doubling: far levels, lines and blocks, and the cost they promise."""

import numpy as np
import pytest
from feature_worlds import panel_of

from quantdesk.domain.bars import Bars
from quantdesk.features import operations as op
from quantdesk.features import rolling
from quantdesk.features.algebra import across, given
from quantdesk.features.evaluate import Formula, evaluate, plan
from quantdesk.features.quotes import CLOSE, feature
from quantdesk.features.rolling import deviation, mean, squares, total


def test_a_level_far_above_its_spread_keeps_its_spread() -> None:
    bars = Bars.of(panel_of(close=1e8 + np.arange(40.0)[:, None]))
    assert Formula(deviation(CLOSE, 3))(bars)[-1, 0] == pytest.approx(1.0, abs=1e-12)
    assert Formula(squares(CLOSE, 37))(bars)[-1, 0] == pytest.approx(37 * (37**2 - 1) / 12, rel=1e-12)


@pytest.mark.parametrize("window", [1, 2, 3, 7, 20, 64, 231])
def test_a_sum_is_that_of_its_window_and_of_nothing_before(window: int) -> None:
    close = np.full((600, 1), 1.0)
    close[: 600 - window] = 1e15
    assert Formula(total(CLOSE, window))(Bars.of(panel_of(close=close)))[-1, 0] == window


def test_the_lookback_and_the_needs_follow_from_the_formula() -> None:
    declared = feature("x", mean(CLOSE, 20).lag(3) / across("average", given("high")), "test")
    assert declared.lookback == 20 + 3 + 5
    assert declared.needs == ("close", "high")


def _additions(*windows: int) -> int:
    steps = plan(tuple(total(CLOSE, window) for window in windows), (), 8).programs[-1].steps
    return int(np.count_nonzero(steps[:, 0] == op.ADD))


def test_windows_share_their_parts() -> None:
    alone = [_additions(window) for window in (5, 10, 20, 30, 60)]
    assert _additions(5, 10, 20, 30, 60) == alone[-1] + 1  # all but the window of 30 are parts of that of 60


def test_no_column_of_a_program_takes_the_room_of_one_still_needed() -> None:
    columns = tuple(rolling.ordered(CLOSE, window, 0.8)[0] / mean(CLOSE, window) for window in range(3, 40))
    bars = Bars.of(panel_of(close=np.exp(np.random.default_rng(3).normal(0, 0.1, (90, 40)))))
    alone = [Formula(column)(bars) for column in columns]
    together = np.empty((len(columns), *bars.close.shape))
    evaluate((), columns, bars, np.empty((*bars.close.shape, 0), np.float32), together)
    np.testing.assert_array_equal(together, np.stack(alone))
