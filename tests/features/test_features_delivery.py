"""What is handed out: every feature in its place, whatever their number, and nothing where nothing traded."""

import numpy as np
import pytest

from quantdesk.domain.arrays import Float32
from quantdesk.features.delivery import room_for, to_table


@pytest.mark.parametrize("n_features", [0, 1, 2, 7, 8, 9, 17])
@pytest.mark.parametrize("n_rows", [1, 3])
def test_columns_become_features_in_their_order_and_only_at_their_lanes(n_features: int, n_rows: int) -> None:
    draw, width = np.random.default_rng(0), 5
    values = draw.normal(size=(n_features, n_rows, width))
    memory = np.concatenate([[9.0], values.reshape(-1)])
    starts = 1 + n_rows * width * np.arange(n_features)
    is_traded = np.ones((n_rows, width))
    is_traded[0, 2] = 0.0
    table: Float32 = np.full((n_rows, 8, n_features), 7.0, np.float32)
    to_table(memory, starts, is_traded, room_for(n_features, 3, width), table, 2)
    expected = np.where(is_traded[..., None] > 0.0, values.transpose(1, 2, 0), np.nan).astype(np.float32)
    np.testing.assert_array_equal(table[:, 2:7], expected)
    assert (table[:, [0, 1, 7]] == 7.0).all()


def test_what_float32_cannot_hold_is_missing() -> None:
    memory = np.array([1e39, -1e39, np.inf, np.nan, 3e38])
    table: Float32 = np.zeros((1, 5, 1), np.float32)
    to_table(memory, np.zeros(1, np.int64), np.ones((1, 5)), room_for(1, 1, 5), table, 0)
    np.testing.assert_array_equal(table[0, :, 0], np.array([np.nan] * 4 + [3e38], np.float32))
