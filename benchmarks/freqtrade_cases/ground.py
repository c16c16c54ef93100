"""The candles, coarser candles, second pair and file of facts that the cases run on: random, without any edge."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from freqtrade_cases.case import CANDLE, Frame, Values, opens_at, returns, values

N_CANDLES, N_BEFORE = 2304, 300
BEGINS = np.datetime64("2024-01-01T00:00", "ns")


@dataclass(frozen=True)
class Ground:
    """Hold what the cases run on.

    Parameters
    ----------
    candles, market : Frame
        Candles of five minutes of the pair and of another: date (of the open, UTC), open, high, low, close, volume.
    hourly : Frame
        The pair's candles of an hour.
    facts : Frame
        One row a vintage: period, known_at, value.
    table : Frame
        The pair's own returns, as a model would remember them: ends_at, return.
    """

    candles: Frame
    market: Frame
    hourly: Frame
    facts: Frame
    table: Frame

    def beside(self, name: str) -> Frame:
        """Find what a case needs besides candles, or an empty table."""
        return pd.DataFrame() if not name else getattr(self, name)


def ground(seed: int = 0) -> Ground:
    """Draw everything from one seed."""
    random = np.random.default_rng(seed)
    other = random.normal(0.0, 0.003, (N_CANDLES, 2))
    candles, market = _candles(random, other, 2000.0), _candles(random, other, 40000.0)
    table = pd.DataFrame({"ends_at": opens_at(candles) + CANDLE, "return": np.round(values(returns(candles)), 9)})
    return Ground(candles, market, _hourly(candles), _facts(random), table)


def _candles(random: np.random.Generator, shared: Values, start: float) -> Frame:
    steps = (shared + random.normal(0.0, 0.003, shared.shape)).ravel()
    volume = random.integers(10, 99, N_CANDLES).astype(np.float64)
    gaps = random.random(N_CANDLES) < 0.03
    gaps[0] = False
    steps[0::2][gaps] = steps[1::2][gaps] = 0.0
    path = np.round(start * np.exp(np.cumsum(steps)), 4)
    opened, closed = path[0::2], path[1::2]
    high, low = np.fmax(opened, closed) * 1.001, np.fmin(opened, closed) * 0.999
    return pd.DataFrame(
        {
            "date": pd.to_datetime(BEGINS + np.arange(N_CANDLES) * CANDLE, utc=True),
            "open": opened,
            "high": np.round(np.where(gaps, opened, high), 4),
            "low": np.round(np.where(gaps, opened, low), 4),
            "close": closed,
            "volume": np.where(gaps, 0.0, volume),
        }
    )


def _hourly(candles: Frame) -> Frame:
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return candles.set_index("date").resample("1h").agg(rules).reset_index()


def _facts(random: np.random.Generator) -> Frame:
    # A figure each two hours, published 37 minutes after its period and restated half an hour later.
    periods = np.arange(BEGINS + np.timedelta64(2, "h"), BEGINS + N_CANDLES * CANDLE, np.timedelta64(2, "h"))
    first = random.normal(size=len(periods))
    return pd.DataFrame(
        {
            "period": np.repeat(periods, 2),
            "known_at": np.repeat(periods, 2) + np.tile(np.array([37, 67], dtype="timedelta64[m]"), len(periods)),
            "value": np.round(np.column_stack([first, first + random.normal(size=len(periods))]).ravel(), 6),
        }
    )
