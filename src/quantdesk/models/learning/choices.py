"""Refuse choices that no network can be built or trained from, at the moment they are written down."""

from dataclasses import Field, fields, is_dataclass
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin

from quantdesk.domain.errors import StrategyError

_COUNTS = frozenset(
    ("lookback", "hidden", "width", "layers", "heads", "depth", "patch", "stride", "channels", "kernel", "blocks", "inner")
)


def check_network(network: object, owner: str) -> None:
    """Refuse what is not a network, or one that cannot be built; networks within it are looked at first.

    Parameters
    ----------
    network : object
        What was given as a network.
    owner : str
        The name of what it was given to.

    Raises
    ------
    StrategyError
        If it is not a network, or one of its choices is outside its range or contradicts another.
    """
    if isinstance(network, type) or not callable(getattr(network, "build", None)):
        raise StrategyError(
            f"{owner} was given {network!r} as a network",
            "the choices of one of models/networks, such as LSTM(lookback=60)",
            "import a network and write its choices down in that place",
        )
    kind, known = type(network).__name__, fields(network) if is_dataclass(network) else ()
    choices = {field.name: getattr(network, field.name) for field in known}
    for part in (*choices.get("parts", ()), *(choices[name] for name in ("reader", "network") if name in choices)):
        check_network(part, kind)
    check_whole(kind, "lookback", getattr(network, "lookback", None))
    for field in known:
        _check_alone(kind, field, choices[field.name])
    _check_together(kind, choices)


def check_whole(owner: str, name: str, value: object, least: int = 1) -> None:
    """Refuse what is not a whole number, or a smaller one than ``least``.

    Raises
    ------
    StrategyError
        Naming the choice and its owner.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise StrategyError(f"{owner}.{name} is {value!r}", f"a whole number, {least} or more", "correct it")


def is_number(value: object) -> bool:
    """Tell whether a value is a real number; truths are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_alone(kind: str, field: "Field[Any]", value: Any) -> None:
    if field.name in _COUNTS:
        check_whole(kind, field.name, value)
    if field.name == "dropout" and not (is_number(value) and 0 <= value < 1):
        raise StrategyError(f"{kind}.dropout is {value!r}", "a share from 0 to below 1", "correct it")
    if get_origin(field.type) is Literal and value not in get_args(field.type):
        raise StrategyError(f"{kind}.{field.name} is {value!r}", f"one of {', '.join(get_args(field.type))}", "choose one")


def _check_together(kind: str, choices: dict[str, Any]) -> None:
    if "width" in choices and "heads" in choices and choices["width"] % choices["heads"]:
        what = f"{kind}.width is {choices['width']} with {choices['heads']} heads"
        raise StrategyError(what, "a multiple of the heads", "change one of them")
    if "patch" in choices and choices["patch"] > choices["lookback"]:
        what = f"{kind}.patch is {choices['patch']} with a lookback of {choices['lookback']}"
        raise StrategyError(what, "a patch no longer than the lookback", "change one of them")
    if "frames" in choices:
        _check_frames(kind, choices["frames"], choices["lookback"])


def _check_frames(kind: str, frames: Any, lookback: int) -> None:
    is_right = isinstance(frames, tuple) and frames and all(isinstance(n, int) and 1 <= n <= lookback for n in frames)
    if not is_right:
        raise StrategyError(
            f"{kind}.frames is {frames!r} with a lookback of {lookback}",
            "a tuple of whole numbers from 1 to the lookback",
            "correct the frames, or look back further",
        )
