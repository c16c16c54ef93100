"""Names chosen by what became of them."""

from dataclasses import replace
from functools import cache, partial

import numpy as np

from quantdesk.data.membership import restrict
from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.bars import Bars, carry_forward
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.domain.records import Records
from quantdesk.evaluation.leaks.plants.ground import (
    Compute,
    Plant,
    Prepare,
    lagged,
    market,
    returns_of,
    strategy,
    study_of,
    trailing,
)
from quantdesk.evaluation.leaks.plants.joins import with_field
from quantdesk.evaluation.leaks.study import Study, World

WINDOW = 60
N_CHOSEN = 6


@cache
def spells() -> Records:
    """Make index membership and sectors that change every 90 days, known on the day."""
    random, panel = np.random.default_rng(8), market()
    rows = [
        (symbol, name, day, value)
        for symbol in panel.symbols
        for day in panel.times[::90]
        for name, value in (("in_index", float(random.random() < 0.6)), ("sector", float(random.integers(3))))
    ]
    days = np.array([row[2] for row in rows])
    return Records(
        subjects=np.array([row[0] for row in rows]),
        names=np.array([row[1] for row in rows]),
        periods=days,
        known_at=days,
        values=np.array([row[3] for row in rows]),
        name="spells",
    )


def _then(world: World, name: str) -> Float64:
    assert world.records is not None
    return world.records.latest(name, world.panel.symbols, world.panel.times)[0]


def _today(world: World, name: str) -> Float64:
    return np.broadcast_to(_then(world, name)[-1], world.panel.shape).copy()


def _members_of_today(world: World) -> Panel:
    return restrict(world.panel, _today(world, "in_index") > 0)


def _members_of_then(world: World) -> Panel:
    return restrict(world.panel, _then(world, "in_index") > 0)


def _sector_relative(bars: Bars) -> Float64:
    returns, sector = returns_of(bars), bars.facts["sector"]
    relative = returns.copy()
    for number in range(3):
        inside = sector == number
        total = np.where(inside, returns, 0.0).sum(axis=1, keepdims=True)
        relative = np.where(inside, returns - total / np.maximum(inside.sum(axis=1, keepdims=True), 1), relative)
    return relative


def _by_sector(is_today: bool) -> Study:
    def prepare(world: World) -> Panel:
        return with_field(world.panel, "sector", (_today if is_today else _then)(world, "sector"))

    own = Feature("own", _sector_relative, 1, "the gauntlet", ("close", "sector"))
    return study_of(strategy(own), prepare, World(market(), spells()))


def _restricted(prepare: Prepare | None) -> Study:
    return study_of(strategy(), prepare, World(market(), spells()))


def _survivors(world: World) -> Panel:
    panel = world.panel
    alive: Bools = np.asarray(np.isfinite(panel.fields["close"][-5:]).any(axis=0))
    return panel.select(tuple(symbol for symbol, is_alive in zip(panel.symbols, alive, strict=True) if is_alive))


def _complete(world: World) -> Panel:
    # Names without a missing bar over the last half of the history: what dropping incomplete columns does.
    panel = world.panel
    whole: Bools = np.asarray(np.isfinite(panel.fields["close"][len(panel.times) // 2 :]).all(axis=0))
    return panel.select(tuple(symbol for symbol, is_whole in zip(panel.symbols, whole, strict=True) if is_whole))


def _complete_so_far(world: World) -> Panel:
    traded = np.isfinite(world.panel.fields["close"]).astype(np.float64)
    return restrict(world.panel, trailing(traded, WINDOW, lambda rows: rows.min(axis=-1)) > 0)


def _top(values: Float64) -> Bools:
    return np.argsort(np.argsort(-np.nan_to_num(values, nan=-np.inf), axis=-1), axis=-1) < N_CHOSEN


def _winners(world: World) -> Panel:
    close = carry_forward(world.panel.fields["close"])
    best = _top(np.log(close[-1]) - np.log(close[len(close) // 4]))
    return restrict(world.panel, np.broadcast_to(best, world.panel.shape))


def _winners_so_far(world: World) -> Panel:
    close = carry_forward(world.panel.fields["close"])
    return restrict(world.panel, _top(np.log(close) - np.log(lagged(close, WINDOW))))


def _busy(world: World) -> Panel:
    volume = np.nan_to_num(world.panel.get("volume")).mean(axis=0)
    return restrict(world.panel, np.broadcast_to(_top(volume), world.panel.shape))


def _busy_so_far(world: World) -> Panel:
    volume = trailing(np.nan_to_num(world.panel.get("volume")), WINDOW, lambda rows: rows.mean(axis=-1))
    return restrict(world.panel, _top(volume))


def _to_next_event(bars: Bars, is_ahead: bool) -> Float64:
    # Bars until the next dividend, or since the last.
    rows = np.arange(len(bars.times), dtype=np.float64)[:, None]
    marked = np.where(np.isfinite(bars.facts["paid"]), rows, np.nan)
    near = carry_forward(marked[::-1])[::-1] - rows if is_ahead else rows - carry_forward(marked)
    return np.minimum(np.nan_to_num(near, nan=99.0), 99.0)


def _next_yield(bars: Bars, is_ahead: bool) -> Float64:
    paid = np.nan_to_num(bars.facts["paid"])
    total = trailing(paid, 20, lambda rows: rows.sum(axis=-1))
    return (lagged(total, -20) if is_ahead else total) / bars.close


def _with_dividends(compute: Compute) -> Study:
    def prepare(world: World) -> Panel:
        return replace(world.panel, fields={**world.panel.fields, "paid": world.panel.get("dividend")})

    return study_of(strategy(Feature("own", compute, 100, "the gauntlet", ("close", "paid"))), prepare)


PLANTS = (
    Plant(
        "today's index members",
        "Today's members are traded in the past; the twin trades the members of then.",
        partial(_restricted, _members_of_today),
        partial(_restricted, _members_of_then),
    ),
    Plant(
        "today's sectors",
        "Returns are compared within the sectors of today; the twin's within those of then.",
        partial(_by_sector, True),
        partial(_by_sector, False),
    ),
    Plant(
        "survivors only",
        "Names that do not trade at the end are dropped; the twin keeps them until they are gone.",
        partial(_restricted, _survivors),
        partial(_restricted, None),
    ),
    Plant(
        "incomplete columns dropped",
        "Names with a later gap are dropped; the twin asks for sixty bars without a gap so far.",
        partial(_restricted, _complete),
        partial(_restricted, _complete_so_far),
    ),
    Plant(
        "chosen by later return",
        "The names that did best are studied; the twin takes those that had done best by each bar.",
        partial(_restricted, _winners),
        partial(_restricted, _winners_so_far),
    ),
    Plant(
        "liquid by the whole history",
        "The names with the largest volume of all time are studied; the twin takes those of the last 60 bars.",
        partial(_restricted, _busy),
        partial(_restricted, _busy_so_far),
    ),
    Plant(
        "bars to the next dividend",
        "The distance to a dividend not yet announced is a feature; the twin takes that since the last.",
        partial(_with_dividends, partial(_to_next_event, is_ahead=True)),
        partial(_with_dividends, partial(_to_next_event, is_ahead=False)),
    ),
    Plant(
        "dividends before the ex-date",
        "A yield counts the dividends of the next 20 bars; the twin's those of the last 20.",
        partial(_with_dividends, partial(_next_yield, is_ahead=True)),
        partial(_with_dividends, partial(_next_yield, is_ahead=False)),
    ),
)
