"""Poison: overwrite everything after a moment, and nothing up to it may change by one bit."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from law_worlds import (
    LEARNED,
    STRATEGIES,
    batch_forecasts,
    dataset_of,
    differing,
    fitted,
    market,
    rehearsed,
    strategy_named,
    taught,
    trade,
)

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.execution.costs import Costs, Market
from quantdesk.execution.kernel import Halt, simulate
from quantdesk.strategy import Rehearsed

Outcome = dict[str, Float64]
MOMENTS = (LEARNED, LEARNED + 37, LEARNED + 118)


def poisoned(panel: Panel, moment: int, poison: str) -> Panel:
    """Overwrite every field after a row with garbage."""
    random = np.random.default_rng(moment)
    fields = {name: values.copy() for name, values in panel.fields.items()}
    for values in fields.values():
        later = values[moment + 1 :]
        if poison == "missing":
            later[:] = np.nan
        elif poison == "huge":
            later[:] = random.choice([1e30, 1e-30, 7.0, np.nan], later.shape)
        else:
            later[:] = later[::-1].copy()
    return replace(panel, fields=fields)


def poison_violations(see: Callable[[Panel], Outcome], panel: Panel, moment: int) -> list[str]:
    """List what changes, up to a row, when everything after it is poisoned.

    Parameters
    ----------
    see : callable
        Maps a panel to named arrays, one row for each of the panel's bars.
    """
    found = []
    truth = see(panel)
    for poison in ("missing", "huge", "reversed"):
        with np.errstate(all="ignore"):
            seen = see(poisoned(panel, moment, poison))
        for name, values in truth.items():
            rows = differing(values[: moment + 1], seen[name][: moment + 1])
            found += [f"{poison} data after row {moment} changed {name} at row {row}" for row in rows[:1]]
    return found


@dataclass(frozen=True)
class Eyes:
    """See what a strategy computes on a panel: features, forecasts, and what the loop does with them."""

    name: str
    moment: int

    def __call__(self, panel: Panel) -> Outcome:
        strategy = strategy_named(self.name)
        dataset = strategy.dataset(panel)
        return {**seen_in(dataset), **self._forecasts(dataset), **self._trading(panel, dataset)}

    def _forecasts(self, dataset: Dataset) -> Outcome:
        made = batch_forecasts(fitted(self.name), dataset).quantiles
        return {"forecasts": padded(made)}

    def _trading(self, panel: Panel, dataset: Dataset) -> Outcome:
        decides = Rehearsed(strategy_named(self.name), batch_forecasts(fitted(self.name), dataset))
        steps = trade(decides, panel, self.moment + 1 - LEARNED)
        targets = np.stack([step.allowed.weights for step in steps])
        return {"targets": padded(targets), "equity": padded(np.array([step.equity for step in steps]))}


def seen_in(dataset: Dataset) -> Outcome:
    """List what a model may read at each row."""
    return {
        "features": dataset.features.astype(np.float64),
        "scale": dataset.scale,
        "validity": dataset.is_valid.astype(np.float64),
    }


def padded(values: Float64) -> Float64:
    """Put rows of NaN before the traded ones, so that positions are those of the panel."""
    return np.concatenate([np.full((LEARNED, *values.shape[1:]), np.nan), values])


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_nothing_a_strategy_does_up_to_a_moment_depends_on_what_comes_after(name: str, moment: int) -> None:
    assert poison_violations(Eyes(name, moment), market(), moment) == []


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_learned_depends_on_nothing_after_the_last_label(name: str) -> None:
    clean = fitted(name).forecaster.forecast(dataset_of(name)).quantiles
    for poison in ("missing", "huge"):
        with np.errstate(all="ignore"):
            dataset = strategy_named(name).dataset(poisoned(market(), LEARNED, poison))
            learned = strategy_named(name).model.fit(taught(dataset), seed=0)
        assert differing(clean, learned.forecast(dataset_of(name)).quantiles) == []


def test_the_fast_path_sees_nothing_of_what_comes_after() -> None:
    targets = np.full((len(market().times) - LEARNED, 12), 0.08)

    def equity(panel: Panel) -> Outcome:
        world = Market.of(panel, Costs()).since(LEARNED)
        return {"equity": padded(simulate(targets, world, Costs().rates, Halt(1.0, 1), 1e6).equity)}

    for moment in MOMENTS:
        assert poison_violations(equity, market(), moment) == []


def test_a_feature_that_peeks_one_bar_ahead_is_caught() -> None:
    def peeking(panel: Panel) -> Outcome:
        dataset = dataset_of("linear") if panel is market() else strategy_named("linear").dataset(panel)
        features = dataset.features.copy()
        features[:-1, :, 0] = features[1:, :, 0]
        return {"features": features.astype(np.float64)}

    found = poison_violations(peeking, market(), LEARNED)
    assert any(f"changed features at row {LEARNED}" in violation for violation in found)


def test_a_forecaster_that_normalises_over_the_whole_batch_is_caught() -> None:
    def normalised(panel: Panel) -> Outcome:
        made = batch_forecasts(fitted("linear"), strategy_named("linear").dataset(panel)).quantiles
        return {"forecasts": padded(made - np.nanmean(made))}

    assert len(poison_violations(normalised, market(), LEARNED + 37)) >= 2


def test_a_decision_that_reads_tomorrows_forecast_is_caught() -> None:
    def hasty(panel: Panel) -> Outcome:
        made = batch_forecasts(fitted("mean_reversion"), strategy_named("mean_reversion").dataset(panel))
        early = Forecasts(made.times, made.symbols, made.horizons, np.roll(made.quantiles, -1, axis=0))
        steps = trade(Rehearsed(replace(strategy_named("mean_reversion"), rebalance="daily"), early), panel, 38)
        return {"targets": padded(np.stack([step.allowed.weights for step in steps]))}

    assert poison_violations(hasty, market(), LEARNED + 37) != []


def test_a_model_taught_on_labels_that_had_not_ended_is_caught() -> None:
    poisoned_dataset = strategy_named("linear").dataset(poisoned(market(), LEARNED, "reversed"))
    greedy = [
        strategy_named("linear").model.fit(dataset.rows(0, LEARNED + 1), seed=0).forecast(dataset_of("linear")).quantiles
        for dataset in (dataset_of("linear"), poisoned_dataset)
    ]
    assert differing(greedy[0], greedy[1]) != []


def test_the_market_of_the_laws_has_everything_the_laws_are_about() -> None:
    fields, is_traded = market().fields, np.isfinite(market().fields["close"])
    assert np.isfinite(fields["split"][LEARNED:]).sum() >= 2
    assert np.isfinite(fields["dividend"][LEARNED:]).sum() >= 5
    assert np.isfinite(fields["delisting"][LEARNED:]).sum() >= 1
    returns_after_a_halt = is_traded[LEARNED + 1 :] & ~is_traded[LEARNED:-1]
    assert returns_after_a_halt.sum() >= 2
    gaps = np.abs(np.log(fields["open"][1:] / fields["close"][:-1]))
    assert np.nanmedian(gaps) > 1e-3


def test_every_shipped_strategy_trades_in_the_market_of_the_laws() -> None:
    for name in STRATEGIES:
        assert sum(len(step.orders) for step in trade(rehearsed(name), market(), 240)) > 3
