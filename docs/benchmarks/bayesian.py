"""BayesianMFRecommender: accuracy and intervals with the defaults, and time beside myFM.

    SKLEARN_MF_DATA=folder python docs/benchmarks/bayesian.py [--only NAME ...]
    SKLEARN_MF_DATA=folder python docs/benchmarks/bayesian.py --myfm PYTHON [--repeats 3]

The first prints, for every data set, RMSE beside the tuned MFRecommender (best_settings.json), the share of
held-out ratings inside the 90 % intervals and their mean width, the standardised errors, R-hat and seconds;
then the same for ratings times 20. PYTHON of the second is the interpreter of an environment with myfm,
scipy, numpy and pandas: seconds per sweep on ML-1M at rank 32, and ML-100K u3 beside 200 sweeps of myFM at
rank 10, in turn, each in a fresh process with two threads.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np
from data import BEST_SETTINGS, DATA, PAIR, environment, ml_1m, ml_100k

FOLDS = ["u1", "u2", "u3", "u4", "u5"]
SETS = {**{f"ml-100k {fold}": (ml_100k, fold) for fold in FOLDS}, "ml-latest-small": (), "ml-1m": ()}


def load(name: str, times: float = 1.0):
    """Training and test part, ratings multiplied."""
    read = SETS[name][0](*SETS[name][1:]) if SETS[name] else DATA[name]()
    return tuple(part.assign(rating=part["rating"] * times) for part in read)


def rmse(predicted, true) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((np.asarray(predicted) - np.asarray(true)) ** 2)))


def tuned(name: str, train, test) -> float:
    """RMSE of the better solver of MFRecommender with the settings found by cross-validation."""
    from sklearn_mf import MFRecommender

    settings = json.loads(BEST_SETTINGS.read_text())[name.split()[0]].values()
    fits = [MFRecommender(random_state=0, **chosen).fit(train) for chosen in settings]
    return min(rmse(fit.predict(test[PAIR]), test["rating"]) for fit in fits)


def row(name: str, times: float = 1.0, **parameters) -> dict[str, float]:
    """Fit and test with the defaults but for some parameters."""
    from sklearn_mf import BayesianMFRecommender

    train, test = load(name, times)
    model = BayesianMFRecommender(random_state=0, **parameters)
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    mean, std = model.predict(test[PAIR], return_std=True)
    low, high = model.predict_interval(test[PAIR]).T
    inside = (low <= test["rating"]) & (test["rating"] <= high)
    return {
        "RMSE": rmse(mean, test["rating"]),
        "tuned MFRecommender": tuned(name, train, test),
        "inside 90 %": float(inside.mean()),
        "width": float(np.mean(high - low)),
        "z": float(np.std((test["rating"] - mean) / std)),
        "R-hat": model.r_hat_,
        "fit s": seconds,
    }


def shown(figures: dict[str, float]) -> str:
    """A line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def accuracy(only: list[str]) -> None:
    """Print all rows."""
    found = {}
    for name in only or SETS:
        found[name] = row(name)
        print(f"{name}: {shown(found[name])}", flush=True)
    folds = [found[name] for name in found if name.startswith("ml-100k")]
    if len(folds) == len(FOLDS):
        print(f"ml-100k, mean of the folds: {shown({k: np.mean([f[k] for f in folds]) for k in folds[0]})}")
    for name in [name for name in ("ml-100k u1", "ml-latest-small") if name in found]:
        print(f"{name} times 20: {shown(row(name, 20.0))}", flush=True)


def ours_by_sweep(_: int) -> dict[str, float]:
    """Seconds of a sweep on ML-1M at embedding_dim 32: 22 sweeps less 2."""
    from sklearn_mf import BayesianMFRecommender

    train, _test = ml_1m()
    BayesianMFRecommender(32, max_iter=2, random_state=0).fit(train)  # traces
    seconds = []
    for n in (2, 22):
        start = time.perf_counter()
        BayesianMFRecommender(32, max_iter=n, n_samples=1, random_state=0).fit(train)
        seconds.append(time.perf_counter() - start)
    return {"s": (seconds[1] - seconds[0]) / 20}


def ours_on_u3(sweeps: int) -> dict[str, float]:
    """Whole fit on ML-100K u3 at embedding_dim 16; TensorFlow is imported before."""
    import tensorflow  # noqa: F401

    from sklearn_mf import BayesianMFRecommender

    train, test = ml_100k("u3")
    model = BayesianMFRecommender(16, max_iter=sweeps, random_state=0)
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    return {"s": seconds, "RMSE": rmse(model.predict(test[PAIR]), test["rating"])}


def one_hot(train, test):
    """Rows of users and items, 1 in both columns of a rating, for myFM."""
    import pandas as pd
    import scipy.sparse as sp

    both = pd.concat([train, test])
    codes = [pd.factorize(both[column], sort=True)[0] for column in PAIR]
    sizes = [int(column.max()) + 1 for column in codes]
    rows = np.arange(len(both))
    columns = np.concatenate([codes[0], codes[1] + sizes[0]])
    X = sp.csr_matrix((np.ones(2 * len(both)), (np.concatenate([rows, rows]), columns)))
    return X[: len(train)], X[len(train) :], sizes


def myfm(train, test, rank: int, sweeps: int, kept: int) -> tuple[float, np.ndarray]:
    """Seconds of a fit and predictions."""
    import myfm as package

    X, X_test, sizes = one_hot(train, test)
    model = package.MyFMRegressor(rank=rank, random_seed=0)
    start = time.perf_counter()
    model.fit(X, train["rating"].to_numpy(), group_shapes=sizes, n_iter=sweeps, n_kept_samples=kept)
    return time.perf_counter() - start, model.predict(X_test)


def myfm_by_sweep(_: int) -> dict[str, float]:
    """Seconds of a sweep on ML-1M at rank 32: 12 sweeps less 2."""
    short, long = (myfm(*ml_1m(), 32, n, 1)[0] for n in (2, 12))
    return {"s": (long - short) / 10}


def myfm_on_u3(sweeps: int) -> dict[str, float]:
    """Whole fit on ML-100K u3 at rank 10, all but the first 20 sweeps kept."""
    train, test = ml_100k("u3")
    seconds, predicted = myfm(train, test, 10, sweeps, sweeps - 20)
    return {"s": seconds, "RMSE": rmse(np.clip(predicted, 1, 5), test["rating"])}


RUNS = {run.__name__: run for run in (ours_by_sweep, ours_on_u3, myfm_by_sweep, myfm_on_u3)}


def in_fresh_process(python: str, name: str, sweeps: int = 0) -> dict[str, float]:
    """Figures of one run."""
    variables = {**os.environ, "OMP_NUM_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [python, __file__, "--run", name, str(sweeps)]
    return json.loads(subprocess.check_output(command, env=variables, text=True).splitlines()[-1])


def beside_myfm(python: str, repeats: int) -> None:
    """Print seconds, ratios and errors."""
    sweeps = [
        (in_fresh_process(sys.executable, "ours_by_sweep"), in_fresh_process(python, "myfm_by_sweep"))
        for _ in range(repeats)
    ]
    ratios = [ours["s"] / theirs["s"] for ours, theirs in sweeps]
    print(f"ML-1M, seconds a sweep at 32: ours {np.median([o['s'] for o, _ in sweeps]):.3f}", end=", ")
    print(f"myFM {np.median([t['s'] for _, t in sweeps]):.3f}", end=", ")
    print(f"ratio {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)
    for n in (60, 100):
        fits = [
            (in_fresh_process(sys.executable, "ours_on_u3", n), in_fresh_process(python, "myfm_on_u3", 200))
            for _ in range(repeats)
        ]
        for who, runs in zip(("ours", "myFM"), zip(*fits, strict=True), strict=True):
            seconds = np.median([run["s"] for run in runs])
            print(f"ML-100K u3, {who}, {n if who == 'ours' else 200} sweeps: {seconds:.2f} s", end=", ")
            print(f"RMSE {runs[0]['RMSE']:.4f}", flush=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=SETS)
    parser.add_argument("--myfm", metavar="PYTHON")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--run", nargs=2)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(RUNS[arguments.run[0]](int(arguments.run[1]))))
        return
    print(environment())
    if arguments.myfm:
        beside_myfm(arguments.myfm, arguments.repeats)
    else:
        accuracy(arguments.only)


if __name__ == "__main__":
    main()
