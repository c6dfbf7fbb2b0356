"""GridSearchCV, 45 fits: wall seconds with one worker and with two; memory of repeated fits on ML-100K.

SKLEARN_MF_DATA=folder python docs/benchmarks/parallel.py [ml-100k/short] [ml-100k/long] [ml-1m/short]

What follows the name of the data is the length of the embeddings: 16, 32, 64 or 64, 128, 256. Each search is
made twice in a session. In the first each process starts TensorFlow and compiles; the second finds that done.
"""

import os
import subprocess
import sys
import time

import numpy as np
from data import DATA, PAIR, environment, ml_100k
from measuring import resident_mb
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_mf import MFRecommender

ALPHAS = [0.03, 0.045, 0.06]
EMBEDDING_DIMS = {"short": [16, 32, 64], "long": [64, 128, 256]}


def search(case: str, solver: str, n_jobs: int) -> None:
    """Print the wall times of a search and of its repetition, refit included."""
    data, length = case.split("/")
    train, _ = DATA[data]()
    grid = {"embedding_dim": EMBEDDING_DIMS[length], "alpha": ALPHAS}
    model = MFRecommender(solver=solver, random_state=0)
    folds = KFold(5, shuffle=True, random_state=0)
    grid_search = GridSearchCV(model, grid, scoring="neg_root_mean_squared_error", cv=folds, n_jobs=n_jobs)
    for _ in range(2):
        start = time.perf_counter()
        grid_search.fit(train[PAIR], train["rating"])
        print(time.perf_counter() - start)


def seconds(case: str, solver: str, n_jobs: int) -> list[float]:
    """Run the search twice in a fresh process."""
    command = [sys.executable, __file__, "--run", case, solver, str(n_jobs)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return [float(line) for line in subprocess.check_output(command, env=environment, text=True).split()[-2:]]


def memory(solver: str) -> list[int]:
    """Resident MB after each of 20 fits."""
    train, _ = ml_100k()
    sizes = []
    for _ in range(20):
        MFRecommender(solver=solver, random_state=0).fit(train)
        sizes.append(round(resident_mb()))
    return sizes


def compare(case: str, solver: str, n_rounds: int) -> None:
    """Print the times of some rounds and their ratio."""
    rounds = np.array([(seconds(case, solver, 1), seconds(case, solver, 2)) for _ in range(n_rounds)])
    for run, name in enumerate(["first", "again"]):
        one, two = np.median(rounds[:, :, run], axis=0)
        ratio = np.median(rounds[:, 1, run] / rounds[:, 0, run])
        print(f"{case}, {solver}, {name}: n_jobs=1 {one:.1f} s, n_jobs=2 {two:.1f} s", end=", ")
        print(f"ratio {ratio:.2f} (medians of {n_rounds})", flush=True)


def main(names: list[str]) -> None:
    """Print times and ratio for each case, three rounds of ML-100K and one of others, and the memory."""
    print(environment())
    for solver in ("sgd", "als"):
        for case in names or ["ml-100k/short", "ml-100k/long", "ml-1m/short"]:
            compare(case, solver, 3 if case.startswith("ml-100k") else 1)
        print(f"{solver}: resident after the fits 5, 10, 15, 20: {memory(solver)[4::5]} MB", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        search(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(sys.argv[1:])
