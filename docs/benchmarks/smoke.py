"""Counts instead of times, on synthetic ratings: traces, compilations, buffers of scores.

    python docs/benchmarks/smoke.py

The tests compare these counts with what they should be: a change that compiles or allocates more is noticed.
"""

import json
from unittest.mock import patch

import numpy as np
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_mf import MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.retrieval import _top_n
from sklearn_mf.solvers.als import _sweep as sweep
from sklearn_mf.solvers.sgd import _programs as steps

OBSERVED = {"unobserved_weight": 0, "prior_ratings": 0}
DIMS = [8, 16, 40]


def search(solver: str) -> None:
    """Fit 3 dimensions x 2 penalties x 3 folds and the best on all."""
    ratings = make_ratings(n_users=400, n_items=200, n_ratings=15_000, random_state=0)
    model = MFRecommender(solver=solver, max_iter=2, random_state=0, **OBSERVED)
    grid = {"embedding_dim": DIMS, "alpha": [0.03, 0.06]}
    folds = KFold(3, shuffle=True, random_state=0)
    GridSearchCV(model, grid, cv=folds).fit(ratings[["user", "item"]], ratings["rating"])


def compilations() -> int:
    """Compiled programs of a search with SGD, in a process that may have compiled some before."""
    compiled = steps.CompiledSteps.graphs(jit_compile=True)
    with patch.object(steps, "_compiled", compiled):
        search("sgd")
    return sum(part.n_traces() for part in compiled)


def traces() -> int:
    """Traced sweeps of a search with ALS, over both of its methods for ridge."""
    sweep.program.cache_clear()
    search("als")
    programs = (sweep.program(2, method, False, False) for method in ("cholesky", "gradient", "descent"))
    return sum(program.n_traces() for program in programs)


def score_buffers() -> dict[str, int]:
    """Buffers of scores that recommending to 3,000 users takes, and the bytes of the largest."""
    ratings = make_ratings(n_users=3_000, n_items=2_000, n_ratings=30_000, random_state=0)
    model = MFRecommender(8, max_iter=1, random_state=0, **OBSERVED).fit(ratings)
    made, full = [], np.full

    def counted(shape, value, **options):
        """Note the scores' buffers."""
        array = full(shape, value, **options)
        if array.dtype == np.float32:
            made.append(array.nbytes)
        return array

    with patch.object(_top_n.np, "full", counted), patch.object(_top_n, "n_threads", lambda _: 2):
        model.recommend(n=10)
    return {"score buffers": len(made), "bytes of the largest": max(made)}


if __name__ == "__main__":
    print(json.dumps({"compilations": compilations(), "traces": traces(), **score_buffers()}))
