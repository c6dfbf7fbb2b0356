"""scikit-learn's tools around the estimator, on real ratings."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn import set_config
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_html_repr

from sklearn_mf import MFRecommender
from sklearn_mf.solvers.sgd import _programs as steps

RMSE = "neg_root_mean_squared_error"


@pytest.fixture(scope="module")
def ratings(movielens):
    """20,000 ratings with string ids and further columns."""
    some = movielens.sample(20_000, random_state=0).reset_index(drop=True)
    some["user"] = "user " + some.userId.astype(str)
    some["film"] = "film " + some.movieId.astype(str)
    return some


@pytest.fixture(scope="module")
def pairs(ratings):
    return ratings[["user", "film"]]


def baseline(y):
    return -np.std(y)


@pytest.mark.filterwarnings("error")
def test_grid_search_over_string_ids_with_plain_folds(pairs, ratings):
    grid = {"embedding_dim": [4, 16], "penalty": ["l2", "l1"], "alpha": [0.05]}
    model = MFRecommender(max_iter=8, random_state=0)
    search = GridSearchCV(model, grid, scoring=RMSE, cv=KFold(2, shuffle=True, random_state=0), n_jobs=2)
    search.fit(pairs, ratings.rating)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > baseline(ratings.rating) + 0.05
    assert search.best_estimator_.recommend("user 500", n=5).columns.tolist() == [
        "user",
        "film",
        "rank",
        "score",
    ]
    serial = clone(search).set_params(
        n_jobs=1, param_grid={"embedding_dim": [4], "penalty": ["l2"], "alpha": [0.05]}
    )
    serial.fit(pairs, ratings.rating)
    same = pd.DataFrame(search.cv_results_).query("param_embedding_dim == 4 and param_penalty == 'l2'")
    np.testing.assert_allclose(same.mean_test_score, serial.best_score_, rtol=1e-6)


def test_search_compiles_once_per_shape_and_kind_of_penalty(pairs, ratings):
    before = steps._compiled.learn.n_traces()
    grid = {"embedding_dim": [9, 10], "penalty": ["l2", "l1", "elasticnet"]}
    GridSearchCV(MFRecommender(max_iter=2, random_state=0), grid, cv=2).fit(pairs, ratings.rating)
    assert steps._compiled.learn.n_traces() - before <= 4


def test_pipeline_that_picks_the_id_columns(ratings):
    pick = ColumnTransformer([("ids", "passthrough", ["user", "film"])], verbose_feature_names_out=False)
    pipe = make_pipeline(pick, MFRecommender(8, random_state=0, max_iter=5)).set_output(transform="pandas")
    train, test = train_test_split(ratings, random_state=0)
    pipe.fit(train.drop(columns="rating"), train.rating)
    assert pipe[-1].feature_names_in_.tolist() == ["user", "film"]
    assert pipe.score(test, test.rating) > 0
    table = pipe[-1].recommend("user 500", n=3)
    assert table.columns.tolist() == ["user", "film", "rank", "score"] and len(table) == 3
    search = GridSearchCV(pipe, {"mfrecommender__embedding_dim": [2, 4]}, cv=2, scoring=RMSE)
    assert np.isfinite(search.fit(train, train.rating).best_score_)


def test_pipeline_without_names(ratings, pairs):
    pipe = Pipeline(
        [("keep", FunctionTransformer()), ("model", MFRecommender(8, random_state=0, max_iter=3))]
    )
    np.testing.assert_array_equal(
        pipe.fit(pairs, ratings.rating).predict(pairs[:9]),
        pipe.fit(pairs.to_numpy(), ratings.rating).predict(pairs.to_numpy()[:9]),
    )


def test_cross_validate_with_several_scorers(pairs, ratings):
    result = cross_validate(
        MFRecommender(8, random_state=0, max_iter=5),
        pairs,
        ratings.rating,
        cv=2,
        scoring=["r2", RMSE, "neg_mean_absolute_error"],
    )
    assert all(np.isfinite(result[f"test_{name}"]).all() for name in ("r2", RMSE, "neg_mean_absolute_error"))


def test_cross_val_predict_and_learning_curve(pairs, ratings):
    model = MFRecommender(8, random_state=0, max_iter=5)
    predicted = cross_val_predict(model, pairs, ratings.rating, cv=2)
    assert np.corrcoef(predicted, ratings.rating)[0, 1] > 0.3
    _, _, test = learning_curve(model, pairs, ratings.rating, cv=2, train_sizes=[0.2, 1.0], scoring=RMSE)
    assert test[1].mean() > test[0].mean()


def test_permutation_importance_names_both_columns(pairs, ratings):
    model = MFRecommender(random_state=0).fit(pairs, ratings.rating)
    result = permutation_importance(model, pairs, ratings.rating, n_repeats=2, random_state=0)
    assert (result.importances_mean > 0.05).all()


def test_transformed_target_and_stacking(pairs, ratings):
    model = MFRecommender(8, random_state=0, max_iter=5)
    logged = TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp).fit(pairs, ratings.rating)
    assert logged.score(pairs, ratings.rating) > 0.1
    stack = StackingRegressor([("biases", clone(model).set_params(embedding_dim=0)), ("mf", model)], cv=2)
    assert stack.fit(pairs, ratings.rating).score(pairs, ratings.rating) > 0.1


def test_routing_of_sample_weight(pairs, ratings):
    weights = np.where(ratings.rating > 3, 3.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = MFRecommender(8, random_state=0, max_iter=3).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        pipe = make_pipeline(FunctionTransformer(), model).fit(pairs, ratings.rating, sample_weight=weights)
        result = cross_validate(model, pairs, ratings.rating, cv=2, params={"sample_weight": weights})
    assert pipe[-1].intercept_ == pytest.approx(np.average(ratings.rating, weights=weights))
    assert np.isfinite(result["test_score"]).all()


def test_clone_and_html(pairs, ratings):
    model = MFRecommender(7, alpha=0.3, random_state=0, max_iter=2)
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model.fit(pairs[:99], ratings.rating[:99])), "embeddings_")
    assert "MFRecommender" in estimator_html_repr(model)
    assert repr(model) == "MFRecommender(alpha=0.3, embedding_dim=7, max_iter=2, random_state=0)"


def test_global_output_config_does_not_matter(pairs, ratings):
    set_config(transform_output="pandas")
    try:
        model = MFRecommender(random_state=0, max_iter=1).fit(pairs[:500], ratings.rating[:500])
        assert isinstance(model.predict(pairs[:5]), np.ndarray)
    finally:
        set_config(transform_output="default")
