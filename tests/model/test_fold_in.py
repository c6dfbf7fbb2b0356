"""People who were not in fit."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.model._factors import Model
from sklearn_mf.model._fold_in import FoldInRatings, RowPrior, _regression, ridge_contributions, ridge_rows
from tests.conftest import OBSERVED_ALONE

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid", "ignore:Every id of")
KINDS = [
    MFRecommender(4, alpha=0.045, **OBSERVED_ALONE, random_state=0),
    MFRecommender(4, alpha=0.045, fit_bias=False, **OBSERVED_ALONE, random_state=0),
    MFRecommender(4, alpha=0.045, positive=True, **OBSERVED_ALONE, random_state=0),
    MFRecommender(4, penalty=None, max_iter=3, **OBSERVED_ALONE, random_state=0),
    MFRecommender(0, alpha=0.045, **OBSERVED_ALONE, random_state=0),
    MFRecommender(4, random_state=0),
    BayesianMFRecommender(4, max_iter=60, n_chains=1, random_state=0),
]


@pytest.fixture(scope="module")
def ratings():
    return make_ratings(n_users=80, n_items=60, n_ratings=2400, random_state=0)


@pytest.fixture(scope="module", params=KINDS, ids=repr)
def model(request, ratings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of a short chain
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

    average = np.append(model.average_embeddings_[0], model.average_biases_[0])

    def objective(row):
        """Half the squared errors, the penalty, and three times the squared distance from the average."""
        residuals = z - X @ row[:-1] - (row[-1] if model.fit_bias else 0.0)
        penalty = alpha * w.sum() * (row**2).sum() + 3 * ((row - average) ** 2).sum()
        return 0.5 * (w * residuals**2).sum() + 0.5 * penalty

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


def small_problem(fit_bias):
    """A model of random rows, three users with weighted ratings, and the standardised ratings of each."""
    rng = np.random.default_rng(0)
    sizes, width = (5, 12), 3
    model = Model(
        intercept=3.0 if fit_bias else 0.0,
        scale=1.5,
        embeddings=[rng.normal(size=(n, width)).astype(np.float32) for n in sizes],
        biases=[fit_bias * rng.normal(size=n).astype(np.float32) for n in sizes],
        average_embeddings=np.ones((2, width)),
        average_biases=np.ones(2),
        epochs=[np.ones(n, dtype=np.int32) for n in sizes],
    )
    items, targets = rng.integers(0, sizes[1], 9).astype(np.int32), rng.uniform(1, 5, 9)
    ids, starts = np.array(["a", "b", "c"]), np.array([0, 2, 9, 9])
    return model, FoldInRatings(ids, starts, items, targets, rng.uniform(0.5, 4, 9))


@pytest.mark.parametrize("fit_bias", [True, False])
@pytest.mark.parametrize("n_prior", [0.0, 20.0])
def test_unobserved_cells_are_ratings_of_every_item(n_prior, fit_bias):
    model, fold_in = small_problem(fit_bias)
    n_items, weight, value, mean_weight, l2 = 10, 0.3, -2.0, 1.7, 0.05  # two items have no ratings
    rated = np.arange(n_items)
    prior = RowPrior(l2, n_prior, mean_weight).with_unobserved(model, rated, weight, value, fit_bias)
    embeddings, biases = ridge_rows(fold_in, model, prior, fit_bias, positive=False)
    for number, items, targets, weights in fold_in.rated():  # visit all cells, and charge the prior ratings
        X = np.column_stack([model.embeddings[1], np.full(12, float(fit_bias))]).astype(float)
        cells = np.append(items, rated)
        z = np.append((targets - model.intercept) / model.scale, np.full(n_items, value))
        w = np.append(weights / mean_weight, np.full(n_items, weight))
        G = (X[cells].T * w) @ X[cells] + l2 * (w.sum() + n_prior) * np.eye(4)
        expected = np.linalg.solve(G, (X[cells].T * w) @ (z - model.biases[1][cells]))
        np.testing.assert_allclose(embeddings[number], expected[:-1], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(biases[number], expected[-1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(embeddings[2], model.average_embeddings[0])


def test_variances_of_items_and_penalties_of_coordinates_enter_the_diagonal():
    model, fold_in = small_problem(True)
    rng = np.random.default_rng(1)
    variances, ridge, mean_weight = rng.uniform(0.1, 1, (12, 3)), rng.uniform(0.1, 2, 4), 1.7
    prior = RowPrior(0.0, mean_weight=mean_weight, ridge=ridge, item_variances=variances)
    every = prior.with_unobserved(model, np.arange(12), 0.3, -2.0, True)
    for each, weight in ((prior, 0.0), (every, 0.3)):
        embeddings, biases = ridge_rows(fold_in, model, each, True, positive=False)
        for number, items, targets, weights in fold_in.rated():
            cells = np.append(items, np.arange(12))
            z = np.append((targets - model.intercept) / model.scale, np.full(12, -2.0))
            w = np.append(weights / mean_weight, np.full(12, weight))
            X = np.column_stack([model.embeddings[1][cells], np.ones(len(cells))]).astype(float)
            uncertainty = np.append(w @ variances[cells], 0.0)
            G = (X.T * w) @ X + np.diag(uncertainty + ridge)
            expected = np.linalg.solve(G, (X.T * w) @ (z - model.biases[1][cells]))
            np.testing.assert_allclose(np.append(embeddings[number], biases[number]), expected, rtol=1e-4)


def test_contributions_and_the_base_add_up_to_the_score_with_a_prior():
    model, fold_in = small_problem(True)
    prior = RowPrior(0.05, 20.0, 1.7).with_unobserved(model, np.arange(10), 0.3, -2.0, True)
    embeddings, biases = ridge_rows(fold_in, model, prior, True, positive=False)
    base, _, contributions = ridge_contributions(fold_in.only(1), model, prior, True, item=4)
    score = embeddings[1] @ model.embeddings[1][4] + biases[1] + model.biases[1][4]
    np.testing.assert_allclose(base + contributions.sum(), model.intercept + model.scale * score)
    assert len(contributions) == 7


def test_positive_rows_follow_the_prior():
    model, fold_in = small_problem(True)
    prior = RowPrior(0.05, 5.0, 1.7).with_unobserved(model, np.arange(12), 0.3, -2.0, True)
    free = np.column_stack(ridge_rows(fold_in, model, prior, True, positive=False))
    bounded = np.column_stack(ridge_rows(fold_in, model, prior, True, positive=True))
    assert (free[:2, :-1] < 0).any()
    assert (bounded[:2, :-1] >= 0).all()
    strong = prior._replace(precision=1e6 * np.eye(4), shift=1e6 * np.array([1.0, 2.0, 0.5, -1.0]))
    rows = np.column_stack(ridge_rows(fold_in, model, strong, True, positive=True))
    np.testing.assert_allclose(rows[:2], [[1.0, 2.0, 0.5, -1.0]] * 2, atol=1e-3)


def test_rows_whose_scores_float32_cannot_hold_are_refused():
    model, fold_in = small_problem(True)
    prior = RowPrior(0.1)
    with pytest.raises(ValueError, match=r"are not finite or above 1e\+30: the ratings"):
        ridge_rows(fold_in._replace(targets=1e60 * fold_in.targets), model, prior, True, False)


@pytest.mark.parametrize("by", ["mean", "upper", "sample"])
@pytest.mark.parametrize("model", KINDS[6:], indirect=True, ids=repr)
def test_rows_under_each_draw_whose_scores_float32_cannot_hold_are_refused(model, newcomers, by):
    huge = newcomers.assign(**{newcomers.columns[2]: 1e60})
    with pytest.raises(ValueError, match=r"are not finite or above 1e\+30: the ratings"):
        model.recommend(ratings=huge, by=by)


@pytest.mark.parametrize("positive", [True, False])
def test_rows_that_are_not_finite_are_refused(positive):
    model, fold_in = small_problem(True)
    with pytest.raises(ValueError, match="rows of users from their ratings are not finite"):
        ridge_rows(fold_in, model, RowPrior(np.nan), True, positive)


@pytest.mark.parametrize("model", KINDS[6:], indirect=True, ids=repr)
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
        pattern = model._pattern_loadings[1][items].sum(axis=0) / len(items) ** (1 / 3)
        mean = mean + (pattern - model._pattern_centres[0]) @ model._coefficient_draws[0][draw]
        G = X.T @ (X / std[:, None] ** 2) + precision
        expected = np.linalg.solve(G, X.T @ (z / std**2) + precision @ mean)
        row = np.append(folded.embedding_samples[draw, 1], folded.bias_samples[draw, 1])
        np.testing.assert_allclose(row, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("model", KINDS[6:], indirect=True, ids=repr)
def test_weights_under_which_the_precision_of_a_row_is_lost_are_refused(model, newcomers):
    one_each = newcomers.drop_duplicates("user")
    with pytest.raises(ValueError, match="rows of users from their ratings are not finite"):
        model.fold_in(one_each, sample_weight=np.full(len(one_each), 1e99))


def test_the_order_of_the_rows_repetition_and_weights(model, newcomers):
    once = model.fold_in(newcomers)
    shuffled = model.fold_in(newcomers.sample(frac=1, random_state=0))
    np.testing.assert_array_equal(once.embeddings, shuffled.embeddings)
    twice = model.fold_in(pd.concat([newcomers, newcomers]))
    pair = newcomers[["user", "item"]]
    weighted = model.fold_in(pair, newcomers["rating"], np.full(len(newcomers), 2.0))
    np.testing.assert_allclose(twice.embeddings, weighted.embeddings, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(twice.biases, weighted.biases, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("l2", [0.0, 0.2])
def test_rows_of_few_ratings_are_near_the_average_user(l2):
    model, fold_in = small_problem(True)
    average = np.append(model.average_embeddings[0], model.average_biases[0])
    for prior_ratings in (0.0, 5.0, 1e9):  # the penalty of fewer than 15 is below the least shrinkage
        prior = RowPrior.around_average(l2, prior_ratings, 1e6, model)  # ratings of little weight
        rows = np.column_stack(ridge_rows(fold_in, model, prior, True, positive=False))
        np.testing.assert_allclose(rows, [average] * 3, rtol=1e-4)
    least, more = (RowPrior.around_average(0.2, n, 1.0, model).ridge for n in (5.0, 100.0))
    np.testing.assert_allclose([least, more], [[3.0] * 4, [20.0] * 4])


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[1], KINDS[5]], ids=repr)
def test_ratings_times_20_give_rows_that_predict_20_times_as_much(kind, ratings, newcomers):
    expected = []
    for times in (1.0, 20.0):
        model = clone(kind).fit(ratings.assign(rating=times * ratings["rating"]))
        folded = model.fold_in(newcomers.assign(rating=times * newcomers["rating"]))
        scores = products(folded, model) + folded.biases[:, None] + model.item_biases_
        expected.append(model.intercept_ + model.scale_ * scores)
    np.testing.assert_allclose(expected[1], 20 * expected[0], rtol=1e-4)


def products(folded, model):
    """Inner products of all folded users and items, their means over the draws of a Bayesian model."""
    if not hasattr(model, "embedding_samples_"):
        return folded.embeddings @ model.item_embeddings_.T
    return np.einsum("suk,sik->ui", folded.embedding_samples, model.embedding_samples_[1]) / len(
        model.noise_std_samples_
    )


def test_people_with_ratings_are_recommended_what_their_rows_say(model, newcomers):
    how = {"rank_by": "rating"} if hasattr(model, "relevance_embeddings_") else {}
    table = model.recommend(ratings=newcomers, n=4, **how)
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


@pytest.mark.parametrize("n_given", [1, 2, 15])
def test_a_folded_user_predicts_held_out_ratings_better_than_the_average_user(model, ratings, n_given):
    own = ratings[ratings["user"] < 60].assign(user=lambda table: "n" + table["user"].astype(str))
    is_given = own.groupby("user").cumcount() < n_given
    known, left = own[is_given], own[~is_given]
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


@pytest.mark.parametrize("unobserved", [False, True])
def test_features_are_the_prior_mean_of_a_row(unobserved):
    model, fold_in = small_problem(True)
    B = np.random.default_rng(1).normal(size=(2, 4))
    features = csr_array(np.array([[1.0, 0.5], [1.0, -2.0], [0.0, 0.0]]))
    model, fold_in = replace(model, coefficients=(B, None)), fold_in._replace(features=features)
    prior = RowPrior(0.05, 20.0, 1.7, ridge=np.array([1.0, 2.0, 3.0, 4.0]), mean=np.ones(4))
    if unobserved:
        prior = prior.with_unobserved(model, np.arange(10), 0.3, -2.0, True)
    rows = np.column_stack(ridge_rows(fold_in, model, prior, True, positive=False))
    own = slice(2, 9)
    X, z = _regression(model, fold_in.items[own], (fold_in.targets[own] - 3.0) / 1.5, True)
    w, mean = fold_in.weights[own], features.toarray()[1] @ B
    charges = 0.05 * w.sum() + 1.7 * (0.05 * prior.prior_ratings + prior.ridge)

    def objective(row):
        """Half the squared errors, and the penalty of the distance from the prior mean."""
        of_cells = 0.5 * row @ (prior.precision * np.eye(4) if not unobserved else prior.precision) @ row
        return (
            0.5 * w @ (z - X @ row) ** 2
            + 0.5 * charges @ (row - mean) ** 2
            + 1.7 * (of_cells - np.sum(prior.shift * row))
        )

    best = minimize(objective, np.zeros(4)).x
    np.testing.assert_allclose(rows[1], best, atol=1e-4)
    np.testing.assert_array_equal(rows[2], 1)  # neither features nor ratings: the average user
    alone = fold_in._replace(starts=np.array([0, 0, 9, 9]))
    np.testing.assert_allclose(
        np.column_stack(ridge_rows(alone, model, prior, True, positive=False))[0], features.toarray()[0] @ B
    )
    parts = ridge_contributions(fold_in.only(1), model, prior, True, item=4)
    score = rows[1, :-1] @ model.embeddings[1][4] + rows[1, -1] + model.biases[1][4]
    np.testing.assert_allclose(parts.base + parts.features + parts.ratings.sum(), 3.0 + 1.5 * score)
    assert parts.features != 0
