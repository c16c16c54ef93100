"""Features, labels, and the span of bars that each label looks over."""

from dataclasses import dataclass, replace

import numpy as np

from quantdesk.domain.arrays import Bools, Float32, Float64, Ints, Times
from quantdesk.domain.errors import DataError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold what a model learns from; a sample is a (time, instrument) index into it.

    Parameters
    ----------
    times : Times
        Bar closes (n_times,): the moments of decision.
    features : Float32
        Shape (n_times, n_instruments, n_features); NaN where not computable.
    labels : Float64
        Log total return over each horizon, between prices a fill could get: from the bar after
        the decision to ``horizon`` bars later. Shape (n_times, n_instruments, n_horizons); NaN
        where the span has not ended yet or the instrument could not be traded.
    begins : Ints
        Position of the bar at which each label's span begins (n_times,), on the axis of the
        panel the dataset was cut from.
    ends : Ints
        Position of the bar at which it ends (n_times, n_horizons); greater than ``begins``.
    scale : Float64
        Volatility of one bar's log return as known then (n_times, n_instruments).
    is_valid : Bools
        Where a forecast may be made (n_times, n_instruments).
    feature_names : tuple of str
        Names in column order.
    needs_scaling : Bools
        Which features a model must standardise (n_features,).
    horizons : tuple of int
        Bars that each label looks over.
    symbols : tuple of str
        Instruments in column order.

    Raises
    ------
    DataError
        If a span does not end after it begins, or a shape does not fit.
    """

    times: Times
    features: Float32
    labels: Float64
    begins: Ints
    ends: Ints
    scale: Float64
    is_valid: Bools
    feature_names: tuple[str, ...]
    needs_scaling: Bools
    horizons: tuple[int, ...]
    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        n_times, n_instruments = len(self.times), len(self.symbols)
        expected = {
            "features": (n_times, n_instruments, len(self.feature_names)),
            "labels": (n_times, n_instruments, len(self.horizons)),
            "begins": (n_times,),
            "ends": (n_times, len(self.horizons)),
            "scale": (n_times, n_instruments),
            "is_valid": (n_times, n_instruments),
            "needs_scaling": (len(self.feature_names),),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise DataError(f"dataset {name} has shape {getattr(self, name).shape}", f"{shape}", "align it with the times")
        if (self.ends <= self.begins[:, None]).any():
            raise DataError(
                "a label's span does not end after it begins", "ends > begins for every sample", "check the horizons"
            )

    def __len__(self) -> int:
        return len(self.times)

    def rows(self, start: int, stop: int) -> "Dataset":
        """Return decision times ``start`` to ``stop`` as a view; spans keep their positions."""
        return self.take(slice(start, stop))

    def take(self, index: slice | Ints) -> "Dataset":
        """Return the decision times at ``index``; a slice gives views, an array gives copies."""
        return replace(
            self,
            times=self.times[index],
            features=self.features[index],
            labels=self.labels[index],
            begins=self.begins[index],
            ends=self.ends[index],
            scale=self.scale[index],
            is_valid=self.is_valid[index],
        )

    def samples(self, horizon: int) -> tuple[Ints, Ints]:
        """List the (time, instrument) indices with a valid decision and a known label.

        Parameters
        ----------
        horizon : int
            Index into ``horizons``.
        """
        times, instruments = np.nonzero(self.is_valid & np.isfinite(self.labels[:, :, horizon]))
        return times.astype(np.int64), instruments.astype(np.int64)
