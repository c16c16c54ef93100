"""Fetch a data set, bring it up to date, and say what its source changed."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from quantdesk.data import quality, store, vintages
from quantdesk.data.access import Access
from quantdesk.data.difference import Change, difference
from quantdesk.data.disk import is_plain_name
from quantdesk.data.sources import discover, discover_facts
from quantdesk.data.whole import write_whole
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel


@dataclass(frozen=True)
class Request:
    """Say what is fetched from where; kept beside the data set for later updates.

    Parameters
    ----------
    source : str
        A network source's name, such as ``polygon``.
    symbols : tuple of str
        The instruments.
    name : str
        What the data set is called.
    start : str
        First day, YYYY-MM-DD; empty for the source's default.
    end : str
        Last day; empty for now, and to be brought up to date later.
    options : mapping
        Fields of the source beyond these, such as ``{"bar": "1h", "feed": "sip"}``.
    """

    source: str
    symbols: tuple[str, ...]
    name: str
    start: str = ""
    end: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Fetched:
    """Hold what came of it.

    Parameters
    ----------
    panel : Panel
        As kept.
    n_new_bars : int
        Times that were not in the data set before.
    changes : tuple of Change
        What differs from the version before; empty unless a revision was accepted.
    until : numpy.datetime64
        The moment to which it was asked for.
    """

    panel: Panel
    n_new_bars: int
    changes: tuple[Change, ...]
    until: np.datetime64


def network_sources() -> tuple[str, ...]:
    """List the sources of bars that ``fetch`` can ask."""
    return tuple(name for name, kind in discover().items() if "access" in getattr(kind, "__dataclass_fields__", {}))


def network_facts() -> tuple[str, ...]:
    """List the sources of facts that ``fetch_facts`` can ask."""
    return tuple(name for name, kind in discover_facts().items() if "access" in getattr(kind, "__dataclass_fields__", {}))


def fetch(request: Request, access: Access) -> Fetched:
    """Fetch a data set and keep it under its name.

    A run that was cut off, or whose quota ended, is resumed by the same request: it goes on to the
    moment at which the first run began, and asks only for what is missing.

    Raises
    ------
    DataError
        If the source or name is unknown, an answer cannot be kept, impossible bars are among them,
        or the version kept under this name from the same request says otherwise of the past.
    """
    _check_name(request.name)
    record = _record(access.home, request.name)
    until = np.datetime64(request.end, "D") + 1 if len(request.end) == 10 else access.clock.now()
    if record is not None and record.request == request and record.unfinished:
        until = np.datetime64(record.unfinished, "ns")
    return _run(request, access, until.astype("datetime64[ns]"))


def update(name: str, access: Access) -> Fetched:
    """Bring a fetched data set up to now, asking only for new bars and a few before them.

    Raises
    ------
    DataError
        If it was not fetched, or as ``fetch``.
    """
    record = _fetched(name, access)
    until = np.datetime64(record.unfinished, "ns") if record.unfinished else access.clock.now()
    return _run(record.request, access, until)


def compare(name: str, access: Access) -> list[Change]:
    """Ask the source again for all of a data set, and say what differs from what is kept; see ``asked_again``."""
    return difference(*asked_again(name, access))


def asked_again(name: str, access: Access) -> tuple[Panel, Panel]:
    """Ask the source again for all of a data set, and return what is kept beside what it says now.

    Nothing kept is changed. The answers are kept apart until the comparison is whole, so that
    this, too, can be resumed.

    Raises
    ------
    DataError
        If it was not fetched, or an answer cannot be used.
    """
    request = _fetched(name, access).request
    kept = store.load(name, access.home)
    aside = access.home / "cache" / "compare" / name
    now = _source(request, replace(access, pieces=aside), kept.times[-1]).fetch()
    shutil.rmtree(aside, ignore_errors=True)
    return kept, now


def fetch_facts(request: Request, access: Access) -> int:
    """Fetch facts and add what is new to the collection of the request's name; count the rows added.

    Raises
    ------
    DataError
        If the source is unknown, or an answer cannot be kept.
    """
    _check_name(request.name)
    known = discover_facts()
    if request.source not in network_facts():
        raise _unknown(request.source, network_facts())
    source = known[request.source](request.symbols, access, name=request.name, **request.options)
    return vintages.append(source.records(), access.home, request.name, access.clock.now())


@dataclass(frozen=True)
class _Record:
    request: Request
    unfinished: str
    fetched_at: str


def _run(request: Request, access: Access, until: np.datetime64) -> Fetched:
    before = _before(request, access)
    source = _source(request, access, until)
    fetched_at = _record_of(access.home, request.name).fetched_at if before is not None else ""
    _keep(access.home, _Record(request, str(until), fetched_at))
    panel = quality.gate(source.fetch())
    changes = [] if before is None else difference(before, panel)
    if changes and not access.accept_revision:
        raise DataError(
            f"{request.source} changed what it says about the past of {request.name!r}: {changes[0].line()} "
            f"({len(changes)} changes)",
            "the past as it was",
            "look at it with `desk data diff`; to take the new version, pass --accept-revision",
        )
    store.save(panel, access.home, source=request.source)
    _keep(access.home, _Record(request, "", str(access.clock.now())))
    known = np.array([], dtype="datetime64[ns]") if before is None else before.times
    return Fetched(panel, int((~np.isin(panel.times, known)).sum()), tuple(changes), until)


def _before(request: Request, access: Access) -> Panel | None:
    record = _record(access.home, request.name)
    is_same = record is not None and record.request == request and record.fetched_at
    return store.load(request.name, access.home) if is_same and request.name in store.names(access.home) else None


def _source(request: Request, access: Access, until: np.datetime64) -> Any:
    if request.source not in network_sources():
        raise _unknown(request.source, network_sources())
    span = {"end": str(until), **({"start": request.start} if request.start else {})}
    try:
        return discover()[request.source](request.symbols, access, name=request.name, **span, **request.options)
    except TypeError as error:
        raise DataError(
            f"an option of {request.source!r} is unknown ({error})", "a field of the source", "correct it"
        ) from error


def _unknown(source: str, known: tuple[str, ...]) -> DataError:
    return DataError(f"no network source is called {source!r}", f"one of {', '.join(known)}", "check the spelling")


def _check_name(name: str) -> None:
    if not is_plain_name(name) or name.lower() in store.RESERVED:
        raise DataError(f"{name!r} cannot name a data set", "letters, digits, '.', '_' and '-'", "pass another with --name")


def record_path(home: Path, name: str) -> Path:
    """Name the file that tells where a data set came from, beside its folder."""
    return home / "data" / f"{name}.source.json"


def _keep(home: Path, record: _Record) -> None:
    write_whole(record_path(home, record.request.name), json.dumps(asdict(record), indent=1).encode())


def _record(home: Path, name: str) -> _Record | None:
    path = record_path(home, name)
    return _record_of(home, name) if path.is_file() else None


def _record_of(home: Path, name: str) -> _Record:
    path = record_path(home, name)
    try:
        told = json.loads(path.read_bytes())
        request = told["request"]
        request["symbols"] = tuple(request["symbols"])
        return _Record(Request(**request), told["unfinished"], told["fetched_at"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is unreadable ({error})", "the record of a fetch", "fetch the data set again") from error


def _fetched(name: str, access: Access) -> _Record:
    _check_name(name)
    record = _record(access.home, name)
    if record is None:
        raise DataError(f"data set {name!r} was not fetched", "one made by `desk fetch`", "fetch it, or ingest its file again")
    return record
