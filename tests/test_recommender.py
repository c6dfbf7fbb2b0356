"""Training through the estimator: scales, weights, stopping, warm starts, reproducibility."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from sklearn_mf import MFRecommender
from tests.conftest import low_rank_ratings


def fit(X, y=None, weights=None, **parameters):
    return MFRecommender(**{"random_state": 0, **parameters}).fit(X, y, weights)


def rmse(model, X, y):
    return np.sqrt(np.mean((model.predict(X) - y) ** 2))


def objective(model, X, y, weights, l1, l2):
    """J from the fitted attributes and raw rows."""
    z = (y - model.intercept_) / model.scale_
    z_hat = (model.predict(X) - model.intercept_) / model.scale_
    penalty = np.zeros(len(y))
    for field, ids in enumerate(model.categories_):
        codes = np.searchsorted(ids, X[:, field])
        t = np.column_stack([model.embeddings_[field], model.biases_[field]])[codes].astype(float)
        penalty += l1 * np.abs(t).sum(1) + l2 / 2 * (t**2).sum(1)
    return np.average((z - z_hat) ** 2 / 2 + penalty, weights=weights)


@pytest.mark.parametrize(
    ("parameters", "l1", "l2"),
    [
        ({"penalty": "l2", "alpha": 0.04}, 0, 0.04),
        ({"penalty": "l1", "alpha": 0.01}, 0.01, 0),
        ({"penalty": "elasticnet", "alpha": 0.04, "l1_ratio": 0.25}, 0.01, 0.03),
        ({"penalty": None}, 0, 0),
        ({"fit_bias": False, "alpha": 0.05}, 0, 0.05),
    ],
)
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_loss_curve_ends_at_J_of_the_fitted_model_repeated_rows_counted_each(parameters, l1, l2, n_fields):
    X, y = low_rank_ratings(n_fields=n_fields)
    weights = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    model = fit(X, y, weights, clip=False, **parameters)
    np.testing.assert_allclose(model.loss_curve_[-1], objective(model, X, y, weights, l1, l2), rtol=1e-4)


@pytest.mark.parametrize("scale", [(0.25, 0.0), (20.0, 0.0), (1.0, -300.0), (2.5e6, 7.0)], ids=str)
def test_the_scale_of_the_ratings_does_not_matter(scale):
    X, y = low_rank_ratings()
    a, b = scale
    base, scaled = fit(X, y), fit(X, a * y + b)
    np.testing.assert_allclose(scaled.predict(X) - b, a * base.predict(X), rtol=1e-3, atol=1e-5 * a)


@pytest.mark.parametrize("penalty", ["l2", "l1", None])
@pytest.mark.parametrize("n_fields", [1, 2, 3, 10, 30])
def test_defaults_converge_for_any_number_of_fields(n_fields, penalty):
    X, y = low_rank_ratings(n_fields=n_fields)
    model = fit(X, y, penalty=penalty)
    assert np.isfinite(model.loss_curve_).all()
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("learning_rate", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("heavy", [1.0, 1000.0])
def test_capped_steps_converge_at_any_rate_and_weight(learning_rate, heavy):
    X, y = low_rank_ratings(n_users=3, n_items=2000, n_ratings=4000)
    weights = np.ones(len(y))
    weights[::50] = heavy
    model = fit(X, y, weights, learning_rate=learning_rate)
    assert np.isfinite(model.loss_curve_).all()
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_two_ratings():
    model = fit([[1, 1], [2, 2]], [1.0, 5.0])
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    one, two = model.predict([[1, 1], [2, 2]])
    assert one < 3 < two


def test_without_bias_the_model_is_a_plain_product():
    X, y = low_rank_ratings()
    model = fit(X, y, fit_bias=False, clip=False)
    assert model.intercept_ == 0
    assert all((bias == 0).all() for bias in model.biases_)
    plain = model.scale_ * model.user_embeddings_ @ model.item_embeddings_.T
    codes = [np.searchsorted(ids, column) for ids, column in zip(model.categories_, X.T, strict=True)]
    np.testing.assert_allclose(model.predict(X), plain[codes[0], codes[1]], rtol=1e-4)


def test_embedding_dim_zero_leaves_the_biases():
    X, y = low_rank_ratings()
    model = fit(X, y, embedding_dim=0, max_iter=60)
    assert model.user_embeddings_.shape == (40, 0)
    assert 0.2 < model.score(X, y) < fit(X, y, max_iter=60).score(X, y)


def test_penalties_do_what_they_say():
    X, y = low_rank_ratings(n_ratings=2000)
    share = {
        penalty: np.mean(np.concatenate(fit(X, y, penalty=penalty, alpha=0.03).embeddings_) == 0)
        for penalty in ("l2", "l1", "elasticnet", None)
    }
    assert share["l2"] == share[None] == 0
    assert share["l1"] > share["elasticnet"] > 0


EVERY_PARAMETER = {
    "embedding_dim": 3,
    "penalty": "l1",
    "alpha": 0.5,
    "l1_ratio": 0.9,
    "learning_rate": 0.01,
    "batch_size": 128,
    "max_iter": 3,
    "tol": 0.5,
    "fit_bias": False,
    "early_stopping": True,
    "validation_fraction": 0.4,
    "n_iter_no_change": 1,
    "clip": False,
    "random_state": 7,
}


@pytest.mark.parametrize("name", EVERY_PARAMETER)
def test_every_parameter_changes_the_result(name):
    X, y = low_rank_ratings(noise=1.0)
    y = np.clip(np.round(y), 1, 5)
    context = {
        "l1_ratio": {"penalty": "elasticnet"},
        "n_iter_no_change": {"tol": 0.3},
        "validation_fraction": {"early_stopping": True},
        "clip": {"penalty": None, "max_iter": 60},
    }.get(name, {})
    base = fit(X, y, **context).predict(X)
    assert not np.allclose(base, fit(X, y, **{**context, name: EVERY_PARAMETER[name]}).predict(X), rtol=1e-7)


def test_clip_keeps_predictions_in_the_range_of_the_ratings():
    X, y = low_rank_ratings(noise=1.0)
    stars = np.clip(np.round(y), 1, 5)
    free, clipped = fit(X, stars, penalty=None, clip=False), fit(X, stars, penalty=None)
    assert free.predict(X).max() > 5
    np.testing.assert_array_equal(clipped.predict(X), np.clip(free.predict(X), 1, 5))


# ---------------------------------------------------------------- stopping


def test_tol_stops_early_and_max_iter_late():
    X, y = low_rank_ratings()
    assert fit(X, y, tol=0.2, n_iter_no_change=2, max_iter=50).n_iter_ < 20
    model = fit(X, y, tol=0, max_iter=23)
    assert (model.n_iter_, len(model.loss_curve_), model.validation_scores_) == (23, 23, [])


def test_early_stopping_keeps_the_best_epoch():
    X, y = low_rank_ratings(noise=2.0)
    model = fit(X, y, early_stopping=True, penalty=None, max_iter=200, learning_rate=0.2)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 200
    best = int(np.argmax(scores)) + 1
    assert best < model.n_iter_
    again = fit(X, y, early_stopping=True, penalty=None, max_iter=best, learning_rate=0.2)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))


def test_validation_scores_are_rmse_in_rating_units():
    X, y = low_rank_ratings()
    one, twenty = fit(X, y, early_stopping=True), fit(X, 20 * y, early_stopping=True)
    np.testing.assert_allclose(twenty.validation_scores_, 20 * np.array(one.validation_scores_), rtol=1e-3)
    assert max(one.validation_scores_) < 0
    assert -1.5 * y.std() < one.validation_scores_[0]


def test_early_stopping_with_too_few_ratings_warns_and_fits_on_all():
    X, y = low_rank_ratings(n_ratings=8)
    with pytest.warns(UserWarning, match="at least one held-out rating"):
        model = fit(X, y, early_stopping=True)
    np.testing.assert_array_equal(model.predict(X), fit(X, y).predict(X))


def test_early_stopping_of_lasso_returns_lasso():
    X, y = low_rank_ratings(n_ratings=2000, noise=1.0)
    model = fit(X, y, early_stopping=True, penalty="l1", alpha=0.1, n_iter_no_change=1)
    assert model.n_iter_ > 8
    assert np.mean(model.user_embeddings_ == 0) > 0.3


def test_early_stopping_scores_only_ids_that_training_knows():
    X = np.column_stack([np.arange(10), np.arange(10)])
    with pytest.warns(UserWarning, match="leaves none that its ids can spare"):
        model = fit(X, np.arange(10.0), early_stopping=True)
    assert model.validation_scores_ == []


def test_verbose_prints_a_line_an_epoch(capsys):
    X, y = low_rank_ratings()
    fit(X, y, verbose=1, max_iter=3, early_stopping=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("Epoch 1: objective 0.") and "validation RMSE" in lines[0]
    fit(X, y, max_iter=3)
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- warm start


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("way", ["pairs", "matrix", "three fields"])
def test_warm_start_on_the_same_data_continues_the_run(way, penalty):
    X, y = low_rank_ratings(n_fields=3 if way == "three fields" else 2)
    X, y = (sp.csr_array((y, tuple(X.T))), None) if way == "matrix" else (X, y)
    model = fit(X, y, warm_start=True, max_iter=3, penalty=penalty).fit(X, y).set_params(max_iter=4).fit(X, y)
    once = fit(X, y, max_iter=10, penalty=penalty)
    assert model.loss_curve_ == once.loss_curve_[6:]
    for ours, theirs in zip(model.embeddings_, once.embeddings_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_warm_start_on_more_ratings_gains_from_them(movielens):
    X, y = movielens[["userId", "movieId"]], movielens.rating
    parts = np.random.default_rng(0).integers(0, 10, len(y))
    early, train, test = parts > 1, parts > 0, parts == 0
    model = fit(X[early], y[early], warm_start=True)
    before = rmse(model, X[test], y[test])
    assert rmse(model.fit(X[train], y[train]), X[test], y[test]) < before


def test_warm_start_re_expresses_old_embeddings_so_that_predictions_do_not_jump():
    X, y = low_rank_ratings()
    model = fit(X, y, warm_start=True, clip=False, max_iter=30)
    before = model.predict(X)
    model.set_params(learning_rate=1e-9, max_iter=1).fit(X, 3 * y + 40)
    assert model.intercept_ == pytest.approx((3 * y + 40).mean(), rel=1e-3)
    np.testing.assert_allclose(model.predict(X), before, atol=1e-5)


def test_warm_start_keeps_old_ids_and_starts_new_ones_fresh():
    X, y = low_rank_ratings()
    old = X[:, 0] < 20
    model = fit(X[old], y[old], warm_start=True)
    codes_before = model.user_ids_.copy()
    seen_before = model.recommend(0, n=1000)
    kept = model.predict(X[old])
    model.fit(X[~old], y[~old])
    assert model.user_ids_.tolist() == list(range(40))
    assert set(codes_before) < set(model.user_ids_)
    assert np.corrcoef(kept, model.predict(X[old]))[0, 1] > 0.8
    assert set(model.recommend(0, n=1000).item) == set(seen_before.item), (
        "what user 0 has seen is not forgotten"
    )
    assert rmse(model, X[~old], y[~old]) < y.std()


def test_warm_start_learns_ratings_that_changed():
    X, y = low_rank_ratings(n_ratings=2000)
    model = fit(X, y, warm_start=True)
    for _ in range(3):
        model.fit(X, 7 - 2 * y)
    assert model.score(X, 7 - 2 * y) > 0.5


def test_warm_start_with_a_larger_matrix():
    X, y = low_rank_ratings()
    small = sp.csr_array((y, tuple(X.T)), shape=(42, 31))
    large = sp.csr_array(
        (np.append(y, 5.0), (np.append(X[:, 0], 41), np.append(X[:, 1], 34))), shape=(50, 35)
    )
    model = fit(small, warm_start=True)
    assert model._epochs[0].tolist() == [20] * 40 + [0] * 2
    model.fit(large)
    assert model.user_ids_.tolist() == list(range(50))
    assert model._epochs[0].tolist() == [40] * 40 + [0, 20] + [0] * 8
    np.testing.assert_allclose(model.user_embeddings_[45], model.average_embeddings_[0], rtol=1e-5)


def test_warm_start_takes_numbers_of_another_type_and_keeps_the_range_of_ratings():
    X, y = low_rank_ratings()
    model = fit(X, y, warm_start=True)
    model.set_params(max_iter=1, learning_rate=1e-9).fit(X.astype(float), np.clip(y, 2.5, 3.5))
    assert model.user_ids_.tolist() == list(range(40))
    assert model.target_range_.tolist() == [y.min(), y.max()]


def test_warm_start_cannot_drop_biases():
    X, y = low_rank_ratings()
    model = fit(X, y, warm_start=True)
    with pytest.raises(ValueError, match="cannot leave out the biases"):
        model.set_params(fit_bias=False).fit(X, y)
    plain = fit(X, y, warm_start=True, fit_bias=False, clip=False)
    before = plain.predict(X)
    plain.set_params(fit_bias=True, max_iter=1, learning_rate=1e-9).fit(X, y)
    np.testing.assert_allclose(plain.predict(X), before, atol=1e-4)


def test_warm_start_of_another_shape_raises():
    X, y = low_rank_ratings()
    frame = pd.DataFrame(X, columns=["user", "item"])
    model = fit(frame, y, warm_start=True)
    for change, message in [
        (lambda: model.set_params(embedding_dim=3).fit(frame, y), "cannot change embedding_dim from 32 to 3"),
        (
            lambda: model.set_params(embedding_dim=32).fit(frame.set_axis(["a", "b"], axis=1), y),
            "change the columns",
        ),
        (lambda: model.fit(frame.astype(str), y), "cannot change the type of the ids in column 'user'"),
        (lambda: model.fit(np.column_stack([X, X[:, :1]]), y), "change the columns"),
    ]:
        before = model.predict(frame)
        with pytest.raises(ValueError, match=message):
            change()
        np.testing.assert_array_equal(model.predict(frame), before)


def test_warm_start_of_lasso_does_not_return_to_ridge():
    X, y = low_rank_ratings(n_ratings=2000)
    model = fit(X, y, penalty="l1", alpha=0.1, warm_start=True)
    zeros = np.mean(model.user_embeddings_ == 0)
    model.set_params(max_iter=1).fit(X, y)
    assert np.mean(model.user_embeddings_ == 0) > 0.9 * zeros > 0


# ---------------------------------------------------------------- reproducible


def test_same_seed_same_bits_in_a_process_and_across_processes():
    code = (
        "import numpy as np, hashlib\n"
        "from tests.conftest import low_rank_ratings\n"
        "from sklearn_mf import MFRecommender\n"
        "X, y = low_rank_ratings(n_ratings=6000)\n"
        "def fit(seed): return MFRecommender(random_state=seed).fit(X, y).embeddings_\n"
        "def bits(seed): return b''.join(p.tobytes() for p in fit(seed))\n"
        "print(*[hashlib.sha256(bits(seed)).hexdigest() for seed in (0, 0, 1)])"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    first, second = (run.stdout.split()[-3:] for run in runs)
    assert first == second
    assert first[0] == first[1] != first[2]


def test_global_random_state_is_left_alone():
    X, y = low_rank_ratings()
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    fit(X, y, max_iter=1)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_random_state_instance_gives_a_new_run_each_time():
    X, y = low_rank_ratings()
    rng = np.random.RandomState(0)
    one, two = (fit(X, y, random_state=rng).predict(X) for _ in range(2))
    assert (one != two).any()
