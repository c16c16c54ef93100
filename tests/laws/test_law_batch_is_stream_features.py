"""Batch = stream, for features: bar by bar they are the batch's, on a market with halts, splits and a delisting."""

from collections.abc import Callable

import numpy as np
from law_worlds import market

from quantdesk.domain.arrays import Float64
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.features.evaluate import Formula, evaluate
from quantdesk.features.library import choose, lookback
from quantdesk.features.stream import FeatureStream
from quantdesk.features.surroundings import bars_of, fields_of

TOLERANCE = 1e-9
N_BARS = 200


def formulas() -> tuple[Feature, ...]:
    """Choose every feature of the law's market that is a formula."""
    return tuple(one for one in choose(("*",), fields_of(market()))[0] if isinstance(one.compute, Formula))


def batch(features: tuple[Feature, ...]) -> Float64:
    """Compute all bars at once: (n_features, n_times, n_instruments)."""
    columns = tuple(one.compute.column for one in features if isinstance(one.compute, Formula))
    out = np.empty((len(columns), *market().shape))
    evaluate((), columns, bars_of(market()), np.empty((*market().shape, 0), np.float32), out)
    return out


def violations(advance: Callable[[Panel], Float64], start: int) -> set[str]:
    """Name the features of which a streamed value is not the batch's, to 1e-9 relative."""
    features, found = formulas(), set()
    whole = batch(features)
    for row in range(start, len(market().times)):
        streamed = advance(market().rows(row, row + 1)).T
        is_same = np.isclose(streamed, whole[:, row], rtol=TOLERANCE, atol=1e-11, equal_nan=True)
        found |= {features[number].name for number in np.flatnonzero(~is_same.all(axis=1))}
    return found


def test_features_streamed_from_their_lookback_are_those_of_the_batch() -> None:
    features, start = formulas(), len(market().times) - N_BARS
    assert len(features) > 200
    stream = FeatureStream(features, market().rows(start - lookback(features), start))
    assert violations(stream.advance, start) == set()


def test_a_stream_that_misses_a_bar_is_caught() -> None:
    features, start = formulas(), len(market().times) - 40
    stream = FeatureStream(features, market().rows(start - lookback(features), start - 1))
    assert len(violations(stream.advance, start)) > 150


def test_a_stream_that_takes_a_bar_too_early_is_caught() -> None:
    features, start = formulas(), len(market().times) - 40
    stream = FeatureStream(features, market().rows(start - lookback(features), start + 1))
    assert len(violations(stream.advance, start)) > 150
