"""Progress: what is being done, how much of it is done, of how much."""

from collections.abc import Callable

Tell = Callable[[str, int, int], None]
"""Hear of progress: what is being done, how many are done, of how many."""


def silent(_what: str, _done: int, _total: int) -> None:
    """Say nothing."""
