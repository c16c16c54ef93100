"""Set refused bars aside, where the user asks for it: they become missing, and are kept in a file of their own."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.data import quality
from quantdesk.domain.arrays import Bools
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

if TYPE_CHECKING:
    import polars as pl

_BAR = ("open", "high", "low", "close", "volume")


def quarantine(panel: Panel, home: Path, name: str) -> Panel:
    """Replace every refused bar by a missing one, keep what was refused, and say so in a caveat.

    Nothing reads ``home/quarantine/NAME.parquet``: it is there for a person to look at. A file
    left there by an earlier call is replaced, or removed where nothing is refused now.

    Parameters
    ----------
    panel : Panel
        As read from its source.
    home : Path
        The desk's folder.
    name : str
        What the data set is called.

    Returns
    -------
    Panel
        Without impossible bars; the same object where there are none.

    Raises
    ------
    DataError
        If the file cannot be written, or the panel is refused as a whole and not for single bars.
    """
    clean, rows = _cleaned(panel)
    path = home / "quarantine" / f"{name}.parquet"
    if path.parent != home / "quarantine" or not name:
        raise DataError(f"{name!r} cannot name a data set", "letters, digits, '.', '_' and '-'", "pass another with --name")
    try:
        if rows.is_empty():
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            rows.write_parquet(fresh)
            fresh.replace(path)
    except OSError as error:
        raise DataError(
            f"the bars set aside could not be written to {path}: {error.strerror or error}",
            "a writable folder",
            "free space or set another home",
        ) from error
    return clean


def _cleaned(panel: Panel) -> tuple[Panel, "pl.DataFrame"]:
    clean, rows = divide(panel, quality.refusals(panel))
    while not rows.is_empty():
        # Where one bar is gone, another may prove to stand alone.
        clean, more = divide(clean, quality.refusals(clean))
        if more.is_empty():
            caveat = f"{len(rows)} impossible bars of {rows['symbol'].n_unique()} symbols were set aside and count as missing"
            return replace(clean, caveats=(*panel.caveats, caveat)), rows
        rows = rows.vstack(more)
    return panel, rows


def divide(panel: Panel, report: quality.QualityReport) -> tuple[Panel, "pl.DataFrame"]:
    """Part a panel into what is possible and what is not.

    A refused bar loses its prices and volume; an event (split, dividend, delisting) or another
    fact on it is lost only where its own value is impossible.

    Parameters
    ----------
    panel : Panel
        The panel that was checked.
    report : QualityReport
        What ``quality.check`` found in it.

    Returns
    -------
    tuple of Panel and polars.DataFrame
        The panel with refused bars missing; and those bars, a row each: ``time``, ``symbol``,
        ``kinds`` (separated by commas) and every field as it came.

    Raises
    ------
    DataError
        If the panel is refused as a whole, so that setting bars aside does not help.
    """
    is_out, kinds = _refused(panel, report)
    rows = _rows(panel, is_out, kinds)
    if rows.is_empty():
        return panel, rows
    fields = {}
    for field, values in panel.fields.items():
        is_lost = is_out if field in _BAR else is_out & _is_impossible(field, values)
        fields[field] = np.where(is_lost, np.nan, values)
    return replace(panel, fields=fields), rows


def _refused(panel: Panel, report: quality.QualityReport) -> tuple[Bools, dict[tuple[int, int], list[str]]]:
    is_out = np.zeros(panel.shape, dtype=np.bool_)
    held = tuple(panel.fields.values())
    kinds: dict[tuple[int, int], list[str]] = {}
    for mark in report.marks:
        if mark.severity != "refuse":
            continue
        if (mark.columns < 0).any():
            raise DataError(
                f"{panel.name!r} is refused as a whole: {mark.say(0)}",
                "faults of single bars, which can be set aside",
                "correct the source, then bring it in again",
            )
        rows, columns = mark.bars()
        # A stretch may run over a row that the instrument has no bar in.
        is_there = np.any([~np.isnan(values[rows, columns]) for values in held], axis=0)
        rows, columns = rows[is_there], columns[is_there]
        is_out[rows, columns] = True
        for cell in zip(rows.tolist(), columns.tolist(), strict=True):
            named = kinds.setdefault(cell, [])
            if mark.kind not in named:
                named.append(mark.kind)
    return is_out, kinds


def _rows(panel: Panel, is_out: Bools, kinds: dict[tuple[int, int], list[str]]) -> "pl.DataFrame":
    import polars as pl

    rows, columns = np.nonzero(is_out)
    symbols = panel.symbols
    told = [", ".join(kinds[cell]) for cell in zip(rows.tolist(), columns.tolist(), strict=True)]
    return pl.DataFrame(
        [
            pl.Series("time", panel.times[rows]).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"),
            pl.Series("symbol", [symbols[column] for column in columns.tolist()], dtype=pl.String),
            pl.Series("kinds", told, dtype=pl.String),
            *(pl.Series(field, values[rows, columns]) for field, values in panel.fields.items()),
        ]
    )


def _is_impossible(field: str, values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> Bools:
    is_bad = np.isinf(values)
    if field == "split":
        return is_bad | (values <= 0)
    return is_bad | (values < 0) if field in ("delisting", "dividend") else is_bad
