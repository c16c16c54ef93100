"""Find the first value, in time, at which two arrays differ."""

import numpy as np

from quantdesk.domain.arrays import Bools, Float64

EXACT = 1e-9
"""Largest relative difference that is put down to rounding."""

SINGLE = 1e-6
"""The same for values kept in single precision, as features are."""


def differing(given: Float64, without: Float64, tolerance: float = EXACT) -> Bools:
    """Tell where two arrays of one shape differ; two missing values are the same."""
    known = np.abs(np.where(np.isfinite(given), given, 0.0))
    slack = tolerance * np.maximum(known, 1e-3 * known.max(initial=0.0))
    with np.errstate(invalid="ignore"):
        is_close = (np.abs(given - without) <= slack) | (given == without)
    is_apart: Bools = ~(is_close | (np.isnan(given) & np.isnan(without)))
    return is_apart


def first_difference(given: Float64, without: Float64, tolerance: float = EXACT) -> tuple[int, ...] | None:
    """Return the index of the first difference along the first axis, or None."""
    places = np.argwhere(differing(given, without, tolerance))
    return tuple(int(place) for place in places[0]) if len(places) else None


def written(value: float) -> str:
    """Write a number for a reader."""
    return "missing" if np.isnan(value) else f"{value:.6g}"
