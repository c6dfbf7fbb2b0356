"""MFEmbedding: embeddings of ids as features."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_mf import BayesianMFRecommender, MFEmbedding, MFRecommender
from tests.conftest import QUICK, low_rank_ratings


@pytest.fixture(scope="module")
def pairs(frame):
    return frame[["user", "film"]]


@pytest.fixture(scope="module")
def fitted(pairs, frame):
    return MFEmbedding(MFRecommender(3, **QUICK)).fit(pairs, frame.stars)


def test_embeddings_of_user_and_item_side_by_side(fitted, pairs, frame):
    features, model = fitted.transform(pairs), MFRecommender(3, **QUICK).fit(pairs, frame.stars)
    users, films = np.searchsorted(model.user_ids_, pairs.user), np.searchsorted(model.item_ids_, pairs.film)
    assert features.dtype == np.float64
    np.testing.assert_array_equal(features[:, :3], model.user_embeddings_[users])
    np.testing.assert_array_equal(features[:, 3:], model.item_embeddings_[films])
    np.testing.assert_array_equal(fitted.recommender_.predict(pairs), model.predict(pairs))


def test_an_unknown_id_has_the_average_of_its_field(fitted):
    features = fitted.transform(pd.DataFrame({"user": ["nobody", "u03"], "film": [103, -1]}))
    averages = fitted.recommender_.average_embeddings_
    np.testing.assert_array_equal(features[0, :3], averages[0])
    np.testing.assert_array_equal(features[1, 3:], averages[1])
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(features[1, :3], averages[0])


def test_an_unknown_id_raises_where_the_recommender_says_so(pairs, frame):
    strict = MFEmbedding(MFRecommender(3, handle_unknown="error", **QUICK)).fit(pairs, frame.stars)
    with pytest.raises(ValueError, match="not known from fit: 'nobody'"):
        strict.transform(pairs[:2].assign(user=["nobody", "u03"]))


@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_any_number_of_fields(n_fields):
    X, y = low_rank_ratings(n_fields=n_fields)
    embedding = MFEmbedding(MFRecommender(2, **QUICK)).fit(X, y)
    model = embedding.recommender_
    parts = [rows[column] for rows, column in zip(model.embeddings_, X.T, strict=True)]
    np.testing.assert_array_equal(embedding.transform(X), np.hstack(parts))
    expected = [f"x{field}_embedding{number}" for field in range(n_fields) for number in range(2)]
    assert embedding.get_feature_names_out().tolist() == expected
    assert embedding.n_features_in_ == n_fields


def test_no_dimensions_no_features(pairs, frame):
    embedding = MFEmbedding(MFRecommender(0, **QUICK))
    assert embedding.fit_transform(pairs, frame.stars).shape == (len(pairs), 0)
    assert embedding.get_feature_names_out().tolist() == []


@pytest.mark.filterwarnings("ignore:The chains have not converged")
def test_features_of_a_bayesian_recommender_are_posterior_means(pairs, frame):
    model = BayesianMFRecommender(3, max_iter=8, n_samples=4, random_state=0)
    embedding = MFEmbedding(model).fit(pairs, frame.stars)
    features = embedding.transform(pairs.assign(film=[-1, *pairs.film[1:]]))
    model = embedding.recommender_
    users, films = (
        np.searchsorted(ids, pairs[name]) for ids, name in zip(model.categories_, pairs, strict=True)
    )
    users_mean, films_mean = (draws.mean(axis=0) for draws in model.embedding_samples_)
    np.testing.assert_allclose(features[:, :3], users_mean[users], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(features[1:, 3:], films_mean[films[1:]], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(features[0, 3:], model.prior_means_[:, 1, :3].mean(axis=0), rtol=1e-6)
    assert embedding.get_feature_names_out().shape == (6,)


def test_names_of_features(fitted):
    names = fitted.get_feature_names_out()
    assert names.tolist() == [
        f"{field}_embedding{number}" for field in ("user", "film") for number in range(3)
    ]
    assert names.dtype == object
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        fitted.get_feature_names_out(["film", "user"])
    with pytest.raises(NotFittedError):
        MFEmbedding().get_feature_names_out()


def test_set_output(fitted, pairs):
    features = fitted.transform(pairs)
    for library, frame_type in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        embedding = pickle.loads(pickle.dumps(fitted)).set_output(transform=library)
        table = embedding.transform(pairs)
        assert type(table) is frame_type
        assert list(table.columns) == fitted.get_feature_names_out().tolist()
        np.testing.assert_array_equal(table.to_numpy(), features)
    table = embedding.set_output(transform="pandas").transform(pairs[5:9])
    assert table.index.tolist() == [5, 6, 7, 8]


def test_none_is_a_seeded_recommender(pairs, frame):
    features = MFEmbedding().fit(pairs, frame.stars).transform(pairs)
    seeded = MFEmbedding(MFRecommender(random_state=0)).fit(pairs, frame.stars)
    np.testing.assert_array_equal(features, seeded.transform(pairs))
    assert features.shape == (len(pairs), 64)


def test_other_ways_in(pairs, frame, fitted):
    recommender = MFRecommender(3, **QUICK)
    np.testing.assert_array_equal(
        MFEmbedding(recommender).fit(frame).transform(pairs), fitted.transform(pairs)
    )
    A = sp.coo_array(([5.0, 1.0, 4.0], ([0, 0, 1], [0, 2, 1])))
    embedding = MFEmbedding(recommender).fit(A)
    assert embedding.transform([[0, 1], [1, 2]]).shape == (2, 6)
    assert not hasattr(embedding, "feature_names_in_")


def test_the_recommender_that_was_passed_is_not_touched(fitted, pairs, frame):
    assert not hasattr(fitted.recommender, "embeddings_")
    refitted = clone(fitted).fit(pairs.to_numpy(), frame.stars)
    assert hasattr(fitted, "feature_names_in_") and not hasattr(refitted, "feature_names_in_")


@pytest.mark.parametrize("recommender", [LinearRegression(), MFRecommender, "als"])
def test_refuses_what_is_no_recommender(recommender, pairs, frame):
    with pytest.raises(ValueError, match="'recommender' parameter of MFEmbedding must be an instance of"):
        MFEmbedding(recommender).fit(pairs, frame.stars)


def test_a_failed_fit_leaves_it_as_it_was(fitted, pairs, frame):
    fresh = MFEmbedding(MFRecommender(3, **QUICK))
    for embedding in (fresh, pickle.loads(pickle.dumps(fitted))):
        before = dict(vars(embedding))
        with pytest.raises(ValueError, match="Ratings must be"):
            embedding.fit(pairs, [np.nan, *frame.stars[1:]])
        assert vars(embedding) == before
    np.testing.assert_array_equal(embedding.transform(pairs), fitted.transform(pairs))


def test_weights_equal_repetition(pairs, frame):
    weights = np.arange(len(pairs)) % 3
    weighted = MFEmbedding(MFRecommender(3, **QUICK)).fit(pairs, frame.stars, sample_weight=weights)
    repeated = np.repeat(np.arange(len(pairs)), weights)
    plain = clone(weighted).fit(pairs.iloc[repeated], frame.stars.iloc[repeated])
    np.testing.assert_array_equal(weighted.transform(pairs), plain.transform(pairs))


def test_routing_of_sample_weight(pairs, frame):
    weights = np.where(frame.stars > 3, 3.0, 1.0)
    expected = np.average(frame.stars, weights=weights)
    model = MFRecommender(3, **QUICK)
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match=r"MFRecommender.fit"):
            MFEmbedding(model).fit(pairs, frame.stars, sample_weight=weights)
        routed = MFEmbedding(clone(model).set_fit_request(sample_weight=True))
        pick = ColumnTransformer([("ids", routed, ["user", "film"])])
        pipe = make_pipeline(pick, Ridge().set_fit_request(sample_weight=False))
        pipe.fit(frame, frame.stars, sample_weight=weights)
        silent = MFEmbedding(clone(model).set_fit_request(sample_weight=False))
        silent.fit(pairs, frame.stars)
        with pytest.raises(TypeError, match="'sample_weight'}, which are not routed"):
            silent.fit(pairs, frame.stars, sample_weight=weights)
    assert pipe[0].named_transformers_["ids"].recommender_.intercept_ == pytest.approx(expected)
    assert silent.recommender_.intercept_ == pytest.approx(frame.stars.mean())


def test_in_a_pipeline_and_a_search(pairs, frame):
    pipe = make_pipeline(MFEmbedding(MFRecommender(**QUICK)), Ridge())
    search = GridSearchCV(pipe, {"mfembedding__recommender__embedding_dim": [2, 4]}, cv=2)
    search.fit(pairs, frame.stars)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    dim = search.best_params_["mfembedding__recommender__embedding_dim"]
    assert len(search.best_estimator_[-1].coef_) == 2 * dim


def test_frozen_between_two_parts_of_the_ratings(pairs, frame):
    fitted = MFEmbedding(MFRecommender(3, max_iter=2, random_state=0)).fit(pairs, frame.stars)
    pipe = make_pipeline(FrozenEstimator(fitted), Ridge()).fit(pairs[300:], frame.stars[300:])
    np.testing.assert_array_equal(pipe[0].transform(pairs), fitted.transform(pairs))
    assert pipe.score(pairs, frame.stars) > 0


def test_callbacks_reach_the_recommender(pairs, frame, capsys):
    embedding = MFEmbedding(MFRecommender(3, **QUICK)).set_callbacks(ProgressBar())
    embedding.fit(pairs, frame.stars)
    assert "MFRecommender" in capsys.readouterr().out
    monitor = ScoringMonitor(scoring="r2")
    make_pipeline(MFEmbedding(MFRecommender(3, **QUICK).set_callbacks(monitor)), Ridge()).fit(
        pairs, frame.stars
    )
    log = monitor.get_logs().data_as_pandas
    assert (log.task_name == "sweep").sum() == 2
