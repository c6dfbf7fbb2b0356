"""Lasso at rising alpha beside ridge and biases only, on ML-100K u1: exact zeros and test RMSE.

The RMSE at every alpha is that of the test part: a picture of what the penalty does, not a choice of alpha.

SKLEARN_MF_DATA=folder python docs/benchmarks/lasso.py [figure.png]
"""

import sys

import numpy as np
import pandas as pd
from data import OBSERVED, PAIR, environment, ml_100k
from sklearn.metrics import root_mean_squared_error

from sklearn_mf import MFRecommender

ALPHAS = [0.001, 0.003, 0.005, 0.01, 0.014, 0.02, 0.03, 0.05, 0.1]


def measure(train: pd.DataFrame, test: pd.DataFrame, **parameters) -> dict[str, float]:
    """Share of zeros among coordinates and among whole embeddings, and test RMSE."""
    model = MFRecommender(random_state=0, **parameters, **OBSERVED).fit(train)
    coordinates = np.concatenate(model.embeddings_)
    return {
        **parameters,
        "zero coordinates": np.mean(coordinates == 0) if coordinates.size else np.nan,
        "zero embeddings": np.mean((coordinates == 0).all(axis=1)) if coordinates.size else np.nan,
        "RMSE": root_mean_squared_error(test["rating"], model.predict(test[PAIR])),
    }


def plot(lasso: pd.DataFrame, ridge: float, biases: float, path: str) -> None:
    """Zeros and RMSE against alpha, one above the other."""
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(6.4, 6), layout="constrained")
    above.plot(lasso["alpha"], 100 * lasso["zero coordinates"], "o-", label="coordinates")
    above.plot(lasso["alpha"], 100 * lasso["zero embeddings"], "s--", label="whole embeddings")
    above.set(ylabel="exact zeros (%)", title="Lasso on ML-100K u1, defaults otherwise")
    above.legend()
    below.plot(lasso["alpha"], lasso["RMSE"], "o-", label="lasso")
    below.axhline(ridge, color="C2", linestyle="--", label="ridge, defaults")
    below.axhline(biases, color="C3", linestyle=":", label="biases only")
    below.set(xscale="log", xlabel="alpha", ylabel="test RMSE")
    below.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    print(environment())
    train, test = ml_100k()
    lasso = pd.DataFrame([measure(train, test, penalty="l1", alpha=alpha) for alpha in ALPHAS])
    others = pd.DataFrame([measure(train, test, penalty="l2"), measure(train, test, embedding_dim=0)])
    print(pd.concat([lasso, others]).to_string(index=False, float_format="{:.4f}".format))
    if sys.argv[1:]:
        plot(lasso, *others["RMSE"], sys.argv[1])
