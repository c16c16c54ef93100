"""Keep records on disk for good: parts are added, never rewritten, and what changed is a new row."""

import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.data.disk import is_plain_name, sync_folder, write
from quantdesk.domain.arrays import Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.records import Records

if TYPE_CHECKING:
    import polars as pl

_KINDS = ("facts", "estimates")
_FACT = ["subject", "name", "period"]
_COLUMNS = [*_FACT, "known_at", "claimed_at", "value", "fetched_at"]


def append(records: Records, home: Path, name: str, fetched_at: np.datetime64) -> int:
    """Add the rows that say something new, as one more part of ``home/records/NAME``.

    A row whose value equals the vintage before it adds nothing. A row that a source rewrote (the
    same fact, said to be known at the same time, now with another value) is a new vintage, known
    when it was fetched: until then nobody here knew better. A part appears whole or not at all,
    and no part is ever written again, so a kill leaves what was there before.

    Parameters
    ----------
    records : Records
        What was fetched, new and known rows alike.
    home : Path
        The desk's folder.
    name : str
        What the collection is called.
    fetched_at : numpy.datetime64
        When it was fetched, UTC.

    Returns
    -------
    int
        Rows added.

    Raises
    ------
    DataError
        If a row was fetched before it was known, the name cannot be used, the parts there
        changed, another append came between, or the disk refuses.
    """
    folder = _folder(home, name)
    moment = fetched_at.astype("datetime64[ns]")
    _check_fetched(records, name, moment)
    kept, digests = _stored(folder)
    _check_kind(folder, digests, records)
    fresh = _new_rows(kept, _frame(records, moment))
    if len(fresh):
        _add_part(folder, fresh, digests, records.is_forward)
    return len(fresh)


def read(home: Path, name: str, known_on: np.datetime64 | None = None) -> Records:
    """Read every vintage, or those known on a day.

    Parameters
    ----------
    home : Path
        The desk's folder.
    name : str
        What the collection is called.
    known_on : numpy.datetime64, optional
        Leave out what became known after this time.

    Raises
    ------
    DataError
        If there is no such collection, or its parts changed since they were written.
    """
    folder = _folder(home, name)
    table, digests = _stored(folder)
    if not digests:
        known = ", ".join(names(home)) or "none so far"
        raise DataError(f"no records called {name!r} in {home}", f"one of those kept: {known}", "fetch them first")
    found = Records(
        subjects=np.array(table["subject"].to_list(), dtype=np.str_),
        names=np.array(table["name"].to_list(), dtype=np.str_),
        periods=_times(table["period"]),
        known_at=_times(table["known_at"]),
        values=np.array(table["value"].to_numpy(), dtype=np.float64),
        name=name,
        is_forward=digests[-1].startswith(_KINDS[True]),
    )
    return found if known_on is None else found.where(found.known_at <= known_on)


def names(home: Path) -> list[str]:
    """List the collections kept, in alphabetical order."""
    folder = home / "records"
    return sorted(entry.name for entry in folder.iterdir() if any(entry.glob("[0-9]*.parquet"))) if folder.is_dir() else []


def _folder(home: Path, name: str) -> Path:
    if not is_plain_name(name):
        raise DataError(
            f"{name!r} cannot name records",
            "up to 100 letters, digits, '.', '_' and '-', not starting with '.'",
            "choose another",
        )
    return home / "records" / name


def _check_fetched(records: Records, name: str, moment: np.datetime64) -> None:
    early = np.flatnonzero(records.known_at > moment)
    if early.size:
        i = early[0]
        raise DataError(
            f"{records.subjects[i]} {records.names[i]} in {name!r} is said to become known at {records.known_at[i]}, "
            f"and was fetched at {moment}",
            "nothing known later than it was fetched",
            "give the time of the fetch, or the true time of publication, in UTC",
        )


def _check_kind(folder: Path, digests: list[str], records: Records) -> None:
    if digests and not digests[-1].startswith(_KINDS[records.is_forward]):
        raise DataError(
            f"{folder.name!r} holds {_KINDS[not records.is_forward]}, and these are {_KINDS[records.is_forward]}",
            "one kind in a collection",
            "keep them under another name",
        )


def _frame(records: Records, moment: np.datetime64) -> "pl.DataFrame":
    import polars as pl

    known = pl.Series("known_at", records.known_at)
    columns = [
        pl.Series("subject", records.subjects.tolist(), dtype=pl.String),
        pl.Series("name", records.names.tolist(), dtype=pl.String),
        pl.Series("period", records.periods),
        known,
        known.alias("claimed_at"),
        pl.Series("value", np.where(np.isnan(records.values), np.nan, records.values) + 0.0),
        pl.Series("fetched_at", np.full(len(records), moment)),
    ]
    return pl.DataFrame(columns).unique([*_FACT, "claimed_at"], keep="last", maintain_order=True)


def _new_rows(kept: "pl.DataFrame", fetched: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    key = [*_FACT, "claimed_at"]
    last = kept.unique(key, keep="last", maintain_order=True).select(*key, before=pl.col("value"))
    told = fetched.join(last.with_columns(was_told=True), on=key, how="left", maintain_order="left")
    is_same = pl.col("was_told").fill_null(False) & pl.col("before").eq_missing(pl.col("value"))
    told = told.filter(~is_same)
    # Rewritten by its source: whatever the source says, it became known here when it was fetched.
    rewritten = pl.when(pl.col("was_told").fill_null(False)).then("fetched_at").otherwise("known_at")
    told = told.with_columns(known_at=rewritten).select(_COLUMNS)
    both = pl.concat([kept.with_columns(is_new=False), told.with_columns(is_new=True)])
    both = both.sort([*_FACT, "known_at"], maintain_order=True)
    says_nothing = pl.col("value").eq_missing(pl.col("value").shift(1).over(_FACT)) & (pl.int_range(pl.len()).over(_FACT) > 0)
    return both.filter(pl.col("is_new") & ~says_nothing).select(_COLUMNS)


def _add_part(folder: Path, rows: "pl.DataFrame", digests: list[str], is_forward: bool) -> None:
    kind = _KINDS[is_forward]
    digest = f"{kind} {_digest(rows, kind, digests)}"
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd", metadata={"digest": digest})
    path = folder / f"{len(digests) + 1:06d}.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _link_whole(path, buffer.getvalue())
    except FileExistsError as error:
        raise DataError(f"{path} was written by someone else just now", "one append at a time", "append again") from error
    except OSError as error:
        raise DataError(
            f"{len(rows)} records could not be written to {folder}: {error.strerror or error}",
            f"a writable disk with {len(buffer.getvalue()) / 1e6:.1f} MB free",
            "free space or set another home, then append again; what was there is untouched",
        ) from error


def _link_whole(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    os.close(handle)
    try:
        write(Path(name), content)
        os.link(name, path)  # unlike a rename, this fails where the part exists
        sync_folder(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)


def _stored(folder: Path) -> tuple["pl.DataFrame", list[str]]:
    import polars as pl

    parts = [_no_rows()]
    digests: list[str] = []
    for number, path in enumerate(sorted(folder.glob("[0-9]*.parquet")), start=1):
        try:
            told = pl.read_parquet_metadata(path).get("digest", "")
            parts.append(pl.read_parquet(path).select(_COLUMNS))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _changed(path, f"{type(error).__name__}: {error}".splitlines()[0]) from error
        if path.name != f"{number:06d}.parquet":
            raise _changed(path, f"part {number} is missing")
        kind, _, digest = told.partition(" ")
        if _digest(parts[-1], kind, digests) != digest:
            raise _changed(path, "its digest is another")
        digests.append(told)
    return pl.concat(parts), digests


def _changed(path: Path, found: str) -> DataError:
    return DataError(
        f"{path} is not what was written ({found})", "parts as they were written", "restore them from a copy, or fetch anew"
    )


def _no_rows() -> "pl.DataFrame":
    import polars as pl

    stamp = pl.Datetime("ns")
    kinds = (pl.String, pl.String, stamp, stamp, stamp, pl.Float64, stamp)
    return pl.DataFrame(schema=dict(zip(_COLUMNS, kinds, strict=True)))


def _digest(rows: "pl.DataFrame", kind: str, before: list[str]) -> str:
    # Each part's digest covers the one before it, so that none can be taken out of the middle.
    digest = hashlib.sha256(f"{kind} after {before[-1] if before else 'nothing'}".encode())
    for column in _COLUMNS:
        values = rows[column]
        is_text = column in ("subject", "name")
        digest.update("\n".join(values).encode() if is_text else np.ascontiguousarray(values.to_numpy()).tobytes())
    return digest.hexdigest()


def _times(column: "pl.Series") -> Times:
    return np.asarray(column.to_numpy(), dtype="datetime64[ns]")
