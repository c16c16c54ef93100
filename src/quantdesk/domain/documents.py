"""Texts about instruments, each with the time it became known."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from quantdesk.domain.arrays import Bools, Ints, Times
from quantdesk.domain.errors import DataError

Names = NDArray[np.str_]
Texts = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Documents:
    """Hold texts in the order in which they became known; a corrected text is another document.

    Parameters
    ----------
    subjects : Names
        Symbol that each is about (n_documents,).
    known_at : Times
        When it was published (n_documents,), UTC, never decreasing.
    texts : Texts
        What it says (n_documents,), strings.
    name : str
        What the collection is called.

    Raises
    ------
    DataError
        If a column's length differs, a time is missing, or the times decrease.
    """

    subjects: Names
    known_at: Times
    texts: Texts
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "known_at", np.asarray(self.known_at, dtype="datetime64[ns]"))
        if not self.subjects.shape == self.known_at.shape == self.texts.shape:
            raise DataError(f"documents {self.name!r} have columns of different length", "one row a document", "align them")
        if np.isnat(self.known_at).any() or (np.diff(self.known_at) < np.timedelta64(0)).any():
            raise DataError(
                f"documents {self.name!r} are not in the order of their times", "a time for each, in order", "sort them"
            )

    def __len__(self) -> int:
        return len(self.subjects)

    def where(self, keep: Bools | Ints) -> "Documents":
        """Return the chosen rows."""
        return replace(self, subjects=self.subjects[keep], known_at=self.known_at[keep], texts=self.texts[keep])

    def as_of(self, now: np.datetime64) -> "Documents":
        """Return what had been published by ``now``."""
        return self.where(self.known_at <= now)
