"""A folder of QuantConnect Lean's daily bars, with its factor files (splits, dividends) and map files (tickers)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quantdesk.data.actions import Action, event_fields
from quantdesk.data.attach import new_york
from quantdesk.data.events import delisting_proceeds, departures, survivorship
from quantdesk.data.lean_files import Daily, Factors, Spell, read_daily, read_factors, read_map
from quantdesk.domain.arrays import Bools, Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

_PRICES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Lean:
    """Read ``daily/*.zip``, ``factor_files/*.csv`` and ``map_files/*.csv`` of one market.

    A map file is one instrument, named by the file in capitals; it carries its history through
    the tickers that the file lists. Bars under a ticker on days when no instrument had it are
    left out, and counted in a caveat. A ticker without a map file is an instrument of its own.

    Parameters
    ----------
    folder : Path
        The market's folder, such as ``equity/usa``.
    name : str
        What the panel is called.
    haircut : float
        Fraction of the last close that is lost when an instrument vanishes.
    """

    folder: Path
    name: str = "lean"
    haircut: float = 0.3

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        if not 0.0 <= self.haircut <= 1.0:
            raise DataError(f"delisting haircut is {self.haircut}", "a fraction in [0, 1]", "correct it")

    def fetch(self) -> Panel:
        """Return raw prices, and splits and dividends in the fields of their name.

        Raises
        ------
        DataError
            If the folder holds no bars, or a file is unreadable.
        """
        lives = self.lives()
        days = np.unique(np.concatenate([life.bars.days for life in lives]))
        times = new_york(days, "16:00")
        prices = {name: np.column_stack([_spread(life.bars, name, days) for life in lives]) for name in _PRICES}
        symbols = tuple(life.symbol for life in lives)
        events = event_fields([one for life in lives for one in life.actions()], prices["close"], times, symbols)
        left = departures(prices["close"], times)
        caveats = [*(text for life in lives for text in life.caveats), *survivorship(prices["close"], times)]
        if (left >= 0).any():
            events["delisting"] = delisting_proceeds(prices["close"], times, self.haircut)
            caveats.append(
                f"{int((left >= 0).sum())} of {len(symbols)} instruments leave before the end: whoever holds them is "
                f"assumed to be paid the last close less {self.haircut:.0%} (Shumway 1997)"
            )
        return Panel(
            times, tuple(Instrument(symbol) for symbol in symbols), {**prices, **events}, {}, self.name, tuple(caveats)
        )

    def lives(self) -> tuple["Life", ...]:
        """Read each instrument's bars, factors and tickers, those that have bars, by symbol.

        Raises
        ------
        DataError
            If the folder holds no bars, or a file is unreadable.
        """
        bars = {path.stem: read_daily(path) for path in sorted((self.folder / "daily").glob("*.zip"))}
        if not bars:
            raise DataError(f"no daily/*.zip in {self.folder}", "Lean's daily bars", "name the market's folder: equity/usa")
        maps = {path.stem: read_map(path) for path in sorted((self.folder / "map_files").glob("*.csv"))}
        owned: dict[str, Bools] = {ticker: np.zeros(len(found.days), dtype=np.bool_) for ticker, found in bars.items()}
        for spell in (spell for spells in maps.values() for spell in spells if spell.ticker in bars):
            owned[spell.ticker] |= spell.covers(bars[spell.ticker].days)
        for ticker in set(bars) - set(maps) - {spells[-1].ticker for spells in maps.values()}:
            maps[ticker] = (Spell(ticker, np.datetime64("0001-01-01", "D"), np.datetime64("9999-12-31", "D")),)
        lives = (self._life(stem, spells, bars, owned) for stem, spells in sorted(maps.items()))
        return tuple(life for life in lives if len(life.bars.days))

    def _life(
        self,
        stem: str,
        spells: tuple[Spell, ...],
        bars: dict[str, Daily],
        owned: dict[str, Bools],
    ) -> "Life":
        path = self.folder / "factor_files" / f"{stem}.csv"
        has_map = (self.folder / "map_files" / f"{stem}.csv").is_file()
        kept = []
        for spell in spells:
            if spell.ticker in bars:
                found = bars[spell.ticker]
                kept.append(found.where(spell.covers(found.days) if has_map else ~owned[spell.ticker]))
        own = Daily.joined(kept)
        caveats = []
        if stem in owned and has_map and (n_out := int((~owned[stem]).sum())):
            caveats.append(f"{n_out} bars of {stem}.zip are of days when no instrument had that ticker: left out")
        return Life(stem.upper(), own, read_factors(path) if path.is_file() else Factors.none(), spells, tuple(caveats))


@dataclass(frozen=True, eq=False)
class Life:
    """Hold one instrument's history under all its tickers.

    Parameters
    ----------
    symbol : str
        Its name, which never changes.
    bars : Daily
        Raw bars.
    factors : Factors
        Lean's factors.
    spells : tuple of Spell
        Its tickers, oldest first.
    caveats : tuple of str
        What was left out.
    """

    symbol: str
    bars: Daily
    factors: Factors
    spells: tuple[Spell, ...]
    caveats: tuple[str, ...] = ()

    def actions(self) -> list[Action]:
        """Derive splits, dividends and ticker changes, by date.

        The cash is what makes the return on the raw close before the ex-date that of the factors.
        Where bars are missing before an ex-date, the last close, less what was paid since, stands
        in for it.
        """
        found: list[Action] = []
        carried, last = 0.0, -1
        for date, price, split in self.factors.steps():
            before = int(np.searchsorted(self.bars.days, date, side="right")) - 1
            if before < 0:
                continue
            if before != last:
                carried, last = float(self.bars.close[before]), before
            ex_date = date + np.timedelta64(1, "D")
            if split != 1.0:
                found.append(Action("split", self.symbol, ex_date, 1.0 / split))
            if price < 1.0:
                found.append(Action("dividend", self.symbol, ex_date, carried * (1.0 - price) * split))
            carried *= price * split
        changes = zip(self.spells[:-1], self.spells[1:], strict=True)
        found += [
            Action("ticker", self.symbol, new.first, ticker=new.ticker) for old, new in changes if old.ticker != new.ticker
        ]
        return sorted(found, key=lambda action: action.date)


def _spread(bars: Daily, name: str, days: Times) -> Float64:
    laid = np.full(len(days), np.nan)
    laid[np.searchsorted(days, bars.days)] = getattr(bars, name)
    return laid
