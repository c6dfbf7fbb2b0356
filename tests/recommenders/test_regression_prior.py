"""Recommenders whose ids have features: prior means of the rows, with and without ratings."""

import copy

import numpy as np
import pandas as pd
import pytest

from sklearn_mf import ImplicitMFRecommender, MFRecommender
from sklearn_mf.recommenders import _phases as phases
from sklearn_mf.recommenders._features import features_of

N_USERS, N_ITEMS, N_NEW = 60, 50, 12
KINDS = {
    "two phases": {},
    "als": {"solver": "als"},
    "sgd": {"solver": "sgd", "unobserved_weight": 0},
    "lasso": {"penalty": "l1", "unobserved_weight": 0, "alpha": 0.02},
}


def simulated():
    """Ratings, and features of the items that explain most of their biases and embeddings."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(N_ITEMS, 2))
    rows = numbers @ rng.normal(size=(2, 4)) + 0.2 * rng.normal(size=(N_ITEMS, 4))
    users = rng.normal(size=(N_USERS, 4))
    users[:, -1] = 1.0
    cells = rng.choice(N_USERS * N_ITEMS, 1500, replace=False)
    u, i = np.unravel_index(cells, (N_USERS, N_ITEMS))
    y = 3 + (users[u] * rows[i]).sum(1) + 0.3 * rng.normal(size=len(u))
    ratings = pd.DataFrame({"user": u, "item": i, "rating": y})
    table = pd.DataFrame({"item": np.arange(N_ITEMS), "a": numbers[:, 0], "b": 100 * numbers[:, 1] + 7})
    return ratings, table


RATINGS, TABLE = simulated()
OLD, NEW = (RATINGS[mask] for mask in (RATINGS["item"] >= N_NEW, RATINGS["item"] < N_NEW))
PAIRS = ["user", "item"]
pytestmark = pytest.mark.filterwarnings("ignore:Every id of 'item' is unknown")


def fit(ratings=OLD, y=None, weights=None, table=TABLE, **parameters):
    features = None if table is None else {"item": table}
    estimator = MFRecommender(**{"embedding_dim": 4, "random_state": 0, "features": features, **parameters})
    return estimator.fit(ratings, y, weights)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(scope="module")
def model(kind):
    return fit(**kind)


@pytest.fixture(scope="module")
def default():
    return fit()


def rmse(model, ratings):
    return np.sqrt(np.mean((model.predict(ratings[PAIRS]) - ratings["rating"]) ** 2))


def test_rows_of_ids_without_ratings_are_linear_in_their_features(model):
    F, (users, B) = features_of(model)[1].toarray(), model._coefficients
    assert users is None
    np.testing.assert_allclose(model.embeddings_[1][:N_NEW], (F @ B)[:N_NEW, :-1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.biases_[1][:N_NEW], (F @ B)[:N_NEW, -1], rtol=1e-5, atol=1e-6)


def test_features_predict_ratings_of_new_items(model, kind):
    without = fit(table=None, **kind)
    assert rmse(model, NEW) < 0.75 * rmse(without, NEW)
    assert (model.predict(OLD[PAIRS]) != without.predict(OLD[PAIRS])).mean() > 0.9


def test_relevance_rows_of_new_items_follow_their_features(default):
    F, B = features_of(default)[1].toarray(), default._relevance_coefficients[1]
    rows = np.column_stack([default.relevance_embeddings_[1], default.relevance_biases_[1]])
    np.testing.assert_allclose(rows[:N_NEW], (F @ B)[:N_NEW], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(phases.as_relevance(default)._model.coefficients[1], B)


def test_new_items_have_the_spread_around_the_features_as_variance(default):
    F, B = features_of(default)[1].toarray(), default._coefficients[1]
    means = np.column_stack([default.embeddings_[1], default.biases_[1]])
    variances = np.column_stack([default.embedding_variances_[1], default.bias_variances_[1]])
    weights = np.bincount(OLD["item"], minlength=N_ITEMS)
    spread = weights @ ((means - F @ B) ** 2 + np.where(weights[:, None] > 0, variances, 0)) / weights.sum()
    np.testing.assert_allclose(variances[:N_NEW], np.tile(spread, (N_NEW, 1)), rtol=1e-4)
    without = fit(table=None)
    std = [each.predict(NEW[PAIRS], return_std=True)[1].mean() for each in (default, without)]
    assert std[0] < 0.9 * std[1]


def test_new_items_stand_in_lists_of_clicks_by_their_features():
    clicks, likes = OLD[OLD["rating"] > 3][PAIRS], NEW[NEW["rating"] > 4]
    ndcg = []
    for table in (TABLE, TABLE.drop(columns=["a", "b"]).assign(c=np.arange(N_ITEMS) % 2)):
        model = ImplicitMFRecommender(4, features={"item": table}, random_state=0).fit(clicks)
        lists = model.recommend(n=3, candidates=np.arange(N_NEW)).merge(likes, on=PAIRS)
        ndcg.append(len(lists))
    assert ndcg[0] > 1.3 * ndcg[1]
    assert model._coefficients[1].shape == (len(model._coefficients[1]), 5)


@pytest.mark.parametrize("scale", [20.0, 0.01])
def test_the_scale_of_the_ratings_does_not_matter(model, kind, scale):
    scaled = fit(OLD[PAIRS], scale * OLD["rating"], **kind)
    np.testing.assert_allclose(
        scaled.predict(RATINGS[PAIRS]), scale * model.predict(RATINGS[PAIRS]), rtol=1e-2, atol=1e-2 * scale
    )


def test_the_unit_of_a_feature_does_not_matter(model, kind):
    other = fit(table=TABLE.assign(a=1000 * TABLE["a"] - 5), **kind)
    np.testing.assert_allclose(other.predict(NEW[PAIRS]), model.predict(NEW[PAIRS]), rtol=1e-3, atol=1e-3)


def test_a_weight_of_two_is_the_row_twice(kind):
    weights = 1 + np.arange(len(OLD)) % 2
    weighted = fit(OLD[PAIRS], OLD["rating"], weights, **kind)
    repeated = fit(OLD.loc[OLD.index.repeat(weights)], **kind)
    np.testing.assert_array_equal(weighted.predict(RATINGS[PAIRS]), repeated.predict(RATINGS[PAIRS]))


def test_the_same_seed_gives_the_same_bits_in_any_order(model, kind):
    again = fit(OLD.sample(frac=1, random_state=0), table=TABLE.sample(frac=1, random_state=1), **kind)
    np.testing.assert_array_equal(again.predict(RATINGS[PAIRS]), model.predict(RATINGS[PAIRS]))


def test_five_passes_and_five_more_equal_ten(kind):
    limits = {"tol": 0, "n_iter_no_change": 99, **kind}
    ten = fit(max_iter=10, **limits)
    five = fit(max_iter=5, warm_start=True, **limits).fit(OLD)
    np.testing.assert_array_equal(five.predict(RATINGS[PAIRS]), ten.predict(RATINGS[PAIRS]))


def test_early_stopping_may_hold_out_ratings(kind):
    assert fit(early_stopping=True, **kind).validation_scores_


def test_non_negative_embeddings_have_no_features(default):
    estimator = copy.deepcopy(default).set_params(positive=True)
    before = copy.copy(vars(estimator))
    with pytest.raises(ValueError, match="positive=True cannot be combined with features"):
        estimator.fit(OLD)
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[name] is value for name, value in before.items())


def test_features_of_the_items_among_three_fields():
    X = OLD[PAIRS].assign(day=OLD["user"] % 3)
    with_, without = (
        MFRecommender(4, features=features, random_state=0).fit(X, OLD["rating"])
        for features in ({"item": TABLE}, None)
    )
    new = NEW[PAIRS].assign(day=NEW["user"] % 3)
    errors = [np.sqrt(np.mean((each.predict(new) - NEW["rating"]) ** 2)) for each in (with_, without)]
    assert errors[0] < 0.7 * errors[1]
