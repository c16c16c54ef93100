"""Every planted leak is caught, no clean twin is accused, and the guide says so."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from quantdesk.evaluation.leaks.gauntlet import BEGIN, END, Case, as_json, as_markdown, gauntlet, plants, write_guide

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/leaks.md"


@cache
def cases() -> tuple[Case, ...]:
    return gauntlet(moments=2)


def test_every_planted_leak_is_caught() -> None:
    assert [case.name for case in cases() if case.planted and not case.caught] == []
    assert sum(case.planted for case in cases()) >= 40


def test_no_clean_twin_is_accused() -> None:
    assert [case.where for case in cases() if not case.planted and case.caught] == []
    assert sum(not case.planted for case in cases()) >= 40


def test_every_plant_has_a_name_and_a_story_of_its_own() -> None:
    names, stories = [plant.name for plant in plants()], [plant.story for plant in plants()]
    assert len(set(names)) == len(names)
    assert len(set(stories)) == len(stories)


def test_the_table_of_the_guide_is_what_the_program_gives() -> None:
    table = GUIDE.read_text().partition(BEGIN)[2].partition(END)[0].strip()
    assert table == as_markdown(cases())


def test_the_cases_as_plain_values_hold_four_things_each() -> None:
    plain = json.loads(json.dumps(as_json(cases()[:4])))
    assert [sorted(case) for case in plain["cases"]] == [["caught", "name", "planted", "where"]] * 4
    assert [case["planted"] for case in plain["cases"]] == [True, False, True, False]


def test_a_miss_and_a_false_accusation_stand_out_in_the_table() -> None:
    missed, accused = Case("a", True, False, "", "one"), Case("b", False, True, "x: y", "one")
    caught, spared = Case("c", True, True, "x: y", "two"), Case("d", False, False, "", "two")
    table = as_markdown((missed, accused, caught, spared))
    assert "| a | one | **missed** | **yes** |" in table
    assert "| c | two | x | no |" in table
    assert table.endswith("Caught: 1 of 2. Clean twins accused: 1 of 2.")


def test_the_guide_keeps_its_words_when_the_table_is_written(tmp_path: Path) -> None:
    path = tmp_path / "guide.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_guide(path, cases()[:2])
    assert path.read_text() == f"before\n{BEGIN}\n{as_markdown(cases()[:2])}\n{END}\nafter\n"


def test_the_examples_of_the_guide_run() -> None:
    scope: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, scope)


def test_the_table_has_one_row_for_each_plant() -> None:
    if len(cases()) != 2 * len(plants()):
        pytest.fail("a plant was left out")
    assert as_markdown(cases()).count("\n| ") == len(plants())
