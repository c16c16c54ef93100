"""Window kernels against plain numpy and pandas."""

import numpy as np
import pandas as pd
import pytest
from feature_worlds import same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quantdesk.domain.arrays import Float64
from quantdesk.features.windows import (
    row_ranks,
    rows_for,
    window_ema,
    window_mean,
    window_sum,
)

_tables = arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 5)),
    elements=st.one_of(st.just(np.nan), st.integers(-3, 3).map(float), st.floats(-100, 100, width=32)),
)
_windows = st.integers(2, 5)


def _by_pandas(values: Float64, window: int, method: str) -> Float64:
    return np.asarray(getattr(pd.DataFrame(values).rolling(window, min_periods=window), method)(), dtype=np.float64)


@settings(max_examples=40)
@given(_tables, _windows)
def test_every_kernel_agrees_with_pandas_and_is_missing_where_a_row_is(values: Float64, window: int) -> None:
    for kernel, method in ((window_sum, "sum"), (window_mean, "mean")):
        np.testing.assert_allclose(kernel(values, window), _by_pandas(values, window, method), atol=1e-9, rtol=1e-12)


@settings(max_examples=40)
@given(_tables, _windows, st.integers(1, 3))
def test_an_exponential_mean_is_the_renormalised_mean_of_the_values_present(
    values: Float64, window: int, min_count: int
) -> None:
    got = window_ema(values, window, 0.3, min_count)
    for t, i in np.ndindex(*values.shape):
        rows = values[max(0, t - window + 1) : t + 1, i]
        weights = 0.7 ** np.arange(len(rows))[::-1]
        is_present = np.isfinite(rows)
        if is_present.sum() < min_count:
            assert np.isnan(got[t, i])
        else:
            assert got[t, i] == pytest.approx(np.average(rows[is_present], weights=weights[is_present]), abs=1e-10)


@settings(max_examples=40)
@given(_tables)
def test_ranks_agree_with_pandas_and_sum_to_zero(values: Float64) -> None:
    got = row_ranks(values)
    count = np.isfinite(values).sum(axis=1, keepdims=True)
    place = pd.DataFrame(values).rank(axis=1).to_numpy(dtype=np.float64) - 1
    expected = np.where(count > 1, place / np.maximum(count - 1, 1) - 0.5, 0.0 * place)
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert np.abs(np.nansum(got, axis=1)).max() < 1e-9


@pytest.mark.parametrize("apart", [1e-16, 4e-16, 1e-13])
def test_values_that_differ_in_their_last_bits_alone_are_ranked_right(apart: float) -> None:
    values: Float64 = 1.0 + apart * np.random.default_rng(0).permutation(300)[None, :].astype(np.float64)
    values[0, :20] = -values[0, :20]
    place = np.asarray(pd.DataFrame(values).rank(axis=1), dtype=np.float64) - 1
    np.testing.assert_allclose(row_ranks(values), place / 299 - 0.5, atol=1e-12)


def test_a_window_gives_the_same_bits_wherever_the_history_begins() -> None:
    values = np.random.default_rng(0).normal(1e3, 1.0, (200, 37))
    assert same_bits(window_sum(values, 30)[-1], window_sum(values[-30:], 30)[-1])
    assert same_bits(window_sum(values, 30)[:, 3:4], window_sum(values[:, 3:4], 30))
    assert same_bits(window_ema(values, 30, 0.1, 5)[-1], window_ema(values[-30:], 30, 0.1, 5)[-1])


def test_the_memory_layout_does_not_matter() -> None:
    values = np.random.default_rng(0).normal(size=(20, 4))
    assert same_bits(window_sum(values, 3), window_sum(np.asfortranarray(values), 3))


def test_the_rows_of_an_exponential_mean_leave_out_less_than_asked() -> None:
    assert (1 - 1 / 14) ** rows_for(1 / 14) <= 1e-9 < (1 - 1 / 14) ** (rows_for(1 / 14) - 1)
