"""The two public misses as studies for our own checks; never loaded beside freqtrade."""

from functools import partial

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.domain.records import Records
from quantdesk.evaluation.leaks.plants.ground import Plant, lagged, strategy, study_of
from quantdesk.evaluation.leaks.plants.joins import hourly, with_field
from quantdesk.evaluation.leaks.study import Study, World

HOUR = np.timedelta64(1, "h")


def _first_bar(bars: Bars, ahead: int) -> Float64:
    # At the first bar of each day: whether the next one rises, or whether this one did.
    day = bars.times.astype("datetime64[D]")
    is_first = np.append(True, day[1:] != day[:-1])
    result: Float64 = np.where(is_first[:, None] & (lagged(bars.returns, -ahead) > 0), 1.0, 0.0)
    return result


def _in_rule(ahead: int) -> Study:
    own = Feature("own", partial(_first_bar, ahead=ahead), 10, "the comparison", ("close",))
    return study_of(strategy(own), None, World(hourly()))


def _two_hours() -> Records:
    # Opens and closes of pairs of bars: their own time is that of the opening, they are known at the close.
    panel = hourly()
    begins = np.arange(0, len(panel.times) - 1, 2)
    rows = [
        (symbol, name, panel.times[row] - HOUR, panel.times[row + 1], panel.fields[name][row + (name == "close"), column])
        for column, symbol in enumerate(panel.symbols)
        for row in begins
        for name in ("open", "close")
    ]
    subjects, names, periods, known, figures = (np.array(each) for each in zip(*rows, strict=True))
    return Records(subjects, names, periods, known, figures, name="two hours")


def _body(world: World, by_period: bool) -> Panel:
    assert world.records is not None
    panel, records = world.panel, world.records
    if by_period:
        records = Records(records.subjects, records.names, records.periods, records.periods, records.values)
    ends = [records.latest(name, panel.symbols, panel.times)[0] for name in ("open", "close")]
    close = panel.fields["close"]
    inside = (close >= np.fmin(*ends)) & (close <= np.fmax(*ends))
    return with_field(panel, "fact", inside.astype(np.float64))


def _joined(by_period: bool) -> Study:
    own = Feature("fact", lambda bars: bars.facts["fact"], 1, "the comparison", ("close", "fact"))
    return study_of(strategy(own), partial(_body, by_period=by_period), World(hourly(), _two_hours()))


PLANTS = (
    Plant(
        "one candle ahead, in the rule only",
        "At the first bar of a day the next bar's rise is known; the twin knows the last one's.",
        partial(_in_rule, 1),
        partial(_in_rule, 0),
    ),
    Plant(
        "hour joined by its opening time",
        "Each bar is compared with the wider bar that opened last; the twin with the one that closed last.",
        partial(_joined, True),
        partial(_joined, False),
    ),
)
