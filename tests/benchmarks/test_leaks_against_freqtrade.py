"""The comparison with freqtrade, as far as it runs without freqtrade: cases, strategies, reading of answers, table."""

import ast
import json
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import leaks_against_freqtrade as comparison  # noqa: E402
from freqtrade_cases.case import CANDLE, Case, opens_at, values  # noqa: E402
from freqtrade_cases.catalogue import CANNOT, CASES, PUBLIC  # noqa: E402
from freqtrade_cases.ground import N_CANDLES, Ground, ground  # noqa: E402
from freqtrade_cases.layout import lay_out, write_strategy  # noqa: E402
from freqtrade_cases.ours import PLANTS  # noqa: E402
from freqtrade_cases.program import Answer, Program, ProgramError, ask, first_answer, installed, second_answer  # noqa: E402

from quantdesk.domain.errors import DataError  # noqa: E402
from quantdesk.evaluation.leaks.check import check_study  # noqa: E402
from quantdesk.evaluation.leaks.gauntlet import plants  # noqa: E402

FAKE = """#!{python}
import sys
said = sys.argv[1:]
print({printed!r})
if "--lookahead-analysis-exportfilename" in said and {row!r}:
    open(said[said.index("--lookahead-analysis-exportfilename") + 1], "w").write(
        "has_bias,biased_entry_signals,biased_exit_signals,biased_indicators\\n" + {row!r})
sys.exit({code})
"""


@cache
def world() -> Ground:
    return ground()


def known(count: int) -> Ground:
    """Keep what is known when a number of candles have closed."""
    whole, now = world(), opens_at(world().candles)[count - 1] + CANDLE
    return Ground(
        whole.candles[:count].copy(),
        whole.market[:count].copy(),
        whole.hourly[opens_at(whole.hourly) + 12 * CANDLE <= now].copy(),
        whole.facts[opens_at(whole.facts, "known_at") <= now].copy(),
        whole.table[opens_at(whole.table, "ends_at") <= now].copy(),
    )


def moments(case: Case) -> list[int]:
    """Choose counts of candles: some anywhere, one that ends in a gap, some that end with the first candle of an hour."""
    if case.name == "first value filled back":
        return [20]
    gap = int(np.flatnonzero(values(world().candles["volume"])[700:] == 0)[0]) + 701
    return [700, 703, 708, gap, *range(721, 790, 12), 1500]


def moves(case: Case, is_leaky: bool) -> bool:
    """Say whether a case's numbers change when what comes later is taken away."""
    function = case.leaky if is_leaky else case.clean
    whole = function(world().candles.copy(), world().beside(case.beside))
    for count in moments(case):
        less = known(count)
        part = function(less.candles, less.beside(case.beside))
        if not np.allclose(part, whole[:count], rtol=1e-9, atol=1e-12, equal_nan=True):
            return True
    return False


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_leaks_and_its_twin_does_not(case: Case) -> None:
    assert moves(case, is_leaky=True)
    assert not moves(case, is_leaky=False)


def test_every_plant_of_the_gauntlet_is_a_case_or_has_a_reason_not_to_be() -> None:
    cases = {case.name for case in CASES} - {case.name for case in PUBLIC}
    reasons = {name for names in CANNOT.values() for name in names}
    assert cases | reasons == {plant.name for plant in plants()}
    assert cases & reasons == set()
    assert len(cases) >= 40


def test_our_checks_see_both_public_misses_and_spare_their_twins() -> None:
    assert [plant.name for plant in PLANTS] == [case.name for case in PUBLIC]
    for plant in PLANTS:
        assert check_study(plant.leaky(), seed=0)
        assert check_study(plant.clean(), seed=0) == ()


def test_every_case_becomes_a_strategy_that_can_be_read(tmp_path: Path) -> None:
    for number, case in enumerate(CASES):
        for is_leaky in (True, False):
            name = write_strategy(tmp_path, case, is_leaky, number)
            text = (tmp_path / "strategies" / name / f"{name}.py").read_text()
            assert [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)] == [name]
            assert f"compute({case.name!r}, {is_leaky}," in text
            assert ('dataframe["own"]' in text) is not case.is_in_rule


def test_the_folder_holds_candles_facts_and_the_answers_of_the_exchange(tmp_path: Path) -> None:
    lay_out(tmp_path, world())
    candles = json.loads((tmp_path / "data/binance/ETH_USDT-5m.json").read_text())
    assert len(candles) == N_CANDLES
    assert candles[1][0] - candles[0][0] == 300_000
    assert candles[7][1:] == values(world().candles[["open", "high", "low", "close", "volume"]])[7].tolist()
    assert json.loads((tmp_path / "config.json").read_text())["exchange"]["pair_whitelist"] == ["ETH/USDT"]
    ast.parse((tmp_path / "offline/sitecustomize.py").read_text())


def test_the_coarser_candles_are_those_of_the_fine_ones() -> None:
    first = world().candles[:12]
    hour = values(world().hourly[["open", "high", "low", "close"]])[0].tolist()
    assert hour == [first["open"].iloc[0], first["high"].max(), first["low"].min(), first["close"].iloc[-1]]


def fake(tmp_path: Path, row: str = "", printed: str = "", code: int = 0) -> Program:
    program = Program(tmp_path / "environment", tmp_path)
    program.path.parent.mkdir(parents=True)
    program.path.write_text(FAKE.format(python=sys.executable, row=row, printed=printed, code=code))
    program.path.chmod(0o755)
    return program


def test_a_biased_answer_names_its_columns() -> None:
    row = {"has_bias": "True", "biased_entry_signals": "3", "biased_exit_signals": "1", "biased_indicators": "own"}
    assert first_answer(row) == Answer("biased", "lookahead-analysis: 4 signals; columns own")
    assert first_answer({**row, "has_bias": "False"}) == Answer("clean")


def test_only_a_look_ahead_counts_in_the_second_answer() -> None:
    assert second_answer("=> found lookahead in indicator own").verdict == "biased"
    assert second_answer("own differs by 3 % with 199 candles\nNo lookahead bias on indicators found.").verdict == "clean"


def test_the_program_is_asked_again_where_it_found_nothing(tmp_path: Path) -> None:
    program = fake(tmp_path, "False,0,0,\n", "=> found lookahead in indicator own")
    assert ask(program, "Leaky1", "1-2", is_second=False) == Answer("clean")
    assert ask(program, "Leaky1", "1-2", is_second=True) == Answer("biased", "recursive-analysis")


def test_too_few_trades_are_a_refusal(tmp_path: Path) -> None:
    assert ask(fake(tmp_path, printed="Leaky1 : too few trades."), "Leaky1", "1-2", is_second=True).verdict == "refused"


def test_silence_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="said nothing of Leaky1"):
        ask(fake(tmp_path), "Leaky1", "1-2", is_second=True)


def test_a_failing_program_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="no such pair"):
        fake(tmp_path, printed="no such pair", code=2).run("lookahead-analysis")


def test_the_version_is_the_programs_own(tmp_path: Path) -> None:
    assert fake(tmp_path, printed="CCXT Version:\t4.5\n\nFreqtrade Version:\tfreqtrade 2026.9").version() == "2026.9"


def test_without_a_network_the_reader_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess([], 1, stdout="no route to host")

    monkeypatch.setattr(venv, "create", lambda *_, **__: None)
    monkeypatch.setattr(subprocess, "run", failing)
    with pytest.raises(ProgramError, match=r"no route to host[\s\S]*--environment"):
        installed(tmp_path / "nowhere", tmp_path)


def rows() -> tuple[comparison.Row, ...]:
    biased, clean = Answer("biased", "lookahead-analysis"), Answer("clean")
    return (
        comparison.Row("one", clean, biased, 7, 0, 10),
        comparison.Row("two", biased, clean, 1, 0),
        comparison.Row("three", Answer("refused"), clean, 0, 1),
    )


def test_a_miss_and_a_false_accusation_stand_out_on_either_side() -> None:
    table = comparison.as_markdown(comparison.Comparison(rows(), "2026.9", 1.0))
    assert "| one | **missed** | **accused** | caught from 7 of 10 seeds | clean |" in table
    assert "| two | caught | clean | caught | clean |" in table
    assert "| three | refused | clean | **missed** | **accused** |" in table
    assert "freqtrade 2026.9: caught 1 of 3, twins accused 1. Ours: caught 1 of 3 in every run, twins accused 1." in table


def test_the_plain_values_hold_every_row_and_every_reason() -> None:
    plain = json.loads(json.dumps(comparison.as_json(comparison.Comparison(rows(), "2026.9", 1.0))))
    assert [row["name"] for row in plain["rows"]] == ["one", "two", "three"]
    assert plain["version"] == "2026.9"
    assert len(plain["cannot_express"]) == sum(len(names) for names in CANNOT.values())


def test_the_guide_keeps_its_words_when_the_comparison_is_written(tmp_path: Path) -> None:
    path, made = tmp_path / "guide.md", comparison.Comparison(rows(), "2026.9", 1.0)
    path.write_text(f"before\n{comparison.BEGIN}\nold\n{comparison.END}\nafter\n")
    comparison.write_guide(path, made)
    assert path.read_text() == f"before\n{comparison.BEGIN}\n{comparison.as_markdown(made)}\n{comparison.END}\nafter\n"


def test_a_guide_without_a_place_for_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "guide.md"
    path.write_text("nothing")
    with pytest.raises(DataError, match="no place for the comparison"):
        comparison.write_guide(path, comparison.Comparison(rows(), "2026.9", 1.0))


def test_the_comparison_in_the_guide_has_a_row_for_each_case() -> None:
    table = comparison.GUIDE.read_text().partition(comparison.BEGIN)[2].partition(comparison.END)[0]
    lines = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")]
    assert lines[1:] == [case.name for case in CASES]
