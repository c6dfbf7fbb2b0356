"""Training on the observed ratings alone: scales, weights, stopping, warm starts, reproducibility."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from sklearn_mf import MFRecommender
from tests.conftest import OBSERVED_ALONE, low_rank_ratings

PENALTIES = ["l2", "l1", "elasticnet", None]


def fit(X, y=None, weights=None, **parameters):
    return MFRecommender(**{**OBSERVED_ALONE, "random_state": 0, **parameters}).fit(X, y, weights)


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
        ({"positive": True, "penalty": "elasticnet", "alpha": 0.04, "l1_ratio": 0.25}, 0.01, 0.03),
    ],
)
@pytest.mark.parametrize("n_fields", [1, 2, 3])
@pytest.mark.parametrize(
    ("solver", "rtol"),
    [
        ({"solver": "sgd"}, 1e-4),
        ({"solver": "als", "embedding_dim": 3, "max_iter": 8}, 1e-5),
        ({"solver": "als", "embedding_dim": 32, "max_iter": 3}, 1e-5),
    ],
    ids=["sgd", "als", "als-32"],
)
def test_loss_curve_ends_at_J_of_the_fitted_model_repeated_rows_counted_each(
    solver, rtol, parameters, l1, l2, n_fields
):
    X, y = low_rank_ratings(n_fields=n_fields)
    weights = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    model = fit(X, y, weights, clip=False, **solver, **parameters)
    np.testing.assert_allclose(model.loss_curve_[-1], objective(model, X, y, weights, l1, l2), rtol=rtol)


@pytest.mark.parametrize("scale", [(0.25, 0.0), (20.0, 0.0), (1.0, -300.0), (2.5e6, 7.0)], ids=str)
def test_the_scale_of_the_ratings_does_not_matter(scale):
    X, y = low_rank_ratings()
    a, b = scale
    base, scaled = fit(X, y), fit(X, a * y + b)
    np.testing.assert_allclose(scaled.predict(X) - b, a * base.predict(X), rtol=1e-3, atol=1e-5 * a)


@pytest.mark.parametrize(
    ("n_fields", "penalty"),
    [*((n, penalty) for n in (1, 2, 3) for penalty in ("l2", "l1", None)), (10, "l2"), (10, "l1")],
)
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


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_two_ratings(solver):
    model = fit([[1, 1], [2, 2]], [1.0, 5.0], solver=solver)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    one, two = model.predict([[1, 1], [2, 2]])
    assert one < 3 < two


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_without_bias_the_model_is_a_plain_product(solver):
    X, y = low_rank_ratings()
    model = fit(X, y, fit_bias=False, clip=False, solver=solver)
    assert model.intercept_ == 0
    assert all((bias == 0).all() for bias in model.biases_)
    plain = model.scale_ * model.user_embeddings_ @ model.item_embeddings_.T
    codes = [np.searchsorted(ids, column) for ids, column in zip(model.categories_, X.T, strict=True)]
    np.testing.assert_allclose(model.predict(X), plain[codes[0], codes[1]], rtol=1e-4)


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_embedding_dim_zero_leaves_the_biases(solver):
    X, y = low_rank_ratings()
    model = fit(X, y, embedding_dim=0, max_iter=60, solver=solver)
    assert model.user_embeddings_.shape == (40, 0)
    assert 0.2 < model.score(X, y) < fit(X, y, max_iter=60, solver=solver).score(X, y)


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_penalties_do_what_they_say(solver):
    X, y = low_rank_ratings(n_ratings=2000)
    models = {penalty: fit(X, y, penalty=penalty, alpha=0.03, solver=solver) for penalty in PENALTIES}
    share = {penalty: np.mean(np.concatenate(model.embeddings_) == 0) for penalty, model in models.items()}
    assert share["l2"] == share[None] == 0
    assert min(share["l1"], share["elasticnet"]) > 0.1
    assert share["l1"] > share["elasticnet"] or solver == "als", "which is left with the true rank under both"


EVERY_PARAMETER = {
    "embedding_dim": 3,
    "penalty": "l1",
    "alpha": 0.5,
    "l1_ratio": 0.9,
    "positive": True,
    "solver": "als",
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


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_early_stopping_keeps_the_best_epoch(solver):
    X, y = low_rank_ratings(noise=2.0)
    parameters = {"early_stopping": True, "penalty": None, "learning_rate": 0.2, "solver": solver}
    model = fit(X, y, max_iter=200, **parameters)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 200
    best = int(np.argmax(scores)) + 1
    assert best < model.n_iter_
    again = fit(X, y, max_iter=best, **parameters)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_validation_scores_are_rmse_in_rating_units(solver):
    X, y = low_rank_ratings()
    one, twenty = (fit(X, a * y, early_stopping=True, solver=solver) for a in (1, 20))
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


@pytest.mark.parametrize(("solver", "unit"), [("sgd", "Epoch"), ("als", "Sweep")])
def test_verbose_prints_a_line_an_epoch(solver, unit, capsys):
    X, y = low_rank_ratings()
    fit(X, y, verbose=1, max_iter=3, early_stopping=True, solver=solver)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{unit} 1: objective 0.") and "validation RMSE" in lines[0]
    fit(X, y, max_iter=3, solver=solver)
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- warm start


@pytest.mark.parametrize(
    ("solver", "parameters"),
    [
        ("sgd", {"penalty": "l2"}),
        ("sgd", {"penalty": "l1"}),
        ("sgd", {"positive": True}),
        ("als", {"embedding_dim": 32}),
        *[("als", {"penalty": penalty}) for penalty in PENALTIES],
        ("als", {"positive": True}),
        ("als", {"positive": True, "penalty": "l1"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("way", ["pairs", "matrix", "three fields"])
def test_warm_start_on_the_same_data_continues_the_run(way, solver, parameters):
    X, y = low_rank_ratings(n_fields=3 if way == "three fields" else 2)
    X, y = (sp.csr_array((y, tuple(X.T))), None) if way == "matrix" else (X, y)
    parameters = {"embedding_dim": 5, **parameters, "solver": solver}
    model = fit(X, y, warm_start=True, max_iter=3, **parameters).fit(X, y).set_params(max_iter=4).fit(X, y)
    once = fit(X, y, max_iter=10, **parameters)
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


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_warm_start_keeps_old_ids_and_starts_new_ones_fresh(solver):
    X, y = low_rank_ratings()
    old = X[:, 0] < 20
    model = fit(X[old], y[old], warm_start=True, solver=solver)
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


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_warm_start_learns_ratings_that_changed(solver):
    X, y = low_rank_ratings(n_ratings=2000)
    model = fit(X, y, warm_start=True, solver=solver)
    for _ in range(3):
        model.fit(X, 7 - 2 * y)
    assert model.score(X, 7 - 2 * y) > 0.5


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_warm_start_with_a_larger_matrix(solver):
    X, y = low_rank_ratings()
    small = sp.csr_array((y, tuple(X.T)), shape=(42, 31))
    large = sp.csr_array(
        (np.append(y, 5.0), (np.append(X[:, 0], 41), np.append(X[:, 1], 34))), shape=(50, 35)
    )
    model = fit(small, warm_start=True, solver=solver)
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


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_warm_start_of_lasso_does_not_return_to_ridge(solver):
    X, y = low_rank_ratings(n_ratings=2000)
    model = fit(X, y, penalty="l1", alpha=0.04, warm_start=True, solver=solver)
    zeros = np.mean(model.user_embeddings_ == 0)
    model.set_params(max_iter=1).fit(X, y)
    assert np.mean(model.user_embeddings_ == 0) > 0.9 * zeros > 0


# ---------------------------------------------------------------- reproducible


def hashes(*seeds):
    """Hash of the embeddings of each solver for each seed: a list for each solver."""
    X, y = low_rank_ratings(n_ratings=6000)
    solvers = ({"solver": "sgd"}, {"solver": "als"}, {"solver": "als", "embedding_dim": 3})
    models = [[fit(X, y, random_state=seed, max_iter=5, **how) for seed in seeds] for how in solvers]
    return [
        [hashlib.sha256(b"".join(map(np.ndarray.tobytes, model.embeddings_))).hexdigest() for model in row]
        for row in models
    ]


def test_same_seed_same_bits_in_a_process_and_across_processes():
    here = hashes(0, 0, 1)
    code = "from tests.recommenders.test_mf import hashes; print(hashes(0))"
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, "2")
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert eval(other.stdout) == [[first] for first, _, _ in here]
    for first, again, another in here:
        assert first == again != another


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


@pytest.mark.parametrize(
    "kind", [*[{"penalty": penalty} for penalty in PENALTIES], {"positive": True}], ids=str
)
@pytest.mark.parametrize("dim", [3, 32])
def test_als_same_bits_for_any_order_of_rows_and_for_whole_weights_as_repetition(dim, kind):
    X, y = low_rank_ratings(n_ratings=300)
    rng = np.random.default_rng(0)
    weights, order = rng.integers(0, 4, len(y)), rng.permutation(len(y))
    parameters = {"solver": "als", "embedding_dim": dim, "max_iter": 2, **kind}
    base = fit(X, y, weights.astype(float), **parameters)
    for other in (
        fit(X, y, weights.astype(float), **parameters),
        fit(X[order], y[order], weights[order].astype(float), **parameters),
        fit(np.repeat(X, weights, 0), np.repeat(y, weights), **parameters),
    ):
        assert other.loss_curve_ == base.loss_curve_
        for ours, theirs in zip(
            (*other.embeddings_, *other.biases_), (*base.embeddings_, *base.biases_), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


# ---------------------------------------------------------------- alternating


@pytest.mark.parametrize(("dim", "penalty"), [(32, "l2"), *[(3, penalty) for penalty in PENALTIES]])
def test_als_of_twenty_times_the_ratings_predicts_twenty_times_as_much(dim, penalty):
    X, y = low_rank_ratings()
    parameters = {"solver": "als", "embedding_dim": dim, "penalty": penalty, "clip": False}
    one, twenty = (fit(X, a * y, **parameters).predict(X) for a in (1, 20))
    np.testing.assert_allclose(twenty, 20 * one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("penalty", ["l2", "l1", None])
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_als_converges_for_any_number_of_fields(n_fields, penalty):
    X, y = low_rank_ratings(n_ratings=1500, n_fields=n_fields)
    model = fit(X, y, solver="als", embedding_dim=4, penalty=penalty)
    assert model.loss_curve_[-1] < model.loss_curve_[0] or n_fields == 1
    assert model.score(X, y) > (0.1 if n_fields == 1 else 0.8)


@pytest.mark.parametrize(("dim", "alpha"), [(3, 0.05), (33, 0.1)])
def test_ridge_of_both_solvers_ends_at_the_same_objective(dim, alpha):
    X, y = low_rank_ratings(n_ratings=900)
    parameters = {"embedding_dim": dim, "alpha": alpha, "max_iter": 300, "tol": 1e-8}
    als, sgd = (fit(X, y, solver=solver, **parameters).loss_curve_[-1] for solver in ("als", "sgd"))
    assert als == pytest.approx(sgd, rel=0.005)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("alpha", [0.01, 0.1])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_lasso_of_als_ends_no_higher_than_that_of_sgd(penalty, alpha, positive):
    X, y = low_rank_ratings(n_ratings=900)
    parameters = {
        "embedding_dim": 4,
        "penalty": penalty,
        "alpha": alpha,
        "positive": positive,
        "max_iter": 80,
    }
    als, sgd = (fit(X, y, solver=solver, **parameters).loss_curve_[-1] for solver in ("als", "sgd"))
    assert als < 1.02 * sgd


# Not every row of 40 has converged.
@pytest.mark.parametrize(("dim", "sweeps", "share"), [(4, 60, 1.0), (40, 30, 0.95)])
def test_an_exact_lasso_row_has_at_most_as_many_nonzeros_as_ratings(dim, sweeps, share):
    X, y = low_rank_ratings(n_users=150, n_items=15, n_ratings=400)
    X, rows = np.unique(X, axis=0, return_index=True)
    lasso = {"solver": "als", "penalty": "l1", "alpha": 0.005, "tol": 1e-6}
    model = fit(X, y[rows], embedding_dim=dim, max_iter=sweeps, **lasso)
    for field, ids in enumerate(model.categories_):
        counts = np.bincount(np.searchsorted(ids, X[:, field]))
        nonzeros = (model.embeddings_[field] != 0).sum(1) + (model.biases_[field] != 0)
        assert np.mean(nonzeros <= counts) >= share
        assert nonzeros.any()


def test_als_answers_ids_without_ratings_with_the_average():
    X, y = low_rank_ratings()
    matrix = sp.csr_array((y, tuple(X.T)), shape=(45, 33))
    for kind in ({}, {"embedding_dim": 3}, {"penalty": "l1"}, {"positive": True}):
        model = fit(matrix, solver="als", clip=False, **kind)
        for field, rated in ((0, 40), (1, 30)):
            empty = model.embeddings_[field][rated:]
            np.testing.assert_allclose(
                empty, np.tile(model.average_embeddings_[field], (len(empty), 1)), atol=1e-6
            )
            np.testing.assert_allclose(model.biases_[field][rated:], model.average_biases_[field], atol=1e-6)
        np.testing.assert_allclose(
            model.predict([[42, 3], [0, 3]]), model.predict([[999, 3], [0, 3]]), rtol=1e-5
        )


# ---------------------------------------------------------------- positive


def positive_ratings():
    """Biases of either sign and tastes that only add up."""
    rng = np.random.default_rng(0)
    X = np.stack([rng.integers(0, 40, 900), rng.integers(0, 30, 900)], axis=1)
    tastes, biases = [rng.exponential(size=(n, 2)) for n in (40, 30)], [rng.normal(size=n) for n in (40, 30)]
    y = (tastes[0][X[:, 0]] * tastes[1][X[:, 1]]).sum(1) + biases[0][X[:, 0]] + biases[1][X[:, 1]]
    return X, y + 0.1 * rng.standard_normal(900)


def least(model):
    return min(embeddings.min() for embeddings in model.embeddings_)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_positive_embeddings_with_free_biases_fit_what_adds_up(solver, penalty):
    X, y = positive_ratings()
    parameters = {"solver": solver, "penalty": penalty, "alpha": 0.02, "max_iter": 30}
    model = fit(X, y, positive=True, embedding_dim=3, **parameters)
    assert least(model) >= 0
    assert all((embeddings > 0).any() for embeddings in model.embeddings_)
    assert min(biases.min() for biases in model.biases_) < 0
    assert model.loss_curve_[-1] < fit(X, y, embedding_dim=0, **parameters).loss_curve_[-1]
    assert least(fit(X, y, embedding_dim=3, **parameters)) < 0, "without positive some are negative"


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_positive_embeddings_without_biases(solver):
    X, y = positive_ratings()
    model = fit(X, y - y.min(), solver=solver, positive=True, fit_bias=False, embedding_dim=4, max_iter=40)
    assert least(model) >= 0
    assert model.score(X, y - y.min()) > 0.7


@pytest.mark.parametrize("solver", ["sgd", "als"])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_positive_embeddings_stay_so_in_a_warm_start(solver, penalty):
    X, y = positive_ratings()
    old = X[:, 0] < 20
    parameters = {"solver": solver, "penalty": penalty, "alpha": 0.02, "embedding_dim": 3, "warm_start": True}
    model = fit(X[old], y[old], positive=True, **parameters)
    assert least(model.fit(X, y)) >= 0
    free = fit(X, y, **parameters)
    assert least(free) < 0
    assert least(free.set_params(positive=True).fit(X, y)) >= 0


@pytest.mark.parametrize("solver", ["sgd", "als"])
def test_a_warm_start_that_turns_positive_leaves_no_negative_embedding(solver):
    X, y = positive_ratings()
    old = X[:, 0] < 20
    model = fit(X, y, solver=solver, embedding_dim=3, warm_start=True)
    assert least(model.set_params(positive=True).fit(X[old], y[old])) >= 0
