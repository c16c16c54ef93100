"""One thing that was known too early, in words."""

from dataclasses import dataclass

import numpy as np

COMPARISONS = ("truncation", "scrambling", "provenance", "universe", "refit")
"""Checks that do the same thing twice, with and without the future; the others know what is right."""


@dataclass(frozen=True)
class Leak:
    """Name what changed when the future was taken away.

    Parameters
    ----------
    check : str
        Which check found it, such as ``truncation``.
    thing : str
        The feature, forecast, target, label or model.
    time : numpy.datetime64
        Time of the first value that differs, UTC.
    symbol : str
        Its instrument; empty where it concerns all.
    given : str
        What it is with the future at hand.
    without : str
        What it is without it, or what it should have been.
    meaning : str
        What this says, in one sentence.
    """

    check: str
    thing: str
    time: np.datetime64
    symbol: str
    given: str
    without: str
    meaning: str

    def __str__(self) -> str:
        about = f" of {self.symbol}" if self.symbol else ""
        moment = np.datetime_as_string(self.time, unit="m").replace("T", " ")
        other = f"{self.without} without what came later" if self.check in COMPARISONS else f"should be {self.without}"
        return f"{self.check}: {self.thing}{about} at {moment} is {self.given}, {other}: {self.meaning}"
