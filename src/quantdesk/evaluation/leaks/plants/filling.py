"""Fills at prices that were over or not known yet, and bars stamped before they end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np

from quantdesk.domain.panel import Panel
from quantdesk.domain.trade import Event, Fill
from quantdesk.evaluation.leaks.plants.ground import Plant, market, strategy, study_of
from quantdesk.evaluation.leaks.plants.joins import hourly
from quantdesk.evaluation.leaks.study import Study, World
from quantdesk.execution.costs import Costs
from quantdesk.execution.simulated import SimulatedBroker


class _FillsAtDecision(SimulatedBroker):
    """Fill at the close that made the signal."""

    def advance(self, panel: Panel) -> list[Event]:
        """Report fills at the close before."""
        close = dict(zip(panel.symbols, panel.fields["close"][-2 if len(panel.times) > 1 else -1], strict=True))
        return [_repriced(event, close) for event in super().advance(panel)]


class _FillsAtBest(SimulatedBroker):
    """Fill at the lowest price of the bar."""

    def advance(self, panel: Panel) -> list[Event]:
        """Report fills at the low."""
        low = dict(zip(panel.symbols, panel.fields["low"][-1], strict=True))
        return [_repriced(event, low) for event in super().advance(panel)]


class _FillsBefore(SimulatedBroker):
    """Stamp each fill with the bar before."""

    def advance(self, panel: Panel) -> list[Event]:
        """Report fills a bar early."""
        before = panel.times[-2 if len(panel.times) > 1 else -1]
        return [replace(event, time=before) if isinstance(event, Fill) else event for event in super().advance(panel)]


class _FillsAtClose(SimulatedBroker):
    """Fill at the close of the next bar."""

    def advance(self, panel: Panel) -> list[Event]:
        """Report fills at the next close."""
        close = dict(zip(panel.symbols, panel.fields["close"][-1], strict=True))
        return [_repriced(event, close) for event in super().advance(panel)]


def _repriced(event: Event, prices: dict[str, float]) -> Event:
    if isinstance(event, Fill) and np.isfinite(prices[event.symbol]):
        return replace(event, price=Decimal(str(prices[event.symbol])))
    return event


def _brokered(broker: Callable[[Costs], SimulatedBroker]) -> Study:
    return Study(World(market()), lambda _: strategy(), broker=broker)


def _stamped(panel: Panel, earlier: np.timedelta64) -> Study:
    return study_of(strategy(), None, World(replace(panel, times=panel.times - earlier)))


def _new_york(clock: int) -> Study:
    # A winter's worth of the market, stamped at one hour and a half of the day in UTC.
    panel = market()
    days = np.busday_offset(np.datetime64("2010-11-08"), np.arange(len(panel.times)))
    zone_shift = np.array([_summer(day) for day in days]).astype("timedelta64[h]")
    stamps = days.astype("datetime64[ns]") + np.timedelta64(clock, "m") - zone_shift
    return study_of(strategy(), None, World(replace(panel, times=stamps)))


def _summer(day: np.datetime64) -> int:
    noon = datetime.fromtimestamp(int(day.astype("datetime64[s]").astype(np.int64)) + 17 * 3600, UTC)
    offset = noon.astimezone(ZoneInfo("America/New_York")).utcoffset()
    return 5 + int(offset.total_seconds() // 3600) if offset else 0


PLANTS = (
    Plant(
        "fill at the close that decides",
        "Orders fill at the close that made the signal; the twin's at the next open.",
        partial(_brokered, _FillsAtDecision),
        partial(_brokered, SimulatedBroker),
    ),
    Plant(
        "fill at the low",
        "Orders fill at the low of the next bar; the twin's at its close.",
        partial(_brokered, _FillsAtBest),
        partial(_brokered, _FillsAtClose),
    ),
    Plant(
        "fill before the order",
        "Fills are stamped with the bar that decides; the twin's with the bar that traded.",
        partial(_brokered, _FillsBefore),
        partial(_brokered, SimulatedBroker),
    ),
    Plant(
        "daily bars stamped at the open",
        "Daily bars carry 09:30 in New York; the twin's 16:00.",
        partial(_new_york, 14 * 60 + 30),
        partial(_new_york, 21 * 60),
    ),
    Plant(
        "daily bars stamped at midnight",
        "A day's bar carries the midnight before it; the twin's the midnight after.",
        partial(_stamped, market(), np.timedelta64(21, "h")),
        partial(_stamped, market(), np.timedelta64(-3, "h")),
    ),
    Plant(
        "hourly bars stamped at the open",
        "Bars of the day carry the hour and minute they begin; the twin's those they end.",
        partial(_stamped, hourly(), np.timedelta64(30, "m")),
        partial(_stamped, hourly(), np.timedelta64(0, "h")),
    ),
)
