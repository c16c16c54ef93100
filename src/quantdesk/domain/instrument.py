"""One symbol on one venue."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instrument:
    """Name what is traded and the grid it trades on.

    Parameters
    ----------
    symbol : str
        The venue's name for it.
    sector : str
        Sector for the sector limit; empty where it is unknown.
    tick_size : float
        Smallest price step, in the account currency.
    lot_size : float
        Smallest quantity step, in units (shares).
    currency : str
        ISO 4217 code of the quote currency.
    multiplier : float
        Units of the underlying in one unit traded.
    """

    symbol: str
    sector: str = ""
    tick_size: float = 0.0001
    lot_size: float = 1.0
    currency: str = "USD"
    multiplier: float = 1.0
