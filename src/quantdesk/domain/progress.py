"""Progress: what is being done, how much of it is done, of how much."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Tell = Callable[[str, int, int], None]
"""Hear of progress: what is being done, how many are done, of how many."""


def silent(_what: str, _done: int, _total: int) -> None:
    """Say nothing."""


_hears: ContextVar[Tell] = ContextVar("hears", default=silent)


def tell_of() -> Tell:
    """Give what hears of progress here: for work that lies too deep to be handed it, such as the epochs of a network."""
    return _hears.get()


@contextmanager
def telling(tell: Tell) -> Iterator[None]:
    """Let ``tell`` hear of all progress in this process while the body runs."""
    token = _hears.set(tell)
    try:
        yield
    finally:
        _hears.reset(token)


@contextmanager
def part(name: str, place: int, count: int) -> Iterator[None]:
    """Let progress within the body be heard as that of one of several parts, ``place`` from 0."""
    tell = tell_of()

    def within(what: str, done: int, total: int) -> None:
        tell(f"{name} {place + 1} of {count}: {what}", place * total + done, count * total)

    with telling(within):
        yield
