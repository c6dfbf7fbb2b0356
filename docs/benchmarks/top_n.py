"""Users per second of recommend() for everybody beside implicit and skrecsys, and the time for one user.

    SKLEARN_MF_DATA=folder python docs/benchmarks/top_n.py --peers PYTHON [--repeats 5]

PYTHON is the interpreter of an environment with implicit, skrecsys, numpy, scipy and pandas. On ML-1M 90/10
and on Gowalla (the published train part): embedding_dim 64, 10 items for each user, seen items left out, two
threads. Each library runs in turn in a fresh process, which trains for an epoch or two, recommends to 1,000
users to warm up and is timed on recommending to everybody: until there is a DataFrame for ours, two arrays
for the others. CPU seconds stand beside, which other programs on the machine disturb less. Gowalla has no
ratings: ours gets random ones. For one user the ranking alone is the search for the best codes, without ids
and table.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

SCRIPT = Path(__file__)
DATA_SETS = ["ml-1m", "gowalla"]
THREADS = 2


def ratings(name: str) -> pd.DataFrame:
    """The rows to train on, with whole numbers from 0 as ids; exits with a reason where they are absent."""
    import data

    if name == "ml-1m":
        table = data.ml_1m()[0]
    else:
        path = data.folder() / "gowalla/train.txt.gz"
        if not path.exists():
            sys.exit("skipped: the folder that SKLEARN_MF_DATA names has no gowalla/train.txt.gz")
        lines = pd.read_csv(path, header=None, names=["line"], sep="\0")["line"].str.split()
        table = pd.DataFrame({"user": lines.str[0], "item": lines.str[1:]}).explode("item").astype(int)
        table["rating"] = np.random.default_rng(0).integers(1, 6, len(table)).astype(float)
    codes = {name: pd.factorize(table[name], sort=True)[0] for name in data.PAIR}
    return table.assign(**codes)


def ours(table: pd.DataFrame) -> tuple[Callable, Callable]:
    """Call for some users and call for everybody."""
    from sklearn_mf import MFRecommender

    model = MFRecommender(64, max_iter=2, random_state=0, unobserved_weight=0).fit(table)
    return lambda some: model.recommend(some), lambda everybody: model.recommend()


def implicit(table: pd.DataFrame) -> tuple[Callable, Callable]:
    """Call for some users and call for everybody."""
    import scipy.sparse as sp
    from implicit.als import AlternatingLeastSquares

    seen = sp.csr_matrix((np.ones(len(table), dtype=np.float32), (table.user, table.item)))
    model = AlternatingLeastSquares(factors=64, iterations=1, num_threads=THREADS, random_state=0)
    model.fit(seen, show_progress=False)

    def recommend(users):
        return model.recommend(users, seen[users], N=10, filter_already_liked_items=True)

    def recommend_to_all(users):
        return model.recommend(users, seen, N=10, filter_already_liked_items=True)

    return recommend, recommend_to_all


def skrecsys(table: pd.DataFrame) -> tuple[Callable, Callable]:
    """Call for some users and call for everybody."""
    from skrecsys.recommendation import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(n_factors=64, max_iter=2, random_state=0, n_jobs=THREADS)
    model.fit(table[["user", "item"]].to_numpy())

    def recommend(users):
        return model.recommend(users, n_recommendations=10)

    return recommend, recommend


WHO = {"ours": ours, "implicit": implicit, "skrecsys": skrecsys}


def everybody(who: str, name: str) -> dict[str, float]:
    """Train, then time one call for all users."""
    table = ratings(name)
    to_some, to_all = WHO[who](table)
    users = np.arange(table.user.max() + 1)
    to_some(users[:1000])
    time.sleep(0.2)  # threads that wait for more work give up
    wall, cpu = time.perf_counter(), time.process_time()
    to_all(users)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"users per s": len(users) / wall, "CPU us per user": 1e6 * cpu / len(users)}


def one_user(repeats: int = 300) -> dict[str, float]:
    """Median milliseconds for one user of Gowalla: all of recommend(), and its ranking alone."""
    from sklearn_mf import MFRecommender
    from sklearn_mf.recommenders import _base

    model = MFRecommender(64, max_iter=2, random_state=0, unobserved_weight=0).fit(ratings("gowalla"))
    spent, whole, search = [], [], _base.top_n

    def timed(*args, **kwargs):
        start = time.perf_counter()
        found = search(*args, **kwargs)
        spent.append(time.perf_counter() - start)
        return found

    _base.top_n = timed
    for user in range(repeats):
        start = time.perf_counter()
        model.recommend(user)
        whole.append(time.perf_counter() - start)
    return {
        "whole call": 1e3 * np.median(whole),
        "ranking": 1e3 * np.median(spent),
        "least whole call": 1e3 * min(whole),
        "least ranking": 1e3 * min(spent),
    }


def in_fresh_process(python: str, *arguments: str) -> dict[str, float]:
    """What a run of this script prints last."""
    threads = {f"{name}_NUM_THREADS": str(THREADS) for name in ("OMP", "OPENBLAS", "MKL", "RAYON")}
    if arguments[0] == "implicit":
        threads["OPENBLAS_NUM_THREADS"] = "1"  # its own advice: it has threads of its own
    environment = {**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [python, str(SCRIPT), "--run", *arguments]
    output = subprocess.check_output(command, env=environment, text=True, stderr=subprocess.DEVNULL)
    return json.loads(output.splitlines()[-1])


def spread(values: list[float], digits: int = 0) -> str:
    """Median and range."""
    low, middle, high = min(values), np.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def compare(name: str, peers: str, repeats: int) -> None:
    """Print users per second on a data set, and the ratios pair by pair."""
    pythons = {"ours": sys.executable, "implicit": peers, "skrecsys": peers}
    runs = [
        {who: in_fresh_process(python, who, name) for who, python in pythons.items()} for _ in range(repeats)
    ]
    print(f"{name}: median of {repeats} (least to most)")
    for who in pythons:
        speeds, costs = ([run[who][key] for run in runs] for key in runs[0][who])
        print(f"  {who:8}  {spread(speeds)} users/s, {spread(costs, 1)} us of CPU a user")
    for rival in list(pythons)[1:]:
        ratios = [run["ours"]["users per s"] / run[rival]["users per s"] for run in runs]
        costs = [run[rival]["CPU us per user"] / run["ours"]["CPU us per user"] for run in runs]
        print(f"  ours / {rival}: {spread(ratios, 2)} times the users/s, 1 / {spread(costs, 2)} of the CPU")


def main() -> None:
    """Compare on both data sets, then time one user."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable, help="interpreter with implicit and skrecsys")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        who, *name = arguments.run
        print(json.dumps(one_user() if who == "one" else everybody(who, *name)))
        return
    from data import environment

    for name in DATA_SETS:
        ratings(name)  # exits where it is absent
    print(environment())
    for name in DATA_SETS:
        compare(name, arguments.peers, arguments.repeats)
    times = in_fresh_process(sys.executable, "one")
    print("one user of gowalla, ms:", ", ".join(f"{name} {value:.2f}" for name, value in times.items()))


if __name__ == "__main__":
    main()
