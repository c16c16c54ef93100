"""Features and labels of a panel, brought together as what a model learns from."""

from collections.abc import Sequence

import numpy as np

from quantdesk.domain.arrays import Bools, Float32, Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.features.delivery import count_missing
from quantdesk.features.labels import forward_returns
from quantdesk.features.library import choose, compute, lookback
from quantdesk.features.scale import SCALE_LOOKBACK, ewma_volatility
from quantdesk.features.surroundings import bars_of, fields_of


def build(panel: Panel, feature_names: Sequence[str], horizons: Sequence[int], own: Sequence[Feature] = ()) -> Dataset:
    """Compute the features, labels, spans and scale of every bar of a panel.

    A forecast may be made where the instrument traded, its scale is known and at most half of
    its features are missing; and, where the panel carries ``member``, it was a member of the
    universe at that bar (1; 0 or NaN is not). Features that need a field the panel lacks are left
    out; ``available`` names them.

    Parameters
    ----------
    panel : Panel
        Raw prices and events.
    feature_names : sequence of str
        Names or patterns, such as ``momentum_*``.
    horizons : sequence of int
        Bars that the labels look over, each 1 or more.
    own : sequence of Feature
        A strategy's own features, computed after the named ones.

    Returns
    -------
    Dataset
        One row for each bar of the panel.

    Raises
    ------
    StrategyError
        If a name matches no feature, or none can be computed from this panel.
    DataError
        If a horizon is under one bar.
    """
    features = _computable(panel, feature_names, own)
    labels, begins, ends = forward_returns(panel, horizons)
    bars = bars_of(panel)
    scale = ewma_volatility(bars)
    table = compute(features, bars)
    return Dataset(
        times=panel.times,
        features=table,
        labels=labels,
        begins=begins,
        ends=ends,
        scale=scale,
        is_valid=_is_valid(bars, table, scale),
        feature_names=tuple(feature.name for feature in features),
        needs_scaling=np.array([feature.scaling == "standard" for feature in features]),
        horizons=tuple(horizons),
        symbols=panel.symbols,
    )


def available(panel: Panel, feature_names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the features a panel can give, and those left out for want of a field.

    Raises
    ------
    StrategyError
        If a name matches no feature.
    """
    features, left_out = choose(feature_names, fields_of(panel))
    return tuple(feature.name for feature in features), left_out


def bars_needed(panel: Panel, feature_names: Sequence[str]) -> int:
    """Count the bars, the present one included, that one row of the dataset depends on.

    Raises
    ------
    StrategyError
        If a name matches no feature, or none can be computed from this panel.
    """
    return max(SCALE_LOOKBACK, lookback(_computable(panel, feature_names)))


def _computable(panel: Panel, feature_names: Sequence[str], own: Sequence[Feature] = ()) -> tuple[Feature, ...]:
    features, left_out = choose(feature_names, fields_of(panel), own)
    if not features:
        raise StrategyError(
            f"none of the features {', '.join(left_out) or '(none named)'} can be computed from {panel.name!r}",
            f"features that need no more than {', '.join(panel.fields)}",
            "choose others, or add the fields to the data",
        )
    return features


def _is_valid(bars: Bars, table: Float32, scale: Float64) -> Bools:
    has_enough: Bools = 2 * count_missing(table) <= table.shape[-1]
    is_member: Bools = bars.facts["member"] > 0 if "member" in bars.facts else np.ones(scale.shape, dtype=np.bool_)
    return bars.is_traded & np.isfinite(scale) & has_enough & is_member
