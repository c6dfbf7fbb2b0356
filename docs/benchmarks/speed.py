"""Wall time of fit on ML-1M 90/10 at embedding_dim 64 beside cornac's MF, in turn, each in a fresh process.

    SKLEARN_MF_DATA=folder python docs/benchmarks/speed.py --cornac PYTHON [--repeats 5]

PYTHON is the interpreter of an environment with cornac, numpy and pandas. Both get two threads and the
same rows in memory; imports are not in the times, all else is: cornac's data set and training, our ids and
compilation.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

SCRIPT = Path(__file__)


def fit_ours() -> dict[str, float]:
    """Best settings of ML-1M."""
    import time

    import tensorflow  # noqa: F401
    from data import BEST_SETTINGS, ml_1m

    from sklearn_mf import MFRecommender
    from sklearn_mf.solvers.sgd import _solver as sgd  # noqa: F401

    train, test = ml_1m()
    model = MFRecommender(random_state=0, **json.loads(BEST_SETTINGS.read_text())["ml-1m"]["sgd"])
    start = time.perf_counter()
    model.fit(train)
    return result(time.perf_counter() - start, model.predict(test[["user", "item"]]), test["rating"])


def fit_cornac() -> dict[str, float]:
    """cornac with its best settings known: rank 64, 50 epochs, rate 0.01, penalty 0.045, two threads."""
    import time

    from cornac.data import Dataset
    from cornac.models import MF
    from data import ml_1m

    train, test = ml_1m()
    model = MF(
        k=64, max_iter=50, learning_rate=0.01, lambda_reg=0.045, use_bias=True, num_threads=2, verbose=False
    )
    start = time.perf_counter()
    triples = list(zip(train.user.tolist(), train.item.tolist(), train.rating.tolist(), strict=True))
    data = Dataset.from_uir(triples)
    prepared = time.perf_counter()
    model.fit(data)
    seconds = time.perf_counter() - start
    users, items = model.uid_map, model.iid_map
    known = test[test.user.isin(list(users)) & test.item.isin(list(items))]
    predicted = [model.rate(users[u], items[i]) for u, i in zip(known.user, known.item, strict=True)]
    answer = pd.Series(predicted, known.index).reindex(test.index).fillna(train.rating.mean())
    return {**result(seconds, answer.clip(1, 5), test["rating"]), "data set": prepared - start}


def result(seconds: float, predicted, true) -> dict[str, float]:
    """Seconds and test RMSE."""
    return {
        "seconds": seconds,
        "RMSE": float(np.sqrt(np.mean((np.asarray(predicted) - np.asarray(true)) ** 2))),
    }


def in_fresh_process(python: str, who: str) -> dict[str, float]:
    """Run one of the two fits on its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    output = subprocess.check_output([python, str(SCRIPT), "--run", who], env=environment, text=True)
    return json.loads(output.splitlines()[-1])


def main() -> None:
    """Run both in turn and print their times, the ratio pair by pair, and the RMSEs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cornac", default=sys.executable, help="interpreter with cornac")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--run", choices=["ours", "cornac"])
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps({"ours": fit_ours, "cornac": fit_cornac}[arguments.run]()))
        return
    from data import environment

    print(environment())
    both = {"ours": sys.executable, "cornac": arguments.cornac}
    runs = [
        {who: in_fresh_process(python, who) for who, python in both.items()} for _ in range(arguments.repeats)
    ]
    for who in both:
        seconds = [run[who]["seconds"] for run in runs]
        errors = [run[who]["RMSE"] for run in runs]
        print(
            f"{who}: fit {np.median(seconds):.2f} s (median of {len(runs)}, {min(seconds):.2f} to "
            f"{max(seconds):.2f}), RMSE {min(errors):.4f} to {max(errors):.4f}"
        )
    making = np.median([run["cornac"]["data set"] for run in runs])
    print(f"of cornac's seconds, {making:.2f} (median) make its data set from the rows")
    ratios = [run["ours"]["seconds"] / run["cornac"]["seconds"] for run in runs]
    print(f"ratio ours / cornac: {np.median(ratios):.2f} (median, {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
