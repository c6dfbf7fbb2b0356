"""What each kind of information is worth: errors and lists of one model after another, with no setting.

    SKLEARN_MF_DATA=folder python docs/benchmarks/ladder.py [ml-latest-small] [ml-100k]

ml-latest-small is split 90/10, ML-100K is the official fold u1. Each row of the first table adds one kind of
information to the row above, but for the two last rows, which begin again with draws from the posterior
distribution. The second table has the default on a random part of the training ratings. The columns are the
RMSE on the test part, NDCG@10 of lists of unseen items where test ratings of at least 4 are relevant, and the
seconds of the fit.
"""

import sys
import time

import pandas as pd
from data import DATA, OBSERVED, PAIR, environment, films, people
from sklearn.base import BaseEstimator
from sklearn.metrics import root_mean_squared_error

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.metrics import ndcg_at_k

LIKED = 4
SHARES = (0.1, 0.3, 1.0)


def rungs(data: str) -> dict[str, BaseEstimator]:
    """The models of the first table."""
    tables = {"item": films(data), "user": people(data)}
    features = {column: table for column, table in tables.items() if table is not None}
    return {
        "number of ratings of an item": DummyRecommender(),
        "biases": MFRecommender(0, random_state=0),
        "observed ratings": MFRecommender(**OBSERVED, random_state=0),
        "+ unobserved cells": MFRecommender(implicit_features=0, random_state=0),
        "+ who rated what (default)": MFRecommender(random_state=0),
        "+ features": MFRecommender(features=features, random_state=0),
        "Bayesian": BayesianMFRecommender(random_state=0),
        "Bayesian, + features": BayesianMFRecommender(features=features, random_state=0),
    }


def measured(model: BaseEstimator, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """Figures of one model."""
    started = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - started
    liked = test.loc[test["rating"] >= LIKED, PAIR]
    lists = model.recommend(test["user"].unique(), n=10)
    return {
        "RMSE": root_mean_squared_error(test["rating"], model.predict(test[PAIR])),
        "NDCG@10": ndcg_at_k(liked, lists, k=10),
        "fit s": seconds,
    }


def printed(rows: dict[str, dict[str, float]]) -> None:
    """Print a table."""
    print(pd.DataFrame(rows).T.round(4).to_string(), flush=True)


if __name__ == "__main__":
    print(environment())
    for data in sys.argv[1:] or ["ml-latest-small", "ml-100k"]:
        train, test = DATA[data]()
        mean = {"RMSE": float(((test["rating"] - train["rating"].mean()) ** 2).mean() ** 0.5)}
        print(f"\n{data}")
        printed(
            {"mean of all ratings": mean}
            | {name: measured(m, train, test) for name, m in rungs(data).items()}
        )
        parts = {f"{share:.0%} of the ratings": train.sample(frac=share, random_state=0) for share in SHARES}
        printed({name: measured(MFRecommender(random_state=0), part, test) for name, part in parts.items()})
