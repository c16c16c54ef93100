"""Documents: kept once, in order, and never seen before they were published."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantdesk.data.documents import append, read, read_documents
from quantdesk.domain.documents import Documents
from quantdesk.domain.errors import DataError

ROWS = "symbol,known_at,text\nAAA,2020-01-03T15:00:00Z,second\nBBB,2020-01-02T15:00:00Z,first\n"


def write(folder: Path, content: str = ROWS) -> Path:
    path = folder / "news.csv"
    path.write_text(content)
    return path


def test_documents_come_back_in_the_order_in_which_they_became_known(tmp_path: Path) -> None:
    assert append(read_documents(write(tmp_path)), tmp_path, "news") == 2
    found = read(tmp_path, "news")
    assert found.texts.tolist() == ["first", "second"]
    assert found.subjects.tolist() == ["BBB", "AAA"]


def test_what_was_known_on_a_day_holds_nothing_later(tmp_path: Path) -> None:
    append(read_documents(write(tmp_path)), tmp_path, "news")
    assert read(tmp_path, "news", np.datetime64("2020-01-03T14:59:59", "ns")).texts.tolist() == ["first"]
    assert read(tmp_path, "news", np.datetime64("2020-01-03T15:00:00", "ns")).texts.tolist() == ["first", "second"]


def test_a_document_is_kept_once_and_a_corrected_one_is_another(tmp_path: Path) -> None:
    append(read_documents(write(tmp_path)), tmp_path, "news")
    assert append(read_documents(write(tmp_path)), tmp_path, "news") == 0
    assert append(read_documents(write(tmp_path, ROWS.replace("second", "second corrected"))), tmp_path, "news") == 1
    assert read(tmp_path, "news").texts.tolist() == ["first", "second", "second corrected"]


def test_the_same_document_twice_in_a_file_is_kept_once(tmp_path: Path) -> None:
    assert append(read_documents(write(tmp_path, ROWS + ROWS.splitlines()[1] + "\n")), tmp_path, "news") == 2


def test_a_date_alone_counts_as_known_at_the_end_of_that_day_in_new_york(tmp_path: Path) -> None:
    told = read_documents(write(tmp_path, "asset,date,news\nAAA,2020-01-03,text\n"))
    assert told.known_at[0] == np.datetime64("2020-01-04T04:59:00", "ns")


def test_an_altered_document_is_noticed(tmp_path: Path) -> None:
    append(read_documents(write(tmp_path)), tmp_path, "news")
    part = next((tmp_path / "documents" / "news").glob("*.parquet"))
    pl.read_parquet(part).with_columns(text=pl.lit("other")).write_parquet(part)
    with pytest.raises(DataError, match="altered"):
        read(tmp_path, "news")


@pytest.mark.parametrize(
    ("content", "said"),
    [("symbol,text\nA,b\n", "known_at"), ("symbol,known_at,text\nA,soon,b\n", "soon"), ("symbol,date\nA,2020-01-01\n", "text")],
)
def test_a_file_without_what_is_needed_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_documents(write(tmp_path, content))


def test_an_unknown_collection_and_a_name_that_leads_elsewhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no documents"):
        read(tmp_path, "nothing")
    with pytest.raises(DataError, match="cannot name"):
        read(tmp_path, "../up")


def test_documents_out_of_order_cannot_exist() -> None:
    times = np.array(["2020-01-02", "2020-01-01"], dtype="datetime64[ns]")
    with pytest.raises(DataError, match="order"):
        Documents(np.array(["A", "B"]), times, np.array(["x", "y"], dtype=object))
