"""The page of findings: whole, self-contained, and it says what the report says."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from quantdesk.data.inspection.page import page, report
from quantdesk.data.quality import check
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

_VOID = {"meta", "link", "br", "path", "rect"}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _panel(**changed: float) -> Panel:
    days = np.busday_offset(np.datetime64("2023-01-02"), np.arange(300))
    close = 100.0 + np.cumsum(np.random.default_rng(0).normal(0, 0.5, (300, 3)), axis=0)
    fields = {"high": close + 1, "low": close - 1, "close": close, "volume": np.full((300, 3), 1e5)}
    for name, value in changed.items():
        fields[name] = fields[name].copy()
        fields[name][150, 1] = value
    names = tuple(Instrument(symbol) for symbol in ("A", "<B>", "C"))
    return Panel(
        np.add(days.astype("datetime64[ns]"), np.timedelta64(21, "h")), names, fields, name="p&q", caveats=("survivors",)
    )


def _read(text: str) -> str:
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    return " ".join(tags.words)


def test_the_page_names_each_finding_with_its_symbol_and_a_picture() -> None:
    panel = _panel(low=-3.0)
    text = page(panel, check(panel))
    words = _read(text)
    assert "Not usable as it is: one impossible value stands in it" in words
    assert "<B> · 2023-07-31" in words
    assert "low is -3, not above 0" in words
    assert "survivors" in words
    assert text.count('class="price"') == 1


def test_the_page_of_a_sound_panel_says_so() -> None:
    words = _read(page(_panel(), check(_panel())))
    assert "nothing is doubted in 900 bars" in words
    assert "Findings" not in words


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    panel = _panel(high=150.0)
    where = report(panel, check(panel), tmp_path / "new" / "p.html")
    text = where.read_text(encoding="utf-8")
    assert "http" not in text
    assert "src=" not in text
    assert "<B>" not in text
    assert "Usable, with doubts" in text


@pytest.mark.parametrize("n_times", [1, 2, 30])
def test_short_panels_and_closes_alone_are_drawn(n_times: int) -> None:
    whole = _panel(close=-1.0)
    fields = {"close": whole.fields["close"][151 - n_times : 151]}
    panel = replace(whole, times=whole.times[151 - n_times : 151], fields=fields)
    assert "close is -1, not above 0" in _read(page(panel, check(panel)))


def test_hundreds_of_findings_make_a_page_of_bounded_size() -> None:
    panel = _panel()
    close = panel.fields["close"].copy()
    close[:, 1] = -1.0
    panel = replace(panel, fields={**panel.fields, "close": close})
    text = page(panel, check(panel))
    assert "600 impossible values stand in it" in text
    assert text.count("<article>") <= 72
