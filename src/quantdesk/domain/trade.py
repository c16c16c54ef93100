"""Requests to trade, trades that happened, and what is held because of them."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from quantdesk.domain.errors import LedgerError


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
