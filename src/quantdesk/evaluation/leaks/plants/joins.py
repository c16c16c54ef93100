"""Facts laid beside the bars before they were known, and bars put together across their ends."""

from dataclasses import replace
from functools import cache, partial

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints, Times
from quantdesk.domain.bars import Bars, carry_forward
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.domain.records import Records
from quantdesk.evaluation.leaks.plants.ground import Compute, Plant, Prepare, lagged, market, strategy, study_of
from quantdesk.evaluation.leaks.study import Study, World

DAY = np.timedelta64(1, "D")
HOUR = np.timedelta64(1, "h")
BARS_A_DAY = 7


@cache
def filings() -> Records:
    """Make earnings each 40 days, known 25 days after the period at 22:00 UTC, restated 30 days later."""
    random, panel = np.random.default_rng(3), market()
    rows = []
    for column, symbol in enumerate(panel.symbols):
        for period in np.arange(panel.times[0] + 45 * column * DAY, panel.times[-1] - 60 * DAY, 40 * DAY).astype(
            "datetime64[D]"
        ):
            first, second = random.normal(size=2)
            rows.append((symbol, period, period + 25 * DAY, first))
            rows.append((symbol, period, period + 55 * DAY, first + 0.5 * second))
    known: Times = np.add(np.array([row[2] for row in rows]).astype("datetime64[ns]"), 22 * HOUR)
    return Records(
        subjects=np.array([row[0] for row in rows]),
        names=np.full(len(rows), "eps"),
        periods=np.array([row[1] for row in rows]),
        known_at=known,
        values=np.array([row[3] for row in rows]),
        name="filings",
    )


def _joined(world: World, stamps: Times, side: str, newest_wins: bool = True) -> Panel:
    # The value of the newest stamp at or before each bar, ties going to the latest or the first vintage.
    assert world.records is not None
    values = np.full(world.panel.shape, np.nan)
    for column, symbol in enumerate(world.panel.symbols):
        own = world.records.subjects == symbol
        order = np.lexsort((world.records.known_at[own], stamps[own]))
        when, what = stamps[own][order], world.records.values[own][order]
        if not newest_wins:
            when, kept = np.unique(when, return_index=True)
            what = what[kept]
        rows = np.searchsorted(when, world.panel.times, side="right") - 1
        if side == "nearest" and len(when):
            ahead = np.minimum(rows + 1, len(when) - 1)
            is_nearer = np.abs(when[ahead] - world.panel.times) < np.abs(when[np.maximum(rows, 0)] - world.panel.times)
            rows = np.where((rows < 0) | is_nearer, ahead, rows)
        if side == "first" and len(when):
            rows = np.maximum(rows, 0)
        values[rows >= 0, column] = what[rows[rows >= 0]]
    return with_field(world.panel, "fact", values)


def with_field(panel: Panel, name: str, values: Float64) -> Panel:
    """Add a field to a panel."""
    return replace(panel, fields={**panel.fields, name: values})


def _known(world: World) -> Panel:
    assert world.records is not None
    return with_field(world.panel, "fact", world.records.latest("eps", world.panel.symbols, world.panel.times)[0])


def _by_period(world: World) -> Panel:
    assert world.records is not None
    return _joined(world, world.records.periods, "backward", newest_wins=False)


def _restated(world: World) -> Panel:
    # Stamped with the first publication, but in the words of the last.
    assert world.records is not None
    records = world.records
    first = np.array([(records.known_at[_same(records, row)]).min() for row in range(len(records))], dtype="datetime64[ns]")
    return _joined(world, first, "backward")


def _averaged(world: World) -> Panel:
    # All vintages of a period averaged, from its first publication on.
    assert world.records is not None
    records = world.records
    means = np.array([records.values[_same(records, row)].mean() for row in range(len(records))])
    first = np.array([(records.known_at[_same(records, row)]).min() for row in range(len(records))], dtype="datetime64[ns]")
    return _joined(World(world.panel, replace(records, values=means)), first, "backward")


def _same(records: Records, row: int) -> Bools:
    is_same: Bools = (records.subjects == records.subjects[row]) & (records.periods == records.periods[row])
    return is_same


def _by_date(world: World) -> Panel:
    # The day of publication, without its hour: what came after the close is read at the close.
    assert world.records is not None
    return _joined(world, world.records.known_at.astype("datetime64[D]").astype("datetime64[ns]"), "backward")


def _by_time(world: World, side: str = "backward") -> Panel:
    assert world.records is not None
    return _joined(world, world.records.known_at, side)


def _line_between(world: World) -> Panel:
    assert world.records is not None
    values = np.full(world.panel.shape, np.nan)
    for column, symbol in enumerate(world.panel.symbols):
        own = np.flatnonzero(world.records.subjects == symbol)
        if own.size:
            own = own[np.argsort(world.records.known_at[own])]
            stamps = world.records.known_at[own].astype(np.float64)
            values[:, column] = np.interp(world.panel.times.astype(np.float64), stamps, world.records.values[own], left=np.nan)
    return with_field(world.panel, "fact", values)


def _fact(bars: Bars) -> Float64:
    return bars.facts["fact"]


def _with_facts(prepare: Prepare, world: World | None = None) -> Study:
    own = Feature("fact", _fact, 1, "the gauntlet", ("close", "fact"))
    return study_of(strategy(own), prepare, world or World(market(), filings()))


def _record_plant(name: str, story: str, leaky: Prepare, clean: Prepare) -> Plant:
    return Plant(name, story, partial(_with_facts, leaky), partial(_with_facts, clean))


@cache
def hourly() -> Panel:
    """Make seven bars a day, closing at 10:00 to 16:00 in New York (winter), of six names for 60 days."""
    random = np.random.default_rng(11)
    days = np.busday_offset(np.datetime64("2011-11-14"), np.arange(60)).astype("datetime64[ns]")
    times: Times = np.add(days[:, None], (15 + np.arange(BARS_A_DAY)) * HOUR).ravel()
    instruments = market().instruments[:6]
    steps = random.normal(0.0, 0.005, (len(times), 2, 6))
    path = 50.0 * np.exp(np.cumsum(steps.reshape(-1, 6), axis=0))
    opened, closed = path[0::2], path[1::2]
    fields = {
        "open": opened,
        "high": np.maximum(opened, closed) * 1.001,
        "low": np.minimum(opened, closed) * 0.999,
        "close": closed,
        "volume": random.integers(1_000, 9_000, closed.shape).astype(np.float64),
    }
    return Panel(times, instruments, fields, name="hourly")


def _days(panel: Panel) -> Ints:
    return np.unique(panel.times.astype("datetime64[D]"), return_inverse=True)[1].astype(np.int64)


def _daily(panel: Panel, back: int) -> Panel:
    # Each day's last close beside each of its hours, or that of the day before.
    day, close = _days(panel), panel.fields["close"]
    last = np.append(np.flatnonzero(np.diff(day)), len(day) - 1)
    trend = np.log(close / lagged(close[last], back)[day])
    return with_field(panel, "fact", trend)


def _day_volume(panel: Panel, is_whole: bool) -> Panel:
    day, volume = _days(panel), panel.fields["volume"]
    totals = np.stack([volume[day == number].sum(axis=0) for number in range(day[-1] + 1)])
    running = np.cumsum(volume, axis=0)
    before = np.concatenate([np.zeros((1, volume.shape[1])), np.cumsum(totals, axis=0)])[day]
    return with_field(panel, "fact", np.log(totals[day] if is_whole else running - before))


def _two_hourly(world: World, label: str) -> Panel:
    # Bars of two hours, counted in the day; labelled by their end, or by where they begin.
    panel = world.panel
    hour = (panel.times - panel.times.astype("datetime64[D]")).astype("timedelta64[h]").astype(np.int64)
    bucket = _days(panel) * 4 + (hour - 14) // 2
    starts = np.flatnonzero(np.append(True, np.diff(bucket) > 0))
    stops = np.append(starts[1:], len(bucket))
    ends = panel.times[starts] + np.where((hour[starts] - 14) % 2 == 0, 1, 0) * HOUR
    begins = panel.times[starts]
    fields = {
        "open": panel.fields["open"][starts],
        "high": np.maximum.reduceat(panel.fields["high"], starts),
        "low": np.minimum.reduceat(panel.fields["low"], starts),
        "close": panel.fields["close"][stops - 1],
        "volume": np.add.reduceat(panel.fields["volume"], starts),
    }
    return replace(panel, times=ends if label == "right" else begins, fields=fields)


def _plain_hourly(prepare: Prepare) -> Study:
    return study_of(strategy(), prepare, World(hourly()))


def _late_field(bars_late: int) -> Study:
    # A score that each bar carries, though it is known a day later; the twin reads it a bar later.
    panel = market()
    score = np.random.default_rng(5).normal(size=panel.shape)
    known = np.broadcast_to(panel.times[:, None] + 20 * HOUR, panel.shape)
    late = replace(panel, fields={**panel.fields, "fact": score}, known_at={"fact": known})
    own = Feature("fact", lambda bars: lagged(bars.facts["fact"], bars_late), 5, "the gauntlet", ("close", "fact"))
    return study_of(strategy(own), None, World(late))


def _adjusted(world: World) -> Panel:
    # Prices of today's units: every later split rewrites them.
    panel = world.panel
    ratio = np.where(np.isfinite(panel.get("split")), panel.get("split"), 1.0)
    growth = np.cumprod(ratio, axis=0)
    return with_field(panel, "fact", carry_forward(panel.fields["close"]) * growth / growth[-1])


def _level_study(compute: Compute) -> Study:
    return study_of(strategy(Feature("own", compute, 10, "the gauntlet", ("close", "fact"))), _adjusted)


def _log_level(bars: Bars) -> Float64:
    return np.log(bars.facts["fact"])


def _log_change(bars: Bars) -> Float64:
    return np.log(bars.facts["fact"] / lagged(bars.facts["fact"], 5))


PLANTS = (
    _record_plant(
        "restated fundamentals",
        "Earnings are read in their last restatement from the first publication on; the twin reads the vintage of then.",
        _restated,
        _known,
    ),
    _record_plant(
        "joined by period end",
        "Earnings are joined at the end of their period; the twin's when they were published.",
        _by_period,
        _known,
    ),
    _record_plant(
        "revised news",
        "All revisions of a figure are averaged from its first day on; the twin reads the newest then.",
        _averaged,
        _by_time,
    ),
    _record_plant(
        "off by part of a day",
        "A release after the close is joined by its date to that close; the twin joins by its hour.",
        _by_date,
        _by_time,
    ),
    _record_plant(
        "nearest join",
        "The nearest record is joined, before or after; the twin takes the last before.",
        partial(_by_time, side="nearest"),
        _by_time,
    ),
    _record_plant(
        "first value filled back",
        "Bars before the first record take its value; the twin leaves them empty.",
        partial(_by_time, side="first"),
        _by_time,
    ),
    _record_plant(
        "line between reports",
        "A figure moves in a line to the next report; the twin's stays until it.",
        _line_between,
        _by_time,
    ),
    Plant(
        "higher time frame",
        "Each hour is joined to its whole day's close; the twin's to that of the day before.",
        partial(_with_facts, lambda world: _daily(world.panel, 0), World(hourly())),
        partial(_with_facts, lambda world: _daily(world.panel, 1), World(hourly())),
    ),
    Plant(
        "volume of the unfinished day",
        "Each hour is given its whole day's volume; the twin's the volume so far.",
        partial(_with_facts, lambda world: _day_volume(world.panel, True), World(hourly())),
        partial(_with_facts, lambda world: _day_volume(world.panel, False), World(hourly())),
    ),
    Plant(
        "resample label",
        "Bars of two hours are labelled where they begin; the twin's where they end.",
        partial(_plain_hourly, partial(_two_hourly, label="left")),
        partial(_plain_hourly, partial(_two_hourly, label="right")),
    ),
    Plant(
        "field known later",
        "A field carries values that became known after the bar's close; the twin reads them a bar later.",
        partial(_late_field, 0),
        partial(_late_field, 1),
    ),
    Plant(
        "adjusted price levels",
        "The level of a price in today's units is a feature; the twin takes its change.",
        partial(_level_study, _log_level),
        partial(_level_study, _log_change),
    ),
)
