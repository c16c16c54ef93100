"""Facts that are not bars: each with its own time, and the time it became known."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from quantdesk.domain.arrays import Bools, Float64, Ints, Times
from quantdesk.domain.errors import DataError

Names = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Records:
    """Hold facts in columns, one row a vintage: a restatement is a new row, never an edit.

    Parameters
    ----------
    subjects : Names
        Symbol, or series, that each fact is about (n_records,).
    names : Names
        What was measured, such as ``revenue`` or ``eps_reported`` (n_records,).
    periods : Times
        The value's own time: the end of its period, or the day observed (n_records,), UTC.
    known_at : Times
        When it became known (n_records,), UTC.
    values : Float64
        The value, in the unit its name fixes (n_records,).
    name : str
        What the collection is called.
    is_forward : bool
        Whether they speak of periods still to end, as estimates do; facts may not.
    caveats : tuple of str
        What limits any conclusion drawn from them, such as rows that were left out.

    Raises
    ------
    DataError
        If a column's length differs, a time is missing, or a fact was known before its time.
    """

    subjects: Names
    names: Names
    periods: Times
    known_at: Times
    values: Float64
    name: str = ""
    is_forward: bool = False
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for column in ("periods", "known_at"):
            object.__setattr__(self, column, np.asarray(getattr(self, column), dtype="datetime64[ns]"))
        for column in ("names", "periods", "known_at", "values"):
            if getattr(self, column).shape != self.subjects.shape:
                raise DataError(
                    f"records {self.name!r}: {column} has {len(getattr(self, column))} rows",
                    f"{len(self.subjects)}",
                    "align the columns",
                )
        is_early = np.zeros(len(self), dtype=np.bool_) if self.is_forward else self.known_at < self.periods
        bad = np.flatnonzero(np.isnat(self.periods) | np.isnat(self.known_at) | is_early)
        if bad.size:
            i = bad[0]
            raise DataError(
                f"{self.subjects[i]} {self.names[i]} of {self.periods[i]} is said to be known at {self.known_at[i]}",
                "a time on or after the value's own",
                "give the time of publication, later rather than earlier where it is not certain",
            )

    def __len__(self) -> int:
        return len(self.subjects)

    def where(self, keep: Bools | Ints) -> "Records":
        """Return the chosen rows."""
        return replace(
            self,
            subjects=self.subjects[keep],
            names=self.names[keep],
            periods=self.periods[keep],
            known_at=self.known_at[keep],
            values=self.values[keep],
        )

    def as_of(self, now: np.datetime64) -> "Records":
        """Return what was known at ``now``: of each subject, name and period the latest vintage."""
        known = self.where(self.known_at <= now)
        order = np.lexsort((known.known_at, known.periods, known.names, known.subjects))
        known = known.where(order)
        is_last = np.ones(len(known), dtype=np.bool_)
        same = (known.subjects[1:] == known.subjects[:-1]) & (known.names[1:] == known.names[:-1])
        is_last[:-1] = ~(same & (known.periods[1:] == known.periods[:-1]))
        return known.where(is_last)

    def latest(self, name: str, subjects: tuple[str, ...], times: Times) -> tuple[Float64, Times]:
        """Give, at each time, the value of the newest period then known, in its vintage of then.

        Parameters
        ----------
        name : str
            What was measured.
        subjects : tuple of str
            About whom, in order.
        times : Times
            Moments (n_times,), increasing.

        Returns
        -------
        tuple of Float64 and Times
            Values (n_times, n_subjects), NaN where nothing was known; and their periods, NaT there.
        """
        values = np.full((len(times), len(subjects)), np.nan)
        periods = np.full((len(times), len(subjects)), np.datetime64("NaT", "ns"))
        chosen = self.where(self.names == name)
        order = np.lexsort((chosen.periods, chosen.known_at, chosen.subjects))
        chosen = chosen.where(order)
        starts, stops = (np.searchsorted(chosen.subjects, subjects, side=side) for side in ("left", "right"))
        for column, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            own = chosen.where(np.arange(start, stop))
            # A row counts only if no newer period was known before it.
            newest = np.maximum.accumulate(own.periods) if len(own) else own.periods
            own = own.where(own.periods >= newest)
            rows = np.searchsorted(own.known_at, times, side="right") - 1
            seen = rows >= 0
            values[seen, column] = own.values[rows[seen]]
            periods[seen, column] = own.periods[rows[seen]]
        return values, periods


def joined(parts: list[Records], name: str = "") -> Records:
    """Put collections together, one after the other.

    Raises
    ------
    DataError
        If there are none.
    """
    if not parts:
        raise DataError("no records to join", "one collection or more", "fetch some")
    return Records(
        subjects=np.concatenate([part.subjects for part in parts]),
        names=np.concatenate([part.names for part in parts]),
        periods=np.concatenate([part.periods for part in parts]),
        known_at=np.concatenate([part.known_at for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        name=name,
        is_forward=any(part.is_forward for part in parts),
        caveats=tuple(dict.fromkeys(caveat for part in parts for caveat in part.caveats)),
    )
