"""Where a portfolio's risk comes from: how much each factor, how much the instruments themselves."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.features.factor_returns import FactorReturns
from quantdesk.features.factors import Exposures


@dataclass(frozen=True, eq=False)
class RiskModel:
    """Hold what the variance of any portfolio follows from, at one bar.

    Parameters
    ----------
    names : tuple of str
        ``market`` first, then the factors.
    symbols : tuple of str
        Instruments, in order.
    exposures : Float64
        B, with a first column of ones (n_instruments, n_factors + 1); NaN where not known.
    covariance : Float64
        F, of the factors' returns a bar (n_factors + 1, n_factors + 1).
    specific : Float64
        Variance a bar of each instrument's own return (n_instruments,); NaN where not known.
    """

    names: tuple[str, ...]
    symbols: tuple[str, ...]
    exposures: Float64
    covariance: Float64
    specific: Float64


@dataclass(frozen=True, eq=False)
class Risk:
    """Say where a portfolio's variance comes from; the parts add up to the whole.

    Parameters
    ----------
    names : tuple of str
        ``market`` first, then the factors.
    exposures : Float64
        The portfolio's own, ``B' w`` (n_factors + 1,).
    by_factor : Float64
        Variance a bar that goes back to each, ``x * (F x)`` (n_factors + 1,): a part of the
        whole, below zero for a factor that hedges the others.
    specific : float
        Variance a bar of the instruments' own returns, ``sum of w² s²``.
    """

    names: tuple[str, ...]
    exposures: Float64
    by_factor: Float64
    specific: float

    @property
    def systematic(self) -> float:
        """Add up the factors' variance a bar, ``x' F x``."""
        return float(self.by_factor.sum())

    @property
    def total(self) -> float:
        """Add systematic and specific variance a bar."""
        return self.systematic + self.specific

    @property
    def volatility(self) -> float:
        """Take the root of the total: a bar's standard deviation."""
        return sqrt(max(self.total, 0.0))

    def shares(self) -> dict[str, float]:
        """Divide each part by the whole, the specific one last; NaN for a portfolio without risk."""
        parts = [*self.by_factor.tolist(), self.specific]
        return {name: part / self.total if self.total > 0 else np.nan for name, part in zip(self._parts(), parts, strict=True)}

    def _parts(self) -> tuple[str, ...]:
        return (*self.names, "specific")


def risk_model(
    symbols: tuple[str, ...], known: Exposures, earned: FactorReturns, window: int = 252, row: int = -1
) -> RiskModel:
    """Estimate covariance and specific variance over the last bars up to a row.

    Parameters
    ----------
    symbols : tuple of str
        Instruments, in the panel's order.
    known, earned : Exposures and FactorReturns
        Of the same panel.
    window : int
        Bars read; sample covariances over those with a return.
    row : int
        The bar whose exposures are taken, and at which the window ends.

    Raises
    ------
    DataError
        If fewer bars of the window than twice the factors have a return.
    """
    stop = range(len(earned.values))[row] + 1
    recent = earned.values[max(0, stop - window) : stop]
    recent = recent[np.isfinite(recent).all(axis=1)]
    if len(recent) < 2 * len(earned.names):
        raise DataError(
            f"{len(recent)} bars of factor returns up to {earned.times[stop - 1]}",
            f"{2 * len(earned.names)} or more",
            "ask for a later bar, a longer window or more instruments",
        )
    left = earned.specific[max(0, stop - window) : stop]
    count = np.isfinite(left).sum(axis=0)
    squares = np.nansum(left**2, axis=0) / np.maximum(count, 1)
    return RiskModel(
        names=earned.names,
        symbols=symbols,
        exposures=np.concatenate([np.ones((len(symbols), 1)), known.values[row]], axis=1),
        covariance=np.atleast_2d(np.cov(recent, rowvar=False)),
        specific=np.where(count >= 2 * len(earned.names), squares, np.nan),
    )


def decompose(weights: Float64, model: RiskModel) -> Risk:
    """Divide the variance of a portfolio, ``w' (B F B' + D) w``, among the factors and the rest.

    Parameters
    ----------
    weights : Float64
        Fraction of net asset value (n_instruments,); NaN counts as nothing held.
    model : RiskModel
        What variance follows from.

    Raises
    ------
    DataError
        If the weights do not fit, or an instrument is held whose exposure or own variance is not
        known; it names them.
    """
    if weights.shape != (len(model.symbols),):
        raise DataError(f"weights of shape {weights.shape}", f"({len(model.symbols)},)", "give one an instrument, in order")
    held = np.nan_to_num(weights)
    is_known = np.isfinite(model.exposures).all(axis=1) & np.isfinite(model.specific)
    unknown = [model.symbols[i] for i in np.flatnonzero((held != 0) & ~is_known)]
    if unknown:
        raise DataError(
            f"no factor exposure or specific variance of {', '.join(unknown)}",
            "both for every instrument held",
            "wait until its history is long enough, or leave it out",
        )
    leant = np.where(is_known[:, None], model.exposures, 0.0).T @ held
    own = float((held**2 * np.where(is_known, model.specific, 0.0)).sum())
    return Risk(model.names, leant, leant * (model.covariance @ leant), own)
