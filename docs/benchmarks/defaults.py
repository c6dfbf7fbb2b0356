"""Where the defaults come from: RMSE by alpha, rate and epoch on held-out tenths of three training parts.

    SKLEARN_MF_DATA=folder python docs/benchmarks/defaults.py

For each alpha and learning_rate it prints, at a number of epochs, the RMSE on each data set and how far it
is from the least of that data set, summed over the three: the defaults are where this sum is small.
"""

import itertools

import numpy as np
import pandas as pd
from data import DATA, OBSERVED, environment

from sklearn_mf import MFRecommender

ALPHAS, RATES, EPOCHS = [0.03, 0.04, 0.045, 0.05, 0.06], [0.04, 0.06, 0.08], [12, 16, 20, 24, 28]


def curve(train: pd.DataFrame, alpha: float, learning_rate: float) -> np.ndarray:
    """RMSE after each epoch on a tenth of the training part; the mean of two splits."""
    scores = []
    for seed in (0, 1):
        model = MFRecommender(
            alpha=alpha, learning_rate=learning_rate, max_iter=max(EPOCHS), random_state=seed, **OBSERVED
        )
        model.set_params(early_stopping=True, n_iter_no_change=max(EPOCHS)).fit(train)
        scores.append(model.validation_scores_)
    return -np.mean(scores, axis=0)


if __name__ == "__main__":
    print(environment())
    parts = {name: load()[0] for name, load in DATA.items()}
    rows = []
    for alpha, rate in itertools.product(ALPHAS, RATES):
        curves = {name: curve(train, alpha, rate) for name, train in parts.items()}
        rows += [
            {"alpha": alpha, "learning_rate": rate, "epochs": n} | {k: c[n - 1] for k, c in curves.items()}
            for n in EPOCHS
        ]
    table = pd.DataFrame(rows)
    table["above least"] = (table[list(parts)] - table[list(parts)].min()).sum(axis=1)
    print(table.sort_values("above least").head(12).to_string(index=False, float_format="{:.4f}".format))
