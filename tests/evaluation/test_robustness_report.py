"""The robustness section: every change is drawn, and nothing unknown breaks it."""

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

from evidence_made import sound, with_trip

from quantdesk.evaluation.report.robustness import section, strips
from quantdesk.evaluation.report.wording import number
from quantdesk.evaluation.robustness.findings import (
    Capacity,
    Change,
    Contribution,
    Delays,
    Neighbours,
    Periods,
    Starts,
    Universe,
)


def parsed(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html)


def test_every_change_is_a_dot_that_names_it() -> None:
    of = sound()
    html = section(of)
    for row in strips(of):
        for change in row.changes:
            assert f'title="{change.name}: {number(change.sharpe)}"' in html
    assert parsed(html).get("id") == "robustness"


def test_a_change_that_takes_more_than_half_stands_out() -> None:
    of = replace(sound(), delays=Delays((0, 1, 2), (1.2, 0.59, 0.61)))
    dots = dict(re.findall(r'<i class="dot (t\d)"[^>]*title="(\d bars? late)', section(of)))
    assert {name: tone for tone, name in dots.items()} == {"1 bar late": "t1", "2 bars late": "t0"}


def test_dots_stand_where_their_sharpe_ratio_does() -> None:
    of = replace(sound(), delays=Delays((0, 1, 2), (1.2, 0.0, 1.2)))
    html = section(of)
    places = re.findall(r'left:([\d.]+)%;top:50.00%" title="\d bars? late', html)
    zero, base = re.findall(r'class="(?:zero|mean)" d="M([\d.]+) 0V1000"', html)[:2]
    assert [float(place) for place in places] == [round(float(zero) / 10, 2), round(float(base) / 10, 2)]


def test_a_wild_sharpe_ratio_is_drawn_at_the_edge_and_not_beyond() -> None:
    of = replace(sound(), universe=Universe(0.2, (1.0, -80.0, 95.0), ()))
    places = [float(place) for place in re.findall(r"left:(-?[\d.]+)%;top:50", section(of))]
    assert min(places) >= 0.0
    assert max(places) <= 100.0
    assert "−80.00 to 95.00" in section(of)


def test_names_from_the_data_cannot_break_the_page() -> None:
    html = section(with_trip(0.6, 0.1, name='long <b>"&'))
    assert "<b>" not in html
    parsed(html)


def test_nothing_known_still_gives_a_section() -> None:
    nothing = replace(
        sound(),
        sharpe=math.nan,
        delays=Delays((0, 1), (math.nan, math.nan)),
        capacity=Capacity((1e6,), (math.nan,), (0.0,), 1e6, math.nan, math.nan, False),
        starts=Starts((), (), (), ()),
        universe=Universe(0.2, (), (Change("without tech", math.nan),)),
        neighbours=Neighbours(math.nan, ()),
        periods=Periods((), (), ()),
        contribution=Contribution(0.0, 0.0, None, None, None, 0, math.nan),
    )
    html = section(nothing)
    assert "nan" not in html
    assert strips(nothing) == ()
    parsed(html)
