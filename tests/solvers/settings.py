"""Fits under settings of TensorFlow, run as a script with an archive to write and the names of settings."""

import sys

import numpy as np
import tensorflow as tf

from sklearn_mf import BayesianMFRecommender, MFRecommender

SETTINGS = {
    "eager": lambda: tf.config.run_functions_eagerly(True),
    "all": lambda: tf.experimental.numpy.experimental_enable_numpy_behavior(dtype_conversion_mode="all"),
    "safe": lambda: tf.experimental.numpy.experimental_enable_numpy_behavior(dtype_conversion_mode="safe"),
    "numerics": tf.debugging.enable_check_numerics,
}
# The check of numerics makes every graph several times as large. These fits have the operations of all.
CHECKED = ("two phases", "sgd l1", "sgd compiled", "als gradient", "als l1", "bayesian")


def ratings(n_users, n_items, n):
    """Ids and stars of n cells, each once."""
    cells = np.random.default_rng(0).choice(n_users * n_items, n, replace=False)
    return np.stack(np.unravel_index(cells, (n_users, n_items)), axis=1), cells % 5.0


def fits(names=None):
    """Predictions of each solver with each kind of penalty, by name; one of them from a compiled program."""
    base = {"max_iter": 3, "random_state": 0}
    estimators = {
        "two phases": MFRecommender(3, early_stopping=True, **base),
        "sgd": MFRecommender(3, solver="sgd", **base),
        "sgd l1": MFRecommender(3, solver="sgd", penalty="l1", early_stopping=True, **base),
        "sgd positive": MFRecommender(3, solver="sgd", positive=True, **base),
        "sgd compiled": MFRecommender(3, solver="sgd", penalty="elasticnet", **base),
        "als": MFRecommender(3, solver="als", early_stopping=True, **base),
        "als gradient": MFRecommender(40, solver="als", **base),
        "als l1": MFRecommender(3, solver="als", penalty="l1", **base),
        "als positive": MFRecommender(3, solver="als", positive=True, fit_bias=False, **base),
        "bayesian": BayesianMFRecommender(3, **base),
    }
    small, large = ratings(12, 9, 80), ratings(90, 80, 4500)
    return {
        name: estimator.fit(*(large if name == "sgd compiled" else small)).predict(small[0])
        for name, estimator in estimators.items()
        if names is None or name in names
    }


def main(file, *names):
    """Write the predictions; then print the error where eager execution is off for good."""
    for name in names:
        SETTINGS[name]()
    np.savez(file, **fits(CHECKED if "numerics" in names else None))
    tf.compat.v1.disable_eager_execution()
    try:
        MFRecommender(2).fit(*ratings(9, 8, 30))
    except RuntimeError as error:
        print(error)


if __name__ == "__main__":
    main(*sys.argv[1:])
