"""What is handed out: every feature in its place, whatever their number, and nothing where nothing traded."""

import numpy as np
import pytest

from quantdesk.domain.arrays import Float32, Float64
from quantdesk.features.delivery import aligned, close_gate, finite, pair, rows_for_pairs, to_table


def _gate(is_traded: Float64) -> Float64:
    gate = np.empty(is_traded.size)
    close_gate(gate, is_traded.reshape(-1))
    return gate


@pytest.mark.parametrize("n_features", [0, 1, 2, 7, 8, 9, 17])
@pytest.mark.parametrize("n_rows", [1, 3])
def test_columns_become_features_in_their_order_and_only_at_their_lanes(n_features: int, n_rows: int) -> None:
    width = 5
    values = np.random.default_rng(0).normal(size=(n_features, n_rows, width))
    is_traded = np.ones((n_rows, width))
    is_traded[0, 2] = 0.0
    n_pairs, rows = rows_for_pairs(n_features, 3)
    room, size = np.zeros((n_pairs, rows * width)), n_rows * width
    for place in range(0, n_features, 2):
        one, other = values[place].reshape(-1), values[min(place + 1, n_features - 1)].reshape(-1)
        pair(room[place // 2, :size].view(np.float32), one, other, _gate(is_traded))
    table: Float32 = np.full((n_rows, 8, n_features), 7.0, np.float32)
    to_table(room, np.empty((width, n_pairs)), table, 2)
    expected = np.where(is_traded[..., None] > 0.0, values.transpose(1, 2, 0), np.nan).astype(np.float32)
    np.testing.assert_array_equal(table[:, 2:7], expected)
    assert (table[:, [0, 1, 7]] == 7.0).all()


def test_what_float32_cannot_hold_is_missing() -> None:
    values = np.array([1e39, -1e39, np.inf, np.nan, 3e38, -3e38])
    out: Float32 = np.zeros(12, np.float32)
    pair(out, values, values[::-1].copy(), np.zeros(6))
    expected = np.array([np.nan] * 4 + [3e38, -3e38], np.float32)
    np.testing.assert_array_equal(out[::2], expected)
    np.testing.assert_array_equal(out[1::2], expected[::-1])


def test_a_column_in_float64_is_missing_where_not_traded_or_infinite() -> None:
    out = np.zeros(5)
    finite(out, np.array([1e39, -np.inf, np.inf, np.nan, 2.0]), _gate(np.array([1.0, 1.0, 1.0, 1.0, 0.0])))
    np.testing.assert_array_equal(out, [1e39] + [np.nan] * 4)


@pytest.mark.parametrize("n", [1, 64, 1001])
def test_room_begins_with_a_line_of_the_cache(n: int) -> None:
    room = aligned(n)
    assert room.shape == (n,)
    assert room.ctypes.data % 64 == 0
