"""The machine's own logarithm, and roots of scaled columns."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.features import operations as op
from quantdesk.features.elementary import of_one


def _applied(code: int, values: Float64, scale: float = 0.0) -> Float64:
    out = np.empty_like(values)
    of_one(code, out, values, scale, 0.0)
    return out


def test_a_logarithm_is_within_one_unit_in_the_last_place() -> None:
    draw = np.random.default_rng(1)
    values = np.concatenate([np.exp(draw.normal(0, 0.02, 20_000)), np.exp(draw.uniform(-700, 700, 20_000)), [1.0, 2.0, 0.5]])
    right = np.log(values)
    assert np.max(np.abs(_applied(op.LOG, values) - right) / np.spacing(np.abs(right))) <= 1.0


def test_a_logarithm_of_nothing_positive_is_missing_and_of_infinity_infinite() -> None:
    values = np.array([0.0, -0.0, -1.0, np.nan, -np.inf, 5e-324, np.inf])
    np.testing.assert_array_equal(_applied(op.LOG, values), [np.nan] * 6 + [np.inf])


def test_a_logarithm_does_not_depend_on_its_neighbours() -> None:
    values = np.exp(np.random.default_rng(2).normal(0, 5, 101))
    alone = [_applied(op.LOG, values[k : k + 1])[0] for k in range(len(values))]
    np.testing.assert_array_equal(_applied(op.LOG, values), alone)


def test_a_root_is_taken_of_the_scaled_value_and_missing_below_zero() -> None:
    np.testing.assert_array_equal(_applied(op.SQRT, np.array([8.0, 0.0, -1.0]), 0.5), [2.0, 0.0, np.nan])
