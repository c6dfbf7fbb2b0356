"""Limits in numbers: seconds, memory and size of the model by ratings, ids and dimensions. Linux.

    python docs/benchmarks/limits.py [--only CASE ...]

The ratings are synthetic, and each case runs in a process of its own, one after the other. A row holds the
seconds and CPU seconds of fit, after a small fit that imports TensorFlow and compiles; the memory that fit
adds at its peak to what the process has before; the size of the pickled model; the seconds of lists of ten
items for 1,000 users in one call; and the milliseconds of one list in a call of its own.
"""

import argparse
import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from data import environment
from measuring import Watch

# Name of a case: estimator, embedding_dim, ratings, users, items.
CASES = {
    "default, 32": ("MFRecommender", 32, 300_000, 20_000, 4_000),
    "default, 128": ("MFRecommender", 128, 300_000, 20_000, 4_000),
    "als, 64": ("als", 64, 1_000_000, 6_666, 1_333),
    "sgd, 64": ("sgd", 64, 1_000_000, 6_666, 1_333),
    "als, 8, many ids": ("als", 8, 1_000_000, 1_000_000, 100_000),
    "implicit, 64": ("ImplicitMFRecommender", 64, 300_000, 20_000, 4_000),
    "Bayesian, 16": ("BayesianMFRecommender", 16, 100_000, 1_000, 1_000),
}


def rows(n_ratings: int, n_users: int, n_items: int) -> pd.DataFrame:
    """Ratings of one to five stars; every id occurs, popular items are rated more often."""
    rng = np.random.default_rng(0)
    users = np.concatenate(
        [np.arange(min(n_users, n_ratings)), rng.integers(0, n_users, max(n_ratings - n_users, 0))]
    )
    items = (n_items * rng.random(n_ratings) ** 2).astype(np.int64)
    return pd.DataFrame(
        {"user": users, "item": items, "rating": rng.integers(1, 6, n_ratings).astype(np.float32)}
    )


def estimator(name: str, dim: int) -> object:
    """An estimator without fit."""
    import sklearn_mf

    if name in ("als", "sgd"):
        return sklearn_mf.MFRecommender(
            dim, solver=name, unobserved_weight=0, prior_ratings=0, max_iter=10, random_state=0
        )
    return getattr(sklearn_mf, name)(dim, random_state=0)


def measured(case: str) -> dict[str, float]:
    """Figures of one case, in this process."""
    name, dim, *size = CASES[case]
    estimator(name, dim).fit(rows(3_000, 100, 50))  # imports and compiles
    table = rows(*size)
    model = estimator(name, dim)
    cpu = time.process_time()
    with Watch() as watch:
        model.fit(table)
    cpu = time.process_time() - cpu
    users = model.user_ids_[:1000]
    started = time.perf_counter()
    model.recommend(users, n=10)
    many = time.perf_counter() - started
    started = time.perf_counter()
    for user in users[:20]:
        model.recommend(user, n=10)
    one = (time.perf_counter() - started) / 20
    n_ids = len(model.user_ids_) + len(model.item_ids_)
    size_of_model = len(pickle.dumps(model, protocol=5))
    return {
        "ratings": len(table),
        "ids": n_ids,
        "fit s": watch.seconds,
        "CPU s": cpu,
        "fit adds MB": watch.peak_mb - watch.before_mb,
        "model MB": size_of_model / 2**20,
        "1,000 lists s": many,
        "one list ms": 1000 * one,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--only", nargs="*", default=list(CASES))
    arguments = parser.parse_args()
    if arguments.case:
        print("RESULT " + json.dumps(measured(arguments.case)))
        sys.exit()
    print(environment())
    table = {}
    for case in arguments.only:
        command = [sys.executable, str(Path(__file__)), "--case", case]
        lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.splitlines()
        results = [line for line in lines if line.startswith("RESULT")]
        table[case] = json.loads(results[0].removeprefix("RESULT ")) if results else {}
    frame = pd.DataFrame(table).T
    print(frame.astype({"ratings": "Int64", "ids": "Int64"}).round(2).to_string())
