"""What several commands share: their options, settings, data, and the way they print JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from quantdesk.domain.errors import DataError, StrategyError

if TYPE_CHECKING:
    import numpy as np

    from quantdesk.domain.panel import Panel
    from quantdesk.settings import Settings
    from quantdesk.strategy import Strategy

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value for machines, and nothing else.")]
Data = Annotated[
    str,
    typer.Option(
        "--data", help="A data set: `sample`, one you ingested, or `synthetic[:ic=0.05,seed=1,n_instruments=50,n_days=1500]`."
    ),
]


def _given_symbols(context: typer.Context, parameter: typer.CallbackParam, symbols: str) -> str:
    # An option left out stands for all; one that is given and empty is a slip, such as a shell variable never set.
    source = context.get_parameter_source(parameter.name or "")
    if source and source.name == "COMMANDLINE" and not chosen_symbols(symbols):
        raise DataError(
            f"--symbols {symbols!r} names no instrument", "symbols of the data set, as AAPL,MSFT", "name some, or leave it out"
        )
    return symbols


Symbols = Annotated[
    str, typer.Option("--symbols", callback=_given_symbols, help="Only these instruments of the data set, as AAPL,MSFT.")
]


class Interrupted(Exception):  # noqa: N818 - no error: somebody pressed Ctrl-C
    """Ctrl-C, with what is said of the work that it ended."""


@contextmanager
def interruptible(left: str) -> Iterator[None]:
    """Where Ctrl-C ends the body, say what is left of it.

    Raises
    ------
    Interrupted
        On Ctrl-C, with ``left``.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(left) from None


def settings() -> "Settings":
    """Read the settings."""
    from quantdesk.settings import read_settings

    return read_settings()


def load(name: str, symbols: str = "") -> "Panel":
    """Load a data set, or some of its instruments, and refuse it where it is impossible."""
    from quantdesk.data import events, quality, store

    panel = store.load(name, settings().home)
    chosen = chosen_symbols(symbols)
    return quality.gate(events.chosen(panel, chosen) if chosen else panel)


def require_enough(strategy: "Strategy", panel: "Panel") -> None:
    """Refuse data of fewer instruments than the strategy's signal can choose among, before anything is learned.

    Raises
    ------
    StrategyError
        Naming the rule.
    """
    least = getattr(strategy.signal, "least_instruments", 1)
    if panel.shape[1] < least:
        raise StrategyError(
            f"{type(strategy.signal).__name__} of strategy {strategy.name!r} has {' and '.join(panel.symbols)} alone to rank",
            f"{least} instruments or more, for it sets them against one another",
            "bring more instruments, or a strategy whose signal judges each by itself, such as Threshold",
        )


def chosen_symbols(symbols: str) -> tuple[str, ...]:
    """Read the instruments that an option names, each once; none: all."""
    return tuple(dict.fromkeys(symbol.strip() for symbol in symbols.split(",") if symbol.strip()))


def day(text: str, option: str) -> "np.datetime64":
    """Read a day that an option names, YYYY-MM-DD."""
    import numpy as np

    try:
        return np.datetime64(text, "ns")
    except ValueError as error:
        raise DataError(f"{option} {text}", "a day such as 2020-01-31", "correct it") from error


def print_json(value: object) -> None:
    """Print one JSON value; what is not a number is an error here, not in the reader."""
    print(json.dumps(value, allow_nan=False))
