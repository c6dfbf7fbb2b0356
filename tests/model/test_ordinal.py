"""Probabilities of ordered ratings."""

import numpy as np
import pytest
from scipy import stats

from sklearn_mf.model._ordinal import Levels, log_interval_probabilities


def test_probabilities_are_those_of_the_intervals():
    levels = Levels(np.array([1.0, 2.0, 5.0]), np.array([[1.5, 3.0], [1.0, 3.5]]))
    centre, std = np.array([[2.0, 2.2], [4.0, 5.0]]), np.array([[1.0, 0.5], [2.0, 0.3]])
    found = levels.probabilities(centre, std)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    below = stats.norm.cdf((levels.thresholds - centre[..., None]) / std[..., None]).mean(axis=1)
    np.testing.assert_allclose(found, np.diff(below, axis=1, prepend=0, append=1))


def test_intervals_hold_the_coverage():
    levels = Levels(np.array([1.0, 2.0, 3.0, 4.0]), np.zeros((1, 3)))
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0], [0.04, 0.5, 0.42, 0.04]])
    np.testing.assert_array_equal(levels.interval(probabilities, 0.9), [[1, 4], [2, 2], [2, 3]])
    np.testing.assert_array_equal(levels.interval(probabilities, 0.3), [[3, 4], [2, 2], [2, 3]])


@pytest.mark.parametrize("sign", [1, -1])
def test_probabilities_in_the_tails_keep_their_digits(sign):
    bounds = np.sort(sign * np.array([9.0, 10.0]))
    found = log_interval_probabilities(bounds[:1], bounds[1:])[0]
    assert found == pytest.approx(np.log(stats.norm.sf(9.0) - stats.norm.sf(10.0)), rel=1e-9)
