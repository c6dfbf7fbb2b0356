"""Test RMSE and MAE of defaults, best settings and biases only; and of the ratings times 20.

SKLEARN_MF_DATA=folder python docs/benchmarks/accuracy.py
"""

import json

import numpy as np
import pandas as pd
from data import BEST_SETTINGS, DATA, OBSERVED, PAIR, environment, ml_100k
from sklearn.dummy import DummyRegressor
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from sklearn_mf import MFRecommender


def evaluate(model, train: pd.DataFrame, test: pd.DataFrame, factor: float = 1.0) -> dict[str, float]:
    """Fit on train, score on test; ratings times `factor`."""
    model.fit(train[PAIR], factor * train["rating"])
    predicted, true = model.predict(test[PAIR]), factor * test["rating"]
    return {"RMSE": root_mean_squared_error(true, predicted), "MAE": mean_absolute_error(true, predicted)}


def models(name: str) -> dict[str, object]:
    """What is compared on a data set."""
    best = json.loads(BEST_SETTINGS.read_text())[name]
    return {
        "mean": DummyRegressor(),
        "biases only": MFRecommender(embedding_dim=0, random_state=0, **OBSERVED),
        "defaults": MFRecommender(random_state=0, **OBSERVED),
        "defaults, als": MFRecommender(solver="als", random_state=0, **OBSERVED),
        "best settings": MFRecommender(random_state=0, **best["sgd"]),
        "best settings, als": MFRecommender(random_state=0, **best["als"]),
    }


def rows() -> list[dict[str, object]]:
    """One row for each data set, model and factor."""
    found = []
    for name, load in DATA.items():
        train, test = load()
        for label, model in models(name).items():
            for factor in (1.0, 20.0):
                score = evaluate(model, train, test, factor)
                found.append({"data": name, "model": label, "times": factor, **score})
    for label in list(models("ml-100k"))[2:]:
        folds = [evaluate(models("ml-100k")[label], *ml_100k(f"u{number}")) for number in range(1, 6)]
        means = {metric: np.mean([fold[metric] for fold in folds]) for metric in ("RMSE", "MAE")}
        found.append({"data": "ml-100k, mean of u1 to u5", "model": label, "times": 1.0, **means})
    return found


if __name__ == "__main__":
    print(environment())
    print(pd.DataFrame(rows()).to_string(index=False, float_format="{:.4f}".format))
