"""Small markets for the tests of features: overnight gaps, halts, a late listing, an early end."""

from dataclasses import replace

import numpy as np
import pandas as pd

from quantdesk.domain.arrays import Float32, Float64
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

PRICES = ("open", "high", "low", "close", "volume")
REPORTED = ("revenue", "gross_profit", "operating_income", "net_income", "eps_reported", "eps_estimated", "eps_surprise")
TRADED_BY_INSIDERS = ("insider_acquired", "insider_disposed")
SERIES = (
    *("vix", "treasury_2y", "treasury_3y", "treasury_5y", "treasury_10y"),
    *("oil_wti", "oil_brent", "index_level", "bitcoin"),
)


def panel_of(**fields: object) -> Panel:
    """Make a daily panel from nested lists or arrays of shape (n_times, n_instruments)."""
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in fields.items()}
    n_times, n_instruments = arrays["close"].shape
    times = np.datetime64("2020-01-01T21:00", "ns") + np.arange(n_times) * np.timedelta64(1, "D")
    return Panel(times, tuple(Instrument(f"S{i}") for i in range(n_instruments)), arrays, name="world")


def random_fields(n_times: int = 420, n_instruments: int = 6, seed: int = 1) -> dict[str, Float64]:
    """Draw raw bars with overnight gaps, short and long halts, a late listing and an early end."""
    draw = np.random.default_rng(seed)
    shape = (n_times, n_instruments)
    gap, move = draw.normal(0, 0.008, shape), draw.normal(0.0003, 0.02, shape)
    close = 50.0 * np.exp(np.cumsum(gap + move, axis=0))
    opening = close * np.exp(-move)
    reach = np.exp(np.abs(draw.normal(0, 0.01, shape)))
    fields = {
        "open": opening,
        "high": np.maximum(opening, close) * reach,
        "low": np.minimum(opening, close) / reach,
        "close": close,
        "volume": draw.lognormal(12, 0.7, shape).round(),
    }
    is_gone = draw.random(shape) < 0.02
    is_gone[:60, 1] = True
    is_gone[120:124, 2] = True
    is_gone[200:209, 3] = True
    is_gone[-30:, 4] = True
    is_gone[:, 0] = False
    for values in fields.values():
        values[is_gone] = np.nan
    return fields


def with_facts(fields: dict[str, Float64], seed: int = 1) -> dict[str, Float64]:
    """Add what was reported, a value a quarter, and series common to all instruments; known at every bar."""
    draw = np.random.default_rng([seed, 2])
    n_times, n_instruments = fields["close"].shape
    quarter = np.arange(n_times) // 63
    facts = {}
    for name in (*REPORTED, *TRADED_BY_INSIDERS):
        facts[name] = draw.lognormal(5, 1, (quarter[-1] + 1, n_instruments))[quarter]
    for name in SERIES:
        facts[name] = np.exp(np.cumsum(draw.normal(0, 0.02, (n_times, 1)), axis=0)) * np.ones((1, n_instruments))
    return {**fields, **facts}


def with_events(fields: dict[str, Float64]) -> dict[str, Float64]:
    """Add splits and dividends, the raw prices and volumes changed to match the splits."""
    shape = fields["close"].shape
    ratio, paid = np.ones(shape), np.full(shape, np.nan)
    ratio[[80, 380], [0, 5]], ratio[250, 2] = 3.0, 0.5
    paid[40::63, 0], paid[50::63, 3], paid[390, 5] = 0.4, 0.7, 1.0
    growth = np.cumprod(ratio, axis=0)
    changed = {name: fields[name] / growth for name in PRICES if name != "volume"}
    facts = {name: values for name, values in fields.items() if name not in PRICES}
    facts.update({name: facts[name] * growth for name in TRADED_BY_INSIDERS if name in facts})
    return {**changed, **facts, "volume": fields["volume"] * growth, "split": ratio, "dividend": paid}


def bridged(values: Float64, close: Float64) -> pd.DataFrame:
    """Fill a price as the features do: by the last close, for at most five bars."""
    return pd.DataFrame(np.where(np.isfinite(close), values, pd.DataFrame(close).ffill(limit=5).to_numpy()))


def logarithms(frame: pd.DataFrame) -> pd.DataFrame:
    """Take natural logarithms."""
    return pd.DataFrame(np.log(frame.to_numpy(dtype=np.float64)))


def where_traded(frame: pd.DataFrame | Float64, close: Float64) -> Float64:
    """Mask what an independent computation gives on bars without a trade."""
    return np.where(np.isfinite(close), np.asarray(frame, dtype=np.float64), np.nan)


def same_bits(one: Float64 | Float32, other: Float64 | Float32) -> bool:
    """Compare to the last bit, NaN equal to NaN."""
    return bool(np.array_equal(np.asarray(one), np.asarray(other), equal_nan=True))


def in_sectors(panel: Panel) -> Panel:
    """Put the instruments into two sectors, in turn."""
    named = tuple(replace(one, sector=("tech", "banks")[i % 2]) for i, one in enumerate(panel.instruments))
    return replace(panel, instruments=named)
