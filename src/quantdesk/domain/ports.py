"""What each plug-in owes: the protocols between the rooms."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.decision import Signal, Target
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import Forecast, Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.trade import Event, Order


@runtime_checkable
class Source(Protocol):
    """Get a panel from somewhere."""

    def fetch(self) -> Panel:
        """Return the panel.

        Raises
        ------
        DataError
            If there is nothing there, or it is not what it claims to be.
        """
        ...


@runtime_checkable
class Forecaster(Protocol):
    """Something learned: it gives forecasts and never changes."""

    @property
    def lookback(self) -> int:
        """Rows of the dataset, the present one included, on which one forecast depends."""
        ...

    def forecast(self, dataset: Dataset) -> Forecasts:
        """Return a forecast for every time of the dataset, each blind to what was known later.

        Labels whose spans had ended by then may be read (``ends`` tells); features after it not.
        """
        ...

    def contributions(self, dataset: Dataset) -> Float64:
        """Split the mean forecast over the features.

        Returns
        -------
        Float64
            Shape (n_times, n_instruments, n_horizons, n_features + 1), in log return; the last
            column is what no feature explains, and the sum is the forecast's mean.
        """
        ...

    def importance(self) -> Float64:
        """Return each feature's share of what was learned (n_features,), summing to 1 or all 0."""
        ...


@runtime_checkable
class Model(Protocol):
    """Hyperparameters, immutable; learning gives a forecaster."""

    def fit(self, dataset: Dataset, seed: int) -> Forecaster:
        """Learn from every sample of the dataset.

        Raises
        ------
        DataError
            If there are too few samples to learn from.
        """
        ...


@runtime_checkable
class SignalRule(Protocol):
    """Turn a forecast into how strongly to lean."""

    def signal(self, forecast: Forecast, held: Float64) -> Signal:
        """Decide, knowing the weights held now (n_instruments,), as fractions of net asset value."""
        ...


@runtime_checkable
class Sizing(Protocol):
    """Turn a signal into weights, before limits."""

    @property
    def lookback(self) -> int:
        """Bars of the panel that it reads, the present one included."""
        ...

    def weights(self, signal: Signal, forecast: Forecast, panel: Panel) -> Float64:
        """Return signed fractions of net asset value (n_instruments,)."""
        ...


class Feed(Protocol):
    """The world, as known at one more moment."""

    def __iter__(self) -> Iterator[Panel]:
        """Yield the panel as of each bar's close."""
        ...


class Broker(Protocol):
    """Take orders, report what became of them."""

    def submit(self, orders: Sequence[Order]) -> None:
        """Accept orders for the next bar; an id seen before is ignored."""
        ...

    def advance(self, panel: Panel) -> Sequence[Event]:
        """Report what happened in the panel's last bar: splits, cash flows, fills, in that order."""
        ...


class Decides(Protocol):
    """Anything that can trade: it sees history and what is held, and wants a portfolio."""

    @property
    def lookback(self) -> int:
        """Bars of history, the present one included, that a decision reads."""
        ...

    def target(self, panel: Panel, held: Float64) -> Target:
        """Decide at the panel's last close, holding ``held`` (n_instruments,) fractions of net asset value."""
        ...


def horizon_of(forecast: Forecast, horizon: int) -> int:
    """Find a horizon's position in a forecast.

    Raises
    ------
    StrategyError
        If the forecast does not look that far.
    """
    if horizon not in forecast.horizons:
        raise StrategyError(
            f"the rule reads a horizon of {horizon} bars", f"one of {forecast.horizons}", "add it to the strategy's horizons"
        )
    return forecast.horizons.index(horizon)
