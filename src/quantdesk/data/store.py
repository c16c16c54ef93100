"""Keep panels on disk with the time each value became known, whole or not at all."""

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantdesk.data.disk import is_plain_name
from quantdesk.data.disk import sync_folder as _sync_folder
from quantdesk.data.disk import write as _write
from quantdesk.data.sources.sample import Sample
from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

if TYPE_CHECKING:
    import polars as pl

RESERVED = ("sample", "synthetic")
"""Names that need no ingest; ``synthetic`` takes options: ``synthetic:ic=0.05,seed=3``."""

_KNOWN = "_known_at"


def save(panel: Panel, home: Path, source: str = "", mapping: Mapping[str, str] | None = None) -> Path:
    """Write a panel under its name, in place of any earlier one.

    The new version is written beside the old one and takes its place by renaming, so that an
    interruption leaves the old one.

    Parameters
    ----------
    panel : Panel
        Its name becomes the folder ``home/data/NAME``.
    home : Path
        The desk's folder.
    source : str
        Where it came from, for the record.
    mapping : mapping of str to str, optional
        Field to column of the source, for the record.

    Returns
    -------
    Path
        The folder, with ``bars.parquet`` (a row a time and symbol) and ``meta.json``.

    Raises
    ------
    DataError
        If the name cannot be used, or the disk refuses.
    """
    _check_name(panel.name)
    kept = _canonical(panel)
    bars = _bars_bytes(kept)
    record = json.dumps(_record(kept, bars, source, mapping), indent=1).encode()
    folder = home / "data" / panel.name
    try:
        _replace_folder(folder, {"bars.parquet": bars, "meta.json": record})
    except OSError as error:
        raise DataError(
            f"panel {panel.name!r} could not be written to {folder}: {error.strerror or error}",
            f"a writable disk with {len(bars) / 1e6:.0f} MB free",
            "free space or set another home; the version before is untouched",
        ) from error
    return folder


def load(name: str, home: Path) -> Panel:
    """Read a panel that was saved, the sample, or a synthetic market.

    Parameters
    ----------
    name : str
        As saved; ``sample``; or ``synthetic`` with options, such as ``synthetic:ic=0.05,seed=3``.
    home : Path
        The desk's folder.

    Raises
    ------
    DataError
        If there is no such panel, or its files changed since they were saved.
    """
    if name == "sample":
        return Sample().fetch()
    if name.partition(":")[0] == "synthetic":
        return Synthetic.of(name).fetch()
    _check_name(name)
    folder = home / "data" / name
    _recover(folder)
    if not folder.is_dir():
        known = ", ".join((*names(home), *RESERVED))
        raise DataError(f"no data called {name!r} in {home}", f"one of {known}", "bring it in with `desk ingest`")
    try:
        bars, record = (folder / "bars.parquet").read_bytes(), json.loads((folder / "meta.json").read_bytes())
        panel = _panel(bars, record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _changed(name, folder, f"{type(error).__name__}: {error}") from error
    if panel.fingerprint() != record["fingerprint"]:
        raise _changed(name, folder, f"fingerprint {panel.fingerprint()} in place of {record['fingerprint']}")
    return panel


def names(home: Path) -> list[str]:
    """List the saved panels, in alphabetical order."""
    folder = home / "data"
    if not folder.is_dir():
        return []
    for left in folder.glob(".*.previous"):
        _recover(folder / left.name[1 : -len(".previous")])
    return sorted(entry.name for entry in folder.iterdir() if (entry / "meta.json").is_file() and entry.name[0] != ".")


def _check_name(name: str) -> None:
    if not is_plain_name(name) or name.lower() in RESERVED:
        raise DataError(
            f"{name!r} cannot name a data set",
            f"up to 100 letters, digits, '.', '_' and '-', not starting with '.', and not {' or '.join(RESERVED)}",
            "pass another with --name",
        )


def _changed(name: str, folder: Path, found: str) -> DataError:
    return DataError(
        f"data {name!r} in {folder} is not what was saved ({found})", "files as saved", "bring it in again with `desk ingest`"
    )


def _canonical(panel: Panel) -> Panel:
    # One bit pattern for "missing" and one for zero, so that the fingerprint survives any file format.
    return replace(panel, fields={name: _plain(values) for name, values in panel.fields.items()})


def _plain(values: Float64) -> Float64:
    plain = np.where(np.isnan(values), np.nan, values)
    plain += 0.0
    # Where it is so already, which is the rule, a second copy of a large panel is spared.
    is_same = values.flags.c_contiguous and np.array_equal(plain.view(np.int64), values.view(np.int64))
    return values if is_same else plain


def _record(panel: Panel, bars: bytes | memoryview, source: str, mapping: Mapping[str, str] | None) -> dict[str, Any]:
    record = {
        "name": panel.name,
        "caveats": list(panel.caveats),
        "instruments": [asdict(instrument) for instrument in panel.instruments],
        "fields": list(panel.fields),
        "source": source,
        "mapping": dict(mapping or {}),
        "fingerprint": panel.fingerprint(),
        "sha256": hashlib.sha256(bars).hexdigest(),
    }
    return {**record, "record_sha256": _digest(record)}


def _digest(record: Mapping[str, Any]) -> str:
    told = {key: value for key, value in record.items() if key != "record_sha256"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _bars_bytes(panel: Panel) -> memoryview:
    import polars as pl

    n_times, n_instruments = panel.shape
    stamp = pl.Datetime("ns", "UTC")
    times = pl.Series("time", np.repeat(panel.times, n_instruments)).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    symbols = pl.Series("symbol", panel.symbols, dtype=pl.String).cast(pl.Enum(list(panel.symbols)))
    columns = [times, times.alias("known_at"), pl.concat([symbols] * n_times) if n_times else symbols.clear()]
    columns += [pl.Series(name, np.ascontiguousarray(values).ravel()) for name, values in panel.fields.items()]
    for name, known in panel.known_at.items():
        stamps = known.astype("datetime64[ns]").ravel()
        columns.append(pl.Series(name + _KNOWN, stamps).dt.replace_time_zone("UTC").cast(stamp))
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer, compression="zstd")
    return buffer.getbuffer()


def _panel(bars: bytes, record: Mapping[str, Any]) -> Panel:
    import polars as pl

    if _digest(record) != record["record_sha256"]:
        raise ValueError("meta.json was edited")
    if hashlib.sha256(bars).hexdigest() != record["sha256"]:
        raise ValueError("bars.parquet has another digest than meta.json says")
    stored = list(pl.read_parquet_schema(io.BytesIO(bars)))

    def column(name: str) -> pl.Series:
        # One at a time: all of a large panel's columns would lie in memory twice.
        return pl.read_parquet(io.BytesIO(bars), columns=[name])[name]

    instruments = tuple(Instrument(**instrument) for instrument in record["instruments"])
    times = _stamps(column("time")[:: len(instruments)])
    shape = (len(times), len(instruments))
    known = [name.removesuffix(_KNOWN) for name in stored if name.endswith(_KNOWN) and name != "known_at"]
    return Panel(
        times=times,
        instruments=instruments,
        fields={name: _values(column(name)).reshape(shape) for name in record["fields"]},
        known_at={name: _stamps(column(name + _KNOWN)).reshape(shape) for name in known},
        name=record["name"],
        caveats=tuple(record["caveats"]),
    )


def _values(column: "pl.Series") -> Float64:
    values = np.array(column.to_numpy(), dtype=np.float64)
    values[np.isnan(values)] = np.nan
    return values


def _stamps(column: "pl.Series") -> Times:
    return np.array(column.dt.replace_time_zone(None).to_numpy(), dtype="datetime64[ns]")


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def _recover(folder: Path) -> None:
    # A save that was cut off between its two renames left the version before under another name.
    if not folder.exists() and _previous(folder).is_dir():
        _previous(folder).rename(folder)


def _replace_folder(folder: Path, files: Mapping[str, bytes | memoryview]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _recover(folder)
    shutil.rmtree(_previous(folder), ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
    try:
        for name, content in files.items():
            _write(fresh / name, content)
        _sync_folder(fresh)
        if folder.exists():
            folder.rename(_previous(folder))
        fresh.rename(folder)
        _sync_folder(folder.parent)
    finally:
        _recover(folder)
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(_previous(folder), ignore_errors=True)
