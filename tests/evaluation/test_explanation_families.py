"""Families of features: who belongs together, and what they are called."""

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.explanation.families import families, rank_correlations


def drawn() -> Float64:
    random = np.random.default_rng(0)
    values = random.normal(size=(500, 6))
    values[:, 2] = np.exp(values[:, 0]) + 0.05 * values[:, 2]
    values[:, 4] = -values[:, 0] + 0.05 * values[:, 4]
    values[:, 5] = 1.0
    return values


def test_features_that_rise_or_fall_together_are_a_family_however_they_are_scaled() -> None:
    (family,) = families(drawn(), tuple("abcdef"))
    assert family.members == (0, 2, 4)
    assert family.name == "a and 2 like it"


def test_features_without_kin_and_those_that_never_vary_are_in_no_family() -> None:
    assert families(drawn()[:, [0, 1, 3, 5]], tuple("abde")) == ()


def test_missing_values_do_not_part_a_family() -> None:
    values = drawn()
    values[::7, 2] = np.nan
    (family,) = families(values, tuple("abcdef"))
    assert 2 in family.members


def test_rank_correlations_are_those_of_spearman() -> None:
    from scipy.stats import spearmanr

    values = drawn()[:, :5]
    assert rank_correlations(values) == pytest.approx(spearmanr(values).statistic)


def test_one_feature_is_no_family() -> None:
    assert families(np.ones((10, 1)), ("a",)) == ()
