"""Permuted labels: all there, in other places, telling nothing."""

from functools import lru_cache

import numpy as np

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.dataset import Dataset
from quantdesk.evaluation.placebo.labels import permuted_labels
from quantdesk.features import dataset as datasets


@lru_cache
def dataset() -> Dataset:
    return datasets.build(Synthetic(n_instruments=16, n_days=700, seed=3).fetch(), ("return_1",), (1, 10))


def test_every_label_is_there_once_up_or_down_and_all_else_is_untouched() -> None:
    permuted = permuted_labels(dataset(), 1)
    sizes, moved = (np.sort(np.abs(one.labels).ravel()) for one in (dataset(), permuted))
    assert np.array_equal(sizes, moved, equal_nan=True)
    assert permuted.features is dataset().features
    assert permuted.begins is dataset().begins
    assert permuted.ends is dataset().ends
    assert not np.array_equal(permuted.labels, dataset().labels, equal_nan=True)


def test_blocks_are_longer_than_the_longest_horizon_and_hold_all_instruments_together() -> None:
    labels, moved = np.abs(dataset().labels[:, :, 0]), np.abs(permuted_labels(dataset(), 2).labels[:, :, 0])
    row_of = {row.tobytes(): t for t, row in enumerate(labels)}
    came_from = np.array([row_of[row.tobytes()] for row in moved[:-11]])
    jumps = np.flatnonzero(np.diff(came_from) != 1)
    assert 5 < len(jumps) < 25
    assert np.median(np.diff(jumps)) > 10
    before, after = dataset().labels[came_from, :, 0], permuted_labels(dataset(), 2).labels[:-11, :, 0]
    signs = np.sign(np.nansum(before * after, axis=1))
    assert set(np.flatnonzero(np.diff(signs))) <= set(jumps)
    assert {-1.0, 1.0} <= set(signs)


def test_what_instruments_earned_in_the_permuted_past_does_not_foretell_what_they_will_earn() -> None:
    labels, half = dataset().labels[:, :, 0], len(dataset()) // 2
    labels = np.nan_to_num(labels)
    future = labels[half:].mean(axis=0)
    found = []
    for seed in range(300):
        past = np.nan_to_num(permuted_labels(dataset(), seed).labels[:half, :, 0]).mean(axis=0)
        found.append(np.corrcoef(past, future)[0, 1])
    assert abs(np.mean(found)) < 3.0 * np.std(found) / np.sqrt(len(found))
