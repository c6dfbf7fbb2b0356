"""Contributions of a user's ratings add up to the score."""

import copy
import functools

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.inspection import explain
from tests.conftest import OBSERVED_ALONE

pytestmark = pytest.mark.filterwarnings("ignore:The chains have not converged")
KINDS = [
    MFRecommender(4, **OBSERVED_ALONE, random_state=0),
    MFRecommender(40, random_state=0),
    MFRecommender(4, solver="als", unobserved_weight=0, random_state=0),
    MFRecommender(4, fit_bias=False, random_state=0),
    MFRecommender(4, penalty="l1", random_state=0),
    MFRecommender(4, penalty="elasticnet", **OBSERVED_ALONE, random_state=0),
    MFRecommender(4, penalty=None, max_iter=3, **OBSERVED_ALONE, random_state=0),
    MFRecommender(4, alpha=1.0, random_state=0),
    MFRecommender(0, random_state=0),
    BayesianMFRecommender(4, max_iter=30, n_samples=13, random_state=0),
    BayesianMFRecommender(0, max_iter=30, heteroscedastic=False, random_state=0),
]
PLAIN, TWO_PHASES, BAYESIAN = 0, 1, 9


@pytest.fixture(scope="module")
def ratings():
    return make_ratings(n_users=80, n_items=60, n_ratings=2400, random_state=0)


@pytest.fixture(scope="module")
def fitted(ratings):
    """The models by number, each fitted once."""
    return functools.cache(lambda number: KINDS[number].fit(ratings))


@pytest.fixture(params=range(len(KINDS)), ids=map(repr, KINDS))
def model(request, fitted):
    return fitted(request.param)


@pytest.fixture
def plain(fitted):
    return fitted(PLAIN)


def scores(model, ratings, **how):
    table = model.recommend(ratings=ratings, n=1000, exclude_seen=False, **how)
    return table.set_index(["user", "item"])["score"]


def test_contributions_add_up_to_the_score(model, ratings):
    for user, n in ((3, None), (5, 1)):
        own = ratings[ratings["user"] == user][:n]
        expected = scores(model, own)
        for item in model.item_ids_[::7]:
            table = explain(model, user, item, own)
            assert len(table) == 1 + len(own)
            assert table["contribution"].sum() == pytest.approx(expected[user, item], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("rank_by", ["relevance", "rating"])
def test_relevance_and_rating_are_explained_apart(fitted, ratings, rank_by):
    model = fitted(TWO_PHASES)
    own = ratings[ratings["user"] == 3]
    expected = scores(model, own, rank_by=rank_by)
    for item in model.item_ids_[::7]:
        table = explain(model, 3, item, ratings, rank_by=rank_by)
        assert table["contribution"].sum() == pytest.approx(expected[3, item], rel=1e-9, abs=1e-9)
        by_default = explain(model, 3, item, ratings)
        assert by_default.equals(table) == (rank_by == "relevance")


def test_the_first_row_of_relevance_counts_the_unobserved_cells(fitted, ratings):
    """It is the score of a user all of whose ratings equal the biases of their items."""
    model = fitted(TWO_PHASES)
    own = ratings[ratings["user"] == 3].sort_values("item")
    table = explain(model, 3, 7, own, rank_by="relevance")
    biases = model.relevance_biases_[1][np.searchsorted(model.item_ids_, own["item"])]
    neutral = own.assign(rating=model.intercept_ + model.scale_ * biases.astype(float))
    assert table.loc[0, "contribution"] == pytest.approx(scores(model, neutral, rank_by="relevance")[3, 7])
    own_part = model.intercept_ + model.scale_ * model.relevance_biases_[1][model.item_ids_ == 7][0]
    assert table.loc[0, "contribution"] < own_part - 0.1


def test_scores_that_a_model_does_not_have_say_so(fitted, ratings):
    with pytest.raises(ValueError, match="rank_by='relevance' needs rows learnt from unobserved cells"):
        explain(fitted(PLAIN), 5, 7, ratings, rank_by="relevance")
    with pytest.raises(ValueError, match="rank_by must be 'auto', 'relevance' or 'rating', got 'stars'"):
        explain(fitted(TWO_PHASES), 5, 7, ratings, rank_by="stars")
    with pytest.raises(ValueError, match="rank_by='rating' needs a recommender of two kinds of scores"):
        explain(fitted(BAYESIAN), 5, 7, ratings, rank_by="rating")


def test_the_table_holds_the_item_and_then_the_ratings_by_size(plain, ratings):
    table = explain(plain, 5, 7, ratings)
    assert table.columns.tolist() == ["item", "rating", "contribution"]
    assert table.dtypes["item"] == ratings.dtypes["item"]
    assert table.loc[0, "item"] == 7
    assert np.isnan(table.loc[0, "rating"])
    rated = table.loc[1:]
    assert rated["contribution"].abs().is_monotonic_decreasing
    own = ratings[ratings["user"] == 5].set_index("item")["rating"]
    pd.testing.assert_series_equal(rated.set_index("item")["rating"].sort_index(), own.sort_index())


def test_the_first_row_is_the_score_of_ratings_that_say_nothing(plain, ratings):
    own = ratings[ratings["user"] == 5].sort_values("item")
    biases = plain.item_biases_[np.searchsorted(plain.item_ids_, own["item"])]
    neutral = own.assign(rating=plain.intercept_ + plain.scale_ * biases.astype(float))
    first = explain(plain, 5, 7, own).loc[0, "contribution"]
    assert first == pytest.approx(scores(plain, neutral)[5, 7], rel=1e-9)


def test_a_contribution_goes_with_its_own_rating_alone(model, ratings):
    own = ratings[ratings["user"] == 5].reset_index(drop=True)
    item = np.setdiff1d(model.item_ids_, own["item"])[0]
    moved = own.assign(rating=own["rating"] + (own.index == 2))
    before, after = (explain(model, 5, item, table).set_index("item") for table in (own, moved))
    change = after["contribution"] - before["contribution"]
    assert change.drop(own.loc[2, "item"]).abs().max() < 1e-9
    assert abs(change[own.loc[2, "item"]]) > 1e-7


@pytest.mark.filterwarnings("ignore:The chains have not converged")
def test_the_first_row_of_a_bayesian_model_is_the_average_user(ratings):
    model = BayesianMFRecommender(2, max_iter=20, implicit_features=0, clip=False, random_state=0)
    model.fit(ratings)
    stranger = model.predict(pd.DataFrame({"user": [-1, 0], "item": 9}))[0]
    assert explain(model, 5, 9, ratings).loc[0, "contribution"] == pytest.approx(stranger, rel=1e-6)


def test_repeated_ratings_are_one_of_more_weight(plain, ratings):
    own = ratings[ratings["user"] == 5]
    twice = pd.concat([own, own.head(3)])
    table = explain(plain, 5, 7, twice)
    assert len(table) == 1 + len(own)
    assert table["contribution"].sum() == pytest.approx(scores(plain, twice)[5, 7], rel=1e-9)


def test_text_ids_and_people_from_outside(frame):
    model = MFRecommender(4, max_iter=2, random_state=0).fit(frame)
    new = pd.DataFrame({"user": "new", "film": [104, 109, -1], "stars": [5.0, 2.0, 3.0]})
    table = explain(model, "new", 120, new)
    assert table["film"].tolist()[0] == 120
    assert set(table["film"][1:]) == {104, 109}
    score = model.recommend(ratings=new, candidates=120)["score"]
    assert table["contribution"].sum() == pytest.approx(score[0], rel=1e-9)


@pytest.mark.parametrize(
    ("user", "item", "message"),
    [
        (-1, 7, "no ratings of user -1"),
        (5, -1, "item not known from fit: -1"),
        (5, [7, 8], "item must be one id, got 2"),
        ([5, 6], 7, "user must be one id, got 2"),
    ],
)
def test_ids_that_make_no_sense_say_so(plain, ratings, user, item, message):
    with pytest.raises(ValueError, match=message):
        explain(plain, user, item, ratings)


@pytest.mark.parametrize("number", [PLAIN, TWO_PHASES, BAYESIAN])
def test_ratings_out_of_proportion_raise_as_in_recommend(fitted, ratings, number):
    """They did not, and contributions were as large as the ratings, or nan."""
    own = ratings[ratings["user"] == 5].assign(rating=1e35)
    with pytest.raises(ValueError, match="rows of users from their ratings are not finite"):
        fitted(number).recommend(ratings=own, n=1)
    with pytest.raises(ValueError, match="rows of users from their ratings are not finite"):
        explain(fitted(number), 5, 7, own)


def test_a_parameter_without_a_valid_value_raises_as_in_recommend(plain, ratings):
    broken = copy.copy(plain).set_params(alpha=float("nan"))
    with pytest.raises(ValueError, match="alpha has no valid value since fit"):
        explain(broken, 5, 7, ratings)


def test_models_that_cannot_be_explained_say_so(ratings):
    positive = MFRecommender(4, positive=True, max_iter=1, random_state=0).fit(ratings)
    with pytest.raises(ValueError, match="positive=True a score is not a sum"):
        explain(positive, 5, 7, ratings)
    recommender = MFRecommender(4, max_iter=1, random_state=0)
    pipeline = make_pipeline(recommender).fit(ratings[["user", "item"]], ratings["rating"])
    with pytest.raises(TypeError, match="got Pipeline"):
        explain(pipeline, 5, 7, ratings)
    X = np.random.default_rng(0).integers(0, 5, (60, 3))
    three = MFRecommender(2, max_iter=1, random_state=0).fit(X, X.sum(1).astype(float))
    with pytest.raises(ValueError, match="explain needs a model of two fields"):
        explain(three, 1, 1, X)
    renamed = ratings.set_axis(["user", "rating", "stars"], axis=1)
    named = MFRecommender(4, max_iter=1, random_state=0).fit(renamed)
    with pytest.raises(ValueError, match="column 'rating' of its own"):
        explain(named, 5, 7, renamed)


@pytest.mark.filterwarnings("ignore:Every id of 'item' is unknown")
def test_a_user_without_known_items_says_so(plain):
    with pytest.raises(ValueError, match="rated no item that fit has seen"):
        explain(plain, 5, 7, pd.DataFrame({"user": [5], "item": [-3], "rating": [4.0]}))
