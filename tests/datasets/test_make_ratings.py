"""make_ratings does what its docstring says."""

import numpy as np
import pandas as pd
import pytest

from sklearn_mf import MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.datasets._make_ratings import _cells_by_key, _cells_by_rejection


def noise_free(ratings, truth):
    user, item = ratings["user"].to_numpy(), ratings["item"].to_numpy()
    products = (truth.user_embeddings[user] * truth.item_embeddings[item]).sum(axis=1)
    return truth.intercept + truth.user_biases[user] + truth.item_biases[item] + products


@pytest.mark.parametrize("skew", [0, 0.5, 1.0])
@pytest.mark.parametrize(
    "shape", [(30, 20, 1), (30, 20, 40), (30, 20, 599), (30, 20, 600), (1, 1, 1), (300, 200, 7499)]
)
def test_number_of_distinct_cells(shape, skew):
    n_users, n_items, n_ratings = shape
    ratings = make_ratings(*shape, skew=skew, random_state=0)
    assert list(ratings) == ["user", "item", "rating"]
    assert ratings.dtypes.tolist() == [np.int64, np.int64, np.float64]
    assert ratings.index.equals(pd.RangeIndex(n_ratings))
    assert not ratings.duplicated(["user", "item"]).any()
    assert ratings["user"].between(0, n_users - 1).all() and ratings["item"].between(0, n_items - 1).all()
    assert np.isfinite(ratings["rating"]).all()


def test_reproducible():
    first, again = make_ratings(random_state=3), make_ratings(random_state=3)
    pd.testing.assert_frame_equal(first, again)
    pd.testing.assert_frame_equal(first, make_ratings(random_state=np.random.RandomState(3)))
    assert not first.equals(make_ratings(random_state=4))


def test_order_of_cells_does_not_depend_on_the_processor():
    cells = _cells_by_key(np.random.RandomState(0), np.full(80, 1 / 80), np.full(60, 1 / 60), 2400)
    assert (np.diff(cells) > 0).all()


def test_global_seed_is_left_alone():
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    make_ratings(random_state=0)
    assert np.random.random() == expected  # noqa: NPY002


@pytest.mark.parametrize("n_ratings", [2_000, 20_000])
@pytest.mark.parametrize("embedding_dim", [0, 1, 8])
def test_without_noise_ratings_are_the_truth(n_ratings, embedding_dim):
    arguments = {"embedding_dim": embedding_dim, "noise": 0, "return_truth": True, "random_state": 0}
    ratings, truth = make_ratings(300, 200, n_ratings, **arguments)
    np.testing.assert_allclose(ratings["rating"], noise_free(ratings, truth), rtol=0, atol=1e-12)
    assert truth.user_embeddings.shape == (300, embedding_dim)
    assert truth.item_embeddings.shape == (200, embedding_dim)
    assert truth.user_biases.shape == (300,) and truth.item_biases.shape == (200,)
    assert truth.intercept == 3.5 and truth.noise == 0.0


def test_products_in_more_than_one_block(monkeypatch):
    ratings = make_ratings(noise=0, random_state=0)
    monkeypatch.setattr("sklearn_mf.datasets._make_ratings.BLOCK", 1000)
    pd.testing.assert_frame_equal(ratings, make_ratings(noise=0, random_state=0))


def test_noise_has_its_standard_deviation_and_no_other_effect():
    quiet, truth = make_ratings(noise=0, return_truth=True, random_state=0)
    loud, same = make_ratings(noise=2.0, return_truth=True, random_state=0)
    pd.testing.assert_frame_equal(quiet[["user", "item"]], loud[["user", "item"]])
    np.testing.assert_array_equal(truth.user_embeddings, same.user_embeddings)
    errors = loud["rating"] - quiet["rating"]
    assert errors.std() == pytest.approx(2.0, rel=0.02)
    assert errors.mean() == pytest.approx(0.0, abs=0.05)
    assert same.noise == 2.0


def test_spreads_are_the_documented_ones():
    _, truth = make_ratings(4000, 3000, 10, return_truth=True, random_state=0)
    products = truth.user_embeddings @ truth.item_embeddings.T
    assert products.std() == pytest.approx(0.6, rel=0.05)
    assert truth.user_biases.std() == pytest.approx(0.4, rel=0.05)
    assert truth.item_biases.std() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("skew", [0.0, 0.5, 1.0])
def test_probabilities_follow_the_power_law(skew):
    _, truth = make_ratings(skew=skew, return_truth=True, random_state=0)
    for probabilities, n in ((truth.user_probabilities, 1000), (truth.item_probabilities, 500)):
        by_rank = np.sort(probabilities)[::-1]
        np.testing.assert_allclose(by_rank, by_rank[0] * np.arange(1, n + 1) ** -skew)
        assert by_rank.sum() == pytest.approx(1.0)
    if skew:
        assert abs(np.corrcoef(np.arange(1000), truth.user_probabilities)[0, 1]) < 0.2


def test_ids_occur_as_often_as_their_probability_says():
    ratings, truth = make_ratings(3000, 2000, 30_000, return_truth=True, random_state=0)
    for name in ("user", "item"):
        counts = ratings[name].value_counts().reindex(range(len(truth[f"{name}_biases"])), fill_value=0)
        expected = 30_000 * truth[f"{name}_probabilities"]
        top = np.argsort(expected)[-10:]
        assert counts.to_numpy()[top].sum() == pytest.approx(expected[top].sum(), rel=0.08)
        assert np.corrcoef(counts, expected)[0, 1] > 0.8


def test_order_of_rows_is_independent_of_popularity():
    ratings, truth = make_ratings(2000, 1000, 100_000, return_truth=True, random_state=0)
    popularity = truth.item_probabilities[ratings["item"]]
    assert popularity[:50_000].mean() == pytest.approx(popularity[50_000:].mean(), rel=0.03)


def test_both_ways_of_drawing_have_the_same_distribution():
    users, items = np.array([0.6, 0.3, 0.1]), np.array([0.4, 0.3, 0.2, 0.1])
    random = np.random.RandomState(0)
    shares = []
    for draw in (_cells_by_key, _cells_by_rejection):
        counts = sum(np.bincount(draw(random, users, items, 3), minlength=12) for _ in range(4000))
        shares.append(counts / 4000)
    np.testing.assert_allclose(*shares, atol=0.04)


@pytest.mark.parametrize("draw", [_cells_by_key, _cells_by_rejection])
def test_both_ways_of_drawing_can_draw_all_cells(draw):
    users, items = np.array([0.6, 0.3, 0.1]), np.array([0.4, 0.3, 0.2, 0.1])
    assert sorted(draw(np.random.RandomState(0), users, items, 12)) == list(range(12))


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ((100, 50, 30), [[23, 35, 2.9261587640766575], [16, 28, 4.508062218418254]]),
        ((20, 10, 150), [[1, 6, 2.8703772660721802], [18, 6, 2.3958608814543485]]),
    ],
    ids=["by rejection", "by key"],
)
def test_ratings_of_a_seed_never_change(shape, first):
    ratings = make_ratings(*shape, random_state=0)
    np.testing.assert_allclose(ratings[:2], first, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"n_users": 3, "n_items": 4, "n_ratings": 13},
            ValueError,
            r"n_ratings=13 is more than the 12 cells.*fewer",
        ),
        ({"n_users": 0}, ValueError, "n_users"),
        ({"n_items": 2.5}, ValueError, "n_items"),
        ({"n_ratings": 0}, ValueError, "n_ratings"),
        ({"embedding_dim": -1}, ValueError, "embedding_dim"),
        ({"noise": -0.1}, ValueError, "noise"),
        ({"skew": 1.1}, ValueError, "skew"),
        ({"return_truth": "yes"}, ValueError, "return_truth"),
        ({"random_state": "zero"}, ValueError, "random_state"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        make_ratings(**arguments)


def test_many_ratings():
    ratings = make_ratings(3000, 1000, 300_000, random_state=0)
    assert len(ratings) == 300_000 and not ratings.duplicated(["user", "item"]).any()


def test_the_recommender_finds_the_structure():
    ratings, truth = make_ratings(200, 100, 10_000, noise=0.3, return_truth=True, random_state=0)
    train, test = ratings[:9_000], ratings[9_000:]
    predicted = MFRecommender(8, alpha=0.02, random_state=0).fit(train).predict(test[["user", "item"]])
    error = np.sqrt(np.mean((predicted - noise_free(test, truth)) ** 2))
    assert error < 0.5 * noise_free(test, truth).std()
