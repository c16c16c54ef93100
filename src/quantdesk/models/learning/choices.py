"""Refuse choices that nothing can be built or learned from, at the moment they are written down."""

from collections.abc import Callable
from dataclasses import Field, fields, is_dataclass
from numbers import Integral, Real
from typing import Any, Literal, NoReturn, get_args, get_origin

import numpy as np

from quantdesk.domain.errors import StrategyError
from quantdesk.domain.ports import Model

Range = tuple[Callable[[Any], bool], str]
"""What a number must be, and the words for it; infinity lies in those without an upper end, NaN in none."""

POSITIVE: Range = (lambda value: value > 0, "above 0")
FROM_0: Range = (lambda value: value >= 0, "0 or more")
FROM_1: Range = (lambda value: value >= 1, "1 or more")
FROM_2: Range = (lambda value: value >= 2, "2 or more")
WITHIN_1: Range = (lambda value: 0 < value < 1, "between 0 and 1")
BELOW_1: Range = (lambda value: 0 <= value < 1, "from 0 to below 1")
UP_TO_1: Range = (lambda value: 0 < value <= 1, "above 0 and up to 1")
FROM_0_TO_1: Range = (lambda value: 0 <= value <= 1, "from 0 to 1")


def check_choices(choices: Any, **ranges: Range) -> None:
    """Refuse choices of the wrong kind, outside their range, or against one another.

    Parameters
    ----------
    choices : dataclass
        Each field of the class whose ``__post_init__`` asks is held to its annotation: whole numbers are 1 or more, other
        numbers above 0, unless told otherwise.
    **ranges : Range
        By name, what other numbers must be.

    Raises
    ------
    StrategyError
        Naming the choice and its owner.
    """
    owner = type(choices).__name__
    # What others derive from it has fields of which only they know.
    declared = next(kind for kind in type(choices).__mro__ if "__post_init__" in vars(kind))
    for field in fields(declared):
        _check_one(owner, field, getattr(choices, field.name), ranges.get(field.name))
    _check_together(owner, vars(choices))


def check_network(network: Any, owner: str) -> None:
    """Refuse what is not a network.

    Parameters
    ----------
    network : object
        What was given as a network.
    owner : str
        The name of what it was given to.

    Raises
    ------
    StrategyError
        If it cannot build a module, or does not look back.
    """
    if isinstance(network, type) or not callable(getattr(network, "build", None)):
        raise StrategyError(
            f"{owner} was given {_shown(network)} as a network",
            "the choices of one of models/networks, such as LSTM(lookback=60)",
            "import a network and write its choices down in that place",
        )
    check_whole(f"{type(network).__name__}.lookback", getattr(network, "lookback", None))


def check_loss(loss: Any, owner: str) -> None:
    """Refuse what is neither a loss nor None.

    Raises
    ------
    StrategyError
        Naming its owner.
    """
    if loss is not None and (isinstance(loss, type) or not callable(getattr(loss, "quantiles", None))):
        raise StrategyError(
            f"{owner}.loss is {_shown(loss)}",
            "one of models/learning/losses, such as Huber(), or None",
            "write a loss in that place; other choices go by their names, such as training=Training(...)",
        )


def check_kind(name: str, value: object, kind: type) -> None:
    """Refuse what is not of a kind.

    Raises
    ------
    StrategyError
        Naming it by ``name``.
    """
    if isinstance(value, type) or not isinstance(value, kind):
        refuse(name, value, "text" if kind is str else f"a {kind.__name__}")


def check_whole(name: str, value: object) -> None:
    """Refuse what is not a whole number, 1 or more.

    Raises
    ------
    StrategyError
        Naming it by ``name``.
    """
    _check_number(name, value, Integral, FROM_1)


def refuse(name: str, value: object, expected: str) -> NoReturn:
    """Say what a choice is, and what it should have been."""
    raise StrategyError(f"{name} is {_shown(value)}", expected, "correct it")


def _check_one(owner: str, field: "Field[Any]", value: Any, wanted: Range | None) -> None:
    name, kind = f"{owner}.{field.name}", field.type
    if field.name in ("network", "reader", "student"):
        check_network(value, owner)
    elif field.name == "loss":
        check_loss(value, owner)
    elif kind in (int, float):
        _check_number(name, value, Integral if kind is int else Real, wanted or (FROM_1 if kind is int else POSITIVE))
    elif kind is bool and not isinstance(value, bool | np.bool_):
        refuse(name, value, "True or False")
    elif get_origin(kind) is Literal and value not in get_args(kind):
        refuse(name, value, f"one of {', '.join(get_args(kind))}")
    elif get_origin(kind) is tuple:
        check_kind(name, value, tuple)
    elif kind in (str, Model) or is_dataclass(kind):
        check_kind(name, value, kind)  # type: ignore[arg-type]


def _check_number(name: str, value: Any, kind: type, wanted: Range) -> None:
    is_right, words = wanted
    if not _is_of(value, kind) or not is_right(value):
        refuse(name, value, f"{'a whole number' if kind is Integral else 'a number'}, {words}")


def _is_of(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _check_together(owner: str, choices: dict[str, Any]) -> None:
    if "width" in choices and "heads" in choices and choices["width"] % choices["heads"]:
        what = f"{owner}.width is {choices['width']} with {choices['heads']} heads"
        raise StrategyError(what, "a multiple of the heads", "change one of them")
    if "patch" in choices and choices["patch"] > choices["lookback"]:
        what = f"{owner}.patch is {choices['patch']} with a lookback of {choices['lookback']}"
        raise StrategyError(what, "a patch no longer than the lookback", "change one of them")
    if "frames" in choices:
        frames, lookback = choices["frames"], choices["lookback"]
        if not frames or not all(_is_of(n, Integral) and 1 <= n <= lookback for n in frames):
            what = f"{owner}.frames is {frames!r} with a lookback of {lookback}"
            raise StrategyError(what, "whole numbers from 1 to the lookback", "correct the frames, or look back further")


def _shown(value: object) -> str:
    return f"{type(value).__name__}(...)" if is_dataclass(value) and not isinstance(value, type) else repr(value)
