"""Let a panel in: set aside what is impossible, in a file that nothing reads, and say how much it was."""

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantdesk.data.disk import write
from quantdesk.data.quality import check
from quantdesk.data.quarantine import divide
from quantdesk.data.stray import stray_days
from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.bars import carry_forward
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel

if TYPE_CHECKING:
    import polars as pl

_EVENTS = ("split", "dividend", "delisting")
_MOST_ROUNDS = 20


def admit(panel: Panel, home: Path) -> Panel:
    """Set refused bars and stray days aside until the gate lets the panel through.

    The bars lie in ``home/quarantine/NAME.parquet``, each with its reasons; nothing reads the
    file. Taking one bad bar out may show the next (a price that flips to and fro), so the check is
    repeated. A spike is recognised by the bars after it, which a caveat says. Events on a
    day that is taken out move to the next one, and proceeds of a delisting that were worked out
    from a refused close are worked out again from the last good one.

    Parameters
    ----------
    panel : Panel
        As fetched.
    home : Path
        The desk's folder.

    Raises
    ------
    DataError
        If the file cannot be written, or the panel is refused for more than single bars.
    """
    import polars as pl

    is_stray = stray_days(panel)
    before, aside = _without_days(panel, is_stray), [_stray_rows(panel, is_stray)]
    kept, report = before, check(before)
    for _ in range(_MOST_ROUNDS):
        if report.n_refused == 0:
            break
        kept, rows = divide(replace(kept, caveats=panel.caveats), report)
        aside.append(rows)
        report = check(kept)
    if report.n_refused:
        raise DataError(
            f"{report.n_refused} bars of {panel.name!r} are still refused after {_MOST_ROUNDS} rounds",
            "single faults, which can be set aside",
            "correct the source",
        )
    refused = pl.concat([rows for rows in aside if len(rows)], how="diagonal") if any(map(len, aside)) else aside[0]
    _keep(refused, home / "quarantine" / f"{panel.name}.parquet")
    kept = _with_proceeds(before, kept)
    return replace(kept, caveats=(*panel.caveats, *_told(refused)))


def refuse_future(panel: Panel, now: np.datetime64) -> None:
    """Refuse bars that close more than a day after ``now``: nobody can have seen them.

    A day is left for zones and for a session that is given by its date while it lasts.

    Raises
    ------
    DataError
        If there is one; names the first.
    """
    is_ahead = panel.times > now + np.timedelta64(1, "D")
    rows, columns = np.nonzero(np.isfinite(panel.fields["close"]) & is_ahead[:, None])
    if rows.size:
        time, today = (np.datetime_as_string(one, unit="m") for one in (panel.times[rows[0]], now))
        more = f" ({rows.size} such bars)" if rows.size > 1 else ""
        raise DataError(
            f"{panel.symbols[columns[0]]} at {time} UTC: a bar of the future{more}, for it is {today}",
            "bars that have closed",
            "check the order of day and month and --timezone, or take these rows out",
        )


def _without_days(panel: Panel, is_out: Bools) -> Panel:
    if not is_out.any():
        return panel
    fields = {
        name: _moved_on(values, is_out, name) if name in _EVENTS else values[~is_out] for name, values in panel.fields.items()
    }
    known_at = {name: stamps[~is_out] for name, stamps in panel.known_at.items()}
    return replace(panel, times=panel.times[~is_out], fields=fields, known_at=known_at)


def _moved_on(values: Float64, is_out: Bools, name: str) -> Float64:
    moved = values.copy()
    for row in np.flatnonzero(is_out[:-1]):
        late = np.isfinite(moved[row])
        there = np.isfinite(moved[row + 1])
        both = moved[row] * moved[row + 1] if name == "split" else moved[row] + moved[row + 1]
        moved[row + 1] = np.where(late, np.where(there, both, moved[row]), moved[row + 1])
    return moved[~is_out]


def _stray_rows(panel: Panel, is_stray: Bools) -> "pl.DataFrame":
    import polars as pl

    rows, columns = np.nonzero(np.isfinite(panel.fields["close"]) & is_stray[:, None])
    symbols = panel.symbols
    return pl.DataFrame(
        [
            pl.Series("time", panel.times[rows]).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"),
            pl.Series("symbol", [symbols[column] for column in columns.tolist()], dtype=pl.String),
            pl.Series("kinds", ["stray day"] * len(rows), dtype=pl.String),
            *(pl.Series(name, values[rows, columns]) for name, values in panel.fields.items()),
        ]
    )


def _with_proceeds(before: Panel, kept: Panel) -> Panel:
    # What was paid is a share of the last close: of the last good one, where that was refused.
    if "delisting" not in kept.fields:
        return kept
    proceeds = before.fields["delisting"]
    then, now = (np.roll(carry_forward(one.fields["close"]), 1, axis=0) for one in (before, kept))
    is_stale = np.isfinite(proceeds) & np.isfinite(now) & (then != 0) & (then != now)
    again = np.where(is_stale, proceeds / np.where(is_stale, then, 1.0) * now, kept.fields["delisting"])
    return replace(kept, fields={**kept.fields, "delisting": again})


def _keep(refused: "pl.DataFrame", path: Path) -> None:
    try:
        if refused.is_empty():
            path.unlink(missing_ok=True)
            return
        buffer = io.BytesIO()
        refused.write_parquet(buffer, compression="zstd")
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        write(fresh, buffer.getvalue())
        fresh.replace(path)
    except OSError as error:
        raise DataError(
            f"{len(refused)} bars to be set aside could not be written to {path}: {error.strerror or error}",
            "a writable disk",
            "free space or set another home; nothing was let in",
        ) from error


def _told(refused: "pl.DataFrame") -> tuple[str, ...]:
    if refused.is_empty():
        return ()
    counts = Counter(refused["kinds"].to_list())
    kinds = ", ".join(f"{kind} {count}" for kind, count in counts.most_common())
    said = f"{len(refused)} bars of {refused['symbol'].n_unique()} instruments were refused and set aside ({kinds})"
    seen_later = "spikes were recognised by the bars after them" if any("spike" in kind for kind in counts) else ""
    return (said, seen_later) if seen_later else (said,)
