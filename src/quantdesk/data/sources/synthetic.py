"""Markets with known truth: no edge at all, or one of a stated size."""

from dataclasses import dataclass

import numpy as np

from quantdesk.data.calendar import Calendar, schedule
from quantdesk.data.market import Paths, simulate
from quantdesk.domain.arrays import Bools, Float64, Ints, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

_BOUNDS = {"n_instruments": (1, 10_000), "n_days": (30, 20_000), "ic": (0.0, 0.2), "seed": (0, 2**63), "n_sectors": (1, 1_000)}


@dataclass(frozen=True, eq=False)
class Truth:
    """Tell what a simulated market hides; both arrays have shape (n_times, n_instruments).

    Parameters
    ----------
    score : Float64
        Standardised trailing 20-bar momentum known at each close; NaN where there is none.
    residual : Float64
        Idiosyncratic log return from the next open to the one after it; NaN where one of the two
        does not trade. Its expected correlation with ``score`` is what was planted.
    """

    score: Float64
    residual: Float64


@dataclass(frozen=True)
class Synthetic:
    """Simulate daily bars of stocks with gaps, halts, splits, dividends and delistings.

    Parameters
    ----------
    n_instruments, n_days : int
        Size of the panel.
    ic : float
        Correlation planted between trailing 20-bar momentum, standardised over instruments, and
        the idiosyncratic return between the next two opens. 0: no edge exists.
    seed : int
        The same seed gives the same bits.
    n_sectors : int
        Groups that move together.

    Raises
    ------
    DataError
        If a size is too small, or ``ic`` is outside [0, 0.2].
    """

    n_instruments: int = 50
    n_days: int = 1500
    ic: float = 0.0
    seed: int = 0
    n_sectors: int = 5

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise DataError(f"synthetic market with {name}={value}", f"{least} to {most}", "choose another")
        if self.ic > 0 and self.n_instruments < 5:
            raise DataError(f"an edge over {self.n_instruments} instruments", "5 instruments or more", "raise n_instruments")

    @classmethod
    def of(cls, text: str) -> "Synthetic":
        """Read a market's description, such as ``synthetic:ic=0.05,seed=3``.

        Raises
        ------
        DataError
            If an option is unknown or no number.
        """
        options = [part for part in text.partition(":")[2].split(",") if part]
        values: dict[str, float] = {}
        for option in options:
            name, _, value = option.partition("=")
            if name.strip() not in _BOUNDS:
                raise DataError(
                    f"unknown option {option!r} of a synthetic market", f"one of {', '.join(_BOUNDS)}", "correct it"
                )
            values[name.strip()] = _number(name.strip(), value.strip())
        return cls(**{name: value if name == "ic" else int(value) for name, value in values.items()})  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """Name the market by what sets it apart, such as ``synthetic-ic0.05-seed3``."""
        return f"synthetic-ic{self.ic:g}-seed{self.seed}"

    def fetch(self) -> Panel:
        """Return the panel: raw prices in cents, with volume, split, dividend and delisting."""
        calendar, paths = self._simulate()
        return Panel(
            times=_sessions(self.n_days),
            instruments=tuple(
                Instrument(f"S{column:03d}", f"sector {sector + 1}", tick_size=0.01)
                for column, sector in enumerate(self._sectors())
            ),
            fields=_fields(calendar, paths, self.seed),
            name=self.name,
            caveats=(f"synthetic market: {f'an edge of IC {self.ic:g} is planted' if self.ic else 'no edge exists'}",),
        )

    def truth(self) -> Truth:
        """Return what the panel hides: the planted score and the return it leads."""
        calendar, paths = self._simulate()
        is_open = np.zeros(calendar.is_traded.shape, dtype=np.bool_)
        is_open[:-2] = calendar.is_traded[1:-1] & calendar.is_traded[2:]
        return Truth(paths.score, np.where(is_open, paths.residual, np.nan))

    def _simulate(self) -> tuple[Calendar, Paths]:
        calendar = schedule(self.n_days, self.n_instruments, self.seed)
        return calendar, simulate(calendar.is_traded, self._sectors(), self.ic, self.seed)

    def _sectors(self) -> Ints:
        return np.arange(self.n_instruments, dtype=np.int64) % self.n_sectors


def _number(name: str, value: str) -> float:
    try:
        return float(value) if name == "ic" else int(value)
    except ValueError as error:
        raise DataError(f"{name} of a synthetic market is {value!r}", "a number", "correct it") from error


def _sessions(n_days: int) -> Times:
    days = np.busday_offset(np.datetime64("2010-01-04"), np.arange(n_days))
    closes: Times = np.add(days.astype("datetime64[ns]"), np.timedelta64(21, "h"))
    return closes


def _fields(calendar: Calendar, paths: Paths, seed: int) -> dict[str, Float64]:
    generator = np.random.default_rng([seed, 3])
    n_times, n_instruments = calendar.is_traded.shape
    first = np.clip(np.exp(generator.normal(np.log(100.0), 0.5, n_instruments)), 30.0, 400.0)
    units = np.cumprod(calendar.splits, axis=0)
    price = first / (units * np.cumprod(1.0 + calendar.yields, axis=0))
    levels = {"open": paths.open, "high": paths.high, "low": paths.low, "close": paths.close}
    fields = {name: _masked(_cents(price * np.exp(level)), calendar.is_traded) for name, level in levels.items()}
    size = np.exp(generator.normal(np.log(1e6), 0.7, n_instruments) + generator.normal(0.0, 0.35, (n_times, n_instruments)))
    volume = np.maximum(np.round(size * np.exp(0.4 * paths.activity - 0.4) * units), 100.0)
    dividend = np.round(calendar.yields * np.nan_to_num(fields["close"]), 4)
    return {
        **fields,
        "volume": _masked(volume, calendar.is_traded),
        "split": np.where(calendar.splits != 1.0, calendar.splits, np.nan),
        "dividend": np.where(dividend > 0, dividend, np.nan),
        "delisting": _proceeds(generator, fields["close"], calendar.gone),
    }


def _cents(price: Float64) -> Float64:
    # As in the United States: a hundredth of a cent below one dollar, a cent above.
    return np.where(price < 1.0, np.maximum(np.round(price, 4), 1e-4), np.round(price, 2))


def _masked(values: Float64, is_traded: Bools) -> Float64:
    return np.where(is_traded, values, np.nan)


def _proceeds(generator: np.random.Generator, close: Float64, gone: Ints) -> Float64:
    # Bought or bust with equal chance: on average the last close, so holding to the end is no edge.
    proceeds = np.full(close.shape, np.nan)
    outcome = generator.choice([0.7, 1.3], len(gone))
    for column in np.flatnonzero(gone < len(close)):
        proceeds[gone[column], column] = np.round(close[gone[column] - 1, column] * outcome[column], 2)
    return proceeds
