"""GridSearchCV, 45 fits: wall seconds with one worker and with two; memory of repeated fits on ML-100K.

SKLEARN_MF_DATA=folder python docs/benchmarks/parallel.py [ml-100k/short] [ml-100k/long] [ml-1m/short]

What follows the name of the data is the length of the embeddings: 16, 32, 64 or 64, 128, 256. A session, that
is a new process, searches with one worker, with two, and so again: in the first pair one worker starts
TensorFlow and compiles in the user's process, two workers do so in processes of their own; the second pair
finds that done. Another session begins with two workers: there the refit starts TensorFlow once more.
"""

import os
import subprocess
import sys
import time

import numpy as np
from data import DATA, OBSERVED, PAIR, environment, ml_100k
from measuring import resident_mb
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_mf import MFRecommender

ALPHAS = [0.03, 0.045, 0.06]
EMBEDDING_DIMS = {"short": [16, 32, 64], "long": [64, 128, 256]}


def search(case: str, solver: str, numbers: list[int]) -> None:
    """Print the wall time, refit included, of one search after another, by number of workers."""
    data, length = case.split("/")
    train, _ = DATA[data]()
    grid = {"embedding_dim": EMBEDDING_DIMS[length], "alpha": ALPHAS}
    model = MFRecommender(solver=solver, random_state=0, **OBSERVED)
    folds = KFold(5, shuffle=True, random_state=0)
    for n_jobs in numbers:
        search = GridSearchCV(model, grid, scoring="neg_root_mean_squared_error", cv=folds, n_jobs=n_jobs)
        start = time.perf_counter()
        search.fit(train[PAIR], train["rating"])
        print(time.perf_counter() - start)


def seconds(case: str, solver: str, numbers: list[int]) -> list[float]:
    """Run the searches in a fresh process."""
    command = [sys.executable, __file__, "--run", case, solver, *map(str, numbers)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    output = subprocess.check_output(command, env=environment, text=True)
    return [float(line) for line in output.split()[-len(numbers) :]]


def memory(solver: str) -> list[int]:
    """Resident MB after each of 20 fits."""
    train, _ = ml_100k()
    sizes = []
    for _ in range(20):
        MFRecommender(solver=solver, random_state=0, **OBSERVED).fit(train)
        sizes.append(round(resident_mb()))
    return sizes


def compare(case: str, solver: str, n_rounds: int) -> None:
    """Print the times of some rounds and their ratios."""
    sessions = [seconds(case, solver, [1, 2, 1, 2]) + seconds(case, solver, [2]) for _ in range(n_rounds)]
    one, two, one_again, two_again, two_first = np.transpose(sessions)
    pairs = {"in turn": (one, two), "again": (one_again, two_again), "each first": (one, two_first)}
    for name, (alone, shared) in pairs.items():
        times = f"n_jobs=1 {np.median(alone):.1f} s, n_jobs=2 {np.median(shared):.1f} s"
        ratio = np.median(shared / alone)
        print(f"{case}, {solver}, {name}: {times}, ratio {ratio:.2f} (medians of {n_rounds})", flush=True)


def main(names: list[str]) -> None:
    """Print times and ratios, three rounds of the shortest case and one of the others, and the memory."""
    print(environment())
    for solver in ("sgd", "als"):
        for case in names or ["ml-100k/short", "ml-100k/long", "ml-1m/short"]:
            compare(case, solver, 3 if case == "ml-100k/short" else 1)
        print(f"{solver}: resident after the fits 5, 10, 15, 20: {memory(solver)[4::5]} MB", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        search(sys.argv[2], sys.argv[3], [int(number) for number in sys.argv[4:]])
    else:
        main(sys.argv[1:])
