"""Splits: no label that teaches may overlap what is tested."""

from itertools import pairwise
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantdesk.domain.arrays import Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import DataError
from quantdesk.evaluation.splits import CombinatorialPurged, Split, WalkForward, purge
from small_worlds import days


def dataset_of(spans: Ints, first: int = 0) -> Dataset:
    """Give each row labels that look over ``spans`` bars (n_times, n_horizons), on an axis that starts at ``first``."""
    n, n_horizons = spans.shape
    begins = np.arange(n, dtype=np.int64) + 1 + first
    return Dataset(
        times=days(n),
        features=np.zeros((n, 1, 1), dtype=np.float32),
        labels=np.zeros((n, 1, n_horizons)),
        begins=begins,
        ends=begins[:, None] + spans,
        scale=np.ones((n, 1)),
        is_valid=np.ones((n, 1), dtype=bool),
        feature_names=("f",),
        needs_scaling=np.ones(1, dtype=bool),
        horizons=tuple(range(1, n_horizons + 1)),
        symbols=("A",),
    )


def constant(n: int, *horizons: int) -> Dataset:
    return dataset_of(np.tile(np.array(horizons, dtype=np.int64), (n, 1)))


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Draw spans that vary from row to row, as those of barriers do, on an axis that starts anywhere."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, longest = draw(st.integers(60, 160)), draw(st.integers(1, 12))
    return dataset_of(random.integers(1, longest + 1, (n, draw(st.integers(1, 3)))), draw(st.integers(0, 500)))


def overlaps(dataset: Dataset, split: Split, embargo_bars: int) -> list[int]:
    """List the training rows that know of a bar from the test block's first decision to its embargo."""
    decided_at = dataset.begins - 1
    first, last = decided_at[split.test[0]], dataset.ends[split.test].max()
    reaches_in = dataset.ends[split.train].max(axis=1) > first
    starts_before_the_end = decided_at[split.train] < last + embargo_bars
    return [int(row) for row in split.train[reaches_in & starts_before_the_end]]


@settings(max_examples=150)
@given(datasets(), st.integers(1, 50), st.integers(1, 40), st.booleans(), st.integers(0, 8))
def test_no_walk_forward_label_reaches_into_the_test_or_its_embargo(
    dataset: Dataset, train_bars: int, test_bars: int, is_expanding: bool, embargo_bars: int
) -> None:
    walk = WalkForward(train_bars, test_bars, is_expanding, embargo_bars)
    try:
        splits = walk.splits(dataset)
    except DataError:
        assert train_bars <= 12 + embargo_bars + 1
        return
    for split in splits:
        assert not np.intersect1d(split.train, split.test).size
        assert overlaps(dataset, split, 0) == []
        last_known = dataset.ends[split.train].max(initial=0)
        assert last_known <= dataset.begins[split.test[0]] - 1 - embargo_bars
        start = 0 if is_expanding else split.test[0] - train_bars
        wasted = set(range(start, split.test[0])) - set(split.train.tolist())
        assert all(dataset.ends[row].max() > dataset.begins[split.test[0]] - 1 - embargo_bars for row in wasted)
    tested = np.concatenate([split.test for split in splits])
    assert tested.tolist() == list(range(train_bars, len(dataset)))


@settings(max_examples=100)
@given(datasets(), st.integers(4, 6), st.just(2), st.integers(0, 8))
def test_no_combinatorial_label_overlaps_a_test_block_or_its_embargo(
    dataset: Dataset, n_folds: int, n_test_folds: int, embargo_bars: int
) -> None:
    combinations = CombinatorialPurged(n_folds, n_test_folds, embargo_bars).splits(dataset)
    assert len(combinations) == comb(n_folds, n_test_folds)
    for splits in combinations:
        assert all(split.train is splits[0].train for split in splits)
        for split in splits:
            assert not np.intersect1d(split.train, split.test).size
            assert overlaps(dataset, split, embargo_bars) == []


@settings(max_examples=50)
@given(datasets(), st.integers(0, 40), st.integers(1, 15), st.integers(0, 8))
def test_purging_drops_no_row_that_could_have_taught(dataset: Dataset, first: int, length: int, embargo_bars: int) -> None:
    test = np.arange(first, first + length)
    others = np.setdiff1d(np.arange(len(dataset)), test)
    kept = purge(dataset, others, test, embargo_bars)
    dropped = np.setdiff1d(others, kept)
    assert overlaps(dataset, Split(dropped, test), embargo_bars + 1) == dropped.tolist()


def test_a_split_that_forgets_to_purge_is_caught() -> None:
    assert overlaps(constant(50, 5), Split(np.arange(30), np.arange(30, 40)), 0) == [25, 26, 27, 28, 29]
    assert overlaps(constant(50, 5), Split(np.arange(44, 50), np.arange(30, 40)), 3) == [44, 45, 46, 47]


@pytest.mark.parametrize("is_expanding", [True, False])
@pytest.mark.parametrize(("horizon", "embargo_bars"), [(1, 0), (5, 0), (5, 3)])
def test_with_labels_of_one_length_it_is_the_walk_forward_of_skfolio(
    is_expanding: bool, horizon: int, embargo_bars: int
) -> None:
    from skfolio.model_selection import WalkForward as Peer

    purged = horizon + embargo_bars
    ours = WalkForward(60, 25, is_expanding, embargo_bars).splits(constant(200, horizon))
    peer = Peer(test_size=25, train_size=60 - purged, purged_size=purged, expand_train=is_expanding, reduce_test=True)
    theirs = list(peer.split(np.zeros((200, 1))))
    assert len(ours) == len(theirs)
    for split, (train, test) in zip(ours, theirs, strict=True):
        assert split.train.tolist() == train.tolist()
        assert split.test.tolist() == test.tolist()


def test_every_row_is_on_every_combinatorial_path_once() -> None:
    cv = CombinatorialPurged(6, 2)
    combinations, ids = cv.splits(constant(120, 3)), cv.path_ids()
    assert ids.shape == (15, 2)
    n_paths = comb(6, 2) * 2 // 6
    assert sorted(np.unique(ids)) == list(range(n_paths))
    for path in range(n_paths):
        rows = [
            split.test
            for splits, row in zip(combinations, ids, strict=True)
            for split, of in zip(splits, row, strict=True)
            if of == path
        ]
        assert sorted(np.concatenate(rows).tolist()) == list(range(120))


def test_lengths_fit_the_history_and_refit_at_most_once_a_year() -> None:
    for n in (300, 700, 1500, 3000, 8000):
        walk = WalkForward.fitting(n)
        assert walk.train_bars <= max(1260, n // 2)
        assert walk.test_bars >= 252
        blocks = WalkForward(walk.train_bars, walk.test_bars).splits(constant(n, 20))
        assert 1 <= len(blocks) <= 13
        assert all(left.test[-1] + 1 == right.test[0] for left, right in pairwise(blocks))
    assert WalkForward.fitting(3000).train_bars == 1000
    assert WalkForward.fitting(9000).train_bars == 1260


@pytest.mark.parametrize(("n", "train_bars"), [(50, 50), (50, 60), (6, 5)])
def test_a_history_too_short_is_refused(n: int, train_bars: int) -> None:
    with pytest.raises(DataError, match=f"{n} bars are too few to train on {train_bars}"):
        WalkForward(train_bars, 10).splits(constant(n, 5))


@pytest.mark.parametrize("is_expanding", [True, False])
@pytest.mark.parametrize("embargo_bars", [0, 3])
def test_a_training_span_that_ends_before_any_label_is_refused_with_the_least_that_would_do(
    embargo_bars: int, is_expanding: bool
) -> None:
    dataset, least = constant(50, 2, 5), 5 + embargo_bars
    with pytest.raises(DataError, match="a training span of 3 bars leaves no sample whose label ends in it") as raised:
        WalkForward(3, 10, is_expanding, embargo_bars).splits(dataset)
    assert raised.value.expected == f"more than {least} bars"
    assert raised.value.action == "choose more with --train"
    with pytest.raises(DataError, match=f"a training span of {least} bars"):
        WalkForward(least, 10, is_expanding, embargo_bars).splits(dataset)
    assert len(WalkForward(least + 1, 10, is_expanding, embargo_bars).splits(dataset)[0].train) == 1


def test_a_history_in_which_no_training_span_would_do_is_too_short() -> None:
    for n in (4, 26):
        with pytest.raises(DataError, match=f"{n} bars are too few to train on 3") as raised:
            WalkForward(3, 10, embargo_bars=5).splits(constant(n, 20))
        assert raised.value.expected == "more than 26 bars"
    with pytest.raises(DataError, match="a training span of 3 bars"):
        WalkForward(3, 10, embargo_bars=5).splits(constant(27, 20))


@pytest.mark.parametrize("lengths", [(0, 5, 0), (5, 0, 0), (5, 5, -1)])
def test_lengths_that_make_no_sense_are_refused(lengths: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match="walk-forward of"):
        WalkForward(lengths[0], lengths[1], embargo_bars=lengths[2])
