"""Best alpha of a full search and of two halving searches, which thin the ratings or shorten the training.

    SKLEARN_MF_DATA=folder python docs/benchmarks/halving.py

On the training part of ml-latest-small. For each rung of a halving search it prints the resource, the best
alpha and the number of candidates; then, for each search, the chosen alpha, its RMSE in the full search, and
its RMSE on the test part.
"""

import pandas as pd
from data import OBSERVED, PAIR, environment, ml_latest_small
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, KFold

from sklearn_mf import MFRecommender

GRID = {"alpha": [0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.11, 0.15]}
OPTIONS = {"scoring": "neg_root_mean_squared_error", "cv": KFold(3, shuffle=True, random_state=0)}
MODEL = MFRecommender(random_state=0, **OBSERVED)
SEARCHES = {
    "GridSearchCV": GridSearchCV(MODEL, GRID, **OPTIONS),
    "halving, n_samples": HalvingGridSearchCV(MODEL, GRID, random_state=0, **OPTIONS),
    "halving, max_iter": HalvingGridSearchCV(
        MODEL, GRID, resource="max_iter", min_resources=5, max_resources=20, factor=2, **OPTIONS
    ),
}


def rungs(search: HalvingGridSearchCV) -> pd.DataFrame:
    """Resource, number of candidates, best alpha and its RMSE in each rung."""
    results = pd.DataFrame(search.cv_results_)
    best = results.loc[results.groupby("iter")["mean_test_score"].idxmax()]
    sizes = results.groupby("iter").size().to_numpy()
    columns = {"n_resources": search.resource, "param_alpha": "best alpha", "mean_test_score": "RMSE"}
    table = best[list(columns)].rename(columns=columns).assign(RMSE=-best["mean_test_score"])
    return table.assign(candidates=sizes)


if __name__ == "__main__":
    print(environment())
    train, test = ml_latest_small()
    rows = []
    for name, search in SEARCHES.items():
        search.fit(train[PAIR], train["rating"])
        if name != "GridSearchCV":
            print(f"\n{name}\n{rungs(search).to_string(index=False, float_format='{:.4g}'.format)}")
        error = root_mean_squared_error(test["rating"], search.predict(test[PAIR]))
        rows.append({"search": name, **search.best_params_, "test RMSE": error})
    full = pd.DataFrame(SEARCHES["GridSearchCV"].cv_results_).set_index("param_alpha")["mean_test_score"]
    table = pd.DataFrame(rows)
    table.insert(2, "RMSE in the full search", -full[table["alpha"]].to_numpy())
    print(f"\n{table.to_string(index=False, float_format='{:.4g}'.format)}")
