"""Give a source what it needs from the desk: where to keep pieces, keys, a clock, and whom to tell."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from quantdesk.domain.errors import DataError

Tell = Callable[[str, int, int], None]
"""Told of progress: what is being done, how many pieces are done, how many there are."""


def quiet(what: str, done: int, total: int) -> None:
    """Tell nobody."""


class Clock:
    """Read the time and wait; tests put another in its place."""

    def now(self) -> np.datetime64:
        """Return the present moment, UTC, to the nanosecond."""
        return np.datetime64(time.time_ns(), "ns")

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Access:
    """Hold what every network source is handed.

    Parameters
    ----------
    home : Path
        The desk's folder; finished pieces are kept under ``home/cache/SOURCE``.
    keys : mapping of str to str
        Keys and contacts by name, such as ``alpha_vantage``; see each source for the names it reads.
    tell : Tell
        Told of progress.
    accept_revision : bool
        Whether to take a source's word where it contradicts what it said before. What it said
        before is then asked for again as a whole, so that two versions never mix.
    per_minute : mapping of str to float
        Requests a minute by source, where a plan allows other than the source's documented default.
    clock : Clock
        What time it is.
    pieces : Path or None
        Another folder for finished pieces.
    """

    home: Path
    keys: Mapping[str, str] = field(default_factory=dict)
    tell: Tell = quiet
    accept_revision: bool = False
    per_minute: Mapping[str, float] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    pieces: Path | None = None

    def state(self, source: str) -> Path:
        """Name the folder in which a source keeps count of its requests, and its library's own cache."""
        return self.home / "cache" / source

    def cache(self, source: str) -> Path:
        """Name the folder in which a source keeps finished pieces."""
        return (self.pieces or self.home / "cache") / source

    def key(self, name: str, where: str) -> str:
        """Look a key up.

        Parameters
        ----------
        name : str
            As in desk.toml.
        where : str
            Where one is got, for whoever has none.

        Raises
        ------
        DataError
            If there is none; says which, where to get it and where to put it.
        """
        found = self.keys.get(name, "").strip()
        if found:
            return found
        raise DataError(
            f"no key {name!r}",
            f"one from {where}",
            f'write {name} = "..." under [keys] in desk.toml, or set DESK_KEYS__{name.upper()} in the environment',
        )


def library(name: str) -> Any:
    """Import a client library that comes with an extra.

    Raises
    ------
    DataError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise DataError(
            f"the library {(error.name or name).partition('.')[0]!r} is not installed",
            "the libraries of the network sources",
            "run `pip install 'quantdesk[sources]'`",
        ) from error
