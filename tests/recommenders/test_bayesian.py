"""BayesianMFRecommender: predictions with their uncertainty, and exploration."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.recommenders._chain_state import kept_after, posterior_of
from tests.conftest import OBSERVED_ALONE, low_rank_ratings

pytestmark = pytest.mark.filterwarnings(
    "ignore:The chains have not converged", "ignore:X does not have valid", "ignore:Every id of"
)


def fit(X, y=None, weights=None, **parameters):
    choice = {"embedding_dim": 4, "max_iter": 60, "burn_in": 20, "n_chains": 1, "random_state": 0}
    choice |= parameters
    return BayesianMFRecommender(**choice).fit(X, y, weights)


@pytest.fixture(scope="module")
def ratings():
    return make_ratings(n_users=120, n_items=80, n_ratings=4000, random_state=0)


@pytest.fixture(scope="module")
def model(ratings):
    return fit(ratings)


def draws_of(model, user, item):
    """Expected rating of a known pair under each draw, term by term."""
    u, i = (np.searchsorted(ids, id_) for ids, id_ in zip(model.categories_, (user, item), strict=True))
    v, w = model.embedding_samples_[0][:, u].astype(float), model.embedding_samples_[1][:, i].astype(float)
    biases = model.bias_samples_[0][:, u].astype(float) + model.bias_samples_[1][:, i]
    return model.intercept_ + model.scale_ * ((v * w).sum(1) + biases)


def test_predictions_are_means_of_clipped_draws_and_std_their_spread_and_the_noise(model, ratings):
    low, high = model.target_range_
    for user, item in ratings[["user", "item"]].to_numpy()[:5]:
        draws = draws_of(model, user, item)
        u, i = (np.searchsorted(ids, id_) for ids, id_ in zip(model.categories_, (user, item), strict=True))
        factors = model.noise_factor_samples_[0][:, u].astype(float) * model.noise_factor_samples_[1][:, i]
        variance = draws.var() + ((model.noise_std_samples_ * factors) ** 2).mean()
        mean, std = model.predict([[user, item]], return_std=True)
        np.testing.assert_allclose(mean, np.clip(draws, low, high).mean(), rtol=1e-5)
        np.testing.assert_allclose(std, np.sqrt(variance), rtol=1e-4)


def test_shapes_and_summaries_of_the_draws(model):
    n_users, n_items = map(len, model.categories_)
    assert [part.shape for part in model.embedding_samples_] == [(40, n_users, 4), (40, n_items, 4)]
    assert [part.shape for part in model.bias_samples_] == [(40, n_users), (40, n_items)]
    assert model.prior_means_.shape == (40, 2, 5)
    assert model.prior_precisions_.shape == (40, 2, 5, 5)
    assert len(model.log_likelihood_curve_) == model.n_iter_ == 60
    assert {part.dtype for part in (*model.embedding_samples_, *model.bias_samples_)} == {
        np.dtype(np.float32)
    }
    for means, draws in zip(model.embeddings_, model.embedding_samples_, strict=True):
        np.testing.assert_allclose(means, draws.mean(axis=0), rtol=1e-4, atol=1e-6)
    for means, draws in zip(model.biases_, model.bias_samples_, strict=True):
        np.testing.assert_allclose(means, draws.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.noise_std_, model.noise_std_samples_.mean())


@pytest.mark.parametrize(
    ("max_iter", "burn_in", "n_samples", "kept"),
    [(60, 20, 100, 40), (60, 20, 7, 7), (5, 20, 100, 3), (1, 20, 100, 1), (30, 0, 30, 30)],
)
def test_draws_kept(max_iter, burn_in, n_samples, kept, ratings):
    model = fit(ratings[:200], max_iter=max_iter, burn_in=burn_in, n_samples=n_samples)
    assert len(model.noise_std_samples_) == kept
    assert kept_after(max_iter, min(burn_in, max_iter // 2), n_samples)[-1] == max_iter - 1


def test_memory_of_the_draws_is_what_the_docstring_says(model):
    n_ids = sum(map(len, model.categories_))
    parts = (*model.embedding_samples_, *model.bias_samples_, *model.noise_factor_samples_)
    assert sum(part.nbytes for part in parts) == 4 * 40 * (4 + 2) * n_ids


def test_unknown_ids_get_the_prior_mean_and_a_wider_spread(model, ratings):
    user, item = ratings[["user", "item"]].iloc[0]
    pairs = [[user, item], [-1, item], [user, -1], [-1, -1]]
    mean, std = model.predict(pairs, return_std=True)
    assert (std[1:] > std[0]).all()
    for field, ids in enumerate(model.categories_):  # one id alone may be spread more than the average one
        pairs = np.full((len(ids), 2), -1)
        pairs[:, field] = ids
        one_known = model.predict(pairs, return_std=True)[1]
        assert std[3] > np.sqrt((one_known**2).mean())
    average = model.intercept_ + model.scale_ * (
        (model.prior_means_[:, 0, :-1] * model.prior_means_[:, 1, :-1]).sum(1)
        + model.prior_means_[:, :, -1].sum(1)
    )
    np.testing.assert_allclose(mean[3], np.clip(average, *model.target_range_).mean(), rtol=1e-5)


@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_spread_of_unknown_ids_equals_that_of_simulated_ones(n_fields):
    X, y = low_rank_ratings(n_fields=n_fields)
    model = fit(X, y, clip=False)
    rng, unknown = np.random.default_rng(0), np.arange(n_fields) != 1
    codes = np.where(unknown, -1, X[0])
    _, std = model.predict(codes[None], return_std=True)
    posterior, repeats = posterior_of(model), 4000
    rows = [
        posterior.prior_means[:, field] + posterior.prior_deviations(field, repeats, rng)
        if unknown[field]
        else np.concatenate([part[..., None] if part.ndim == 2 else part for part in known], axis=2)
        for field in range(n_fields)
        for known in [posterior.rows(field, np.searchsorted(model.categories_[field], X[:1, field]))]
    ]
    total = sum(rows)
    pairs = (total[..., :-1] ** 2 - sum(row[..., :-1] ** 2 for row in rows)).sum(2) / 2
    z = pairs + total[..., -1]
    within = z.var(axis=0).mean() + z.mean(axis=0).var()
    noise = posterior._noise_variance(codes[None]).mean()
    np.testing.assert_allclose(std[0], model.scale_ * np.sqrt(within + noise), rtol=0.05)


@pytest.fixture(scope="module")
def simple(movielens):
    """Model of the observed ratings alone, of nine tenths of the ratings."""
    train, _ = train_test_split(movielens, test_size=0.1, random_state=0)
    return MFRecommender(8, **OBSERVED_ALONE, random_state=0).fit(
        train[["userId", "movieId"]], train["rating"]
    )


@pytest.mark.parametrize("heteroscedastic", [True, False])
def test_intervals_hold_the_share_of_held_out_ratings_that_they_say(movielens, simple, heteroscedastic):
    train, test = train_test_split(movielens, test_size=0.1, random_state=0)
    pair = ["userId", "movieId"]
    model = BayesianMFRecommender(
        8, max_iter=60, n_samples=40, n_chains=1, heteroscedastic=heteroscedastic, random_state=0
    )
    model.fit(train[pair], train["rating"])
    for coverage in (0.5, 0.9):
        low, high = model.predict_interval(test[pair], coverage).T
        inside = (low <= test["rating"]) & (test["rating"] <= high)
        assert abs(inside.mean() - coverage) < (0.02 if coverage == 0.9 else 0.06)
    errors = [np.sqrt(np.mean((m.predict(test[pair]) - test["rating"]) ** 2)) for m in (model, simple)]
    assert errors[0] < errors[1]


def test_noisy_users_are_found_out():
    rng = np.random.default_rng(0)
    users, items = (part.ravel() for part in np.mgrid[:60, :40])
    stars = rng.normal(size=60)[users] + rng.normal(size=40)[items]
    y = stars + np.where(users < 10, 2.0, 0.3) * rng.normal(size=len(users))
    X = np.column_stack([users, items])
    model = fit(X, y, embedding_dim=1, clip=False)
    noisy, quiet = model.noise_factors_[0][:10], model.noise_factors_[0][10:]
    assert noisy.min() > 2 * quiet.max()
    _, std = model.predict([[0, 0], [20, 0]], return_std=True)
    assert std[0] > 3 * std[1]
    same = fit(X, y, embedding_dim=1, heteroscedastic=False)
    assert all((factors == 1).all() for factors in same.noise_factors_)
    assert np.isinf(same.noise_dof_).all()


def test_recommendations_are_by_posterior_mean(model, ratings):
    user = ratings["user"].iloc[0]
    table = model.recommend(user, n=5)
    free = clone(model).set_params(clip=False).fit(ratings)
    scores = free.predict(np.column_stack([np.full(len(model.item_ids_), user), model.item_ids_]))
    seen = ratings.loc[ratings["user"] == user, "item"]
    scores[np.isin(model.item_ids_, seen)] = -np.inf
    assert table["item"].tolist() == model.item_ids_[np.argsort(-scores)[:5]].tolist()
    np.testing.assert_allclose(table["score"], np.sort(scores)[::-1][:5], rtol=1e-5)


def test_recommendations_by_quantile(model, ratings):
    user = ratings["user"].iloc[0]
    draws = np.stack([draws_of(model, user, item) for item in model.item_ids_])
    bound = draws.mean(1) + 1.2815515655 * draws.std(1)
    table = model.recommend(user, n=len(draws), by="upper", quantile=0.9, exclude_seen=False)
    np.testing.assert_allclose(table["score"], np.sort(bound)[::-1], rtol=1e-4)
    everybody = model.recommend(n=3, by="upper")
    alone = model.recommend(user, n=3, by="upper")
    pd.testing.assert_frame_equal(
        everybody[everybody["user"] == user].reset_index(drop=True),
        alone,
        check_exact=False,
    )
    rated = ratings.loc[ratings["user"] == user, "item"]
    assert not set(alone["item"]) & set(rated)
    chosen = model.recommend(user, n=3, by="upper", candidates=model.item_ids_[:10].tolist())
    assert set(chosen["item"]) <= set(model.item_ids_[:10])


def test_recommendations_by_one_draw_are_seeded_and_differ_from_draw_to_draw(model, ratings):
    user = ratings["user"].iloc[0]
    draws = np.stack([draws_of(model, user, item) for item in model.item_ids_])
    tables = [model.recommend(user, n=3, by="sample", random_state=seed) for seed in (0, 0, *range(1, 9))]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert len({tuple(table["item"]) for table in tables}) > 1
    for table in tables:
        scores = draws[np.searchsorted(model.item_ids_, table["item"])]
        assert np.isclose(scores, table["score"].to_numpy()[:, None], rtol=1e-4).all(axis=0).any()


def test_unknown_users_are_drawn_from_the_prior_for_exploration(model):
    tables = [model.recommend(-5, n=3, by="sample", random_state=seed) for seed in range(6)]
    assert len({tuple(table["item"]) for table in tables}) > 1
    assert len(model.recommend(-5, n=3, by="upper", random_state=0)) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"by": "best"}, "by must be 'mean', 'upper' or 'sample', got 'best'"),
        ({"by": "upper", "quantile": 1.0}, "quantile must be between 0 and 1, got 1.0"),
        ({"ratings": [[1, 2, 3]]}, "either users or ratings"),
    ],
)
def test_wrong_ways_to_recommend_say_so(model, change, message):
    with pytest.raises(ValueError, match=message):
        model.recommend(1, **change)


@pytest.mark.parametrize("coverage", [0, 1, -0.5, 2])
def test_wrong_coverage_says_so(model, coverage):
    with pytest.raises(ValueError, match=f"coverage must be between 0 and 1, got {coverage}"):
        model.predict_interval([[1, 1]], coverage)


@pytest.mark.parametrize("by", ["mean", "upper", "sample"])
def test_no_users_have_no_lists(model, by):
    assert model.recommend([], by=by).columns.tolist() == ["user", "item", "rank", "score"]


@pytest.mark.parametrize("value", ["0.5", None, [0.5]])
def test_a_probability_that_is_no_number_says_so(model, value):
    with pytest.raises(TypeError, match="coverage must be a number between 0 and 1, got"):
        model.predict_interval([[1, 1]], value)
    with pytest.raises(TypeError, match="quantile must be a number between 0 and 1, got"):
        model.recommend(1, by="upper", quantile=value)


def test_scale_of_the_ratings_does_not_matter(ratings):
    small = fit(ratings[:1500])
    large = fit(ratings[:1500].assign(rating=20 * ratings["rating"][:1500]))
    pairs = ratings[["user", "item"]][1500:1600]
    for one, twenty in zip(
        small.predict(pairs, return_std=True), large.predict(pairs, return_std=True), strict=True
    ):
        np.testing.assert_allclose(20 * one, twenty, rtol=1e-3)


def test_warm_start_goes_on_with_the_chain(ratings):
    some = ratings[:1000]
    whole = fit(some, max_iter=12, burn_in=0, n_samples=6)
    parts = fit(some, max_iter=6, burn_in=0, n_samples=3, warm_start=True).fit(some)
    for ours, theirs in zip(parts.embedding_samples_, whole.embedding_samples_, strict=True):
        np.testing.assert_allclose(ours, theirs[3:], rtol=1e-6)
    np.testing.assert_array_equal(parts.noise_std_samples_, whole.noise_std_samples_[3:])


def test_warm_start_takes_new_ids_and_keeps_old_ones(ratings):
    old, new = ratings[ratings["user"] < 60], ratings[ratings["user"] >= 60]
    model = BayesianMFRecommender(4, max_iter=10, warm_start=True, random_state=0).fit(old)
    model.fit(pd.concat([old, new]))
    assert len(model.user_ids_) == ratings["user"].nunique()
    assert np.isfinite(model.predict(ratings[["user", "item"]])).all()
    with pytest.raises(ValueError, match="cannot change embedding_dim from 4 to 5"):
        model.set_params(embedding_dim=5).fit(old)
    with pytest.raises(ValueError, match="cannot change heteroscedastic to False"):
        model.set_params(embedding_dim=4, heteroscedastic=False).fit(old)


def test_a_sparse_matrix_has_ids_without_ratings():
    import scipy.sparse as sp

    X, y = low_rank_ratings()
    A = sp.coo_array((y, X.T), shape=(X[:, 0].max() + 3, X[:, 1].max() + 2)).tocsr()
    A.sum_duplicates()
    model = fit(A)
    mean, std = model.predict([[A.shape[0] - 1, 0], [-1, 0], [0, 0]], return_std=True)
    np.testing.assert_allclose(mean[0], mean[1], rtol=1e-5)
    np.testing.assert_allclose(std[0], std[1], rtol=1e-4)
    assert std[0] > std[2]


def test_pickled_models_predict_the_same_without_tensorflow(model, ratings, tmp_path):
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(model))
    code = (
        f"import pickle, sys; model = pickle.load(open({str(path)!r}, 'rb')); "
        "print(model.predict([[1, 2]], return_std=True)[0][0]); model.predict_interval([[1, 2]]); "
        "model.recommend(1, by='upper'); model.recommend(1, by='sample'); "
        "model.recommend(ratings=[['x', 2, 4.0]]); print('tensorflow' in sys.modules)"
    )
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    value, imported = lines.split()
    assert float(value) == pytest.approx(model.predict([[1, 2]])[0])
    assert imported == "False"


def test_a_chain_that_moves_too_slowly_warns_and_names_the_parameters():
    X, y = low_rank_ratings(n_ratings=900)
    with pytest.warns(
        ConvergenceWarning, match="R-hat of expected_rating is .* raise max_iter=16 and burn_in=0"
    ):
        fit(X, 1e3 * y, max_iter=16, burn_in=0, embedding_dim=8)


def test_verbose_prints_a_line_a_sweep(capsys, ratings):
    fit(ratings[:300], max_iter=3, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Sweep 1", "Sweep 2", "Sweep 3"]
    assert "log-likelihood" in lines[0]


def test_a_search_over_the_dimension(ratings):
    grid = {"embedding_dim": [0, 4]}
    search = GridSearchCV(BayesianMFRecommender(max_iter=20, n_chains=1, random_state=0), grid, cv=2)
    assert search.fit(ratings[["user", "item"]], ratings["rating"]).best_params_ == {"embedding_dim": 4}
