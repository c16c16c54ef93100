"""The section on placebos: one plain sentence, one picture, one table."""

import re

import numpy as np
import pytest

from quantdesk.evaluation.evidence import Placebos, Shuffles
from quantdesk.evaluation.report.placebo import section

NONE = np.empty(0)


def twins(sharpes: list[float], real: float) -> Placebos:
    kinds = ("resampled prices", "permuted labels", "GARCH market")
    worlds = tuple(kinds[i % 3] for i in range(len(sharpes)))
    values = np.array(sharpes)
    return Placebos(worlds, values, values - 0.1, values / 100, real, real, real / 100, seconds=1.0)


def shuffled(real: float = 1.0, p: float = 0.31) -> Shuffles:
    draws = np.linspace(-1, 1, 200)
    return Shuffles(draws, draws / 100, real, real / 100, p, p)


@pytest.mark.parametrize(
    ("sharpes", "said"),
    [
        ([1.2, 1.5, 2.0, 0.1, 0.2], "Of 5 twins without an edge, 3 did as well or better: what it earned needs no edge."),
        ([0.1] * 5, "Of 5 twins without an edge, none did as well: chance alone puts it first once in 6."),
        ([1.5] + [0.1] * 19, "Of 20 twins without an edge, 1 did as well or better: what it earned is rare without an edge"),
        ([0.1], "In the one twin without an edge that was run, less was earned: chance alone puts it first once in 2."),
        ([1.0], "In the one twin without an edge that was run, as much was earned or more"),
        ([float("nan")] * 2, "Of 2 twins without an edge, 2 did as well or better"),
    ],
)
def test_one_sentence_says_how_many_twins_did_as_well(sharpes: list[float], said: str) -> None:
    assert said in section(twins(sharpes, 1.0), shuffled())


def test_the_timing_is_called_no_accident_only_where_few_orders_did_as_well() -> None:
    assert "31\N{NARROW NO-BREAK SPACE}% of 200 orders, so nothing shows" in section(None, shuffled())
    assert "so their timing is no accident" in section(None, shuffled(p=0.01))
    assert "No twins of the market were run." in section(None, shuffled())
    never = Shuffles(NONE, NONE, float("nan"), float("nan"), 1.0, 1.0)
    assert "It decided nothing whose timing could be shuffled." in section(None, never)


def test_the_picture_has_a_dot_a_twin_a_line_for_the_real_run_and_a_heap_of_orders() -> None:
    drawn = section(twins([0.1, -0.5, 0.4], 1.0), shuffled())
    dots = re.findall(r'class="dot t(\d)" style="left:([\d.]+)%', drawn)
    assert [tone for tone, _ in dots] == ["1", "2", "3"]
    assert float(dots[1][1]) < float(dots[0][1]) < float(dots[2][1])
    assert drawn.count("the real run, 1.00") == 1
    assert drawn.count("<rect") > 20


def test_without_twins_nothing_is_said_of_dots_and_the_line_carries_the_headline() -> None:
    alone = section(None, shuffled(real=0.11), net_sharpe=0.1)
    assert "dot is a twin" not in alone
    assert "The grey heap is the same decisions given to later times." in alone
    assert "the real run, 0.10" in alone
    assert "0.11" not in alone
    assert "the real run, 0.11" in section(None, shuffled(real=0.11))
    both = section(twins([0.1], 1.0), shuffled(real=1.01), net_sharpe=1.0)
    assert "Each dot is a twin" in both
    assert "1.01" not in both


def test_a_run_and_twins_without_numbers_are_drawn_as_nothing() -> None:
    never = Shuffles(NONE, NONE, float("nan"), float("nan"), 1.0, 1.0)
    assert "Nothing to draw" in section(twins([float("nan")], float("nan")), never)
