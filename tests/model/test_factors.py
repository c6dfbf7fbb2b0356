"""The prediction formula."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from sklearn_mf.model import _factors
from sklearn_mf.model._factors import Model, fill_unrated
from sklearn_mf.model._initialization import fresh_start, warm_start_model
from sklearn_mf.ratings._ratings import Ratings


def model_of(sizes=(4, 3, 2), dim=5, seed=0):
    rng = np.random.default_rng(seed)
    embeddings = [rng.normal(size=(n, dim)).astype(np.float32) for n in sizes]
    biases = [rng.normal(size=n).astype(np.float32) for n in sizes]
    averages = np.array([part.mean(0) for part in embeddings]), np.array([part.mean() for part in biases])
    return Model(3.5, 2.0, embeddings, biases, *averages, [np.ones(n, dtype=np.int32) for n in sizes])


def by_hand(model, row):
    v = [
        e[c] if c >= 0 else a for e, c, a in zip(model.embeddings, row, model.average_embeddings, strict=True)
    ]
    b = [e[c] if c >= 0 else a for e, c, a in zip(model.biases, row, model.average_biases, strict=True)]
    pairs = sum(np.dot(v[f].astype(float), v[g]) for f in range(len(v)) for g in range(f))
    return model.intercept + model.scale * (sum(float(x) for x in b) + pairs)


def test_prediction_sums_biases_and_all_pairs_and_answers_unknown_ids_with_the_average():
    model = model_of()
    codes = np.array([[0, 0, 0], [3, 2, 1], [-1, 1, 0], [-1, -1, -1]])
    np.testing.assert_allclose(model.predict(codes), [by_hand(model, row) for row in codes])


def test_a_row_is_predicted_the_same_in_any_company(monkeypatch):
    model = model_of()
    codes = np.stack([np.random.default_rng(1).integers(-1, n, 50) for n in (4, 3, 2)], axis=1)
    whole = model.predict(codes)
    monkeypatch.setattr(_factors, "_CHUNK", 7)
    assert (model.predict(codes) == whole).all()
    assert (np.concatenate([model.predict(row[None]) for row in codes]) == whole).all()
    assert model.predict(codes[:0]).shape == (0,)


def test_finish_averages_by_rating_and_gives_untrained_ids_the_average():
    codes = [np.array([0, 0, 1], np.int32), np.array([0, 1, 1], np.int32)]
    ratings = Ratings.merge(codes, np.ones(3), np.array([1.0, 1.0, 2.0]), (3, 2))
    raw = model_of(sizes=(3, 2))
    weights = [ratings.id_weights(field) for field in range(2)]
    raw.epochs[0][2] = 0
    model = fill_unrated(raw, weights)
    np.testing.assert_allclose(model.average_embeddings[0], raw.embeddings[0][:2].mean(0), rtol=1e-6)
    np.testing.assert_allclose(model.average_biases[1], raw.biases[1] @ [0.25, 0.75], rtol=1e-6)
    np.testing.assert_allclose(model.embeddings[0][2], model.average_embeddings[0], rtol=1e-6)
    assert (model.embeddings[0][:2] == raw.embeddings[0][:2]).all()


def with_coefficients(sizes=(4, 5), dim=3):
    """A model and features of the items, of which the last is not in the table."""
    model = model_of(sizes, dim)
    features = csr_array(np.array([[1, 0.5, 0], [1, -2, 0], [1, 0, 1], [1, 1, 1], [0, 0, 0]]))
    coefficients = np.random.default_rng(1).normal(size=(3, dim + 1))
    return replace(model, coefficients=(None, coefficients)), (None, features)


def test_ids_without_ratings_have_the_prior_mean_of_their_features_or_the_average():
    raw, features = with_coefficients()
    raw.epochs[1][[1, 3, 4]] = 0
    before = [array.copy() for array in raw.embeddings + raw.biases]
    model = fill_unrated(raw, [np.ones(4), np.array([1.0, 0, 3, 0, 0])], features)
    means = features[1].toarray() @ raw.coefficients[1]
    rows = np.column_stack([model.embeddings[1], model.biases[1]])
    np.testing.assert_allclose(rows[[1, 3]], means[[1, 3]], rtol=1e-6)
    np.testing.assert_allclose(rows[4, :-1], model.average_embeddings[1], rtol=1e-6)
    np.testing.assert_allclose(rows[4, -1], model.average_biases[1], rtol=1e-6)
    np.testing.assert_array_equal(model.embeddings[1][[0, 2]], raw.embeddings[1][[0, 2]])
    for array, copy in zip(raw.embeddings + raw.biases, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_a_warm_start_in_other_units_keeps_the_predictions_of_ids_without_ratings():
    previous, features = with_coefficients()
    previous.epochs[1][1] = 0
    weights = [np.ones(4), np.array([1.0, 0, 1, 1, 1])]
    codes = [np.array([0, 1, 2, 3], np.int32), np.array([0, 2, 3, 4], np.int32)]
    ratings = Ratings.merge(codes, np.ones(4), np.ones(4), (4, 5))
    start = fresh_start(ratings, 30.0, 7.0, 3, 0, 0.01)
    known = [np.arange(n, dtype=np.int32) for n in (4, 5)]
    new = warm_start_model(start, previous, known)
    cells = np.array([[user, 1] for user in range(4)])
    before, after = (fill_unrated(each, weights, features).predict(cells) for each in (previous, new))
    np.testing.assert_allclose(after, before, rtol=1e-5)
