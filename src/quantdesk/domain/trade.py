"""Requests to trade, trades that happened, and what is held because of them."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from quantdesk.domain.errors import LedgerError

SCALE = 10**8
"""Places in one unit, or in one unit of the account currency: the finest that the desk keeps."""

# Below it neighbouring floats are less than 1e-8 apart, so that each count has a float of its own.
_EXACT = 2**52


@dataclass(frozen=True, slots=True)
class Order:
    """Ask for a trade; the id makes a resend harmless.

    Parameters
    ----------
    id : str
        The same for the same strategy, decision time and instrument.
    symbol : str
        The instrument.
    quantity : Decimal
        Units, signed: positive buys.
    created_at : numpy.datetime64
        The decision time, UTC.
    """

    id: str
    symbol: str
    quantity: Decimal
    created_at: np.datetime64

    def __post_init__(self) -> None:
        if self.quantity == 0:
            raise LedgerError(f"order {self.id} asks for nothing", "a quantity other than 0", "send no order")


@dataclass(frozen=True, slots=True)
class Fill:
    """Record a trade that happened.

    Parameters
    ----------
    order_id : str
        The order it fills.
    symbol : str
        The instrument.
    quantity : Decimal
        Units, signed.
    price : Decimal
        Account currency a unit, half-spread and impact included.
    fee : Decimal
        Commission in account currency, to the cent.
    time : numpy.datetime64
        Close of the bar in which it traded, UTC.
    """

    order_id: str
    symbol: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    time: np.datetime64


@dataclass(frozen=True, slots=True)
class Position:
    """Say what is held: a sum over fills and splits, never set.

    Parameters
    ----------
    symbol : str
        The instrument.
    quantity : Decimal
        Units, signed: negative is short.
    average_price : Decimal
        Account currency a unit, of the units still open.
    """

    symbol: str
    quantity: Decimal
    average_price: Decimal


@dataclass(frozen=True, slots=True)
class Split:
    """Record that one old unit became ``ratio`` new ones.

    Parameters
    ----------
    symbol : str
        The instrument.
    ratio : Decimal
        New units for one old.
    time : numpy.datetime64
        Close of the ex-date's bar, UTC.
    """

    symbol: str
    ratio: Decimal
    time: np.datetime64


@dataclass(frozen=True, slots=True)
class CashFlow:
    """Record money that moved without a trade.

    Parameters
    ----------
    kind : str
        ``deposit``, ``dividend`` or ``borrow``.
    symbol : str
        The instrument, empty where it concerns the whole account.
    amount : Decimal
        Account currency, to the cent; positive comes in.
    time : numpy.datetime64
        When it was booked, UTC.
    """

    kind: str
    symbol: str
    amount: Decimal
    time: np.datetime64


Event = Fill | Split | CashFlow
"""What a broker can report."""


def decimal_of(places: int) -> Decimal:
    """Turn a count of 1e-8 into the decimal it means."""
    return Decimal(str(places / SCALE)) if abs(places) < _EXACT else Decimal(places) / SCALE


def places_of(quantity: Decimal, owner: str) -> int:
    """Count the 1e-8 units in a quantity.

    Raises
    ------
    LedgerError
        If it is finer than that.
    """
    places = int(quantity * SCALE)
    if places != quantity * SCALE:
        raise LedgerError(f"{owner}: a quantity of {quantity:f}", "a multiple of 1e-8 units", "report it in whole 1e-8 units")
    return places


def after_split(places: int, ratio: Decimal) -> int:
    """Multiply a position by a split, half to even: 1/3 must leave no dust that never closes."""
    return int((places * ratio).to_integral_value())
