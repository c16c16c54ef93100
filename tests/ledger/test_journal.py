"""The journal: whole pages or none, and every alteration noticed."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from quantdesk.domain.errors import LedgerError
from quantdesk.domain.trade import CashFlow, Fill, Order, Split
from quantdesk.ledger.journal import Journal, Page


def page(number: int) -> Page:
    now = np.datetime64("2020-01-06T21:00", "ns") + np.timedelta64(number, "D")
    return Page(
        now,
        (
            CashFlow("dividend", "Ä", Decimal("-1.23"), now),
            Split("A", Decimal(str(1 / 3)), now),
            Fill(f"id{number}", "A", Decimal("-33.33333333"), Decimal("100.0001"), Decimal("0.01"), now),
        ),
        (Order(f"next{number}", "B", Decimal("7"), now),),
        1e6 / 7 + number,
    )


def written(path: Path, n_pages: int = 4) -> list[bytes]:
    journal = Journal(path)
    for number in range(n_pages):
        journal.write(page(number))
    return path.read_bytes().splitlines(keepends=True)


def test_what_was_written_is_read_back_to_the_last_digit(tmp_path: Path) -> None:
    written(tmp_path / "journal")
    assert Journal(tmp_path / "journal").pages() == [page(number) for number in range(4)]


def test_no_file_is_no_pages(tmp_path: Path) -> None:
    assert Journal(tmp_path / "journal").pages() == []


def test_pages_can_be_read_twice_and_while_writing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write(page(0))
    assert journal.pages() == journal.pages() == [page(0)]
    journal.write(page(1))
    assert journal.pages() == [page(0), page(1)]


def test_writing_without_having_read_follows_the_last_page_all_the_same(tmp_path: Path) -> None:
    written(tmp_path / "journal", 2)
    Journal(tmp_path / "journal").write(page(2))
    assert Journal(tmp_path / "journal").pages() == [page(0), page(1), page(2)]


def flipped(lines: list[bytes]) -> list[bytes]:
    middle = len(lines[1]) // 2
    return [lines[0], lines[1][:middle] + bytes([lines[1][middle] ^ 0x80]) + lines[1][middle + 1 :], *lines[2:]]


ALTERED: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int]] = {
    "an edited amount": (lambda lines: [lines[0], lines[1].replace(b"-1.23", b"+9.99"), *lines[2:]], 2),
    "an edited digest": (lambda lines: [b"0" + lines[0][1:] if lines[0][:1] != b"0" else b"1" + lines[0][1:], *lines[1:]], 1),
    "a deleted page": (lambda lines: [lines[0], *lines[2:]], 2),
    "a deleted first page": (lambda lines: lines[1:], 1),
    "reordered pages": (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
    "a repeated page": (lambda lines: [*lines, lines[3]], 5),
    "an empty line": (lambda lines: [lines[0], b"\n", *lines[1:]], 2),
    "a flipped bit": (flipped, 2),
}


@pytest.mark.parametrize("alteration", ALTERED)
def test_every_alteration_is_noticed_with_the_page_where_it_is(alteration: str, tmp_path: Path) -> None:
    alter, number = ALTERED[alteration]
    path = tmp_path / "journal"
    path.write_bytes(b"".join(alter(written(path))))
    with pytest.raises(LedgerError, match=f"page {number} does not follow the one before"):
        Journal(path).pages()


def test_a_deleted_last_page_looks_like_a_kill_before_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"".join(written(path)[:-1]))
    assert Journal(path).pages() == [page(0), page(1), page(2)]


@pytest.mark.parametrize("kept", [1, 30, -1])
def test_a_torn_last_line_is_cut_off_and_can_be_written_again(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    lines = written(path)
    path.write_bytes(b"".join(lines[:3]) + lines[3][:kept])
    journal = Journal(path)
    assert len(journal.pages()) == 3
    journal.write(page(3))
    assert path.read_bytes() == b"".join(lines)


def test_a_disk_that_takes_nothing_is_said_and_the_chain_stays_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LedgerError, match=r"journal .*file/journal"):
        Journal(tmp_path / "file" / "journal").write(page(0))
