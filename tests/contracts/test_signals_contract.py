"""What every signal rule in the folder owes, whoever wrote it."""

import dataclasses
import pickle
from typing import Any, cast

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import LEVELS, Forecast
from quantdesk.domain.ports import SignalRule
from quantdesk.signals.best_of_basket import BestOfBasket
from quantdesk.signals.catalog import discover
from quantdesk.signals.threshold import Threshold

EXAMPLES: dict[str, SignalRule] = {"best_of_basket": BestOfBasket(5), "threshold": Threshold(5)}
"""Rules that need arguments; the others are made without."""


def example(name: str) -> SignalRule:
    return EXAMPLES[name] if name in EXAMPLES else cast(SignalRule, discover()[name]())


def forecast_of(means: Float64, horizon: int = 5) -> Forecast:
    quantiles = means[:, None, None] + 0.02 * (np.array(LEVELS) - 0.5)
    symbols = tuple(f"S{place}" for place in range(len(means)))
    return Forecast(np.datetime64("2001-01-01", "ns"), symbols, (horizon,), quantiles)


every_rule = pytest.mark.parametrize("name", list(discover()))


@every_rule
def test_a_rule_is_immutable_and_picklable(name: str) -> None:
    rule = example(name)
    assert isinstance(rule, SignalRule)
    assert pickle.loads(pickle.dumps(rule)) == rule
    for field in dataclasses.fields(cast(Any, rule)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(rule, field.name, None)


@every_rule
def test_the_same_forecast_gives_the_same_signal_and_stays_as_it_was(name: str) -> None:
    means, held = np.random.default_rng(1).normal(0, 0.01, 30), np.zeros(30)
    forecast = forecast_of(means)
    before = forecast.quantiles.copy()
    first, second = example(name).signal(forecast, held), example(name).signal(forecast, held)
    np.testing.assert_array_equal(first.strength, second.strength)
    np.testing.assert_array_equal(forecast.quantiles, before)
    assert first.strength.any()


@every_rule
@pytest.mark.parametrize("n_instruments", [0, 1, 2, 3])
def test_an_instrument_without_a_forecast_gets_no_opinion(name: str, n_instruments: int) -> None:
    held = np.full(n_instruments, 0.1)
    strength = example(name).signal(forecast_of(np.full(n_instruments, np.nan)), held).strength
    np.testing.assert_array_equal(strength, np.zeros(n_instruments))


@every_rule
def test_missing_forecasts_do_not_touch_the_others(name: str) -> None:
    means = np.random.default_rng(2).normal(0, 0.01, 20)
    gappy = np.append(means, [np.nan, np.nan])
    alone = example(name).signal(forecast_of(means), np.zeros(20)).strength
    beside = example(name).signal(forecast_of(gappy), np.zeros(22)).strength
    np.testing.assert_array_equal(beside, np.append(alone, [0.0, 0.0]))


@every_rule
def test_a_horizon_that_is_not_forecast_is_refused(name: str) -> None:
    with pytest.raises(StrategyError, match="horizon of 5"):
        example(name).signal(forecast_of(np.zeros(3), horizon=2), np.zeros(3))


def test_every_example_belongs_to_a_file() -> None:
    assert set(EXAMPLES) <= set(discover())
