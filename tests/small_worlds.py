"""Small hand-made and random panels for tests that trade."""

from collections.abc import Sequence

import numpy as np

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.decision import Target
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

NAN = float("nan")


def days(n: int, first: str = "2020-01-06") -> Times:
    """Close each of ``n`` business days at 21:00 UTC; the default begins on a Monday."""
    dates = np.busday_offset(np.datetime64(first), np.arange(n), roll="forward")
    closes: Times = np.add(dates.astype("datetime64[ns]"), np.timedelta64(21, "h"))
    return closes


def panel_of(close: Sequence[Sequence[float]] | Float64, **fields: Float64) -> Panel:
    """Name the columns A, B, C ...; sectors are unknown, lots are 1 and ticks a hundredth of a cent."""
    values = np.asarray(close, dtype=np.float64)
    instruments = tuple(Instrument(chr(ord("A") + i)) for i in range(values.shape[1]))
    return Panel(days(len(values)), instruments, {"close": values, **fields}, name="small")


def events(shape: tuple[int, int], **at: float) -> Float64:
    """Place values at ``r<row>c<column>`` in an array of NaN."""
    placed = np.full(shape, np.nan)
    for where, value in at.items():
        row, _, column = where[1:].partition("c")
        placed[int(row), int(column)] = value
    return placed


def random_world(seed: int, n_times: int = 60, n: int = 5, has_open: bool = True, has_volume: bool = True) -> Panel:
    """Draw a nasty market: overnight gaps, halts, late listings, delistings, splits, dividends, odd lots and ticks."""
    random = np.random.default_rng(seed)
    shape = (n_times, n)
    night, day = random.normal(0, 0.02, shape), random.normal(0, 0.02, shape)
    level = np.log(random.uniform(2.0, 200.0, n)) + np.cumsum(night + day, axis=0)
    split = np.where(random.random(shape) < 0.02, random.choice([2.0, 3.0, 1.5, 0.1, 1 / 3, 1 / 7], shape), np.nan)
    units = np.cumprod(np.nan_to_num(split, nan=1.0), axis=0)
    opened, close = np.round(np.exp(level - day) / units, 4), np.round(np.exp(level) / units, 4)
    is_traded = random.random(shape) > random.choice([0.0, 0.05, 0.3])
    for i in np.flatnonzero(random.random(n) < 0.2):
        halt = int(random.integers(0, n_times))
        is_traded[halt : halt + int(random.integers(5, 80)), i] = False
    delisting = np.full(shape, np.nan)
    for i in np.flatnonzero(random.random(n) < 0.3):
        gone = int(random.integers(5, n_times))
        delisting[gone, i] = np.round(close[gone - 1, i] * random.choice([0.0, 0.7, 1.3]), 4)
        is_traded[gone:, i] = False
    instruments = tuple(
        Instrument(
            f"S{i}", ("", "tech", "banks")[i % 3], float(random.choice([0.0001, 0.01])), float(random.choice([1.0, 0.001]))
        )
        for i in range(n)
    )
    fields = {
        "close": np.where(is_traded, close, np.nan),
        "split": split,
        "dividend": np.where(random.random(shape) < 0.03, np.round(close * 0.01, 4), np.nan),
        "delisting": delisting,
    }
    if has_open:
        fields["open"] = np.where(is_traded & (random.random(shape) > 0.02), opened, np.nan)
    if has_volume:
        fields["volume"] = np.where(is_traded, np.round(random.uniform(1e3, 1e6, shape) * units), np.nan)
    return Panel(days(n_times), instruments, fields, name=f"world {seed}")


def random_targets(seed: int, shape: tuple[int, int], leverage: float = 1.0) -> Float64:
    """Draw weights, long and short, some of them NaN, whole rows of them too."""
    random = np.random.default_rng([seed, 1])
    weights = random.normal(0, leverage / np.sqrt(shape[1]), shape)
    weights[random.random(shape) < 0.1] = 0.0
    weights[random.random(shape) < 0.2] = np.nan
    weights[random.random(shape[0]) < 0.4] = np.nan
    return weights


class Scripted:
    """Want the weights written for each time, whatever is held."""

    def __init__(self, times: Times, weights: Float64, lookback: int = 1) -> None:
        self.times, self.weights, self.lookback = times, weights, lookback

    def target(self, panel: Panel, held: Float64) -> Target:
        """Look the weights up by the panel's last close."""
        return Target(self.weights[int(np.searchsorted(self.times, panel.now))])
