"""The report's charts: round ticks, kept extremes, numbers written for people."""

import numpy as np
import pytest

from quantdesk.evaluation.report.axes import Scale, time_ticks
from quantdesk.evaluation.report.charts import outline
from quantdesk.evaluation.report.wording import NOTHING, number


def test_ticks_are_round_and_inside_the_axis() -> None:
    marks = Scale.over(np.array([-0.13, 0.48])).ticks(5)
    assert [label for _, label in marks] == ["−0.1", "0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]
    assert all(0 <= place <= 1 for place, _ in marks)
    wide = Scale.over(np.array([0.5, 70.0]), is_log=True).ticks(5)
    assert [label for _, label in wide] == ["0.5", "1", "2", "5", "10", "20", "50"]


def test_time_ticks_stand_at_the_first_bar_of_a_period() -> None:
    days = np.busday_offset(np.datetime64("2018-01-02", "D"), np.arange(900), roll="forward")
    times = (days + np.timedelta64(21, "h")).astype("datetime64[ns]")
    for place, label in time_ticks(times):
        row = round(place * 899)
        assert str(times[row]).startswith(label)
        assert str(times[row - 1])[: len(label)] != label


def test_the_drawn_outline_keeps_the_extremes_of_a_long_line() -> None:
    values = np.random.default_rng(0).standard_normal(50_000)
    values[31_415], values[27_182] = 99.0, -99.0
    rows = outline(values)
    assert len(rows) <= 1202
    assert {0, 27_182, 31_415, 49_999} <= set(rows.tolist())


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-0.004, "0.00"), (float("nan"), NOTHING), (float("-inf"), NOTHING), (1234.5, "1,234.50"), (-1.0, "−1.00")],
)
def test_a_number_is_written_for_people(value: float, shown: str) -> None:
    assert number(value) == shown
