"""Follow what each feature adds to the forecasts through time, and which way it pulls; and what networks attend to."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.attention import Attends, Attention
from quantdesk.evaluation.explanation.findings import Flow
from quantdesk.evaluation.explanation.questions import Questions


def flow(asked: list[Questions]) -> Flow:
    """Read the contributions of forecasters, one after another (SHAP values: Lundberg & Lee 2017).

    Exact for linear models, by TreeSHAP for trees, by integrated gradients for networks; a window's
    contributions are summed over its rows.
    """
    sizes, values, parts = [], [], []
    for one in asked:
        said = one.forecaster.contributions(one.dataset)[one.last, :, one.horizon, :-1]
        known = one.dataset.is_valid[one.last] & np.isfinite(said).all(axis=-1)
        n_known = known.sum(axis=1)[:, None]
        total = np.where(known[..., None], np.abs(said), 0.0).sum(axis=1)
        sizes.append(np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan))
        values.append(one.features[:, -1][known].astype(np.float64))
        parts.append(said[known])
    columns = zip(np.concatenate(values).T, np.concatenate(parts).T, strict=True)
    directions = np.array([_direction(value, part) for value, part in columns])
    return Flow(np.concatenate([one.times for one in asked]), np.concatenate(sizes), directions)


def attention(asked: list[Questions]) -> Attention | None:
    """Ask forecasters what they attended to, one after another; None where one of them cannot say."""
    found = [one.forecaster.attention(one.dataset) if isinstance(one.forecaster, Attends) else None for one in asked]
    known = [part for part in found if part is not None]
    if len(known) < len(found):
        return None
    return Attention(_joined([part.lags for part in known], asked), _joined([part.features for part in known], asked))


def _joined(parts: list[Float64 | None], asked: list[Questions]) -> Float64 | None:
    known = [part[one.last] for part, one in zip(parts, asked, strict=True) if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None


def _direction(values: Float64, parts: Float64) -> float:
    from scipy.stats import rankdata

    known = np.isfinite(values)
    if known.sum() < 3:
        return float("nan")
    left, right = (rankdata(side[known]) for side in (values, parts))
    left, right = left - left.mean(), right - right.mean()
    size = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / size if size > 0 else float("nan")
