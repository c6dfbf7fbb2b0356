"""Ids with few ratings: predictions are about as good as damped means, or better."""

import numpy as np
import pandas as pd
import pytest

from sklearn_mf import MFRecommender
from sklearn_mf.datasets import make_ratings

PAIR = ["user", "item"]
NO_BIASES = {"fit_bias": False, "unobserved_weight": 0, "random_state": 0}


@pytest.fixture(scope="module")
def sparse():
    """Training and test part: about eight ratings of each id."""
    ratings = make_ratings(n_users=300, n_items=300, n_ratings=2700, random_state=0)
    order = np.random.default_rng(0).permutation(len(ratings))
    return ratings.iloc[order[:2400]], ratings.iloc[order[2400:]]


def rmse(predicted, test):
    return float(np.sqrt(np.mean((predicted - test["rating"]) ** 2)))


def damped_means(train, test, damping=5.0):
    """Mean, and damped deviations of the item from it and of the user from both."""
    predicted, residuals = train["rating"].mean(), train["rating"] - train["rating"].mean()
    for column in ("item", "user"):
        groups = residuals.groupby(train[column])
        effects = groups.sum() / (groups.count() + damping)
        residuals = residuals - train[column].map(effects)
        predicted = predicted + test[column].map(effects).fillna(0.0).to_numpy()
    return predicted


def test_two_phases_are_no_worse_than_damped_means(sparse):
    train, test = sparse
    model = MFRecommender(random_state=0).fit(train[PAIR], train["rating"])
    assert rmse(model.predict(test[PAIR]), test) <= rmse(damped_means(train, test), test) * 1.005


@pytest.mark.parametrize("columns", [PAIR, [*PAIR, "hour"]])
def test_without_biases_few_ratings_are_better_than_a_constant(sparse, columns):
    train, test = (part.assign(hour=part["item"] % 3) for part in sparse)
    model = MFRecommender(8, **NO_BIASES).fit(train[columns], train["rating"])
    assert rmse(model.predict(test[columns]), test) < rmse(train["rating"].mean(), test)


def test_without_biases_and_prior_ratings_rows_are_shrunk_to_0(sparse):
    """The error is above that of a constant, as before there were prior ratings."""
    train, test = sparse
    model = MFRecommender(8, prior_ratings=0, **NO_BIASES).fit(train[PAIR], train["rating"])
    assert rmse(model.predict(test[PAIR]), test) > rmse(train["rating"].mean(), test)


def test_without_biases_ratings_times_20_are_predicted_20_times_as_high(sparse):
    train, test = sparse
    one, twenty = (
        MFRecommender(4, **NO_BIASES).fit(train[PAIR], times * train["rating"]).predict(test[PAIR])
        for times in (1.0, 20.0)
    )
    np.testing.assert_allclose(twenty, 20 * one, rtol=1e-4)


def test_without_biases_a_warm_start_continues(sparse):
    train, test = sparse
    whole = MFRecommender(4, max_iter=6, **NO_BIASES).fit(train[PAIR], train["rating"])
    parts = MFRecommender(4, max_iter=3, warm_start=True, **NO_BIASES).fit(train[PAIR], train["rating"])
    parts.fit(train[PAIR], train["rating"])
    np.testing.assert_array_equal(parts.predict(test[PAIR]), whole.predict(test[PAIR]))


def test_negative_ratings_without_biases(sparse):
    train, test = sparse
    one, other = (
        MFRecommender(4, clip=False, **NO_BIASES).fit(train[PAIR], sign * train["rating"]) for sign in (1, -1)
    )
    assert rmse(-other.predict(test[PAIR]), test) == pytest.approx(
        rmse(one.predict(test[PAIR]), test), rel=0.05
    )


@pytest.mark.filterwarnings("ignore:Every id of 'user' is unknown")
def test_users_without_ratings_are_the_mean_row_without_biases(sparse):
    train, _ = sparse
    model = MFRecommender(4, **NO_BIASES).fit(train[PAIR], train["rating"])
    predicted = model.predict(pd.DataFrame({"user": [-1], "item": [train["item"].iloc[0]]}))
    assert abs(predicted[0] - train["rating"].mean()) < 1
