"""Models on small ratings, figures that never show, and none left open."""

import matplotlib as mpl
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.datasets import make_ratings

mpl.use("agg")


@pytest.fixture(autouse=True)
def _close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture(scope="package")
def split():
    """Training and held-out ratings; the users 0 to 4 are held out whole."""
    ratings = make_ratings(n_users=80, n_items=60, n_ratings=2400, random_state=0)
    train, test = train_test_split(ratings, test_size=0.25, random_state=0)
    return train[train["user"] > 4], test


@pytest.fixture(scope="package")
def train(split):
    return split[0]


@pytest.fixture(scope="package")
def test(split):
    return split[1]


@pytest.fixture(scope="package")
def model(train):
    return MFRecommender(4, early_stopping=True, random_state=0).fit(train)


@pytest.fixture(scope="package")
def models(train, model):
    """Three kinds of models, one of a long name."""
    als = MFRecommender(16, solver="als", max_iter=7, random_state=0).fit(train)
    with pytest.warns(ConvergenceWarning):
        bayesian = BayesianMFRecommender(4, max_iter=30, n_samples=10, random_state=0).fit(train)
    return {
        "early stopping": model,
        "alternating least squares of sixteen dimensions": als,
        "Bayesian": bayesian,
    }
