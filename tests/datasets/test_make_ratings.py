"""make_ratings keeps what its docstring promises."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sklearn_mf import MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.datasets._make_ratings import _cells_by_key, _cells_by_rejection, _first_occurrences


def noise_free(ratings, truth):
    user, item = ratings["user"].to_numpy(), ratings["item"].to_numpy()
    products = (truth.user_embeddings[user] * truth.item_embeddings[item]).sum(axis=1)
    return truth.intercept + truth.user_biases[user] + truth.item_biases[item] + products


@pytest.mark.parametrize("skew", [0, 0.5, 1.0])
@pytest.mark.parametrize(
    "shape", [(30, 20, 1), (30, 20, 40), (30, 20, 599), (30, 20, 600), (1, 1, 1), (300, 200, 7499)]
)
def test_distinct_cells_of_the_asked_number(shape, skew):
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


def test_cells_are_in_an_order_that_no_processor_chooses():
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


def test_noise_has_its_standard_deviation_and_changes_nothing_else():
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


def test_order_of_rows_says_nothing_about_popularity():
    ratings, truth = make_ratings(2000, 1000, 100_000, return_truth=True, random_state=0)
    popularity = truth.item_probabilities[ratings["item"]]
    assert popularity[:50_000].mean() == pytest.approx(popularity[50_000:].mean(), rel=0.03)


@pytest.mark.parametrize("n", [3, 12])
def test_both_ways_of_drawing_are_the_same_distribution(n):
    users, items = np.array([0.6, 0.3, 0.1]), np.array([0.4, 0.3, 0.2, 0.1])
    random = np.random.RandomState(0)
    shares = []
    for draw in (_cells_by_key, _cells_by_rejection):
        counts = sum(np.bincount(draw(random, users, items, n), minlength=12) for _ in range(4000))
        shares.append(counts / 4000)
    np.testing.assert_allclose(*shares, atol=0.04)


def test_first_occurrences():
    assert _first_occurrences(np.array([5, 3, 5, 1, 3, 9])).tolist() == [5, 3, 1, 9]


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


def test_a_million():
    ratings = make_ratings(6700, 1300, 1_000_000, random_state=0)
    assert len(ratings) == 1_000_000 and not ratings.duplicated(["user", "item"]).any()


def test_needs_no_tensorflow():
    code = "import sys, sklearn_mf.datasets as d; d.make_ratings(); assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_recommender_finds_the_structure():
    ratings, truth = make_ratings(500, 300, 40_000, noise=0.3, return_truth=True, random_state=0)
    train, test = ratings[:36_000], ratings[36_000:]
    predicted = MFRecommender(16, alpha=0.02, random_state=0).fit(train).predict(test[["user", "item"]])
    error = np.sqrt(np.mean((predicted - noise_free(test, truth)) ** 2))
    assert error < 0.5 * noise_free(test, truth).std()
