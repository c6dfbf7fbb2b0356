"""MFRecommender of two phases: relevance rows from all cells, then rating rows with learnt penalties."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from sklearn_mf import MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.solvers.variational._solver import N_CERTAIN, N_UNCERTAIN
from tests.conftest import OBSERVED_ALONE, low_rank_ratings

N_RELEVANCE = N_UNCERTAIN + N_CERTAIN
PAIRS = ["user", "item"]


def fit(X, y=None, weights=None, **parameters):
    return MFRecommender(**{"embedding_dim": 4, "random_state": 0, **parameters}).fit(X, y, weights)


@pytest.fixture(scope="module")
def ratings():
    return make_ratings(n_users=60, n_items=40, n_ratings=1200, random_state=0)


@pytest.fixture(scope="module")
def model(ratings):
    return fit(ratings)


# Settings under which the rating rows do not depend on the relevance rows.
APART = {
    "numeric alpha": {"alpha": 0.05},
    "als": {"solver": "als"},
    "positive": {"positive": True},
    "lasso": {"penalty": "l1"},
    "no penalty": {"penalty": None, "max_iter": 3},
    "no bias": {"fit_bias": False},
}


@pytest.fixture(scope="module", params=APART)
def apart(request, ratings):
    return fit(ratings, **APART[request.param])


def relevance_of(model):
    """Relevance of all cells, (n_users, n_items)."""
    (U, V), (b, c) = model.relevance_embeddings_, model.relevance_biases_
    z = U.astype(float) @ V.T.astype(float) + b[:, None] + c
    return model.intercept_ + model.scale_ * z


def numbers(model):
    """All numbers that the two phases learn."""
    fields = [
        *model.embeddings_,
        *model.biases_,
        *model.relevance_embeddings_,
        *model.relevance_biases_,
        *model.embedding_variances_,
        *model.bias_variances_,
    ]
    return [*fields, np.array([model.noise_std_, *model.relevance_loss_curve_])]


def assert_same_bits(one, other):
    for ours, theirs in zip(numbers(one), numbers(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# ---------------------------------------------------------------- lists


def assert_lists_by(table, scores, model, ratings, n):
    scores = scores.copy()
    codes = [np.searchsorted(ids, ratings[name]) for ids, name in zip(model.categories_, PAIRS, strict=True)]
    scores[codes[0], codes[1]] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    items = model.item_ids_[best]
    np.testing.assert_array_equal(table["item"].to_numpy().reshape(-1, n), items)
    expected = np.take_along_axis(scores, best, axis=1).ravel()
    np.testing.assert_allclose(table["score"], expected, rtol=1e-5, atol=1e-5)


def test_lists_by_relevance_and_by_rating_equal_brute_force(model, ratings):
    assert_lists_by(model.recommend(n=5), relevance_of(model), model, ratings, 5)
    pd.testing.assert_frame_equal(model.recommend(n=5, rank_by="relevance"), model.recommend(n=5))
    cells = pd.MultiIndex.from_product(model.categories_, names=PAIRS).to_frame(index=False)
    stars = copy.copy(model).set_params(clip=False).predict(cells).reshape(60, 40)
    by_rating = model.recommend(n=5, rank_by="rating")
    assert_lists_by(by_rating, stars, model, ratings, 5)
    assert (by_rating["item"] != model.recommend(n=5)["item"]).mean() > 0.2


def test_lists_without_a_learnt_penalty_are_by_relevance_too(apart, ratings):
    assert_lists_by(apart.recommend(n=5), relevance_of(apart), apart, ratings, 5)


def test_an_unknown_user_gets_the_ranking_of_the_average_user(model):
    with pytest.warns(UserWarning, match="Every id of 'user' is unknown"):
        table = model.recommend(-1, n=40)
    weights = model._id_weights[0] / model._id_weights[0].sum()
    expected = weights @ relevance_of(model)
    np.testing.assert_allclose(table["score"], np.sort(expected)[::-1], rtol=1e-4)


def test_neighbours_are_those_of_the_relevance_rows(model):
    V = model.relevance_embeddings_[1].astype(float)
    unit = V / np.linalg.norm(V, axis=1)[:, None]
    cosine = (unit @ unit[7])[np.arange(40) != 7]
    np.testing.assert_allclose(
        model.similar_items(model.item_ids_[7], n=39)["score"], np.sort(cosine)[::-1], atol=1e-6
    )


def test_scores_to_rank_by_that_a_model_does_not_have_say_so(model, ratings):
    with pytest.raises(ValueError, match="rank_by must be 'auto', 'relevance' or 'rating', got 'stars'"):
        model.recommend(0, rank_by="stars")
    plain = fit(ratings, **OBSERVED_ALONE, max_iter=1)
    with pytest.raises(ValueError, match="rank_by='relevance' needs rows learnt from unobserved cells"):
        plain.recommend(0, rank_by="relevance")
    pd.testing.assert_frame_equal(plain.recommend(n=2, rank_by="rating"), plain.recommend(n=2))


def test_relevance_knows_what_people_choose():
    """Two groups choose items of their own; the ratings say nothing about it."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 12)
    items = 2 * np.concatenate([rng.choice(25, 12, replace=False) for _ in range(40)]) + users % 2
    X, y = np.column_stack([users, items]), rng.integers(1, 6, len(users))
    both = fit(X, y)
    own_group = {
        rank_by: (table["user"] % 2 == table["item"] % 2).mean()
        for rank_by in ("relevance", "rating")
        for table in [both.recommend(n=10, rank_by=rank_by)]
    }
    assert own_group["relevance"] > 0.9
    assert own_group["rating"] < 0.7


# ---------------------------------------------------------------- ratings


def test_predictions_gain_from_both_phases():
    X, y = low_rank_ratings(n_users=80, n_items=60, n_ratings=2400, noise=0.5)
    two, one = fit(X[:1800], y[:1800]), fit(X[:1800], y[:1800], **OBSERVED_ALONE)
    assert two.score(X[1800:], y[1800:]) > one.score(X[1800:], y[1800:]) + 0.02
    assert two.noise_std_ == pytest.approx(0.5, rel=0.25)


@pytest.mark.parametrize(
    ("parameters", "predicted", "last_loss"),
    [
        ({}, [1.94295115, 1.88641816, 4.51041831, 3.34407632], 0.23960853872702786),
        ({"fit_bias": False}, [0.27095632, 0.3986223, 1.4201121, 1.43835387], 0.32763789601290316),
    ],
)
def test_one_phase_without_prior_ratings_is_the_former_model(parameters, predicted, last_loss):
    """Numbers of the last version that knew nothing else; the defaults of its `alpha` and `solver`."""
    X, y = low_rank_ratings()
    plain = fit(X, y, max_iter=5, **OBSERVED_ALONE, **parameters)
    np.testing.assert_allclose(plain.predict([[0, 0], [1, 2], [39, 29], [99, 5]]), predicted, rtol=1e-5)
    assert plain.loss_curve_[-1] == pytest.approx(last_loss, rel=1e-5)
    solver = "als" if parameters else "sgd"
    named = fit(X, y, max_iter=5, **OBSERVED_ALONE, alpha=0.045, solver=solver, **parameters)
    assert named.loss_curve_ == plain.loss_curve_
    for ours, theirs in zip(plain.embeddings_, named.embeddings_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("n_fields", [1, 3])
def test_other_numbers_of_fields_have_one_phase(n_fields):
    X, y = low_rank_ratings(n_fields=n_fields, n_ratings=300)
    default, without = fit(X, y, max_iter=3), fit(X, y, max_iter=3, unobserved_weight=0)
    assert not hasattr(default, "relevance_embeddings_")
    np.testing.assert_array_equal(default.predict(X), without.predict(X))
    with pytest.raises(ValueError, match="return_std=True needs a model that learnt its penalty"):
        default.predict(X, return_std=True)


def test_biases_alone_have_one_phase(ratings):
    biases = fit(ratings, embedding_dim=0, max_iter=3)
    assert not hasattr(biases, "relevance_embeddings_")
    assert biases.recommend(n=1)["item"].nunique() < 10


@pytest.mark.parametrize("parameters", [{}, *APART.values()], ids=str)
@pytest.mark.filterwarnings("ignore:All")
def test_few_and_constant_ratings(parameters):
    one = fit([[7, 8]], [3.0], **parameters)
    np.testing.assert_allclose(one.predict([[7, 8], [0, 0]]), 3.0)
    assert np.isfinite(one.recommend(n=1, exclude_seen=False)["score"]).all()
    X = low_rank_ratings(n_ratings=100)[0]
    constant = fit(X, np.full(100, 4.0), clip=False, **parameters)
    if constant.fit_bias:
        np.testing.assert_allclose(constant.predict(X), 4.0, atol=0.1)
    assert np.isfinite(constant.predict(X)).all()
    assert np.isfinite(constant.recommend(n=3)["score"]).all()


@pytest.mark.filterwarnings("ignore:All")
def test_constant_ratings_leave_noise_after_many_sweeps():
    X = low_rank_ratings(n_ratings=100)[0]
    constant = fit(X, np.full(100, 4.0), tol=0, max_iter=300)
    assert np.isfinite(constant.loss_curve_).all()
    assert np.isfinite(constant.predict(X, return_std=True)[1]).all()


@pytest.mark.parametrize("scale", [(20.0, 0.0), (5.0, -15.0), (1e-3, 7.0)], ids=str)
@pytest.mark.parametrize("parameters", [{}, {"alpha": 0.05}], ids=str)
def test_the_scale_of_the_ratings_does_not_matter(ratings, parameters, scale):
    """Of stars from 1 to 5, the second is from -10 to 10."""
    a, b = scale
    X, y = ratings[PAIRS], ratings["rating"].astype(float)
    base, scaled = fit(X, y, **parameters), fit(X, a * y + b, **parameters)
    np.testing.assert_allclose(scaled.predict(X) - b, a * base.predict(X), rtol=1e-3, atol=1e-3 * a)
    np.testing.assert_allclose(relevance_of(scaled) - b, a * relevance_of(base), rtol=1e-3, atol=1e-3 * a)
    if not parameters:
        (_, std), (_, expected) = (each.predict(X, return_std=True) for each in (scaled, base))
        np.testing.assert_allclose(std, a * expected, rtol=1e-3)


def test_weights_of_the_same_ratio_give_the_same_model(model, ratings):
    tripled = fit(ratings, weights=np.full(len(ratings), 3.0))
    np.testing.assert_allclose(tripled.predict(ratings[PAIRS]), model.predict(ratings[PAIRS]), rtol=1e-4)
    np.testing.assert_allclose(relevance_of(tripled), relevance_of(model), rtol=1e-3, atol=1e-3)


def test_rows_in_another_order_and_repeated_rows_give_the_same_bits(ratings):
    weights = np.random.default_rng(0).integers(1, 3, len(ratings))
    weighted = fit(ratings, weights=weights.astype(float), max_iter=3)
    repeated = ratings.loc[ratings.index.repeat(weights)].sample(frac=1, random_state=0)
    assert_same_bits(fit(repeated, max_iter=3), weighted)


# ---------------------------------------------------------------- standard deviations


def test_standard_deviations_cover_ninety_percent():
    table = make_ratings(n_users=150, n_items=100, n_ratings=5000, random_state=1)
    train, test = table.iloc[:4000], table.iloc[4000:]
    free = fit(train, clip=False)
    predicted, std = free.predict(test[PAIRS], return_std=True)
    assert (abs(test["rating"] - predicted) < 1.645 * std).mean() == pytest.approx(0.9, abs=0.04)
    assert std.min() > 0.9 * free.noise_std_
    strangers = test[PAIRS].assign(user=-1)
    with pytest.warns(UserWarning, match="unknown"):
        predicted, wider = free.predict(strangers, return_std=True)
    assert (abs(test["rating"] - predicted) < 1.645 * wider).mean() == pytest.approx(0.9, abs=0.05)
    assert wider.mean() > 1.02 * std.mean()


def test_standard_deviations_of_empty_rows_are_those_of_unknown_ids():
    X, y = low_rank_ratings(n_ratings=300)
    matrix = fit(sp.csr_array((y, tuple(X.T)), shape=(45, 33)))
    cells, strangers = [[42, 3], [0, 32], [42, 32], [0, 3]], [[-1, 3], [0, -1], [-1, -1], [0, 3]]
    for ours, theirs in zip(
        matrix.predict(cells, return_std=True), matrix.predict(strangers, return_std=True), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_without_variances_there_are_no_standard_deviations(apart, ratings):
    assert not hasattr(apart, "embedding_variances_")
    with pytest.raises(ValueError, match="return_std=True needs a model that learnt its penalty"):
        apart.predict(ratings[PAIRS], return_std=True)


# ---------------------------------------------------------------- fold-in


@pytest.mark.parametrize("weight", [1.0, 5.0])
def test_fold_in_solves_for_the_row_with_all_cells(ratings, weight):
    """The relevance row is the ridge regression on the ratings of the user and on all items."""
    both = fit(ratings, weights=np.full(len(ratings), weight), max_iter=2)
    own = ratings[ratings["user"] == 3]
    weights = weight * np.arange(1.0, 1 + len(own))
    folded = both.fold_in(own[PAIRS], own["rating"], weights)
    V, c = both.relevance_embeddings_[1].astype(float), both.relevance_biases_[1].astype(float)
    X, codes = np.column_stack([V, np.ones(40)]), np.searchsorted(both.item_ids_, own["item"])
    omega, value = both._unobserved
    w, z = np.full(40, omega), np.full(40, omega * value)
    w[codes] += weights / weight
    z[codes] += weights / weight * (own["rating"].to_numpy() - both.intercept_) / both.scale_
    ridge = 0.006 * (w.sum() + both._relevance_prior_ratings)
    row = np.linalg.solve(X.T @ (w[:, None] * X) + ridge * np.eye(5), X.T @ (z - w * c))
    np.testing.assert_allclose(folded.relevance_embeddings[0], row[:-1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(folded.relevance_biases[0], row[-1], rtol=1e-4, atol=1e-6)


def test_own_ratings_of_training_users_give_close_to_their_rows():
    table = make_ratings(n_users=60, n_items=40, n_ratings=1200, random_state=0)
    long = fit(table, max_iter=60, tol=0)
    folded = long.fold_in(table)
    assert folded.embeddings.shape == folded.relevance_embeddings.shape == (60, 4)
    for name, rtol in (("embeddings", 0.02), ("biases", 0.02)):
        row = getattr(long, f"user_{name}_")
        assert np.linalg.norm(folded[name] - row) < rtol * np.linalg.norm(row), name
    cells = folded.relevance_embeddings @ long.relevance_embeddings_[1].T + folded.relevance_biases[:, None]
    fitted = (relevance_of(long) - long.intercept_) / long.scale_ - long.relevance_biases_[1]
    assert np.linalg.norm(cells - fitted) < 0.1 * np.linalg.norm(fitted)


def ratings_of_two_tastes(n_users=200, n_items=60, n=12):
    """Users of two kinds: each chooses items of its own kind, and rates by chance and liking."""
    rng = np.random.default_rng(0)
    kind, rows = np.arange(n_items) % 2, []
    for user in range(n_users):
        likes = user % 2
        chosen = rng.choice(n_items, n, replace=False, p=np.where(kind == likes, 9, 1) / (n_items * 5))
        stars = 3 + np.where(kind[chosen] == likes, 1.0, -1.0) + rng.normal(0, 1, n)
        rows.append(pd.DataFrame({"user": user, "item": chosen, "stars": stars}))
    return pd.concat(rows, ignore_index=True), kind


def test_who_chose_what_says_how_they_rate():
    table, kind = ratings_of_two_tastes()
    cells = pd.DataFrame([(user, item) for user in range(200) for item in range(60)], columns=PAIRS)
    truth = 3 + np.where(kind[cells["item"]] == cells["user"] % 2, 1.0, -1.0)
    errors = [
        np.abs(fit(table, implicit_features=n_features).predict(cells) - truth).mean()
        for n_features in (8, 0)
    ]
    assert errors[0] < 0.95 * errors[1]


def test_the_choices_of_a_new_user_say_how_they_rate():
    """Two new users rate all items at the mean, so that their choices alone differ."""
    table, kind = ratings_of_two_tastes()
    choices = [np.flatnonzero(kind == likes)[:6] for likes in (0, 1)]
    new = pd.DataFrame({"user": np.repeat([300, 301], 6), "item": np.concatenate(choices), "stars": 3.0})
    gaps = []
    for n_features in (8, 0):
        model = fit(table, implicit_features=n_features)
        z = model.fold_in(new).embeddings @ model.item_embeddings_.T
        first, second = z[:, kind == 0].mean(axis=1) - z[:, kind == 1].mean(axis=1)
        gaps.append(first - second)
    assert gaps[0] > gaps[1] + 0.3


def test_lists_of_ratings_follow_from_the_folded_relevance_rows(model, ratings):
    own = ratings[ratings["user"] < 3]
    folded = model.fold_in(own)
    z = folded.relevance_embeddings @ model.relevance_embeddings_[1].T + folded.relevance_biases[:, None]
    scores = model.intercept_ + model.scale_ * (z + model.relevance_biases_[1])
    assert_lists_by(model.recommend(ratings=own, n=5), scores, model, own, 5)
    z = folded.embeddings @ model.item_embeddings_.T + folded.biases[:, None]
    scores = model.intercept_ + model.scale_ * (z + model.item_biases_)
    assert_lists_by(model.recommend(ratings=own, n=5, rank_by="rating"), scores, model, own, 5)


def test_fold_in_without_a_learnt_penalty_returns_both_sets(apart, ratings):
    folded = apart.fold_in(ratings[ratings["user"] < 3])
    assert folded.embeddings.shape == folded.relevance_embeddings.shape == (3, 4)
    assert (folded.embeddings != folded.relevance_embeddings).any()
    assert not apart.positive or folded.relevance_embeddings.min() >= 0
    assert apart.fit_bias or not folded.relevance_biases.any()


# ---------------------------------------------------------------- training


def test_curves_and_iterations_count_each_phase(model, apart):
    assert len(model.relevance_loss_curve_) == N_RELEVANCE
    assert len(model.loss_curve_) == model.n_iter_ <= 20
    assert len(apart.relevance_loss_curve_) == 10
    assert (np.diff(apart.relevance_loss_curve_) < 1e-6).all()


def test_positive_and_lasso_hold_for_the_relevance_rows_as_ridge(ratings):
    positive = fit(ratings, positive=True, max_iter=2)
    assert min(rows.min() for rows in positive.relevance_embeddings_) >= 0
    lasso = fit(ratings, penalty="l1", max_iter=2)
    assert all((rows != 0).any() for rows in lasso.relevance_embeddings_)
    no_bias = fit(ratings, fit_bias=False, max_iter=2)
    assert not any(biases.any() for biases in no_bias.relevance_biases_)


PARAMETERS = {
    "embedding_dim": 3,
    "alpha": 0.05,
    "positive": True,
    "unobserved_weight": 0.5,
    "unobserved_value": 0.0,
    "max_iter": 3,
    "tol": 0.1,
    "fit_bias": False,
    "early_stopping": True,
    "implicit_features": 0,
    "solver": "als",
    "random_state": 1,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_changes_the_predictions(name, model, ratings):
    cells = ratings[PAIRS]
    changed = fit(ratings, **{name: PARAMETERS[name]})
    assert not np.allclose(changed.predict(cells), model.predict(cells), rtol=1e-6)


def test_prior_ratings_change_the_predictions_of_a_given_penalty(ratings):
    cells, parameters = ratings[PAIRS], {"alpha": 0.05, "max_iter": 5}
    base, more = (fit(ratings, prior_ratings=n, **parameters) for n in (20, 100))
    assert not np.allclose(base.predict(cells), more.predict(cells), rtol=1e-3)
    np.testing.assert_array_equal(relevance_of(base), relevance_of(more))


@pytest.mark.parametrize("parameters", [{"unobserved_weight": 0.5}, {"unobserved_value": 0.0}], ids=str)
def test_unobserved_cells_change_the_lists_of_a_given_penalty(ratings, parameters):
    base, changed = fit(ratings, alpha=0.05, max_iter=1), fit(ratings, alpha=0.05, max_iter=1, **parameters)
    assert abs(relevance_of(base) - relevance_of(changed)).max() > 0.1
    np.testing.assert_array_equal(base.predict(ratings[PAIRS]), changed.predict(ratings[PAIRS]))


def test_the_default_value_is_in_units_of_the_ratings(model, ratings):
    y = ratings["rating"]
    value = float(y.mean() - 2 * y.std(ddof=0))
    same = fit(ratings, unobserved_value=value, unobserved_weight=10)
    np.testing.assert_allclose(relevance_of(same), relevance_of(model), rtol=1e-4, atol=1e-4)


def test_early_stopping_keeps_the_best_sweep():
    X, y = low_rank_ratings(n_ratings=300, noise=2.0)
    parameters = {"early_stopping": True, "validation_fraction": 0.3, "tol": 0}
    stopped = fit(X, y, max_iter=60, **parameters)
    scores = stopped.validation_scores_
    best = int(np.argmax(scores)) + 1
    assert best < stopped.n_iter_ == len(scores) < 60
    again = fit(X, y, max_iter=best, **parameters)
    assert_same_bits(again, stopped)


def test_verbose_prints_the_sweeps_of_both_phases(ratings, capsys):
    fit(ratings, verbose=1, max_iter=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        *[f"Relevance sweep {number}" for number in range(1, N_RELEVANCE + 1)],
        "Sweep 1",
        "Sweep 2",
    ]
    assert lines[0].startswith("Relevance sweep 1: objective ")
    assert lines[-1].startswith("Sweep 2: variational objective ")
    fit(ratings, verbose=1, max_iter=2, alpha=0.05)
    lines = capsys.readouterr().out.splitlines()
    assert (lines[9].split(":")[0], lines[10].split(":")[0]) == ("Relevance sweep 10", "Epoch 1")
    fit(ratings, max_iter=1)
    assert capsys.readouterr().out == ""


def test_a_failed_fit_leaves_everything(model, ratings, monkeypatch):
    fitted = copy.deepcopy(model)
    before = pickle.dumps(vars(fitted))
    monkeypatch.setattr(
        "sklearn_mf.solvers.variational._solver.Variational._objective", lambda self: float("nan")
    )
    with pytest.raises(ValueError, match="diverged in sweep 1, the variational objective became nan"):
        fitted.fit(ratings.head(100))
    assert pickle.dumps(vars(fitted)) == before


def test_a_value_out_of_proportion_says_so(ratings):
    with pytest.raises(
        ValueError, match="became nan: the ratings, unobserved_value or the sample weights are"
    ):
        fit(ratings, unobserved_value=1e30)


def test_clones_pickles_and_new_parameters(model, ratings):
    loaded = pickle.loads(pickle.dumps(model))
    for rank_by in ("relevance", "rating"):
        pd.testing.assert_frame_equal(loaded.recommend(rank_by=rank_by), model.recommend(rank_by=rank_by))
    assert clone(model).get_params() == model.get_params()
    assert_same_bits(clone(model).fit(ratings), model)
    refitted = loaded.set_params(**OBSERVED_ALONE, max_iter=2).fit(ratings)
    fresh = fit(ratings, **OBSERVED_ALONE, max_iter=2)
    assert vars(refitted).keys() == vars(fresh).keys()
    pd.testing.assert_frame_equal(refitted.recommend(n=3), fresh.recommend(n=3))


# ---------------------------------------------------------------- warm start


@pytest.mark.parametrize("way", ["pairs", "matrix", "weights", "gradient"])
def test_five_sweeps_and_five_more_equal_ten(way):
    X, y = low_rank_ratings(n_ratings=300)
    weights = np.arange(300) % 3 + 1.0 if way == "weights" else None
    if way == "matrix":
        X, y = sp.csr_array((y, tuple(X.T)), shape=(45, 33)), None
    parameters = {"tol": 0, "embedding_dim": 50 if way == "gradient" else 4}
    model = fit(X, y, weights, warm_start=True, max_iter=5, **parameters).fit(X, y, weights)
    once = fit(X, y, weights, max_iter=10, **parameters)
    assert_same_bits(model, once)
    assert model.loss_curve_ == once.loss_curve_[5:]
    assert model.fold_in([[0, 1, 3.0]]).embeddings.tolist() == once.fold_in([[0, 1, 3.0]]).embeddings.tolist()


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_five_and_five_equal_ten_with_a_given_penalty(ratings, solver):
    parameters = {"solver": solver, "tol": 0}
    model = fit(ratings, warm_start=True, max_iter=5, **parameters).fit(ratings)
    once = fit(ratings, max_iter=10, **parameters)
    assert model.loss_curve_ == once.loss_curve_[5:]
    for name in ("embeddings_", "biases_", "relevance_embeddings_", "relevance_biases_"):
        for ours, theirs in zip(getattr(model, name), getattr(once, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert model.relevance_loss_curve_ == once.relevance_loss_curve_


@pytest.mark.parametrize("parameters", [{}, {"alpha": 0.05}], ids=str)
def test_warm_start_learns_new_users_and_items_and_keeps_the_others(ratings, parameters):
    old = (ratings["user"] >= 10) & (ratings["item"] >= 10)
    model = fit(ratings[old], warm_start=True, max_iter=8, **parameters)
    first = copy.copy(model)
    model.fit(ratings)
    assert model.user_ids_.tolist() == list(range(60))
    scratch = fit(ratings, max_iter=8, **parameters)
    assert model.score(ratings) > scratch.score(ratings) - 0.05
    kept = ratings[old][PAIRS]
    assert np.corrcoef(model.predict(kept), first.predict(kept))[0, 1] > 0.9
    assert np.corrcoef(relevance_of(model).ravel(), relevance_of(scratch).ravel())[0, 1] > 0.8
    ids = model.item_ids_
    assert not set(model.recommend(20, n=40)["item"]) & set(ratings[ratings["user"] == 20]["item"])
    assert set(ids[:10]) <= set(model.recommend(n=40)["item"])


@pytest.mark.parametrize("parameters", [{}, {"alpha": 0.05}], ids=str)
def test_warm_start_on_the_same_codes_of_other_ids_learns_them(parameters):
    """The new ids come first in order, so each has the code that an old one had."""
    X, y = low_rank_ratings(n_ratings=300)
    model = fit(X, y, warm_start=True, max_iter=2, **parameters)
    old = [rows.copy() for rows in model.relevance_embeddings_]
    model.fit(X - 1000, y)
    new = [rows[: len(rows) // 2] for rows in model.relevance_embeddings_]
    assert len(model.user_ids_) == 2 * len(old[0])
    z = [rows[0].astype(float) @ rows[1].T for rows in (new, old)]
    assert np.corrcoef(z[0].ravel(), z[1].ravel())[0, 1] > 0.8


@pytest.mark.parametrize("parameters", [{}, {"alpha": 0.05}], ids=str)
def test_forgotten_users_who_return_are_learnt_anew(ratings, parameters):
    model = fit(ratings, warm_start=True, max_iter=2, **parameters)
    before = relevance_of(model)
    model.forget(users=[3, 4]).fit(ratings)
    assert model.user_ids_.tolist() == list(range(60))
    assert np.corrcoef(relevance_of(model)[3:5].ravel(), before[3:5].ravel())[0, 1] > 0.8


def test_warm_start_from_one_phase_to_two_and_back(ratings):
    model = fit(ratings, warm_start=True, max_iter=3, **OBSERVED_ALONE)
    model.set_params(unobserved_weight="auto", prior_ratings=20).fit(ratings)
    assert_same_bits(model, fit(ratings, max_iter=3))
    model.set_params(**OBSERVED_ALONE).fit(ratings)
    assert not hasattr(model, "relevance_embeddings_")
    assert not hasattr(model, "noise_std_")
    assert model.score(ratings) > 0.3


def test_warm_start_learns_ratings_that_changed():
    X, y = low_rank_ratings(n_ratings=2000)
    model = fit(X, y, warm_start=True)
    for _ in range(3):
        model.fit(X, 7 - 2 * y)
    assert model.score(X, 7 - 2 * y) > 0.9


def test_a_warm_start_refuses_ratings_beyond_proportion_and_keeps_the_model():
    model = fit(
        [["ann", "up"], ["bob", "heat"], ["ann", "heat"], ["cat", "up"]], [4, 3, 1, 1], warm_start=True
    )
    before = model.predict([["ann", "up"]])
    with pytest.raises(ValueError, match="the ratings, unobserved_value or the sample weights are out of"):
        model.fit([["dan", "heat"], ["ann", "heat"]], [1e50, 1e99])
    np.testing.assert_array_equal(model.predict([["ann", "up"]]), before)


def test_warm_start_changes_the_scale_of_the_ratings(ratings):
    X, y = ratings[PAIRS], ratings["rating"].astype(float)
    model = fit(X, y, warm_start=True)
    score = model.score(X, y)
    model.fit(X, 20 * y)
    assert model.score(X, 20 * y) > score - 0.2
    covered = abs(20 * y - model.predict(X)) < 2 * model.predict(X, return_std=True)[1]
    assert covered.mean() > 0.9
