"""Permute the labels: a model that learns from them learns nothing that will happen."""

from dataclasses import replace

import numpy as np

from quantdesk.domain.dataset import Dataset
from quantdesk.evaluation.resampling import block_permutations

LEAST_BLOCK = 60
"""Bars of the shortest block that is moved as a whole, in a long history."""


def permuted_labels(dataset: Dataset, seed: int) -> Dataset:
    """Move the labels to other times in blocks, all instruments together, each block up or down by chance.

    A block holds 60 bars, or twice the longest horizon where that is longer, or an eighth of a short history:
    always more than the longest horizon. Spans stay where they are, so that purging is the same.

    Moving alone would leave a way in: labels of the test span come to lie in the training span,
    and a feature that tells instruments apart (a level of volatility will do) learns from them which
    instruments are going to do well. So each block's labels are multiplied by a sign of equal chance:
    what is learned then points as often against what will happen as along it.

    Parameters
    ----------
    dataset : Dataset
        Features and true labels.
    seed : int
        The same seed gives the same labels.
    """
    random, n_times = np.random.default_rng(seed), len(dataset)
    longest = max(dataset.horizons)
    block = max(longest + 1, min(max(LEAST_BLOCK, 2 * longest), n_times // 8))
    order = block_permutations(n_times, 1, block, random)[0]
    moved = np.cumsum(np.diff(order, prepend=order[0] - 1) != 1)
    signs = random.choice([-1.0, 1.0], moved[-1] + 1)[moved]
    return replace(dataset, labels=dataset.labels[order] * signs[:, None, None])
