"""GridSearchCV on ML-100K, 45 fits: wall seconds with one worker and with two; memory of repeated fits.

SKLEARN_MF_DATA=folder python docs/benchmarks/parallel.py [solver ...]
"""

import sys
import time

from data import PAIR, environment, ml_100k
from measuring import resident_mb
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_mf import MFRecommender

GRID = {"embedding_dim": [16, 32, 64], "alpha": [0.03, 0.045, 0.06]}


def seconds(train, solver: str, n_jobs: int) -> float:
    """Wall time of a search, the start of its workers and the refit included."""
    search = GridSearchCV(
        MFRecommender(solver=solver, random_state=0),
        GRID,
        scoring="neg_root_mean_squared_error",
        cv=KFold(5, shuffle=True, random_state=0),
        n_jobs=n_jobs,
    )
    start = time.perf_counter()
    search.fit(train[PAIR], train["rating"])
    elapsed = time.perf_counter() - start
    print(f"{solver}, n_jobs={n_jobs}: {elapsed:.1f} s, best RMSE {-search.best_score_:.4f}", flush=True)
    return elapsed


if __name__ == "__main__":
    print(environment())
    train, _ = ml_100k()
    for solver in sys.argv[1:] or ("sgd", "als"):
        two, one = (seconds(train, solver, n_jobs) for n_jobs in (2, 1))
        print(f"{solver}: ratio of two workers to one {two / one:.2f}")
        sizes = []
        for _ in range(20):
            MFRecommender(solver=solver, random_state=0).fit(train)
            sizes.append(round(resident_mb()))
        print(f"{solver}: resident after the fits 5, 10, 15, 20: {sizes[4::5]} MB")
