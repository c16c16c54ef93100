"""Words on robustness: the most worrying first, and caveats where the result hangs on little."""

import math
from dataclasses import replace

import pytest
from evidence_made import BEGIN, END, sound, with_trip

from quantdesk.evaluation.robustness.findings import (
    Change,
    Contribution,
    Delays,
    Neighbour,
    Neighbours,
    Part,
    Robustness,
    Starts,
    Stretch,
    Universe,
)
from quantdesk.evaluation.robustness.words import MOST_SENTENCES, fragile, words, worries


def test_a_sound_result_is_called_so_in_one_sentence() -> None:
    assert words(sound()) == ("Nothing that was tried takes more than 25 % of the net Sharpe ratio of 1.20.",)
    assert fragile(sound()) == ()


def test_one_trade_that_made_the_profit_is_named_with_its_days() -> None:
    said = (
        "One trade, long NVDA from 2023-01-04 to 2023-06-01, made 61 % of the profit: without it the net Sharpe ratio is 0.12."
    )
    assert words(with_trip(0.61, 0.12)) == (said,)
    assert fragile(with_trip(0.61, 0.12)) == (said,)


def test_without_the_only_trade_nothing_is_left() -> None:
    assert words(with_trip(1.0, math.nan))[0].endswith("made 100 % of the profit: without it nothing is left.")


def test_a_trade_and_its_own_instrument_are_not_named_twice() -> None:
    of = with_trip(0.6, 0.3)
    own = replace(of.contribution, instrument=Part("NVDA", BEGIN, END, 1100.0, 0.7, 0.2))
    assert len(words(replace(of, contribution=own))) == 1
    other = replace(of.contribution, instrument=Part("VDA", BEGIN, END, 1100.0, 0.7, 0.2))
    assert [sentence[:9] for sentence in words(replace(of, contribution=other))] == ["One instr", "One trade"]


def test_the_heaviest_worry_comes_first() -> None:
    of = replace(with_trip(0.3, 1.0), delays=Delays((0, 1, 2), (1.2, -0.6, -0.7)))
    assert words(of)[0] == "Decided 1 bar later, the net Sharpe ratio is -0.60 instead of 1.20."
    assert words(of)[1].startswith("One trade")
    weights = [worry.weight for worry in worries(of)]
    assert weights == sorted(weights, reverse=True)


def shaken(name: str) -> Robustness:
    of = sound()
    periods, starts = of.periods, of.starts
    years = (Stretch("2018", 0.9, 2.0, 250), Stretch("2019", -0.1, -0.5, 250), *periods.years[:1])
    rough = (Stretch("calm market", -0.1, -0.5, 400), Stretch("usual market", -0.1, -0.4, 400), periods.volatility[2])
    tried = (Neighbour("Rank.long", 0.15, 0.2, 0.5), *of.neighbours.tried)
    return {
        "year": replace(of, periods=replace(periods, years=(years[0], years[1]))),
        "late": replace(of, delays=Delays((0, 1, 2), (1.2, 0.5, 0.4))),
        "order": replace(of, capacity=replace(of.capacity, shares=(0.02, 0.2, 0.4, 0.9))),
        "money": replace(of, capacity=replace(of.capacity, half_at=3e6)),
        "begun": replace(of, starts=replace(starts, sharpes=(1.0, -0.2))),
        "weekday": replace(of, starts=replace(starts, shifted=(0.4, 1.0))),
        "names": replace(of, universe=replace(of.universe, sharpes=(0.2, 1.0, 1.1))),
        "sector": replace(
            of, universe=replace(of.universe, sectors=(Change("without tech", 0.3), Change("without banks", 1.0)))
        ),
        "choice": replace(of, neighbours=replace(of.neighbours, tried=tried)),
        "market": replace(of, periods=replace(periods, volatility=rough)),
    }[name]


SENTENCES = {
    "year": "The year 2018 made 120 % of all growth: the others together returned -10 %.",
    "late": "Decided 1 bar later, the net Sharpe ratio is 0.50 instead of 1.20.",
    "order": "The largest order was 20 % of its instrument's daily volume.",
    "money": "Half of the net Sharpe ratio is gone at a capital of 3,000,000, 3.0 times what was traded.",
    "begun": "Begun on 2023-06-01, it has a net Sharpe ratio of -0.20 instead of 1.20.",
    "weekday": "Deciding one bar later in each period gives a net Sharpe ratio of 0.40 instead of 1.20.",
    "names": "Without a random 20 % of the instruments the net Sharpe ratio is 0.28 to 1.09 in nine draws of ten, "
    "instead of 1.20.",
    "sector": "Without tech the net Sharpe ratio is 0.30 instead of 1.20.",
    "choice": "With Rank.long at 0.15 instead of 0.2 the net Sharpe ratio is 0.50 instead of 1.21.",
    "market": "It earned only in a rough market: its net Sharpe ratio was 1.10 there, and -0.50 in a calm market, "
    "judged by the 60 bars before each.",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_each_weakness_is_a_sentence_and_a_caveat(name: str) -> None:
    assert words(shaken(name)) == (SENTENCES[name],)
    assert fragile(shaken(name)) == (SENTENCES[name],)


def test_another_horizon_is_another_strategy_and_no_weakness() -> None:
    of = replace(sound(), neighbours=Neighbours(1.2, (Neighbour("horizon", 20, 5, -1.0),)))
    assert fragile(of) == ()


def test_at_most_five_sentences_are_said_and_every_caveat_is_kept() -> None:
    of = sound()
    for name in SENTENCES:
        changed = shaken(name)
        of = replace(
            of, **{field: part for field, part in vars(changed).items() if repr(part) != repr(getattr(sound(), field))}
        )
    assert len(words(of)) == MOST_SENTENCES
    assert words(of) == tuple(worry.sentence for worry in worries(of))[:MOST_SENTENCES]
    assert len(fragile(of)) > MOST_SENTENCES


@pytest.mark.parametrize("sharpe", [-0.3, 0.0, math.nan])
def test_without_an_edge_there_is_nothing_to_lose(sharpe: float) -> None:
    of = replace(shaken("late"), sharpe=sharpe)
    assert len(words(of)) == 1
    assert "there is no edge" in words(of)[0]
    assert fragile(of) == ()


def test_what_has_no_meaning_is_not_spoken_of() -> None:
    of = sound()
    empty = replace(
        of,
        delays=Delays((0, 1), (1.2, math.nan)),
        starts=Starts((), (), (), ()),
        universe=Universe(0.2, (), ()),
        neighbours=Neighbours(math.nan, ()),
        capacity=replace(of.capacity, half_at=math.nan),
        contribution=Contribution(0.0, 0.0, None, None, None, 0, math.nan),
    )
    assert len(words(empty)) == 1
    assert "nan" not in "".join(worry.sentence for worry in worries(empty))
