"""Progress: in a terminal a bar with words of what lies deep, in a log file a line where a stage begins."""

import io
import re

import pytest
from rich.console import Console

from quantdesk import console
from quantdesk.domain.progress import part, silent, tell_of


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Stand for a terminal of 110 columns."""
    shown = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=shown, force_terminal=True, width=110, height=20))
    return shown


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Stand for a log file."""
    shown = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=shown, highlight=False, markup=False))
    return shown


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stand for the time, seconds; it goes on when it is told to."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def text_of(terminal: io.StringIO) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())


def test_what_is_told_deep_within_stands_beside_the_bar(terminal: io.StringIO) -> None:
    with console.progress(is_quiet=False), part("learning fold", 1, 5):
        tell_of()("epoch 3 of 20, loss 0.412, 12.3 k samples/s, 40 s left", 5, 20)
    told = "learning fold 2 of 5: epoch 3 of 20, loss 0.412, 12.3 k samples/s, 40 s left"
    assert told in " ".join(text_of(terminal).split())
    assert tell_of() is silent


def test_a_step_with_nothing_to_do_leaves_the_bar_standing(terminal: io.StringIO) -> None:
    with console.progress(is_quiet=False) as tell:
        tell("learning", 1, 5)
        tell("learning fold 2 of 5", 75, 250)
        tell("nothing to do", 0, 0)
    assert "nothing to do" in text_of(terminal)


def test_long_words_go_on_below_and_leave_the_bar_its_room(terminal: io.StringIO) -> None:
    with console.progress(is_quiet=False) as tell:
        tell("learning " * 20 + "at last", 1, 2)
    assert re.search(r"━{20} 0:00:00 \S+ (learning )+\s+learning", text_of(terminal).replace("╸", "━").replace("╺", "━"))
    assert "at last" in text_of(terminal)


def test_quiet_is_silent(terminal: io.StringIO) -> None:
    with console.progress(is_quiet=True) as tell:
        tell("learning", 1, 5)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("is_quiet", [False, True])
def test_a_log_file_has_a_line_where_each_stage_begins(is_quiet: bool, log: io.StringIO, clock: list[float]) -> None:
    with console.progress(is_quiet) as tell:
        tell("computing features", 0, 1)
        clock[0] += 12.3
        tell("learning", 0, 2)
        for fold in range(2):
            with part("learning fold", fold, 2):
                for step in range(5):
                    tell_of()(f"epoch 1 of 4, loss 0.{step}", step, 20)
            tell("learning", fold + 1, 2)
        for bar in (50, 100, 120):
            tell("trading boosted", bar, 120)
        tell("testing how robust it is", 0, 2)
        tell("moving each choice", 0, 15)
        tell("testing how robust it is", 2, 2)
        tell("nothing to do", 0, 0)
    assert log.getvalue().splitlines() == [
        "0:00:00  computing features",
        "0:00:12  learning",
        "0:00:12  learning fold 1 of 2: epoch 1 of 4, loss 0.0",
        "0:00:12  learning fold 2 of 2: epoch 1 of 4, loss 0.0",
        "0:00:12  trading boosted",
        "0:00:12  testing how robust it is",
        "0:00:12  moving each choice",
    ]
    assert tell_of() is silent


def test_a_long_stage_is_told_of_once_a_minute_in_its_newest_words(log: io.StringIO, clock: list[float]) -> None:
    words = "learning fold 1 of 5: epoch {} of 200, loss 0.4123 (validation 0.4301), 12.3 k samples/s, 1 h 40 min left"
    with console.progress(is_quiet=False) as tell:
        for second in range(181):
            clock[0] = 100.0 + second
            tell(words.format(second), second, 1000)
        clock[0] += 60
        tell("running placebos", 2, 5)
        clock[0] += 60
        tell("running placebos", 3, 5)
    said = log.getvalue().splitlines()
    assert said[:-2] == [f"0:0{minute}:00  {words.format(60 * minute)}" for minute in range(4)]
    assert said[-2:] == ["0:04:00  running placebos", "0:05:00  running placebos, 60% done"]


def test_the_next_symbol_of_many_is_no_stage(log: io.StringIO, clock: list[float]) -> None:
    with console.progress(is_quiet=False) as tell:
        for place in range(500):
            tell(f"yahoo S{place}", place, 500)
        tell("yahoo", 500, 500)
        tell("fred GDP", 0, 2)
    assert log.getvalue().splitlines() == ["0:00:00  yahoo S0", "0:00:00  fred GDP"]
