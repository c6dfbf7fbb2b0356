"""Vectors for an index: their inner products give the lists and scores of recommend."""

import numpy as np
import pandas as pd
import pytest

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender
from sklearn_mf.dummy import DummyRecommender
from tests.conftest import low_rank_ratings

pytestmark = pytest.mark.filterwarnings("ignore:The chains have not converged")  # short ones

RECOMMENDERS = {
    "mf": MFRecommender(3, max_iter=2, random_state=0),
    "implicit": ImplicitMFRecommender(3, max_iter=2, random_state=0),
    "implicit with biases": ImplicitMFRecommender(3, max_iter=2, fit_bias=True, random_state=0),
    "bayesian": BayesianMFRecommender(3, max_iter=8, random_state=0),
}
X, Y = low_rank_ratings(n_ratings=300)
RATINGS = pd.DataFrame(X, columns=["user", "film"]).map("id{}".format).assign(stars=Y - Y.min())
NEWCOMERS = pd.DataFrame({"user": ["new", "new", "newer"], "film": ["id1", "id2", "id3"], "stars": [5, 1, 4]})


@pytest.fixture(scope="module", params=RECOMMENDERS)
def model(request):
    return RECOMMENDERS[request.param].fit(RATINGS)


def lists(vectors):
    """The table of recommend by all inner products."""
    scores = vectors.user_offsets[:, None] + vectors.scale * (vectors.user_vectors @ vectors.item_vectors.T)
    order = np.argsort(-scores, axis=1, kind="stable")
    return pd.DataFrame(
        {
            "user": np.repeat(vectors.user_ids, len(vectors.item_ids)),
            "film": vectors.item_ids[order].ravel(),
            "score": np.take_along_axis(scores, order, axis=1).ravel(),
        }
    )


def assert_ranks_as(vectors, table):
    """The same items in the same order, scores to float32."""
    found = lists(vectors)
    assert found["user"].tolist() == table["user"].tolist()
    assert found["film"].tolist() == table["film"].tolist()
    np.testing.assert_allclose(found["score"], table["score"], rtol=0, atol=1e-5)


def everything(model, users=None, **arguments):
    return model.recommend(users, n=len(model.item_ids_), exclude_seen=False, **arguments)


def test_order_and_scores_are_those_of_recommend(model):
    vectors = model.retrieval_vectors()
    assert vectors.user_ids.tolist() == model.user_ids_.tolist()
    assert_ranks_as(vectors, everything(model))


def test_unknown_user_has_the_vector_of_the_average_user(model):
    assert_ranks_as(model.retrieval_vectors(["nobody", "id7"]), everything(model, ["nobody", "id7"]))


def test_newcomers_have_vectors_from_their_ratings(model):
    vectors = model.retrieval_vectors(ratings=NEWCOMERS)
    assert vectors.user_ids.tolist() == ["new", "newer"]
    assert_ranks_as(vectors, everything(model, ratings=NEWCOMERS))


def test_arrays_are_as_an_index_wants_them(model):
    vectors = model.retrieval_vectors("id7")
    n_draws = len(model.embedding_samples_[0]) if hasattr(model, "embedding_samples_") else 1
    for rows in (vectors.item_vectors, vectors.user_vectors):
        assert rows.dtype == np.float32 and rows.flags.c_contiguous and rows.shape[1] == 3 * n_draws + 1
    assert (vectors.user_vectors[:, -1] == 1).all()
    vectors.item_vectors[:], vectors.item_ids[:] = 0, "x"  # a copy
    assert_ranks_as(model.retrieval_vectors("id7"), everything(model, "id7"))


def test_rank_by():
    model = RECOMMENDERS["mf"].fit(RATINGS)
    by_rating = model.retrieval_vectors(rank_by="rating")
    assert_ranks_as(by_rating, everything(model, rank_by="rating"))
    assert lists(by_rating)["film"].tolist() != everything(model)["film"].tolist()
    with pytest.raises(ValueError, match="rank_by must be"):
        model.retrieval_vectors(rank_by="stars")


def test_new_users_with_features():
    ages = pd.DataFrame({"user": RATINGS["user"].unique()})
    ages["age"] = ages["user"].str.len()
    model = ImplicitMFRecommender(2, max_iter=2, features={"user": ages}, random_state=0).fit(RATINGS)
    new = pd.DataFrame({"user": ["new", "id7"], "age": [5, 3]})
    assert_ranks_as(model.retrieval_vectors(new), everything(model, new))
    assert "new" not in model.user_ids_


def test_refusals():
    model = ImplicitMFRecommender(2, max_iter=1, handle_unknown="error", random_state=0).fit(RATINGS)
    with pytest.raises(ValueError, match="nobody"):
        model.retrieval_vectors("nobody")
    with pytest.raises(ValueError, match="either users or ratings"):
        model.retrieval_vectors("id7", ratings=NEWCOMERS)
    with pytest.raises(ValueError, match="retrieval_vectors needs a model of two fields"):
        ImplicitMFRecommender(2, max_iter=1).fit(RATINGS[["user"]]).retrieval_vectors()
    dummy = DummyRecommender().fit(RATINGS)
    with pytest.raises(AttributeError, match="no attribute 'retrieval_vectors'") as refusal:
        dummy.retrieval_vectors()
    assert str(refusal.value.__cause__) == "DummyRecommender ranks without vectors: use recommend."
