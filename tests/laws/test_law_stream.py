"""Batch = stream: what is forecast bar by bar, as live, is what was forecast in one batch."""

from collections.abc import Callable

import numpy as np
import pytest
from law_worlds import LEARNED, STRATEGIES, batch_forecasts, dataset_of, fitted, market

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.panel import Panel
from quantdesk.features import dataset as datasets

MOMENTS = (LEARNED, LEARNED + 14, LEARNED + 25, LEARNED + 90, LEARNED + 150, LEARNED + 239)
TOLERANCE = 1e-9

Stream = Callable[[Panel], tuple[Dataset, Float64]]


def stream_violations(stream: Stream, name: str) -> list[str]:
    """List where the stream's last row, or its forecast, is not the batch's."""
    whole = dataset_of(name)
    batch = batch_forecasts(fitted(name), whole)
    found = []
    for t in MOMENTS:
        dataset, quantiles = stream(market().rows(0, t + 1))
        pairs = {
            "features": (whole.features[t], dataset.features[-1]),
            "scale": (whole.scale[t], dataset.scale[-1]),
            "validity": (whole.is_valid[t], dataset.is_valid[-1]),
            "quantiles": (batch.quantiles[t - LEARNED], quantiles),
        }
        found += [f"{what} at row {t}" for what, (left, right) in pairs.items() if not close_enough(left, right, what)]
    return found


def close_enough(batch: Float64, stream: Float64, what: str) -> bool:
    """Compare to 1e-9 relative to the largest value of the row; features are single precision already."""
    if (np.isnan(batch) != np.isnan(stream)).any():
        return False
    tolerance = 2.0**-22 if what == "features" else TOLERANCE
    size = np.nanmax(np.abs(batch), axis=0) if batch.dtype.kind == "f" else 1.0
    apart = np.abs(np.nan_to_num(batch.astype(np.float64)) - np.nan_to_num(stream.astype(np.float64)))
    return bool((apart <= tolerance * np.nan_to_num(size)).all())


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_forecast_from_the_declared_lookback_is_the_one_made_in_the_batch(name: str) -> None:
    trader = fitted(name)
    assert trader.lookback < LEARNED + 90

    def stream(panel: Panel) -> tuple[Dataset, Float64]:
        recent = panel.rows(max(0, len(panel.times) - trader.lookback), len(panel.times))
        return trader.dataset(recent), trader.forecast(recent).quantiles

    assert stream_violations(stream, name) == []


def test_a_forecaster_that_reads_further_back_than_it_declares_is_caught() -> None:
    trader = fitted("linear")

    def short(panel: Panel) -> tuple[Dataset, Float64]:
        recent = panel.rows(len(panel.times) - trader.lookback + trader.forecaster.lookback, len(panel.times))
        dataset = datasets.build(recent, trader.feature_names, trader.strategy.horizons)
        cut = dataset.rows(len(dataset) - trader.forecaster.lookback // 2, len(dataset))
        return dataset, trader.forecaster.forecast(cut).quantiles[-1]

    found = stream_violations(short, "linear")
    assert any("quantiles" in violation for violation in found)


def test_a_feature_that_reads_further_back_than_it_declares_is_caught() -> None:
    trader = fitted("linear")

    def short(panel: Panel) -> tuple[Dataset, Float64]:
        recent = panel.rows(len(panel.times) - 200, len(panel.times))
        dataset = datasets.build(recent, trader.feature_names, trader.strategy.horizons)
        return dataset, trader.forecast(panel).quantiles

    found = stream_violations(short, "linear")
    assert any("features" in violation for violation in found)


def test_a_forecaster_that_normalises_over_its_batch_is_caught() -> None:
    trader = fitted("linear")

    def normalised(panel: Panel) -> tuple[Dataset, Float64]:
        quantiles = trader.forecast(panel).quantiles
        return trader.dataset(panel), quantiles - np.nanmean(quantiles)

    assert len(stream_violations(normalised, "linear")) == len(MOMENTS)
