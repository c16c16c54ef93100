"""What forecasters made of others looked at: that of their parts, averaged."""

from collections.abc import Mapping, Sequence

import numpy as np

from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.attention import Attends, Attention
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.ports import Forecaster


def attention_of(forecaster: Forecaster, dataset: Dataset) -> Attention | None:
    """Ask any forecaster what it looked at; None where it cannot say."""
    return forecaster.attention(dataset) if isinstance(forecaster, Attends) else None


def averaged(parts: Sequence[Attention | None], counts: Sequence[Ints | Bools] | None = None) -> Attention | None:
    """Average over the parts that have weights, which sum to 1 again; None where there is none.

    Parameters
    ----------
    parts : sequence of Attention or None
        At the same times. Windows end at the same bar: the weights of a shorter one are 0 before it begins.
    counts : sequence of Ints or Bools, optional
        How many instruments each part stands for at each time (n_times,); 1 by default.
    """
    equal = [np.ones(1, dtype=np.int64)] * len(parts)
    known = [(part, count) for part, count in zip(parts, counts or equal, strict=True) if part is not None]
    if not known:
        return None
    lags = _averaged([(part.lags, count) for part, count in known if part.lags is not None])
    return Attention(lags, _averaged([(part.features, count) for part, count in known if part.features is not None]))


def laid(said: Mapping[int, Attention | None], n_times: int) -> Attention | None:
    """Lay the last weights of each of some times on all of them, NaN elsewhere; None where there is none."""
    known = {time: part for time, part in said.items() if part is not None}
    if not known:
        return None
    lags = {time: part.lags[-1] for time, part in known.items() if part.lags is not None}
    features = {time: part.features[-1] for time, part in known.items() if part.features is not None}
    return Attention(_laid(lags, n_times), _laid(features, n_times))


def _averaged(parts: Sequence[tuple[Float64, Ints | Bools]]) -> Float64 | None:
    if not parts:
        return None
    n_times, width = len(parts[0][0]), max(rows.shape[1] for rows, _ in parts)
    total, n = np.zeros((n_times, width)), np.zeros((n_times, 1))
    for rows, count in parts:
        share = np.where(np.isfinite(rows).all(axis=1), count, 0.0)[:, None]
        total[:, width - rows.shape[1] :] += share * np.nan_to_num(rows)
        n += share
    return np.where(n > 0, total / np.where(n > 0, n, 1.0), np.nan)


def _laid(rows: Mapping[int, Float64], n_times: int) -> Float64 | None:
    if not rows:
        return None
    whole = np.full((n_times, len(next(iter(rows.values())))), np.nan)
    whole[list(rows)] = list(rows.values())
    return whole
