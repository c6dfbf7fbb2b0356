"""GridSearchCV on ML-100K, embedding_dim x penalty x 5 folds on one process: seconds and compilations.

SKLEARN_MF_DATA=folder python docs/benchmarks/search.py
"""

import time

from data import OBSERVED, PAIR, environment, ml_100k
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_mf import MFRecommender
from sklearn_mf.solvers.sgd import _programs as steps

GRID = {"embedding_dim": [16, 32, 64], "penalty": ["l2", "l1", "elasticnet"]}

if __name__ == "__main__":
    print(environment())
    train, _ = ml_100k()
    search = GridSearchCV(
        MFRecommender(random_state=0, **OBSERVED),
        GRID,
        scoring="neg_root_mean_squared_error",
        cv=KFold(5, shuffle=True, random_state=0),
    )
    start = time.perf_counter()
    search.fit(train[PAIR], train["rating"])
    seconds = time.perf_counter() - start
    compilations = sum(part.n_traces() for part in steps._compiled)
    print(f"{seconds:.1f} s for 45 fits and the refit; {compilations} compilations for 3 embedding_dim")
    print(f"best cross-validated RMSE {-search.best_score_:.4f} with {search.best_params_}")
