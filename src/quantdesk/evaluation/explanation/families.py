"""Put together features that say much the same: shuffled one at a time, they stand in for one another."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.explanation.findings import Family

ALIKE = 0.7
"""Mean absolute rank correlation within a family."""


def families(values: Float64, names: tuple[str, ...]) -> tuple[Family, ...]:
    """Cluster features by average linkage on absolute rank correlation; those without kin are left out.

    Parameters
    ----------
    values : Float64
        One row a sample (n_samples, n_features); NaN where missing.
    names : tuple of str
        Of the features.

    Returns
    -------
    tuple of Family
        In the order of their first members, each named by the member most like the others.
    """
    if values.shape[1] < 2 or len(values) < 3:
        return ()
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    alike = np.abs(rank_correlations(values))
    # Rounded, so that which of two equal distances comes first does not hang on the last digit.
    distances = np.round(1.0 - alike, 12)
    np.fill_diagonal(distances, 0.0)
    labels = fcluster(linkage(squareform(distances, checks=False), "average"), 1.0 - ALIKE, "distance")
    groups = [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]
    return tuple(_named(group.tolist(), alike, names) for group in groups if len(group) > 1)


def rank_correlations(values: Float64) -> Float64:
    """Correlate the ranks of features (n_features, n_features), 0 where one does not vary; a missing value is middling."""
    from scipy.stats import rankdata

    known = np.isfinite(values)
    ranks = np.where(known, rankdata(np.where(known, values, np.inf), axis=0), np.nan)
    n_known = known.sum(axis=0)
    centred = np.where(known, ranks - (n_known + 1) / 2, 0.0)
    size = np.sqrt((centred**2).sum(axis=0))
    scaled = centred / np.where(size > 0, size, 1.0)
    correlations: Float64 = np.clip(scaled.T @ scaled, -1.0, 1.0)
    return correlations


def _named(members: list[int], alike: Float64, names: tuple[str, ...]) -> Family:
    within = alike[np.ix_(members, members)].sum(axis=1)
    middle = members[int(np.argmax(np.round(within, 9)))]
    return Family(f"{names[middle]} and {len(members) - 1} like it", tuple(members))
