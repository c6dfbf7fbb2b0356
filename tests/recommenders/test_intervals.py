"""Intervals of predicted ratings hold new ratings as often as they say."""

import itertools

import numpy as np
import pytest

from sklearn_mf import BayesianMFRecommender
from sklearn_mf.datasets import make_ratings

PAIR = ["user", "item"]
LEVELS = (0.5, 0.8, 0.9, 0.95)


@pytest.fixture(scope="module")
def intervals():
    """Test ratings, and their intervals at each level, from few ratings and from more."""
    ratings = make_ratings(n_users=150, n_items=120, n_ratings=6000, random_state=0)
    order = np.random.default_rng(0).permutation(len(ratings))
    test, found = ratings.iloc[order[:3000]], []
    for n_train in (600, 3000):
        train = ratings.iloc[order[-n_train:]]
        model = BayesianMFRecommender(4, max_iter=60, n_samples=50, random_state=0)
        model.fit(train[PAIR], train["rating"])
        found.append([model.predict_interval(test[PAIR], coverage=level) for level in LEVELS])
    return test["rating"].to_numpy(), found


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("part", [0, 1], ids=["few ratings", "more ratings"])
def test_intervals_hold_the_share_of_new_ratings_that_they_say(intervals, part):
    truth, found = intervals
    shares = [
        np.mean((lower <= truth) & (truth <= upper)) for lower, upper in (each.T for each in found[part])
    ]
    np.testing.assert_allclose(shares, LEVELS, atol=0.03)


def test_intervals_of_a_higher_level_contain_those_of_a_lower_one(intervals):
    for found in intervals[1]:
        for inner, outer in itertools.pairwise(found):
            assert (outer[:, 0] <= inner[:, 0]).all()
            assert (inner[:, 1] <= outer[:, 1]).all()
