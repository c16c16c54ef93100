"""The rules by which the robustness study becomes words: all of them stand here."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from quantdesk.evaluation.robustness.findings import Part, Robustness
from quantdesk.evaluation.verdict import said

MOST_SENTENCES = 5
"""Sentences that ``words`` gives at most."""

WORTH_SAYING = 0.25
"""Share of the Sharpe ratio, or of the profit, under which a loss is not spoken of."""

HALF = 0.5
"""Share of the Sharpe ratio that a small change may take before it is a caveat."""

ONE_PART = 0.25
"""Share of the profit that one round trip, or one instrument, may make before it is a caveat."""

ONE_YEAR = 1.0
"""Share of all growth that one year may make before it is a caveat: without it nothing was earned."""

LITTLE_ROOM = 10.0
"""Multiple of the capital below which half of the Sharpe ratio must not be gone."""

LARGE_ORDER = 0.1
"""Share of a day's volume above which an order is too large to trust a simulated fill."""


class Worry(NamedTuple):
    """Something that the result rests on.

    ``weight`` is the share of the Sharpe ratio or of the profit that goes with it.
    """

    weight: float
    sentence: str
    is_caveat: bool


def words(robustness: Robustness) -> tuple[str, ...]:
    """Say in at most five sentences what the result rests on, the most worrying first."""
    if not robustness.sharpe > 0:
        return (
            f"As traded the net Sharpe ratio is {said(robustness.sharpe)}: there is no edge that a change could take away.",
        )
    spoken = tuple(worry.sentence for worry in worries(robustness) if worry.weight >= WORTH_SAYING or worry.is_caveat)
    calm = (
        f"Nothing that was tried takes more than {_share(WORTH_SAYING)} of the net Sharpe ratio of {said(robustness.sharpe)}."
    )
    return spoken[:MOST_SENTENCES] or (calm,)


def fragile(robustness: Robustness) -> tuple[str, ...]:
    """Give the sentences that should stand as caveats beside a verdict; none where there is no edge to lose."""
    if not robustness.sharpe > 0:
        return ()
    return tuple(worry.sentence for worry in worries(robustness) if worry.is_caveat)


def worries(robustness: Robustness) -> list[Worry]:
    """List what goes wrong under a change, the heaviest first; the Sharpe ratio as traded must be positive."""
    parts = (_parts, _years, _late, _money, _begun, _names, _choices, _markets)
    found = [worry for part in parts for worry in part(robustness) if math.isfinite(worry.weight)]
    return sorted(found, key=lambda worry: -worry.weight)


def _parts(of: Robustness) -> Iterator[Worry]:
    trip, instrument = of.contribution.trip, of.contribution.instrument
    if trip is None or instrument is None:
        return
    when = f"from {_day(trip.begins_at)} to {_day(trip.ends_at)}"
    yield _part(of, trip, f"One trade, {trip.name} {when},")
    if not (trip.name.endswith(f" {instrument.name}") and trip.share >= HALF * instrument.share):
        yield _part(of, instrument, f"One instrument, {instrument.name},")


def _part(of: Robustness, part: Part, who: str) -> Worry:
    weight = max(part.share, _lost(of, part.sharpe_without))
    left = f"the net Sharpe ratio is {said(part.sharpe_without)}" if math.isfinite(part.sharpe_without) else "nothing is left"
    sentence = f"{who} made {_share(part.share)} of the profit: without it {left}."
    return Worry(weight, sentence, part.share >= ONE_PART or _lost(of, part.sharpe_without) >= HALF)


def _years(of: Robustness) -> Iterator[Worry]:
    growth = {year.name: math.log1p(year.net_return) for year in of.periods.years if year.net_return > -1}
    total = sum(growth.values())
    if len(growth) < 2 or not total > 0:
        return
    best = max(growth, key=lambda name: growth[name])
    weight = growth[best] / total
    others = math.expm1(total - growth[best])
    sentence = f"The year {best} made {_share(weight)} of all growth: the others together returned {_share(others)}."
    # One of two years makes at least half by itself.
    yield Worry(weight if len(growth) > 2 or weight >= ONE_YEAR else 0.0, sentence, weight >= ONE_YEAR)


def _late(of: Robustness) -> Iterator[Worry]:
    for bars, sharpe in zip(of.delays.bars[1:], of.delays.sharpes[1:], strict=True):
        late = "1 bar" if bars == 1 else f"{bars} bars"
        yield _worry(of, sharpe, f"Decided {late} later, the net Sharpe ratio is {_instead(of, sharpe)}.", is_small=bars == 1)
        if _lost(of, sharpe) >= HALF:
            return


def _money(of: Robustness) -> Iterator[Worry]:
    capacity = of.capacity
    if capacity.share_traded > LARGE_ORDER:
        sentence = f"The largest order was {_share(capacity.share_traded)} of its instrument's daily volume."
        yield Worry(min(capacity.share_traded, 1.0), sentence, is_caveat=True)
    multiple = capacity.half_at / capacity.traded
    money = f"a capital of {capacity.half_at:,.0f}, {multiple:.1f} times what was traded"
    sentence = f"Half of the net Sharpe ratio is gone at {money}."
    yield Worry(1.0 / multiple if multiple > 0 else math.nan, sentence, multiple < LITTLE_ROOM)


def _begun(of: Robustness) -> Iterator[Worry]:
    later = [(sharpe, time) for sharpe, time in zip(of.starts.sharpes, of.starts.times, strict=True) if math.isfinite(sharpe)]
    if later:
        sharpe, time = min(later)
        sentence = f"Begun on {_day(time)}, it has a net Sharpe ratio of {_instead(of, sharpe)}."
        yield Worry(_lost(of, sharpe), sentence, sharpe <= 0)
    moved = [(sharpe, bars) for sharpe, bars in zip(of.starts.shifted, of.starts.shifts, strict=True) if math.isfinite(sharpe)]
    if moved:
        sharpe, bars = min(moved)
        when = f"on bars {bars} later in each period" if bars > 1 else "one bar later in each period"
        yield _worry(of, sharpe, f"Deciding {when} gives a net Sharpe ratio of {_instead(of, sharpe)}.")


def _names(of: Robustness) -> Iterator[Worry]:
    low, high = of.universe.low, of.universe.high
    spread = (
        f"Without a random {_share(of.universe.share)} of the instruments the net Sharpe ratio is {said(low)} to {said(high)}"
    )
    yield _worry(of, low, f"{spread} in nine draws of ten, instead of {said(of.sharpe)}.")
    sectors = [change for change in of.universe.sectors if math.isfinite(change.sharpe)]
    if sectors:
        worst = min(sectors, key=lambda change: change.sharpe)
        sentence = f"{worst.name.capitalize()} the net Sharpe ratio is {_instead(of, worst.sharpe)}."
        yield _worry(of, worst.sharpe, sentence)


def _choices(of: Robustness) -> Iterator[Worry]:
    own = of.neighbours.unchanged
    tried = [one for one in of.neighbours.tried if one.choice != "horizon" and math.isfinite(one.sharpe)]
    if not tried or not own > 0:
        return
    worst = min(tried, key=lambda one: one.sharpe)
    weight = 1.0 - worst.sharpe / own
    change = f"With {worst.choice} at {worst.value:g} instead of {worst.chosen:g}"
    yield Worry(weight, f"{change} the net Sharpe ratio is {said(worst.sharpe)} instead of {said(own)}.", weight >= HALF)


def _markets(of: Robustness) -> Iterator[Worry]:
    for kinds in (of.periods.volatility, of.periods.trend):
        known = [kind for kind in kinds if math.isfinite(kind.sharpe)]
        earning = [kind for kind in known if kind.net_return > 0]
        if len(known) == len(kinds) and len(earning) == 1:
            worst = min(known, key=lambda kind: kind.sharpe)
            only = f"It earned only in a {earning[0].name}: its net Sharpe ratio was {said(earning[0].sharpe)} there"
            other = f"and {said(worst.sharpe)} in a {worst.name}, judged by the 60 bars before each."
            yield Worry(_lost(of, worst.sharpe), f"{only}, {other}", is_caveat=True)


def _worry(of: Robustness, sharpe: float, sentence: str, *, is_small: bool = True) -> Worry:
    weight = _lost(of, sharpe)
    return Worry(weight, sentence, is_small and weight >= HALF)


def _lost(of: Robustness, sharpe: float) -> float:
    return 1.0 - sharpe / of.sharpe


def _instead(of: Robustness, sharpe: float) -> str:
    return f"{said(sharpe)} instead of {said(of.sharpe)}"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _day(time: object) -> str:
    return str(time)[:10]
