"""People who were not in fit."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.datasets import make_ratings

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid", "ignore:Every id of")
KINDS = [
    MFRecommender(4, random_state=0),
    MFRecommender(4, fit_bias=False, random_state=0),
    MFRecommender(4, positive=True, random_state=0),
    MFRecommender(4, penalty=None, max_iter=3, random_state=0),
    MFRecommender(0, random_state=0),
    BayesianMFRecommender(4, max_iter=60, random_state=0),
]


@pytest.fixture(scope="module")
def ratings():
    return make_ratings(n_users=80, n_items=60, n_ratings=2400, random_state=0)


@pytest.fixture(scope="module", params=KINDS, ids=repr)
def model(request, ratings):
    return request.param.fit(ratings)


@pytest.fixture
def newcomers(ratings):
    some = ratings[ratings["user"].isin([3, 5])]
    return some.assign(user=some["user"].map({3: "zoe", 5: "abe"}))


def test_ids_come_sorted_and_the_model_is_untouched(model, newcomers):
    before = {name: np.copy(value) for name, value in vars(model).items() if isinstance(value, np.ndarray)}
    embeddings = [part.copy() for part in model.embeddings_]
    folded = model.fold_in(newcomers)
    assert folded.ids.tolist() == ["abe", "zoe"]
    assert folded.embeddings.shape == (2, model.user_embeddings_.shape[1])
    assert folded.biases.shape == (2,)
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(model, name), value)
    for part, copy in zip(model.embeddings_, embeddings, strict=True):
        np.testing.assert_array_equal(part, copy)


@pytest.mark.parametrize("model", KINDS[:5], indirect=True, ids=repr)
def test_rows_minimise_the_weighted_objective(model, newcomers):
    weights = np.arange(len(newcomers)) % 4 + 0.5
    folded = model.fold_in(newcomers[["user", "item"]], newcomers["rating"], sample_weight=weights)
    own, w = newcomers[newcomers["user"] == "zoe"], weights[newcomers["user"] == "zoe"]
    items = np.searchsorted(model.item_ids_, own["item"])
    X, biases = model.item_embeddings_[items].astype(float), model.item_biases_[items].astype(float)
    z = (own["rating"].to_numpy() - model.intercept_) / model.scale_ - biases
    alpha = 0.0 if model.penalty is None else model.alpha

    def objective(row):
        """Half the squared errors and the penalty of the embedding and bias."""
        residuals = z - X @ row[:-1] - (row[-1] if model.fit_bias else 0.0)
        return 0.5 * (w * residuals**2).sum() + 0.5 * alpha * w.sum() * (row**2).sum()

    ours = objective(np.append(folded.embeddings[1], folded.biases[1]))
    bounds = [(0 if model.positive else None, None)] * X.shape[1] + [(None, None)]
    best = minimize(objective, np.full(X.shape[1] + 1, 0.1), bounds=bounds, options={"maxiter": 5000})
    assert ours <= best.fun * (1 + 1e-4) + 1e-9
    if not model.fit_bias:
        assert folded.biases[1] == 0
    if model.positive:
        assert (folded.embeddings >= 0).all()


def test_a_user_whose_ratings_have_weight_0_is_the_average_user(model, newcomers):
    weights = (newcomers["user"] != "zoe").astype(float)
    folded = model.fold_in(newcomers[["user", "item"]], newcomers["rating"], sample_weight=weights)
    without_ratings = model.fold_in(pd.DataFrame({"user": ["zoe"], "item": [-1], "rating": [3.0]}))
    np.testing.assert_allclose(folded.embeddings[1], without_ratings.embeddings[0])
    np.testing.assert_allclose(folded.biases[1], without_ratings.biases[0])


@pytest.mark.parametrize("model", KINDS[5:], indirect=True, ids=repr)
def test_rows_are_conditional_means_under_each_draw(model, newcomers):
    folded = model.fold_in(newcomers)
    own = newcomers[newcomers["user"] == "zoe"]
    items = np.searchsorted(model.item_ids_, own["item"])
    assert folded.embedding_samples.shape == (len(model.noise_std_samples_), 2, 4)
    np.testing.assert_allclose(folded.embeddings, folded.embedding_samples.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(folded.biases, folded.bias_samples.mean(axis=0), rtol=1e-12)
    for draw in (0, len(model.noise_std_samples_) - 1):
        X = np.column_stack([model.embedding_samples_[1][draw, items], np.ones(len(items))]).astype(float)
        z = (own["rating"].to_numpy() - model.intercept_) / model.scale_
        z = z - model.bias_samples_[1][draw, items]
        std = model.noise_std_samples_[draw] / model.scale_ * model.noise_factor_samples_[1][draw, items]
        precision, mean = model.prior_precisions_[draw, 0], model.prior_means_[draw, 0]
        G = X.T @ (X / std[:, None] ** 2) + precision
        expected = np.linalg.solve(G, X.T @ (z / std**2) + precision @ mean)
        row = np.append(folded.embedding_samples[draw, 1], folded.bias_samples[draw, 1])
        np.testing.assert_allclose(row, expected, rtol=1e-3, atol=1e-4)


def test_the_order_of_the_rows_repetition_and_weights(model, newcomers):
    once = model.fold_in(newcomers)
    shuffled = model.fold_in(newcomers.sample(frac=1, random_state=0))
    np.testing.assert_array_equal(once.embeddings, shuffled.embeddings)
    twice = model.fold_in(pd.concat([newcomers, newcomers]))
    pair = newcomers[["user", "item"]]
    weighted = model.fold_in(pair, newcomers["rating"], np.full(len(newcomers), 2.0))
    np.testing.assert_allclose(twice.embeddings, weighted.embeddings, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(twice.biases, weighted.biases, rtol=1e-9, atol=1e-12)


def products(folded, model):
    """Inner products of all folded users and items, their means over the draws of a Bayesian model."""
    if not hasattr(model, "embedding_samples_"):
        return folded.embeddings @ model.item_embeddings_.T
    return np.einsum("suk,sik->ui", folded.embedding_samples, model.embedding_samples_[1]) / len(
        model.noise_std_samples_
    )


def test_people_with_ratings_are_recommended_what_their_rows_say(model, newcomers):
    table = model.recommend(ratings=newcomers, n=4)
    assert table["user"].unique().tolist() == ["abe", "zoe"]
    folded = model.fold_in(newcomers)
    scores = products(folded, model) + folded.biases[:, None] + model.item_biases_
    scores = model.intercept_ + model.scale_ * scores
    for number, name in enumerate(folded.ids):
        rated = newcomers.loc[newcomers["user"] == name, "item"]
        free = np.where(np.isin(model.item_ids_, rated), -np.inf, scores[number])
        mine = table[table["user"] == name]
        np.testing.assert_allclose(mine["score"], np.sort(free)[::-1][:4], rtol=1e-5)
        assert not set(mine["item"]) & set(rated)
    everything = model.recommend(ratings=newcomers, n=99, exclude_seen=False)
    assert len(everything) == 2 * len(model.item_ids_)
    chosen = model.recommend(ratings=newcomers, n=2, candidates=model.item_ids_[:9].tolist())
    assert set(chosen["item"]) <= set(model.item_ids_[:9])


@pytest.mark.parametrize("model", [*KINDS[:3], *KINDS[4:]], indirect=True, ids=repr)
def test_a_folded_user_predicts_held_out_ratings_better_than_the_average_user(model, ratings):
    own = ratings[ratings["user"] < 40].assign(user=lambda table: "n" + table["user"].astype(str))
    known, left = own.iloc[::2], own.iloc[1::2]
    folded = model.fold_in(known)
    users, items = np.searchsorted(folded.ids, left["user"]), np.searchsorted(model.item_ids_, left["item"])
    z = products(folded, model)[users, items]
    z += folded.biases[users] + model.item_biases_[items]
    predicted = model.intercept_ + model.scale_ * z
    average = model.predict(pd.DataFrame({"user": -1, "item": left["item"]}))
    errors = [np.sqrt(np.mean((values - left["rating"]) ** 2)) for values in (predicted, average)]
    assert errors[0] < errors[1]


def test_items_that_fit_has_not_seen_are_left_out_or_refused(model, newcomers):
    more = pd.concat([newcomers, pd.DataFrame({"user": ["zoe", "new"], "item": [-7, -7], "rating": [5, 5]})])
    folded, before = model.fold_in(more), model.fold_in(newcomers)
    np.testing.assert_array_equal(folded.embeddings[[0, 2]], before.embeddings)
    np.testing.assert_allclose(folded.embeddings[1], model.average_embeddings_[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(folded.biases[1], model.average_biases_[0])
    nobody = model.fold_in([["new", -7, 5]])
    np.testing.assert_allclose(nobody.embeddings[0], model.average_embeddings_[0], rtol=1e-9, atol=1e-12)
    model.set_params(handle_unknown="error")
    try:
        with pytest.raises(ValueError, match="not known from fit: -7"):
            model.fold_in(more)
    finally:
        model.set_params(handle_unknown="ignore")


@pytest.mark.parametrize(
    ("X", "y", "weights", "message"),
    [
        ([["a", 1]], None, None, "three columns user, item, rating"),
        ([["a", 1, np.nan]], None, None, "finite numbers"),
        ([["a", 1]], [1, 2], None, "ratings"),
        ([["a", 1]], [1], [-1.0], "negative"),
    ],
)
def test_bad_ratings_say_so(model, X, y, weights, message):
    with pytest.raises(ValueError, match=message):
        model.fold_in(X, y, weights)


def test_only_models_of_two_fields_fold_in():
    X = np.random.default_rng(0).integers(0, 5, (60, 3))
    model = MFRecommender(2, random_state=0).fit(X, X.sum(1).astype(float))
    with pytest.raises(ValueError, match="fold_in needs a model of two fields"):
        model.fold_in(X[:, :2], X[:, 0])
