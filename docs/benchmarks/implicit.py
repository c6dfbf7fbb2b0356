"""Alternating least squares with unobserved cells on Gowalla: seconds, objective and recall.

    SKLEARN_MF_DATA=folder python docs/benchmarks/implicit.py sweeps [--dims 64 128] [--methods gradient]
    SKLEARN_MF_DATA=folder python docs/benchmarks/implicit.py validate [--dims 64] [--sweeps 8]
    SKLEARN_MF_DATA=folder python docs/benchmarks/implicit.py fits [--peers folder --python interpreter]

`sweeps` prints the median seconds of a sweep after the first, on the clock and of the processors, the
objective, and the slope of the seconds from dimension 128 on, by least squares in logarithms. `validate`
holds out a tenth of the items of each user of the training part and prints recall@20 by alpha and sweeps.
`fits` prints whole fits on the training part and recall@20 on the published test part; with --peers,
implicit's conjugate gradient runs before each of them: the folder has its script, the interpreter its
environment.
"""

import argparse
import os
import subprocess
import time

import numpy as np
import pandas as pd
from data import PAIR, environment
from implicit_settings import gowalla

from sklearn_mf import ImplicitMFRecommender
from sklearn_mf.metrics import recall_at_k
from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.model_selection import PerUserKFold
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._registry import load_solver
from sklearn_mf.solvers._training import ALSOptions, Unobserved

ALPHA, RATIO = 0.005, 15.0
# Sweeps of `fits`: best on a validation part for 64 and 512 dimensions, in between and above by judgement.
SWEEPS = {64: 4, 128: 5, 256: 6, 512: 6, 1024: 6}
# What the estimator is given beside its dimension and sweeps: the objective of `sweeps`.
SETTINGS = {"alpha": ALPHA, "unobserved_weight": RATIO, "prior_ratings": 0, "confidence": None, "tol": 0}


def coded(train: pd.DataFrame) -> Ratings:
    """Interactions as ratings of 1."""
    codes, ids = zip(*(pd.factorize(train[name], sort=True) for name in PAIR), strict=True)
    ones = np.ones(len(train))
    return Ratings.merge([column.astype(np.int32) for column in codes], ones, ones, tuple(map(len, ids)))


def sweeps(train: pd.DataFrame, dims: list[int], methods: list[str], n_sweeps: int) -> pd.DataFrame:
    """Seconds of a sweep and objective by method and dimension."""
    ratings, rows = coded(train), []
    solver = load_solver("als")
    from sklearn_mf.solvers.als import _solver

    options = ALSOptions(0.0, ALPHA, False, False, unobserved=Unobserved.of(ratings, RATIO, 0.0))
    for method in methods:
        _solver.best_method = lambda *_, method=method: method
        for dim in dims:
            run = solver(ratings, None, fresh_start(ratings, 0.0, 1.0, dim, 0, solver.start_std), options)
            clocks, losses = [], []
            for number in range(n_sweeps):
                before = time.perf_counter(), time.process_time()
                losses.append(run.run_epoch(number)[0])
                clocks.append((time.perf_counter() - before[0], time.process_time() - before[1]))
            wall, cpu = np.median(clocks[1:], axis=0)  # the first sweep traces the graph
            rows.append((method, dim, wall, cpu, losses[-1]))
            print(*rows[-1], flush=True)
    return pd.DataFrame(rows, columns=["method", "embedding_dim", "wall_s", "cpu_s", "objective"])


def slope(table: pd.DataFrame, seconds: str) -> float:
    """Exponent of the seconds in the dimension, from 128 on."""
    large = table[table["embedding_dim"] >= 128]
    return float(np.polyfit(np.log(large["embedding_dim"]), np.log(large[seconds]), 1)[0])


def print_sweeps(arguments: argparse.Namespace) -> None:
    """Table and slopes."""
    table = sweeps(gowalla()[0], arguments.dims, arguments.methods, arguments.sweeps)
    print(table.to_string(index=False))
    for method, part in table.groupby("method"):
        if (part["embedding_dim"] >= 128).sum() > 1:
            print(
                f"{method}: slope {slope(part, 'wall_s'):.2f} on the clock, {slope(part, 'cpu_s'):.2f} of CPU"
            )


def validate(arguments: argparse.Namespace) -> None:
    """Recall@20 of held-out interactions of the training part, by alpha and number of sweeps."""
    train, _ = gowalla()
    rows, held_out = next(PerUserKFold(10, random_state=0).split(train))
    for dim in arguments.dims:
        for alpha in (0.003, 0.005, 0.008, 0.012):
            for n_sweeps in range(3, arguments.sweeps + 1):
                fitted = fit(train.iloc[rows], dim, n_sweeps, alpha=alpha)[0]
                print(
                    f"{dim} alpha={alpha} {n_sweeps} sweeps: {recall(fitted, train.iloc[held_out]):.4f}",
                    flush=True,
                )


def fit(
    train: pd.DataFrame, dim: int, n_sweeps: int, **changes: float
) -> tuple[ImplicitMFRecommender, float, float]:
    """A fitted model, and its seconds on the clock and of the processors."""
    model = ImplicitMFRecommender(dim, max_iter=n_sweeps, random_state=0, **{**SETTINGS, **changes})
    before = time.perf_counter(), time.process_time()
    model.fit(train)
    return model, time.perf_counter() - before[0], time.process_time() - before[1]


def recall(model: ImplicitMFRecommender, test: pd.DataFrame) -> float:
    """Recall@20 over the users with test interactions."""
    return recall_at_k(test, model.recommend(test["user"].unique(), n=20), 20)


def fits(arguments: argparse.Namespace) -> None:
    """Whole fits beside implicit's."""
    train, test = gowalla()
    fit(train.head(1000), 8, 1)  # imports TensorFlow
    for dim in arguments.dims:
        if arguments.peers and dim <= 128:
            run_peer(arguments.peers, arguments.python, f"implicit/als-cg-{dim}/gowalla")
        model, wall, cpu = fit(train, dim, SWEEPS[dim])
        line = f"sklearn_mf {dim}: {SWEEPS[dim]} sweeps, fit {wall:.2f} s, {cpu:.2f} s of CPU"
        print(f"{line}, recall@20 {recall(model, test):.4f}", flush=True)


def run_peer(folder: str, python: str, case: str) -> None:
    """Print the figures of a rival's case."""
    command = [python, "peer_implicit.py", "--case", case]
    environ = {**os.environ, "SKLEARN_MF_OUT": os.devnull}
    print(subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["sweeps", "validate", "fits"])
    parser.add_argument("--dims", nargs="*", type=int, default=sorted(SWEEPS))
    parser.add_argument("--methods", nargs="*", default=["gradient"])
    parser.add_argument("--sweeps", type=int, default=4)
    parser.add_argument("--peers")
    parser.add_argument("--python", default="python")
    arguments = parser.parse_args()
    print(environment())
    {"sweeps": print_sweeps, "validate": validate, "fits": fits}[arguments.what](arguments)


if __name__ == "__main__":
    main()
