"""predict, recommend and similar_*: ids in, tables out."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.retrieval import _top_n
from tests.conftest import OBSERVED_ALONE


@pytest.fixture(scope="module")
def model(frame):
    return MFRecommender(random_state=0, max_iter=60, **OBSERVED_ALONE).fit(frame)


@pytest.fixture(scope="module")
def checkerboard():
    """Users like films of their own colour: 8 x 8 with a known answer, one diagonal held out."""
    users, films = (grid.ravel() for grid in np.meshgrid(range(8), range(8), indexing="ij"))
    stars = np.where((users + films) % 2 == 0, 5.0, 1.0)
    held_out = films == (users + 2) % 8
    table = pd.DataFrame({"user": users, "film": films, "stars": stars})
    parameters = {"alpha": 0.001, "max_iter": 300, "learning_rate": 0.2, "random_state": 0}
    return MFRecommender(8, **parameters, **OBSERVED_ALONE).fit(table[~held_out])


def brute_force(model, user, n, exclude):
    pairs = pd.DataFrame({"user": user, "film": model.item_ids_})
    score = model.set_params(clip=False).predict(pairs)
    model.set_params(clip=True)
    scores = pd.DataFrame({"film": model.item_ids_, "score": score})
    scores = scores[~scores.film.isin(exclude)]
    return scores.sort_values(["score", "film"], ascending=[False, True]).head(n)


def test_recommends_the_held_out_film_of_a_checkerboard(checkerboard):
    table = checkerboard.recommend(n=1)
    assert table.film.tolist() == [(user + 2) % 8 for user in range(8)]


def test_neighbours_on_a_checkerboard_have_the_same_colour(checkerboard):
    table = checkerboard.similar_items(list(range(8)), n=3)
    assert (table.film % 2 == table.neighbor % 2).all()
    table = checkerboard.similar_users(list(range(8)), n=3)
    assert (table.user % 2 == table.neighbor % 2).all()


def test_everybody_equals_sorting_all_predictions(model, frame):
    table = model.recommend(n=7)
    assert table.columns.tolist() == ["user", "film", "rank", "score"]
    assert table.dtypes[["user", "film"]].equals(frame.dtypes[["user", "film"]])
    for user, part in table.groupby("user"):
        expected = brute_force(model, user, 7, frame.film[frame.user == user])
        assert part.film.tolist() == expected.film.tolist()
        assert part["rank"].tolist() == list(range(1, len(expected) + 1))
        np.testing.assert_allclose(part.score, expected.score, rtol=1e-5)


def test_one_some_and_all_users_agree(model):
    everybody = model.recommend(n=3)
    some = model.recommend(["u07", "u03"], n=3)
    assert some.user.tolist() == ["u07"] * 3 + ["u03"] * 3
    for containers in (pd.Series(["u07", "u03"]), np.array(["u07", "u03"]), pd.Index(["u07", "u03"])):
        pd.testing.assert_frame_equal(model.recommend(containers, n=3), some)
    one = model.recommend("u03", n=3)
    pd.testing.assert_frame_equal(one, everybody[everybody.user == "u03"].reset_index(drop=True))


@pytest.mark.filterwarnings("ignore:The chains have not converged")
@pytest.mark.parametrize("recommender", [MFRecommender, BayesianMFRecommender])
def test_recommending_reads_the_embeddings_of_the_items_once(monkeypatch, frame, recommender):
    model = recommender(4, max_iter=12, random_state=0).fit(frame)
    expected = model.recommend("u03")
    monkeypatch.setattr(_top_n, "norm_bound", None)  # fit has called it
    pd.testing.assert_frame_equal(model.recommend("u03"), expected)


def test_seen_items_are_out_unless_asked_for_and_never_padding(model, frame):
    seen = set(frame.film[frame.user == "u00"])
    table = model.recommend("u00", n=1000)
    assert set(table.film) == set(model.item_ids_) - seen
    assert set(model.recommend("u00", n=1000, exclude_seen=False).film) == set(model.item_ids_)
    with pytest.warns(UserWarning, match="found nothing for 1 of 1 users, the first is 'u00'"):
        assert len(model.recommend("u00", candidates=sorted(seen))) == 0


@pytest.mark.parametrize(
    "dtype", ["str", "object", "int64", "Int64", "float64", "category", "datetime64[ns]", "string"]
)
def test_everybody_and_each_alone_get_ids_of_the_same_type(frame, dtype):
    numbers = frame.user.str[1:].astype(int)
    users = numbers.astype("str" if dtype in ("object", "category") else "int64").astype(dtype)
    model = MFRecommender(random_state=0, max_iter=2).fit(
        frame.assign(user=users, film=users.to_numpy()[::-1])
    )
    everybody = model.recommend(n=2, exclude_seen=False)
    assert everybody.user.dtype == users.dtype
    alone = pd.concat([model.recommend(user, n=2, exclude_seen=False) for user in model.user_ids_])
    pd.testing.assert_frame_equal(everybody, alone.reset_index(drop=True))


def test_a_model_of_zeros_recommends_the_first_items_unseen(frame):
    model = MFRecommender(random_state=0, penalty="l1", alpha=10.0, max_iter=5, **OBSERVED_ALONE).fit(frame)
    assert not model.item_embeddings_.any() and not model.item_biases_.any()
    for user, part in model.recommend(n=3).groupby("user"):
        unseen = np.setdiff1d(model.item_ids_, frame.film[frame.user == user])
        assert part.film.tolist() == unseen[: len(part)].tolist()


def test_candidates_limit_the_choice(model):
    table = model.recommend(["u00", "u01"], n=2, exclude_seen=False, candidates=[105, 101, 105, 103])
    assert set(table.film) <= {101, 103, 105}
    assert len(table) == 4
    one = model.recommend("u00", exclude_seen=False, candidates=101)
    assert one.film.tolist() == [101]


def test_unknown_users_get_the_ranking_of_the_average_user(model, frame):
    table = model.recommend(["nobody", "u00"], n=5)
    with pytest.warns(UserWarning, match="Every id of 'user' is unknown"):
        average = brute_force(model, "nobody", 5, [])
    assert table.film[:5].tolist() == average.film.tolist()
    assert table.user.tolist() == ["nobody"] * 5 + ["u00"] * 5
    assert table.user.dtype == frame.user.dtype


def test_unknown_ids_are_answered_with_the_average_of_their_field(model, frame):
    weights = frame.user.value_counts().loc[model.user_ids_]
    np.testing.assert_allclose(
        model.average_biases_[0], np.average(model.user_biases_, weights=weights), rtol=1e-5
    )
    film = model.item_ids_[3]
    z = (
        model.average_biases_[0]
        + model.item_biases_[3]
        + model.average_embeddings_[0] @ model.item_embeddings_[3]
    )
    with pytest.warns(UserWarning, match="Every id of 'user' is unknown"):
        answer = model.predict(pd.DataFrame({"user": ["nobody"], "film": [film]}))
    low, high = model.target_range_
    np.testing.assert_allclose(answer, np.clip(model.intercept_ + model.scale_ * z, low, high), rtol=1e-6)


def test_a_column_of_ids_in_another_type_warns(frame):
    ints = frame.assign(user=frame.user.str[1:].astype(int))
    model = MFRecommender(random_state=0, max_iter=2).fit(ints)
    with pytest.warns(UserWarning, match=r"Every id of 'user' is unknown, the first is '.*' while fit saw 0"):
        model.predict(ints[["user", "film"]].astype({"user": str}))


def test_handle_unknown_error_lists_the_first_ids(frame):
    model = MFRecommender(random_state=0, max_iter=2, handle_unknown="error").fit(frame)
    strangers = pd.DataFrame({"user": ["u00", *"abcdefg"], "film": 100})
    with pytest.raises(ValueError, match=r"'user'\) not known from fit: 'a', 'b', 'c', 'd', 'e', and others"):
        model.predict(strangers)
    with pytest.raises(ValueError, match="not known from fit: 'nobody'"):
        model.recommend("nobody")


def test_similar_items_equal_sorting_all_cosines(model):
    vectors = model.item_embeddings_.astype(float)
    lengths = np.linalg.norm(vectors, axis=1)
    for metric, scores in (
        ("dot", vectors @ vectors.T),
        ("cosine", vectors @ vectors.T / np.outer(lengths, lengths)),
    ):
        table = model.similar_items(pd.Series(model.item_ids_), n=4, metric=metric)
        assert table.columns.tolist() == ["film", "neighbor", "rank", "score"]
        assert (table.film != table.neighbor).all()
        np.fill_diagonal(scores, -np.inf)
        expected = model.item_ids_[np.argsort(-scores, axis=1, kind="stable")[:, :4]]
        assert (table.neighbor.to_numpy().reshape(-1, 4) == expected).all()
        np.testing.assert_allclose(table.score, -np.sort(-scores, axis=1)[:, :4].ravel(), rtol=1e-6)


def test_similar_users_work_on_users(model):
    table = model.similar_users("u05", n=1000)
    assert len(table) == 39
    assert "u05" not in set(table.neighbor)
    assert table.score.is_monotonic_decreasing


def test_embeddings_of_zeros_have_score_zero(frame):
    model = MFRecommender(random_state=0, penalty="l1", alpha=1.0, **OBSERVED_ALONE).fit(frame)
    assert not model.item_embeddings_.any()
    table = model.similar_items(105, n=3)
    assert table.score.tolist() == [0, 0, 0]
    assert table.neighbor.tolist() == [100, 101, 102]
    assert model.recommend("u00", n=3).score.notna().all()


@pytest.mark.parametrize("n_fields", [1, 3])
def test_other_numbers_of_fields_predict_but_do_not_recommend(n_fields):
    X = np.random.default_rng(0).integers(0, 5, (50, n_fields))
    model = MFRecommender(random_state=0, max_iter=2).fit(X, X.sum(axis=1))
    assert model.predict(X).shape == (50,)
    for call in (model.recommend, lambda: model.similar_items(1), lambda: model.similar_users(1)):
        with pytest.raises(
            ValueError, match=f"needs a model of two fields, users and items, but fit saw {n_fields}"
        ):
            call()
    with pytest.raises(AttributeError, match="two fields"):
        _ = model.user_embeddings_


def test_score_takes_three_columns_as_fit_does(model, frame):
    pairs = frame[["user", "film"]]
    assert model.score(frame) == model.score(pairs, frame.stars)
    low, high = model.target_range_
    assert model.score(frame) == r2_score(frame.stars, np.clip(model.predict(pairs), low, high))


def test_prediction_writes_nothing(model, frame):
    before = pickle.dumps(vars(model))
    model.predict(frame[["user", "film"]]), model.recommend(), model.similar_items(105), model.score(frame)
    assert pickle.dumps(vars(model)) == before


def test_nobody_is_shown_what_they_rated_in_any_block_of_users():
    rng = np.random.default_rng(0)
    cells = np.unique(
        np.column_stack([rng.integers(0, 2 * _top_n._BLOCK_ROWS, 8_000), rng.integers(0, 60, 8_000)]), axis=0
    )
    ratings = pd.DataFrame(cells, columns=["user", "film"]).assign(stars=rng.normal(size=len(cells)))
    table = MFRecommender(2, max_iter=1, random_state=0).fit(ratings).recommend(n=60)
    assert len(table.merge(ratings, on=["user", "film"])) == 0
    assert len(table) + len(ratings) == 60 * ratings["user"].nunique()
