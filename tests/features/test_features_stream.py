"""Features bar by bar: the batch's own bits, also after the state was put away and taken out again."""

import pickle

import numpy as np
import pytest
from feature_worlds import in_sectors, panel_of, random_fields, same_bits, with_events

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.features.evaluate import Formula
from quantdesk.features.library import choose, lookback
from quantdesk.features.stream import FeatureStream
from quantdesk.features.surroundings import bars_of, fields_of

PANEL = in_sectors(panel_of(**with_events(random_fields(n_times=420, n_instruments=6, seed=5))))
FEATURES = tuple(one for one in choose(("*",), fields_of(PANEL))[0] if isinstance(one.compute, Formula))


def _batch(panel: Panel) -> Float64:
    bars = bars_of(panel)
    return np.stack([one.compute(bars) for one in FEATURES], axis=-1)


def _streamed(stream: FeatureStream, panel: Panel, start: int) -> Float64:
    return np.stack([stream.advance(panel.rows(t, t + 1)) for t in range(start, len(panel.times))])


def test_every_bar_of_a_stream_has_the_bits_of_the_batch() -> None:
    stream = FeatureStream(FEATURES, PANEL.rows(0, 1))
    assert same_bits(_streamed(stream, PANEL, 1), _batch(PANEL)[1:])


def test_a_pickled_stream_goes_on_to_the_same_bits() -> None:
    stream = FeatureStream(FEATURES, PANEL.rows(0, 405))
    again = pickle.loads(pickle.dumps(stream))
    assert same_bits(_streamed(again, PANEL, 405), _streamed(stream, PANEL, 405))
    assert same_bits(
        _streamed(pickle.loads(pickle.dumps(FeatureStream(FEATURES, PANEL.rows(0, 405)))), PANEL, 405), _batch(PANEL)[405:]
    )


def test_a_stream_begun_from_the_lookback_alone_agrees_to_rounding() -> None:
    needed = lookback(FEATURES)
    stream = FeatureStream(FEATURES, PANEL.rows(410 - needed, 410))
    np.testing.assert_allclose(_streamed(stream, PANEL, 410), _batch(PANEL)[410:], rtol=1e-9, atol=1e-11)


def test_a_stream_begun_from_fewer_bars_does_not_agree() -> None:
    stream = FeatureStream(FEATURES, PANEL.rows(410 - lookback(FEATURES) // 2, 410))
    assert not np.allclose(_streamed(stream, PANEL, 410), _batch(PANEL)[410:], equal_nan=True)


def test_what_is_no_formula_and_what_is_no_single_bar_are_refused() -> None:
    with pytest.raises(StrategyError, match="'own' cannot be computed bar by bar"):
        FeatureStream((Feature("own", lambda bars: bars.close, 1, "test"),), PANEL.rows(0, 1))
    stream = FeatureStream(FEATURES[:1], PANEL.rows(0, 1))
    with pytest.raises(StrategyError, match="2 rows and 6 instruments"):
        stream.advance(PANEL.rows(1, 3))
    with pytest.raises(StrategyError, match="1 rows and 2 instruments"):
        stream.advance(PANEL.rows(1, 2).select(("S0", "S1")))
