"""Refuse choices of the wrong kind at the moment they are written down."""

from numbers import Integral, Real

from quantdesk.domain.errors import StrategyError


def require_numbers(owner: str, **values: object) -> None:
    """Refuse what is not a number.

    Raises
    ------
    StrategyError
        Naming the choice and its owner.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real) or value != value:
            raise StrategyError(f"{owner} has {name} = {value!r}", "a number", "correct it")


def require_positive(owner: str, **values: object) -> None:
    """Refuse what is not a number above 0.

    Raises
    ------
    StrategyError
        Naming the choice and its owner.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not float(value) > 0:
            raise StrategyError(f"{owner} has {name} = {value!r}", "a number above 0", "correct it")


def require_whole(owner: str, **values: object) -> None:
    """Refuse what is not a whole number, 1 or more.

    Raises
    ------
    StrategyError
        Naming the choice and its owner.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < 1:
            raise StrategyError(f"{owner} has {name} = {value!r}", "a whole number, 1 or more", "correct it")
