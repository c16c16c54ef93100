"""Keep documents: read them from files, add what is new, and give back what was known on a day."""

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.data.disk import is_plain_name
from quantdesk.data.stamps import read_stamps
from quantdesk.data.table import read_table
from quantdesk.data.whole import write_whole
from quantdesk.domain.documents import Documents
from quantdesk.domain.errors import DataError

if TYPE_CHECKING:
    import polars as pl

COLUMNS = {
    "symbol": ("symbol", "ticker", "asset"),
    "known_at": ("known_at", "created_at", "published_at", "time", "date"),
    "text": ("text", "news", "body", "headline"),
}
"""What each column may be called, the first found being read."""


def read_documents(path: Path, timezone: str | None = None) -> Documents:
    """Read a CSV or Parquet file of texts; a date without a time counts as known at the end of that day.

    Parameters
    ----------
    path : Path
        One row a document: symbol, when it was published, text.
    timezone : str or None
        Zone of stamps that carry none.

    Raises
    ------
    DataError
        If the file or a column is missing, a time is unreadable, or its zone unknown.
    """
    import polars as pl

    table = read_table(Path(path))
    found = {name: _column(table.frame, name, path) for name in COLUMNS}
    known_at, _ = read_stamps(table.frame[found["known_at"]], timezone, "23:59")
    if np.isnat(known_at).any():
        row = int(np.flatnonzero(np.isnat(known_at))[0])
        raise DataError(f"{table.place(row)}: {found['known_at']} is unreadable", "a time of publication", "correct it")
    order = np.argsort(known_at, kind="stable")
    subjects = np.array(table.frame[found["symbol"]].cast(pl.String).fill_null("").to_list(), dtype=np.str_)
    texts = np.array(table.frame[found["text"]].cast(pl.String).fill_null("").to_list(), dtype=object)
    return Documents(subjects[order], known_at[order], texts[order], name=table.path.name.split(".")[0])


def append(documents: Documents, home: Path, name: str) -> int:
    """Add the documents that are not kept yet, in a part of their own, and count them.

    Raises
    ------
    DataError
        If the name cannot be used, or the disk does not take them; nothing half-written is left.
    """
    import polars as pl

    folder = _folder(home, name)
    kept = {row for part in _parts(folder) for row in pl.read_parquet(part, columns=["digest"])["digest"].to_list()}
    digests = [_digest(*row) for row in zip(documents.subjects, documents.known_at, documents.texts, strict=True)]
    first = {digest: i for i, digest in reversed(list(enumerate(digests)))}
    new = np.array(sorted(i for digest, i in first.items() if digest not in kept), dtype=np.int64)
    if not new.size:
        return 0
    chosen = documents.where(new)
    rows = {"symbol": chosen.subjects.tolist(), "text": chosen.texts.tolist(), "digest": [digests[i] for i in new]}
    frame = pl.DataFrame(rows).with_columns(known_at=pl.Series(chosen.known_at).dt.replace_time_zone("UTC"))
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    try:
        write_whole(folder / f"part-{len(_parts(folder)):06d}.parquet", buffer.getvalue())
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror or error}", "room and permission to write", "free the disk") from error
    return len(new)


def read(home: Path, name: str, known_on: np.datetime64 | None = None) -> Documents:
    """Read a collection, or what of it was known at a moment.

    Raises
    ------
    DataError
        If there is no such collection, or a document was altered.
    """
    import polars as pl

    parts = _parts(_folder(home, name))
    if not parts:
        raise DataError(
            f"no documents called {name!r} in {home}", "a collection that was kept", "see `desk data documents --help`"
        )
    frame = pl.concat([pl.read_parquet(part) for part in parts]).sort("known_at", maintain_order=True)
    known_at = frame["known_at"].dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy().astype("datetime64[ns]")
    found = Documents(
        np.array(frame["symbol"].to_list(), dtype=np.str_), known_at, np.array(frame["text"].to_list(), dtype=object), name
    )
    for row, digest in zip(zip(found.subjects, found.known_at, found.texts, strict=True), frame["digest"], strict=True):
        if _digest(*row) != digest:
            raise DataError(f"a document on {row[0]} of {row[1]} in {name!r} was altered", "documents as kept", "restore them")
    return found if known_on is None else found.as_of(known_on)


def _folder(home: Path, name: str) -> Path:
    if not is_plain_name(name):
        raise DataError(f"{name!r} cannot name a collection", "letters, digits, '.', '_' and '-'", "choose another")
    return home / "documents" / name


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def _digest(subject: str, known_at: np.datetime64, text: str) -> str:
    return hashlib.sha256(f"{subject}\x1f{known_at.astype('datetime64[ns]')}\x1f{text}".encode()).hexdigest()[:32]


def _column(frame: "pl.DataFrame", name: str, path: Path) -> str:
    by_lower = {column.lower(): column for column in frame.columns}
    for candidate in COLUMNS[name]:
        if candidate in by_lower:
            return by_lower[candidate]
    raise DataError(
        f"{path} has no column for the {name}; found {', '.join(frame.columns)}",
        f"one called {', '.join(COLUMNS[name])}",
        "rename it in the file",
    )
