"""Best settings per data set, by cross-validation on the training part; writes best_settings.json.

SKLEARN_MF_DATA=folder python docs/benchmarks/tune.py [solver] [data set]
"""

import itertools
import json
import sys

from data import BEST_SETTINGS, DATA, OBSERVED, PAIR, environment
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_mf import MFRecommender

# ML-1M: at most 12 epochs, so that fit takes less time than cornac's.
GRIDS = {
    "sgd": {
        "ml-1m": {
            "embedding_dim": [64],
            "alpha": [0.025, 0.03, 0.035, 0.04],
            "learning_rate": [0.05, 0.06, 0.07],
            "max_iter": [10, 12],
        },
        "ml-100k": {
            "embedding_dim": [64, 128, 256],
            "alpha": [0.05, 0.06, 0.07],
            "learning_rate": [0.06],
            "max_iter": [20, 26, 32],
        },
        "ml-latest-small": {
            "embedding_dim": [64, 128, 256],
            "alpha": [0.035, 0.04, 0.045],
            "learning_rate": [0.06],
            "max_iter": [12, 16, 20],
        },
    },
    "als": {
        "ml-1m": {"embedding_dim": [64], "alpha": [0.03, 0.035, 0.04], "max_iter": [8, 9, 10, 12]},
        "ml-100k": {"embedding_dim": [64, 128], "alpha": [0.045, 0.05, 0.06], "max_iter": [10, 14, 20]},
        "ml-latest-small": {
            "embedding_dim": [64, 128],
            "alpha": [0.035, 0.04, 0.045],
            "max_iter": [10, 14, 20],
        },
    },
}


def tune(name: str, solver: str) -> dict[str, object]:
    """Search the grid of a data set with 5 folds of its training part."""
    train, _ = DATA[name]()
    search = GridSearchCV(
        MFRecommender(solver=solver, random_state=0, **OBSERVED),
        GRIDS[solver][name],
        scoring="neg_root_mean_squared_error",
        cv=KFold(5, shuffle=True, random_state=0),
        refit=False,
    ).fit(train[PAIR], train["rating"])
    print(
        f"{name}, {solver}: cross-validated RMSE {-search.best_score_:.4f} with {search.best_params_}",
        flush=True,
    )
    return {"solver": solver, **search.best_params_}


if __name__ == "__main__":
    print(environment())
    for solver, name in itertools.product(GRIDS, DATA):
        if not {solver, name} >= set(sys.argv[1:]):
            continue
        settings = json.loads(BEST_SETTINGS.read_text()) if BEST_SETTINGS.exists() else {}
        settings.setdefault(name, {})[solver] = tune(name, solver)
        BEST_SETTINGS.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
