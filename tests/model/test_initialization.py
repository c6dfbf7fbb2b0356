"""Starts of a solver."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from sklearn_mf.model._initialization import around_constant, fresh_start, warm_start_model
from sklearn_mf.ratings._ratings import Ratings


def start_of(n_fields, dim):
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, 5, 30).astype(np.int32) for _ in range(n_fields)]
    ratings = Ratings.merge(codes, rng.normal(size=30), np.ones(30), (5,) * n_fields)
    return fresh_start(ratings, 0.0, 2.0, dim, 0, 0.001)


@pytest.mark.parametrize(("n_fields", "z"), [(2, 0.9), (2, -0.9), (2, 0.0), (3, 0.9)])
def test_a_start_around_a_constant_predicts_it(n_fields, z):
    start = around_constant(start_of(n_fields, 4), z)
    codes = np.random.default_rng(1).integers(0, 5, (20, n_fields))
    np.testing.assert_allclose(start.predict(codes), np.full(20, 2.0 * z), atol=0.02)


@pytest.mark.parametrize(("n_fields", "dim", "z"), [(3, 4, -0.9), (2, 0, 0.9), (1, 4, 0.9)])
def test_a_start_that_cannot_predict_a_constant_stays_as_it_is(n_fields, dim, z):
    start = start_of(n_fields, dim)
    assert around_constant(start, z) is start


def test_a_warm_start_refuses_ratings_that_its_rows_cannot_be_moved_to():
    """Rows of ratings around 1e99 would be infinite in units of ratings around 1e-3."""
    start = replace(start_of(2, 3), scale=1e-3)
    epochs = [np.ones(5, dtype=np.int32)] * 2
    previous = replace(start, scale=1e99, biases=[np.ones(5, dtype=np.float32)] * 2, epochs=epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"standard deviation 0\.001 after 0 and 1e\+99: call fit with"):
            warm_start_model(start, previous, [np.arange(5, dtype=np.int32)] * 2)
