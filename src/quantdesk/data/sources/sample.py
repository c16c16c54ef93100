"""Real daily closes that come with the installation, for a first run without a download."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from quantdesk.data.stamps import session_closes
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

SECTORS = {
    "AAPL": "Information Technology",
    "AMD": "Information Technology",
    "BAC": "Financials",
    "BBY": "Consumer Discretionary",
    "CVX": "Energy",
    "GE": "Industrials",
    "HD": "Consumer Discretionary",
    "JNJ": "Health Care",
    "JPM": "Financials",
    "KO": "Consumer Staples",
    "LLY": "Health Care",
    "MRK": "Health Care",
    "MSFT": "Information Technology",
    "PEP": "Consumer Staples",
    "PFE": "Health Care",
    "PG": "Consumer Staples",
    "RRC": "Energy",
    "UNH": "Health Care",
    "WMT": "Consumer Staples",
    "XOM": "Energy",
}
"""GICS sector of each instrument, as of the end of 2022."""

CAVEATS = (
    "20 companies that still led the index at the end of 2022: survivors only; any long-only result is flattered",
    "closes only: no opens, highs, lows or volumes: orders fill at the next close",
    "closes are adjusted for splits and dividends",
)


@dataclass(frozen=True)
class Sample:
    """Give the S&P 500 closes of 20 stocks, 1990 to 2022, that the skfolio package carries."""

    def fetch(self) -> Panel:
        """Return the panel ``sample``: one field, ``close``, stamped 16:00 New York in UTC.

        Raises
        ------
        DataError
            If the package or its file is not installed, or holds other symbols.
        """
        import polars as pl

        table = pl.read_csv(_path(), try_parse_dates=True)
        symbols = table.columns[1:]
        if symbols != list(SECTORS):
            raise DataError(f"the sample holds {', '.join(symbols)}", ", ".join(SECTORS), "reinstall skfolio")
        return Panel(
            times=session_closes(table["Date"], "America/New_York", "16:00"),
            instruments=tuple(Instrument(symbol, SECTORS[symbol]) for symbol in symbols),
            fields={"close": np.ascontiguousarray(table.select(symbols).to_numpy(), dtype=np.float64)},
            name="sample",
            caveats=CAVEATS,
        )


def _path() -> Path:
    # find_spec of a top-level name does not import the package, which would take seconds.
    package = find_spec("skfolio")
    folder = Path(package.origin).parent if package is not None and package.origin else Path("skfolio")
    path = folder / "datasets" / "data" / "sp500_dataset.csv.gz"
    if not path.is_file():
        raise DataError(f"no sample data at {path}", "the file that skfolio carries", "run `pip install skfolio`")
    return path
