"""Split what was earned by year and by the kind of market."""

import math

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.bars import adjustment, carry_forward, log_changes
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.robustness.findings import Periods, Stretch
from quantdesk.evaluation.scores import infer_bars_per_year

WINDOW = 60
"""Bars of the market that are read before each bar."""

_VOLATILITY = ("calm market", "usual market", "rough market")
_TREND = ("falling market", "rising market")
_MIN_HISTORY = 3


def periods(track: Track, panel: Panel, start: int) -> Periods:
    """Split a track by calendar year and by the market before each bar.

    Parameters
    ----------
    panel : Panel
        Whose equal-weight mean is the market.
    start : int
        Position of the track's first bar in it.
    """
    market = market_returns(panel)
    # The track's first return ends one bar after its start.
    volatility, trend = (kind[start + 1 :] for kind in (terciles(market), trends(market)))
    years = track.times[1:].astype("datetime64[Y]").astype(np.int64) + 1970
    return Periods(
        tuple(_stretch(str(year), track, years == year) for year in np.unique(years)),
        tuple(_stretch(name, track, volatility == i) for i, name in enumerate(_VOLATILITY)),
        tuple(_stretch(name, track, trend == i) for i, name in enumerate(_TREND)),
    )


def market_returns(panel: Panel) -> Float64:
    """Average the simple total returns of what traded, bar by bar (n_times,); 0 where nothing did."""
    close = panel.fields["close"]
    returns = log_changes(carry_forward(close * adjustment(panel)))
    known = np.isfinite(returns) & np.isfinite(close)
    moves = np.where(known, np.expm1(np.where(known, returns, 0.0)), 0.0)
    return np.asarray(moves.sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def terciles(market: Float64) -> Ints:
    """Grade each bar by the volatility of the 60 bars before it among all such volatilities until then.

    Returns
    -------
    Ints
        0, 1 or 2 from calm to rough, -1 while too little is known (n_times,).
    """
    grades = np.full(len(market), -1, dtype=np.int64)
    before = np.full(len(market), np.nan)
    for t in range(WINDOW + 1, len(market)):
        before[t] = market[t - WINDOW : t].std()
        seen = before[WINDOW + 1 : t]
        if len(seen) >= _MIN_HISTORY:
            grades[t] = int((before[t] > np.quantile(seen, [1 / 3, 2 / 3])).sum())
    return grades


def trends(market: Float64) -> Ints:
    """Say whether the market had risen over the 60 bars before each bar: 1, 0, or -1 while unknown (n_times,)."""
    level = np.concatenate([[0.0], np.cumsum(np.log1p(market))])
    signs = np.full(len(market), -1, dtype=np.int64)
    # The first bar of a panel has no return, so one bar more is asked for.
    rows = np.arange(WINDOW + 1, len(market))
    signs[rows] = level[rows] - level[rows - WINDOW] > 0
    return signs


def _stretch(name: str, track: Track, chosen: Bools) -> Stretch:
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = track.returns[chosen]
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    sharpe = float(returns.mean()) / spread * math.sqrt(infer_bars_per_year(track)) if spread > 1e-12 else math.nan
    return Stretch(name, float(np.prod(1.0 + returns) - 1.0), sharpe, len(returns))
