"""Labels by hand: splits, dividends, halts, delistings, and the first barrier touched."""

from math import exp, log

import numpy as np
import pytest
from feature_worlds import panel_of, random_fields, same_bits, with_events
from hypothesis import given, settings
from hypothesis import strategies as st

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.features.labels import TOTAL_LOSS, directions, forward_returns, triple_barrier

nan = np.nan


def _column(*values: float) -> Float64:
    return np.array(values)[:, None]


def _label(panel: Panel, t: int, horizon: int) -> float:
    return float(forward_returns(panel, (horizon,))[0][t, 0, 0])


def test_a_label_runs_from_the_next_open_to_the_open_of_its_horizon() -> None:
    panel = panel_of(open=_column(10, 11, 12, 13), close=_column(10.5, 11.5, 12.5, 13.5))
    labels, begins, ends = forward_returns(panel, (1, 2))
    assert labels[0, 0].tolist() == pytest.approx([log(12 / 11), log(13 / 11)], abs=1e-15)
    assert labels[1, 0, 0] == pytest.approx(log(13 / 12), abs=1e-15)
    assert np.isnan(labels[1, 0, 1])
    assert np.isnan(labels[2:]).all()
    assert begins.tolist() == [1, 2, 3, 4]
    assert ends.tolist() == [[2, 3], [3, 4], [4, 5], [5, 6]]


def test_without_opens_a_label_runs_from_close_to_close() -> None:
    panel = panel_of(close=_column(10, 11, 12, 13))
    assert _label(panel, 0, 2) == pytest.approx(log(13 / 11), abs=1e-15)


def test_a_split_within_the_span_is_no_loss() -> None:
    panel = panel_of(open=_column(10, 11, 6, 6.5), close=_column(10, 11, 6, 6.5), split=_column(nan, 1, 2, nan))
    assert _label(panel, 0, 2) == pytest.approx(log(2 * 6.5 / 11), abs=1e-15)
    assert _label(panel, 1, 1) == pytest.approx(log(6.5 / 6), abs=1e-15)


def test_a_dividend_is_received_by_who_held_overnight_before_its_ex_date() -> None:
    panel = panel_of(
        open=_column(10, 20, 19, 19, 21), close=_column(10, 20, 20, 20, 21), dividend=_column(nan, nan, 1, nan, nan)
    )
    assert _label(panel, 0, 1) == pytest.approx(log(19 * (1 + 1 / 20) / 20), abs=1e-15)  # sold on the ex-date
    assert _label(panel, 0, 2) == pytest.approx(log(19 * (1 + 1 / 20) / 20), abs=1e-15)
    assert _label(panel, 1, 1) == pytest.approx(log(19 / 19), abs=1e-15)  # bought on the ex-date


def test_a_holder_at_a_delisting_gets_its_proceeds() -> None:
    prices = _column(10, 12, 6, 5, nan, nan, nan)
    panel = panel_of(
        open=prices, close=prices, split=_column(1, 1, 2, 1, 1, 1, 1), delisting=_column(nan, nan, nan, nan, 3, nan, nan)
    )
    assert _label(panel, 0, 5) == pytest.approx(log(2 * 3 / 12), abs=1e-15)
    assert _label(panel, 0, 3) == pytest.approx(log(2 * 3 / 12), abs=1e-15)
    assert _label(panel, 0, 2) == pytest.approx(log(2 * 5 / 12), abs=1e-15)
    assert np.isnan(_label(panel, 3, 1))  # no price at which to enter
    assert np.isnan(_label(panel, 0, 6))  # beyond the panel


def test_who_sells_at_the_open_of_the_last_bar_does_not_wait_for_the_proceeds() -> None:
    prices = _column(10, 12, 6, nan, nan)
    panel = panel_of(open=prices, close=prices, delisting=_column(nan, nan, 1, nan, nan))
    assert _label(panel, 0, 1) == pytest.approx(log(6 / 12), abs=1e-15)
    assert _label(panel, 0, 2) == pytest.approx(log(1 / 12), abs=1e-15)
    assert _label(panel, 1, 1) == pytest.approx(log(1 / 6), abs=1e-15)  # bought at the last open
    only_close = panel_of(close=prices, delisting=_column(nan, nan, 1, nan, nan))
    assert np.isnan(_label(only_close, 1, 1))  # nobody buys at the close after which nothing trades


def test_a_delisting_before_the_entry_is_not_the_holder_s() -> None:
    prices = _column(10, 12, 6, 7)
    panel = panel_of(open=prices, close=prices, delisting=_column(1, nan, nan, nan))
    assert _label(panel, 0, 1) == pytest.approx(log(6 / 12), abs=1e-15)


def test_a_bankruptcy_is_a_finite_loss_and_stays_in_the_sample() -> None:
    prices = _column(10, 12, 6, nan, nan)
    panel = panel_of(open=prices, close=prices, delisting=_column(nan, nan, nan, 0, nan))
    assert _label(panel, 0, 3) == TOTAL_LOSS == log(1e-3)


def test_a_halt_at_the_entry_or_at_the_exit_leaves_the_label_unknown() -> None:
    prices = _column(10, nan, 12, 13, nan, 15)
    panel = panel_of(open=prices, close=prices)
    assert np.isnan(_label(panel, 0, 1))
    assert np.isnan(_label(panel, 1, 2))
    assert _label(panel, 1, 1) == pytest.approx(log(13 / 12), abs=1e-15)
    assert _label(panel, 1, 3) == pytest.approx(log(15 / 12), abs=1e-15)


@settings(max_examples=20)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 1000))
def test_two_spans_end_to_end_add_up_to_the_span_of_both(first: int, second: int, seed: int) -> None:
    panel = panel_of(**with_events(random_fields(seed=seed)))
    labels, _, _ = forward_returns(panel, (first, second, first + second))
    total = labels[: -first or None, :, 0] + labels[first:, :, 1]
    is_known = np.isfinite(total)
    assert is_known.any()
    np.testing.assert_allclose(labels[: -first or None, :, 2][is_known], total[is_known], atol=1e-12)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 20))
def test_splits_change_no_label(seed: int, horizon: int) -> None:
    fields = random_fields(seed=seed)
    split = {name: values for name, values in with_events(fields).items() if name != "dividend"}
    np.testing.assert_allclose(
        forward_returns(panel_of(**split), (horizon,))[0], forward_returns(panel_of(**fields), (horizon,))[0], atol=1e-12
    )


def test_a_label_reads_nothing_after_its_end_and_nothing_before_its_begin() -> None:
    fields = with_events(random_fields())
    labels, begins, ends = forward_returns(panel_of(**fields), (7,))
    poisoned = {name: values.copy() for name, values in fields.items()}
    for name, values in poisoned.items():
        if name not in ("split", "dividend"):
            values[ends[200, 0] + 1 :] = 7.7
            values[: begins[200]] = 5.5
    again, _, _ = forward_returns(panel_of(**poisoned), (7,))
    np.testing.assert_allclose(again[200], labels[200], rtol=1e-9)


def test_a_horizon_of_nothing_is_refused() -> None:
    panel = panel_of(close=_column(1, 2))
    with pytest.raises(DataError, match="horizon is 0"):
        forward_returns(panel, (5, 0))
    with pytest.raises(DataError, match="horizon is 0"):
        triple_barrier(panel, panel.fields["close"], 0, 1.0)
    with pytest.raises(DataError, match="width is 0"):
        triple_barrier(panel, panel.fields["close"], 1, 0.0)


def test_a_horizon_longer_than_the_panel_leaves_every_label_unknown() -> None:
    labels, _, ends = forward_returns(panel_of(close=_column(1, 2)), (50,))
    assert np.isnan(labels).all()
    assert ends[:, 0].tolist() == [51, 52]


def test_directions_are_signs_and_nothing_is_known_of_a_missing_label() -> None:
    result = directions(np.array([[0.1, -0.2, 0.0, nan]]))
    assert result.tolist() == [[1, -1, 0, 0]]
    assert result.dtype == np.int8


HORIZON, WIDTH, SCALE = 4, 0.5, 0.1
UP, DOWN = 100 * exp(0.1), 100 * exp(-0.1)


def _first_touch(changes: dict[tuple[str, int], float], without: tuple[str, ...] = ()) -> tuple[float, int]:
    # A price of 100 that stands still, entered at the open of bar 1 and left at bar 5, but for the changes.
    fields = {name: np.full((7, 1), 100.0) for name in ("open", "high", "low", "close") if name not in without}
    fields["delisting"] = np.full((7, 1), nan)
    for (name, row), value in changes.items():
        fields[name][row, 0] = value
    outcomes, ends = triple_barrier(panel_of(**fields), np.full((7, 1), SCALE), HORIZON, WIDTH)
    return float(outcomes[0, 0]), int(ends[0, 0])


@pytest.mark.parametrize(
    ("changes", "outcome", "end"),
    [
        ({}, 0, 5),
        ({("high", 3): UP + 0.01}, 1, 3),
        ({("high", 3): UP - 0.01}, 0, 5),
        ({("low", 2): DOWN - 0.01}, -1, 2),
        ({("low", 2): DOWN + 0.01}, 0, 5),
        ({("low", 4): 80, ("high", 2): 120}, 1, 2),
        ({("open", 3): 120, ("high", 3): 120, ("low", 3): 80}, 1, 3),
        ({("open", 3): 80, ("high", 3): 120, ("low", 3): 80}, -1, 3),
        ({("low", 3): 80, ("high", 3): 120}, nan, 3),
        ({("high", 1): 120}, 1, 2),
        ({("high", 5): 120}, 0, 5),
        ({("open", 5): 120, ("high", 5): 120}, 1, 5),
        ({("high", 0): 120, ("low", 0): 80, ("high", 6): 120}, 0, 5),
        ({("open", 1): nan}, nan, 5),
        ({("open", 5): nan}, nan, 5),
        ({("open", 3): nan, ("high", 3): nan, ("low", 3): nan, ("close", 3): nan}, 0, 5),
        ({("delisting", 3): 40}, -1, 3),
        ({("delisting", 3): 99}, 0, 3),
        ({("delisting", 3): 130, ("low", 3): 80}, -1, 3),
        ({("delisting", 5): 40}, 0, 5),
        ({("delisting", 5): 40, ("open", 5): nan}, -1, 5),
    ],
)
def test_the_first_barrier_touched_is_found(changes: dict[tuple[str, int], float], outcome: float, end: int) -> None:
    assert same_bits(np.array(_first_touch(changes)), np.array([outcome, end]))


def test_with_closes_only_the_barriers_are_watched_at_the_close() -> None:
    without = ("open", "high", "low")
    assert _first_touch({("close", 3): 112}, without) == (1.0, 3)
    assert _first_touch({("close", 5): 89}, without) == (-1.0, 5)
    assert _first_touch({("close", 4): 95}, without) == (0.0, 5)
    assert _first_touch({("delisting", 2): 10}, without) == (-1.0, 2)


def test_bought_at_the_close_the_range_of_that_bar_is_past() -> None:
    assert _first_touch({("high", 1): 130}, ("open",)) == (0.0, 5)
    assert _first_touch({("high", 5): 130}, ("open",)) == (1.0, 5)


def test_without_a_scale_or_beyond_the_panel_no_outcome_is_known() -> None:
    panel = panel_of(close=np.linspace(100, 101, 8)[:, None])
    scale = _column(nan, 0.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    outcomes, ends = triple_barrier(panel, scale, 4, 1.0)
    assert np.isfinite(outcomes[:, 0]).tolist() == [False, False, True] + [False] * 5
    assert ends[:, 0].tolist() == [5, 6, 7, 8, 9, 10, 11, 12]


def test_a_dividend_or_a_split_is_no_touch() -> None:
    flat = [100, 100, 100, 50, 45, 45, 45]
    panel = panel_of(close=_column(*flat), split=_column(1, 1, 1, 2, 1, 1, 1), dividend=_column(0, 0, 0, 0, 5, 0, 0))
    outcomes, _ = triple_barrier(panel, np.full((7, 1), SCALE), HORIZON, WIDTH)
    assert outcomes[0, 0] == 0.0


def test_every_end_lies_after_the_entry_bar() -> None:
    panel = panel_of(**random_fields())
    outcomes, ends = triple_barrier(panel, np.full(panel.shape, 0.02), 10, 0.3)
    assert (ends > np.arange(len(panel.times))[:, None] + 1).all()
    assert {-1.0, 0.0, 1.0} >= set(outcomes[np.isfinite(outcomes)].tolist()) >= {-1.0, 1.0}
