"""The bar in a terminal: words of what lies deep, and each step's own pace."""

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
